use actix_web::{HttpResponse, get};
use async_trait::async_trait;
use fairlead_domain::access::ViewUsers;
use fairlead_domain::cache::{CacheKey, Namespace, Tag};
use fairlead_domain::identity::{User, UserId};

use super::view::UserView;
use crate::path::PathId;
use crate::problem::Problem;
use crate::read::{Question, Read, Reading};
use crate::representation::Representation;
use crate::spec::IfNoneMatch;

pub(crate) struct GetUser(pub(crate) UserId);

#[async_trait]
impl Question for GetUser {
    fn key(&self) -> Option<CacheKey> {
        Some(CacheKey::new(Namespace::User, format!("id={}", self.0)))
    }

    fn tags(&self) -> Vec<Tag> {
        vec![Tag::User(self.0)]
    }

    async fn load(&self, from: &mut Reading<'_>) -> Result<Representation, Problem> {
        let found = from.uow.users().find(self.0).await?;
        let user = found.ok_or_else(Problem::not_found)?;
        let view = UserView::from(user);
        Ok(Representation::of_version(view.tag(), &view))
    }
}

/// Get a user.
#[utoipa::path(
    tag = "users",
    operation_id = "getUser",
    params(("id" = uuid::Uuid, Path, description = "The user's id."), IfNoneMatch),
    responses((status = 200, description = "The user.", body = UserView)),
    extensions(("x-permit" = json!("ViewUsers"))),
)]
#[get("/users/{id}")]
pub(super) async fn get(read: Read<ViewUsers>, id: PathId<User>) -> Result<HttpResponse, Problem> {
    read.answer(GetUser(id.0)).await
}

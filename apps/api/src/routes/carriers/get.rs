use actix_web::{HttpResponse, get};
use async_trait::async_trait;
use fairlead_domain::access::ViewCarriers;
use fairlead_domain::cache::{CacheKey, Namespace, Tag};
use fairlead_domain::carriers::{Carrier, CarrierId};

use super::view::CarrierView;
use crate::conditional::EntityTag;
use crate::path::PathId;
use crate::problem::Problem;
use crate::read::{Question, Read, Reading};
use crate::representation::Representation;
use crate::spec::IfNoneMatch;

pub(crate) struct GetCarrier(pub(crate) CarrierId);

#[async_trait]
impl Question for GetCarrier {
    fn key(&self) -> Option<CacheKey> {
        Some(CacheKey::new(Namespace::Carrier, format!("id={}", self.0)))
    }

    fn tags(&self) -> Vec<Tag> {
        vec![Tag::Carrier(self.0)]
    }

    async fn load(&self, from: &mut Reading<'_>) -> Result<Representation, Problem> {
        let found = from.uow.carriers().find(self.0).await?;
        let carrier = found.ok_or_else(Problem::not_found)?;
        let tag = EntityTag::of(carrier.revision());
        let updated_at = carrier.updated_at;
        Ok(Representation::of_version(tag, &CarrierView::from(carrier)).modified_at(updated_at))
    }
}

/// Get a carrier.
#[utoipa::path(
    tag = "carriers",
    operation_id = "getCarrier",
    params(("id" = uuid::Uuid, Path, description = "The carrier's id."), IfNoneMatch),
    responses((status = 200, description = "The carrier.", body = CarrierView)),
    extensions(("x-permit" = json!("ViewCarriers"))),
)]
#[get("/carriers/{id}")]
pub(super) async fn get(read: Read<ViewCarriers>, id: PathId<Carrier>) -> Result<HttpResponse, Problem> {
    read.answer(GetCarrier(id.0)).await
}

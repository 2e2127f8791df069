use actix_web::{HttpResponse, get};
use async_trait::async_trait;
use fairlead_domain::access::ViewTenant;
use fairlead_domain::cache::{CacheKey, Namespace, Tag};

use super::view::TenantView;
use crate::conditional::EntityTag;
use crate::problem::Problem;
use crate::read::{Question, Read, Reading};
use crate::representation::Representation;
use crate::spec::IfNoneMatch;

pub(crate) struct GetTenant;

#[async_trait]
impl Question for GetTenant {
    fn key(&self) -> Option<CacheKey> {
        Some(CacheKey::new(Namespace::Tenant, ""))
    }

    fn tags(&self) -> Vec<Tag> {
        vec![Tag::Tenant]
    }

    async fn load(&self, from: &mut Reading<'_>) -> Result<Representation, Problem> {
        let tenant = from.uow.tenants().get().await?;
        let tag = EntityTag::of(tenant.revision());
        let updated_at = tenant.updated_at;
        Ok(Representation::of_version(tag, &TenantView::from(tenant)).modified_at(updated_at))
    }
}

/// Get the tenant.
#[utoipa::path(
    tag = "tenant",
    operation_id = "getTenant",
    params(IfNoneMatch),
    responses((status = 200, description = "The caller's tenant.", body = TenantView)),
    extensions(("x-permit" = json!("ViewTenant"))),
)]
#[get("/tenant")]
pub(super) async fn get(read: Read<ViewTenant>) -> Result<HttpResponse, Problem> {
    read.answer(GetTenant).await
}

use actix_web::{HttpResponse, get};
use async_trait::async_trait;
use fairlead_domain::access::ViewCarriers;
use fairlead_domain::cache::{Namespace, Tag};
use fairlead_domain::carriers::{Carrier, CarrierFilter, PartnershipStatus, PartnershipTier};
use fairlead_domain::paging::{Page, Paging};
use fairlead_domain::store::{StoreError, UnitOfWork};
use utoipa::IntoParams;

use super::body::{StatusName, TierName};
use super::view::CarrierView;
use crate::fields::FieldsQuery;
use crate::paging::{ListName, Listing, PagingQuery};
use crate::problem::Problem;
use crate::query::{FromQuery, QueryOf, QueryReader};
use crate::read::{ListFilter, ListOf, Read};
use crate::spec::IfNoneMatch;

/// What a [`CarrierFilter`] is read from, for the specification.
#[derive(IntoParams)]
#[into_params(parameter_in = Query, rename_all = "camelCase")]
#[expect(dead_code, reason = "documents parameters")]
struct CarriersParameters {
    /// Only active ones, or only inactive ones.
    #[param(nullable = false)]
    active: Option<bool>,
    #[param(nullable = false, inline)]
    partnership_status: Option<StatusName>,
    #[param(nullable = false, inline)]
    partnership_tier: Option<TierName>,
    /// Those with at least this score.
    #[param(minimum = 0, maximum = 100, nullable = false)]
    min_performance_score: Option<i32>,
}

impl FromQuery for CarrierFilter {
    fn read(query: &mut QueryReader) -> Self {
        Self {
            active: query.boolean("active"),
            partnership_status: query.choice(
                "partnershipStatus",
                PartnershipStatus::parse,
                PartnershipStatus::ALL.map(PartnershipStatus::as_str),
            ),
            partnership_tier: query.choice(
                "partnershipTier",
                PartnershipTier::parse,
                PartnershipTier::ALL.map(PartnershipTier::as_str),
            ),
            min_performance_score: query.integer("minPerformanceScore", 0..=100),
        }
    }
}

#[async_trait]
impl ListFilter for CarrierFilter {
    const LIST: ListName = ListName {
        operation: "listCarriers",
        order: "createdAt:desc",
    };
    const NAMESPACE: Namespace = Namespace::CarrierList;
    type Item = Carrier;
    type View = CarrierView;

    fn tags(&self) -> Vec<Tag> {
        vec![Tag::Carriers]
    }

    async fn page(&self, uow: &mut dyn UnitOfWork, paging: &Paging) -> Result<Page<Carrier>, StoreError> {
        uow.carriers().list(self, paging).await
    }
}

/// List carriers, the newest first.
#[utoipa::path(
    tag = "carriers",
    operation_id = "listCarriers",
    params(CarriersParameters, FieldsQuery<CarrierView>, PagingQuery, IfNoneMatch),
    responses((status = 200, description = "A page of carriers.", body = Listing<CarrierView>)),
    extensions(("x-permit" = json!("ViewCarriers"))),
)]
#[get("/carriers")]
pub(super) async fn list(
    read: Read<ViewCarriers>,
    query: QueryOf<ListOf<CarrierFilter>>,
) -> Result<HttpResponse, Problem> {
    read.answer(query.0).await
}

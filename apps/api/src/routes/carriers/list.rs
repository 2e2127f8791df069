use actix_web::{HttpRequest, HttpResponse, get, web};
use fairlead_domain::access::ViewCarriers;
use fairlead_domain::carriers::{CarrierFilter, PartnershipStatus, PartnershipTier};
use fairlead_domain::consistency::ReadIntent;
use utoipa::IntoParams;

use super::body::{StatusName, TierName};
use super::view::CarrierView;
use crate::Services;
use crate::authentication::Permitted;
use crate::conditional;
use crate::fields::{Fields, FieldsQuery};
use crate::paging::{ListName, Listing, PagingQuery};
use crate::problem::Problem;
use crate::query::{FromQuery, QueryOf, QueryReader};
use crate::spec::IfNoneMatch;

const LIST: ListName = ListName {
    operation: "listCarriers",
    order: "createdAt:desc",
};

/// What [`CarriersQuery`] reads, for the specification.
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

#[derive(Debug)]
struct CarriersQuery {
    filter: CarrierFilter,
    fields: Fields<CarrierView>,
    paging: PagingQuery,
}

impl FromQuery for CarriersQuery {
    fn read(query: &mut QueryReader) -> Self {
        Self {
            filter: CarrierFilter {
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
            },
            fields: Fields::read(query),
            paging: PagingQuery::read(query),
        }
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
    request: HttpRequest,
    services: web::Data<Services>,
    permit: Permitted<ViewCarriers>,
    query: QueryOf<CarriersQuery>,
) -> Result<HttpResponse, Problem> {
    let CarriersQuery {
        filter,
        fields,
        paging,
    } = query.0;
    let wanted = paging.paging(&services.cursors, permit.scope(), LIST)?;

    let mut uow = services
        .store
        .read(permit.scope(), ReadIntent::INTERACTIVE)
        .await?;
    let page = uow.carriers().list(&filter, &wanted).await?;

    let listing = Listing::new(page, &paging, &services.cursors, permit.scope(), LIST);
    Ok(conditional::answer_by_digest(
        &request,
        &listing.map(|carrier| fields.of(CarrierView::from(carrier))),
    ))
}

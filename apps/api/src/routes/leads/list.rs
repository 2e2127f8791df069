use actix_web::{HttpRequest, HttpResponse, get, web};
use fairlead_domain::access::{ViewActivities, ViewLeads};
use fairlead_domain::consistency::ReadIntent;
use fairlead_domain::leads::LeadQuery;

use super::NEWEST_ACTIVITIES;
use super::query::LeadListQuery;
use super::view::LeadView;
use crate::Services;
use crate::authentication::{Authenticated, Permitted};
use crate::conditional;
use crate::paging::Listing;
use crate::problem::Problem;
use crate::query::QueryOf;
use crate::spec::IfNoneMatch;

/// List leads, the newest first unless sorted otherwise.
#[utoipa::path(
    tag = "leads",
    operation_id = "listLeads",
    params(LeadListQuery, IfNoneMatch),
    responses((status = 200, description = "A page of leads.", body = Listing<LeadView>)),
    extensions(("x-permit" = json!("ViewLeads"))),
)]
#[get("/leads")]
pub(super) async fn list(
    request: HttpRequest,
    services: web::Data<Services>,
    caller: Authenticated,
    permit: Permitted<ViewLeads>,
    query: QueryOf<LeadListQuery>,
) -> Result<HttpResponse, Problem> {
    let LeadListQuery {
        paging,
        filter,
        sort,
        direction,
        list,
        show,
    } = query.0;
    if show.with_activities {
        caller.0.permit::<ViewActivities>()?;
    }
    let wanted = LeadQuery {
        filter: filter.0,
        sort,
        direction,
        paging: paging.paging(&services.cursors, permit.scope(), list)?,
    };

    let mut uow = services
        .store
        .read(permit.scope(), ReadIntent::INTERACTIVE)
        .await?;
    let page = uow.leads().list(&wanted).await?;
    let mut activities = if show.with_activities {
        let ids: Vec<_> = page.items.iter().map(|lead| lead.id).collect();
        Some(uow.activities().newest(&ids, NEWEST_ACTIVITIES).await?)
    } else {
        None
    };

    let listing = Listing::new(page, &paging, &services.cursors, permit.scope(), list);
    let views = listing.map(|lead| {
        let newest = activities
            .as_mut()
            .map(|activities| activities.remove(&lead.id).unwrap_or_default());
        show.fields.of(LeadView::with_activities(lead, newest))
    });
    Ok(conditional::answer_by_digest(&request, &views))
}

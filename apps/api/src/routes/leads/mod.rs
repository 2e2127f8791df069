//! Leads: people and companies that may become customers.

mod assign;
mod body;
mod bulk;
mod create;
mod delete;
mod export;
mod get;
mod import;
mod list;
mod query;
mod score;
mod score_many;
mod search;
mod statistics;
mod subscribe;
mod update;
mod view;

use utoipa_actix_web::service_config::ServiceConfig;

pub use export::LeadFileWriter;
pub(in crate::routes) use export::described;
pub(crate) use get::GetLead;
pub use import::ImportPlaces;
pub(in crate::routes) use import::MAX_UPLOAD_BYTES;
pub(crate) use query::LeadListQuery;
pub(crate) use search::SearchQuery;
pub(crate) use statistics::{CountLeads, StatisticsView};
pub(in crate::routes) use view::{CloseReasonView, LeadView, StatusView};

const COLLECTION: &str = "/api/v1/leads";
/// How many of its newest activities a lead is shown with.
const NEWEST_ACTIVITIES: u32 = 5;

pub(super) fn configure(config: &mut ServiceConfig) {
    // Fixed paths before `/leads/{id}`, which would take them for ids.
    config
        .service(statistics::statistics)
        .service(search::search)
        .service(export::export)
        .service(export::begin::begin)
        .service(score_many::begin)
        .service(import::import)
        .service(bulk::create_many)
        .service(bulk::update_many)
        .service(list::list)
        .service(create::create)
        .service(get::get)
        .service(update::update)
        .service(delete::delete)
        .service(assign::assign)
        .service(score::score)
        .service(subscribe::subscribe);
}

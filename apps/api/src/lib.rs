//! The HTTP edge of Fairlead: what the API takes, what it answers, and its specification.
//!
//! [`serve`] makes a server of [`Services`]; [`spec`] tells what it serves. Handlers know no adapter: all they need is
//! in [`Services`], behind the domain's ports.
//!
//! # How to add an operation
//!
//! One file under `routes/<context>/`, named after the operation, with body, view (where it is not shared) and handler:
//!
//! ```text
//! /// Create a carrier.
//! #[utoipa::path(
//!     tag = "carriers",
//!     operation_id = "createCarrier",
//!     params(IdempotencyKey),
//!     request_body(content = CarrierBody, example = json!({"name": "Acme Mutual"})),
//!     responses((status = 201, description = "Created.", body = CarrierView, example = json!(…)), Problems<CreateCarrierError>),
//!     extensions(("x-permit" = json!("ManageCarriers"))),
//! )]
//! #[post("/carriers")]
//! pub(super) async fn create(
//!     services: web::Data<Services>,
//!     permit: Permitted<ManageCarriers>,          // 401 and 403, before the body is read
//!     key: IdempotencyKey,
//!     body: JsonBody<CarrierBody>,                // 400, 413, 415, 422
//! ) -> Result<HttpResponse, Problem> {
//!     let draft = CarrierDraft::parse(body.value.into())?;                       // Invalid: 422 with pointers
//!     let mut uow = services.store.begin(permit.scope()).await?;
//!     if let Some(kept) = key.claim(&mut *uow, permit.actor(), &body.request_hash).await? {
//!         return Ok(kept.respond(COLLECTION));
//!     }
//!     let carrier = carriers::create(&mut *uow, &permit, draft).await?;
//!     let answer = WriteAnswer::created(&EntityTag::of(carrier.revision()), &CarrierView::from(carrier));
//!     key.keep(&mut *uow, permit.actor(), &answer).await?;
//!     uow.commit().await?;
//!     Ok(answer.respond(COLLECTION))
//! }
//! ```
//!
//! Then: `.service(create::create)` in the context's `configure`; `From<CreateCarrierError> for Problem` and
//! `Problematic for CreateCarrierError` in `problem/`, by exhaustive match; a row in `problem/kind.rs` for a problem
//! type that is new. Queries implement [`query::FromQuery`] for reading and `IntoParams` for the specification; lists
//! take [`paging::PagingQuery`] and answer a [`paging::Listing`]; PATCH bodies use [`patch::given`] and take
//! [`conditional::IfMatch`]; `fields=` is [`fields::Fields`]. A GET says what is asked as a `read::Question`, and is
//! answered by `read::Read` with the ready answer that the question loads. Bodies have `deny_unknown_fields`, and
//! schemas that accept exactly what the domain accepts ([`text`] has the patterns, [`whole::Whole`] is a number in a
//! body).
//! Security, the problems common to all, 304 and partial answers are added by [`spec`].

mod admission;
mod authentication;
mod compression;
pub mod conditional;
mod consistency;
mod fallback;
pub mod fields;
pub mod idempotency;
pub mod json;
mod lead_meters;
mod metrics;
pub mod middleware;
mod moment;
pub mod paging;
pub mod patch;
mod path;
mod performance;
mod plan_calls;
mod prefer;
pub mod problem;
pub mod query;
mod rate_limits;
mod read;
mod realtime;
pub mod records;
mod representation;
mod routes;
mod scan;
mod seats;
mod serve;
pub mod spec;
mod state;
mod tenant_counters;
pub mod text;
mod units;
mod upgrade;
mod warming;
pub mod whole;

pub use admission::Gatekeeper;
pub use authentication::{Authenticated, Operator, Permitted, TENANT_KEY, VerifiedCredentials};
pub use compression::Compression;
pub use consistency::ConsistencyTokens;
pub use lead_meters::LeadMeters;
pub use metrics::{MetricSources, serve_metrics};
pub use middleware::{ForwardedHeader, RequestTimes, SlowRequests, TenantMeters, TrustedProxies};
pub use paging::CursorKey;
pub use path::PathId;
pub use performance::{AlertRounds, Performance, PerformanceSettings, Recorder};
pub use plan_calls::PlanCalls;
pub use rate_limits::{Enforcement, RateLimits};
pub use read::Shortcuts;
pub use realtime::{CatchUpTurns, Connections, OperationWatches};
pub use routes::{ConfirmationKey, ImportPlaces, LeadFileWriter, VoiceMeters, WarmTurn};
pub use serve::{Offer, OpenConnections, serve};
pub use state::{
    AllocatorUsage, ApiSettings, BillingServices, BrokerStanding, HealthCheck, HealthProbe, HealthReport,
    HealthStatus, JobServices, MemoryKeeper, Release, ReleasedMemory, Services, WebhookServices,
};
pub use warming::datasets;

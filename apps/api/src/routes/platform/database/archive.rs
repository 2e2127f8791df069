use actix_web::{HttpResponse, post, web};
use fairlead_domain::invalid::Invalid;
use fairlead_domain::performance::acts::{ArchiveStrategy, Deed, OldMonth};
use serde::{Deserialize, Serialize};
use time::macros::format_description;
use time::{Date, Duration};
use utoipa::ToSchema;

use crate::Services;
use crate::authentication::Operator;
use crate::json::JsonBody;
use crate::problem::{Kind, Problem};
use crate::routes::platform::acts::{self, ActView};
use crate::spec::{Problematic, Problems};

/// What is younger is needed: by those who follow the log, replays, and webhooks that were away.
const YOUNGEST: Duration = Duration::days(30);

/// What becomes of months of events.
#[derive(Clone, Copy, Debug, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
#[schema(as = ArchiveStrategy)]
enum Strategy {
    /// Written to `events.archive_dir`, and dropped once all of it is there.
    Move,
    /// Written there, and kept.
    Copy,
    /// Dropped, and written nowhere.
    Delete,
}

/// Which months of events are archived, and how.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
#[schema(as = ArchiveRequest, example = json!({"strategy": "move", "before": "2026-06-01", "apply": false}))]
struct ArchiveBody {
    strategy: Strategy,
    /// Months that end by this day, in UTC: 30 days ago at the latest.
    #[schema(value_type = String, format = Date)]
    before: String,
    /// `true`: it is done. Otherwise it is only told what would be.
    #[serde(default)]
    #[schema(default = false)]
    apply: bool,
}

/// What would be archived.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = ArchivePreview, example = json!({
    "months": [{"month": "2026-01", "estimatedRows": 48_000, "bytes": 31_000_000, "neededBy": null}],
}))]
struct PreviewView {
    /// The oldest first. They go in this order, up to the first that somebody needs.
    months: Vec<MonthView>,
}

#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = ArchivedMonth)]
struct MonthView {
    month: String,
    /// As of the last ANALYZE; `null` before the first.
    #[schema(required = true, minimum = 0)]
    estimated_rows: Option<u64>,
    /// With its indexes, as of then.
    #[schema(minimum = 0)]
    bytes: u64,
    /// Why it, and what comes behind it, is not dropped now.
    #[schema(required = true)]
    needed_by: Option<String>,
}

/// There is nowhere to write to.
#[derive(Clone, Copy, Debug)]
struct NoArchive;

impl From<NoArchive> for Problem {
    fn from(_: NoArchive) -> Self {
        let detail =
            "there is nowhere to write to: set `events.archive_dir`, or choose the strategy `delete`";
        Self::client(Kind::Conflict, detail)
    }
}

impl Problematic for NoArchive {
    const KINDS: &'static [Kind] = &[Kind::Conflict];
}

impl From<Strategy> for ArchiveStrategy {
    fn from(strategy: Strategy) -> Self {
        match strategy {
            Strategy::Move => Self::Move,
            Strategy::Copy => Self::Copy,
            Strategy::Delete => Self::Delete,
        }
    }
}

impl From<OldMonth> for MonthView {
    fn from(old: OldMonth) -> Self {
        Self {
            month: format!("{:04}-{:02}", old.month.year(), u8::from(old.month.month())),
            estimated_rows: old.estimated_rows,
            bytes: old.bytes,
            needed_by: old.needed_by,
        }
    }
}

/// Archive months of events, or tell which would be.
///
/// As files with a manifest and checksums, in pieces, beside those who read and write; what was broken off goes on where it
/// was left. A month is dropped when nobody needs any of it, and all of it is in the archive.
#[utoipa::path(
    tag = "platform",
    operation_id = "archiveEvents",
    request_body = ArchiveBody,
    responses(
        (status = 200, description = "What would be archived.", body = PreviewView),
        (status = 202, description = "It will be done; `Location` tells how far it has come.", body = ActView,
            headers(("Location" = String, description = "The act."))),
        Problems<NoArchive>,
    ),
    extensions(("x-permit" = json!("Operator"))),
)]
#[post("/performance/database/archive")]
pub(super) async fn archive(
    services: web::Data<Services>,
    operator: Operator,
    body: JsonBody<ArchiveBody>,
) -> Result<HttpResponse, Problem> {
    let ArchiveBody {
        strategy,
        before,
        apply,
    } = body.value;
    let latest = (services.clock.now() - YOUNGEST).date();
    let before = Date::parse(&before, format_description!("[year]-[month]-[day]"))
        .ok()
        .filter(|before| *before <= latest)
        .ok_or_else(|| {
            Invalid::field(
                "before",
                format!("must be a day such as 2026-06-01, {latest} at the latest"),
            )
        })?;
    let strategy = ArchiveStrategy::from(strategy);
    let months = &services.performance.months;
    if strategy.writes() && !months.has_archive() {
        return Err(NoArchive.into());
    }
    if apply {
        let deed = Deed::ArchiveEvents { before, strategy };
        return acts::ask(&services, &operator, deed, "an operator wants it".to_owned()).await;
    }
    let old = months.old(before.midnight().assume_utc()).await?;
    let months = old.into_iter().map(MonthView::from).collect();
    Ok(HttpResponse::Ok().json(PreviewView { months }))
}

use std::net::IpAddr;
use std::time::Instant;

use actix_web::{HttpResponse, get, web};
use async_trait::async_trait;
use fairlead_domain::access::{Caller, VerifiedIdentity, ViewTenant};
use fairlead_domain::ai::Budget;
use fairlead_domain::cache::{CacheKey, Tag};
use fairlead_domain::identity::{InUse, MAX_API_KEYS, MAX_USERS};
use fairlead_domain::leads::{CustomFields, MAX_BULK, SearchText};
use fairlead_domain::operations::{MAX_KEPT_BYTES, MAX_OPEN_OPERATIONS};
use fairlead_domain::paging::{DEFAULT_LIMIT, MAX_LIMIT, MAX_OFFSET};
use fairlead_domain::rate_limits::{Limit, LimitKey, LimitedOperation, Standing};
use serde::Serialize;
use utoipa::ToSchema;

use crate::authentication::Authenticated;
use crate::idempotency;
use crate::middleware::client_address;
use crate::problem::Problem;
use crate::rate_limits::{RateLimits, whole_seconds, whole_window};
use crate::read::{Question, Read, Reading};
use crate::records::{MAX_CELLS, MAX_RECORD_BYTES};
use crate::representation::Representation;
use crate::routes::leads::MAX_UPLOAD_BYTES;
use crate::spec::IfNoneMatch;
use crate::{ApiSettings, Services};

/// The limits that this server keeps.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Limits, example = json!({"items": [
    {"name": "users", "description": "users of the tenant, deactivated ones included", "maximum": 10000, "current": 12},
    {"name": "pageSize", "description": "items of a page; 50 when not asked for", "maximum": 200},
], "rates": [
    {"name": "tenant", "description": "requests of the tenant", "requests": 60000, "windowSeconds": 60,
     "remaining": 59940, "resetSeconds": 1},
]}))]
struct LimitsView {
    items: Vec<LimitView>,
    /// How often may be asked; empty where that is not limited.
    rates: Vec<RateView>,
}

/// One limit.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Limit)]
struct LimitView {
    name: &'static str,
    /// What is limited, with its unit.
    description: String,
    #[schema(minimum = 0)]
    maximum: u64,
    /// How much of it is in use; absent where that cannot be counted.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, minimum = 0)]
    current: Option<u64>,
}

/// How often may be asked, as the tenant's plan has it. What was used up comes back evenly.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = RateLimit)]
struct RateView {
    /// As in the headers `RateLimit` and `RateLimit-Policy`: an operation by its id in this specification.
    name: &'static str,
    description: String,
    /// How many requests may come at once.
    #[schema(minimum = 1)]
    requests: u32,
    /// Within how many seconds all of them come back.
    #[schema(minimum = 1)]
    window_seconds: u64,
    /// How many may come now, as far as the process knows that answers.
    #[schema(minimum = 0)]
    remaining: u32,
    /// In how many seconds all of them have come back.
    #[schema(minimum = 0)]
    reset_seconds: u64,
}

const MICROS_IN_CENT: u64 = 10_000;

struct ListLimits {
    max_webhooks: u64,
    ai: Budget,
    of_requests: Vec<LimitView>,
    rates: Vec<RateView>,
}

#[async_trait]
impl Question for ListLimits {
    fn key(&self) -> Option<CacheKey> {
        // Keys expire without an event.
        None
    }

    fn tags(&self) -> Vec<Tag> {
        Vec::new()
    }

    async fn load(&self, from: &mut Reading<'_>) -> Result<Representation, Problem> {
        let InUse {
            users,
            api_keys,
            open_imports,
            import_bytes,
            open_exports,
            export_bytes,
            webhooks,
            ai_tokens,
            ai_micros,
        } = from.uow.tenants().in_use().await?;
        let mut items = vec![
            counted(
                "users",
                "users of the tenant, deactivated ones included",
                MAX_USERS,
                users,
            ),
            counted("apiKeys", "valid API keys of the tenant", MAX_API_KEYS, api_keys),
            counted(
                "openImports",
                "imports of the tenant in the background that have not ended",
                MAX_OPEN_OPERATIONS,
                open_imports,
            ),
            counted(
                "importBytes",
                "bytes of files of the tenant that wait to be imported in the background, as JSON",
                MAX_KEPT_BYTES,
                import_bytes,
            ),
            counted(
                "openExports",
                "exports of the tenant in the background that have not ended",
                MAX_OPEN_OPERATIONS,
                open_exports,
            ),
            counted(
                "exportBytes",
                "bytes of files that exports of the tenant have written, until they are dropped",
                MAX_KEPT_BYTES,
                export_bytes,
            ),
            counted(
                "webhooks",
                "webhooks of the tenant, disabled ones included",
                self.max_webhooks,
                webhooks,
            ),
            counted(
                "aiTokens",
                "tokens that language models read and write for the tenant in a calendar month (UTC), with what is reserved; \
                 then rules answer",
                self.ai.monthly_tokens,
                ai_tokens,
            ),
            counted(
                "aiCents",
                "what those cost, in hundredths of the currency of their provider",
                self.ai.monthly_micros / MICROS_IN_CENT,
                ai_micros.div_ceil(MICROS_IN_CENT),
            ),
        ];
        items.extend_from_slice(&self.of_requests);
        let rates = self.rates.clone();
        Ok(Representation::by_digest(&LimitsView { items, rates }))
    }
}

/// List the limits that apply, with what is in use of them.
#[utoipa::path(
    tag = "tenant",
    operation_id = "getLimits",
    params(IfNoneMatch),
    responses((status = 200, description = "Every limit.", body = LimitsView)),
    extensions(("x-permit" = json!("ViewTenant"))),
)]
#[get("/limits")]
pub(super) async fn limits(
    services: web::Data<Services>,
    read: Read<ViewTenant>,
    Authenticated(caller): Authenticated,
) -> Result<HttpResponse, Problem> {
    let of_requests = of_requests(&services.settings);
    let rates = match &services.rate_limits {
        Some(kept) => {
            let address = client_address(read.request(), &services.settings);
            rates(kept, address, &caller)
        }
        None => Vec::new(),
    };
    read.answer(ListLimits {
        max_webhooks: services.webhooks.max,
        ai: services.asker.budget,
        of_requests,
        rates,
    })
    .await
}

/// How the caller stands with each limit of how often it may ask, this request included.
fn rates(kept: &RateLimits, address: IpAddr, caller: &Caller) -> Vec<RateView> {
    let scope = caller.scope();
    let plan = kept.plan(scope);
    let mut keys = vec![LimitKey::address(address), LimitKey::tenant(scope).under(plan)];
    if let VerifiedIdentity::ApiKey { key, .. } = caller.identity() {
        keys.push(LimitKey::api_key(*key).under(plan));
    }
    keys.extend(LimitedOperation::ALL.map(|operation| {
        if operation.is_for_strangers() {
            LimitKey::operation_of_strangers(operation, address)
        } else {
            LimitKey::operation(operation, scope).under(plan)
        }
    }));
    let now = Instant::now();
    let standings = keys.into_iter().filter_map(|key| kept.limiter.standing(key, now));
    standings.map(rate).collect()
}

fn rate(standing: Standing) -> RateView {
    let description = match standing.limit {
        Limit::Address | Limit::OperatorAttempts => "requests from the caller's address".to_owned(),
        Limit::Tenant => "requests of the tenant".to_owned(),
        Limit::ApiKey => "requests by the API key".to_owned(),
        Limit::Operation(operation) => {
            let whose = if operation.is_for_strangers() {
                "from the caller's address"
            } else {
                "of the tenant"
            };
            format!("requests for `{}` {whose}", operation.id())
        }
    };
    RateView {
        name: standing.limit.name(),
        description,
        requests: standing.quota.requests(),
        window_seconds: whole_window(standing.quota),
        remaining: standing.remaining,
        reset_seconds: whole_seconds(standing.reset),
    }
}

/// The limits of single requests, taken from the constants and settings that are enforced.
fn of_requests(settings: &ApiSettings) -> Vec<LimitView> {
    vec![
        fixed(
            "pageSize",
            format!("items of a page; {DEFAULT_LIMIT} when not asked for"),
            u64::from(MAX_LIMIT),
        ),
        fixed(
            "pageOffset",
            "items of a list that numbered pages reach; cursors reach all",
            MAX_OFFSET,
        ),
        fixed("bulkItems", "leads of one bulk request", size(MAX_BULK)),
        fixed("bodyBytes", "bytes of a JSON body", size(settings.max_body_bytes)),
        fixed(
            "bulkBodyBytes",
            "bytes of the body of a bulk request",
            size(settings.max_bulk_body_bytes),
        ),
        fixed(
            "importRecordBytes",
            "bytes of one row of an imported file",
            size(MAX_RECORD_BYTES),
        ),
        fixed(
            "importRecordCells",
            "columns of an imported file",
            size(MAX_CELLS),
        ),
        fixed(
            "importOperationBytes",
            "bytes of a file that is imported in the background, as JSON, with what is wrong with its bad rows",
            MAX_UPLOAD_BYTES,
        ),
        fixed(
            "bodyDepth",
            "arrays and objects within one another in a JSON body",
            size(settings.max_json_depth),
        ),
        fixed(
            "queryBytes",
            "bytes of a query string",
            size(settings.max_query_bytes),
        ),
        fixed(
            "headerBytes",
            "bytes of all headers of a request together",
            size(settings.max_header_bytes),
        ),
        fixed(
            "requestSeconds",
            "seconds that a request may take",
            settings.deadline.as_secs(),
        ),
        fixed(
            "customFields",
            "custom fields of a lead",
            size(CustomFields::MAX_FIELDS),
        ),
        fixed(
            "customFieldsBytes",
            "bytes of a lead's custom fields as JSON",
            size(CustomFields::MAX_BYTES),
        ),
        fixed(
            "customFieldsDepth",
            "arrays and objects within one another in custom fields",
            size(CustomFields::MAX_DEPTH),
        ),
        fixed(
            "searchLength",
            "characters of a search",
            size(SearchText::MAX_LENGTH),
        ),
        fixed("searchWords", "words of a search", size(SearchText::MAX_WORDS)),
        fixed(
            "idempotencyKeyLength",
            "characters of an idempotency key",
            size(idempotency::MAX_LENGTH),
        ),
        fixed(
            "idempotencyKeySeconds",
            "seconds for which an answer is kept under its idempotency key",
            idempotency::LIFETIME.whole_seconds().unsigned_abs(),
        ),
    ]
}

fn counted(name: &'static str, description: &str, maximum: u64, current: u64) -> LimitView {
    LimitView {
        current: Some(current),
        ..fixed(name, description, maximum)
    }
}

fn fixed(name: &'static str, description: impl Into<String>, maximum: u64) -> LimitView {
    LimitView {
        name,
        description: description.into(),
        maximum,
        current: None,
    }
}

fn size(value: usize) -> u64 {
    u64::try_from(value).unwrap_or(u64::MAX)
}

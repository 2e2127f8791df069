use actix_web::{HttpResponse, post, web};
use fairlead_domain::Id;
use fairlead_domain::cache::{CacheKey, Invalidate, Namespace, Tag};
use fairlead_domain::identity::TenantId;
use fairlead_domain::invalid::{Faults, Invalid};
use serde::Deserialize;
use utoipa::ToSchema;
use uuid::Uuid;

use super::view::InvalidatedView;
use super::{NoCache, control, is_known, pattern};
use crate::Services;
use crate::authentication::Operator;
use crate::json::JsonBody;
use crate::problem::Problem;
use crate::spec::Problems;

/// What is to be dropped: exactly one of `tag`, `namespace`, `key`, `pattern`, or a tenant alone.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
#[schema(as = CacheInvalidation, example = json!({"namespace": "leads.list"}))]
struct InvalidationBody {
    /// Whose answers; needed with `tag` and `key`. A `pattern` names the tenant itself.
    tenant_id: Option<Uuid>,
    /// All that depends on one thing: `leads`, or `lead:` and an id.
    #[schema(min_length = 1, max_length = 100)]
    tag: Option<String>,
    /// All answers of one kind: `leads.list`.
    #[schema(min_length = 1, max_length = 100)]
    namespace: Option<String>,
    /// One answer, as reports name it: `leads.list?status=NEW`.
    #[schema(min_length = 1, max_length = 10000)]
    key: Option<String>,
    /// Kinds of answers by how they begin: `leads*`, `tenant:<id>:leads*`, `tenant:<id>:*`, `*`.
    #[schema(min_length = 1, max_length = 200)]
    pattern: Option<String>,
}

impl InvalidationBody {
    fn parse(self) -> Result<Vec<Invalidate>, Invalid> {
        let texts = [
            ("tag", &self.tag, 100),
            ("namespace", &self.namespace, 100),
            ("key", &self.key, CacheKey::LONGEST_TEXT),
            ("pattern", &self.pattern, 200),
        ];
        for (field, text, most) in texts {
            if text.as_ref().is_some_and(|text| text.chars().count() > most) {
                return Err(Invalid::field(
                    field,
                    format!("must have at most {most} characters"),
                ));
            }
        }
        let tenant: Option<TenantId> = self.tenant_id.map(Id::from_uuid);
        let needs_tenant = || Invalid::field("tenantId", "is required with tag and with key");
        match (self.tag, self.namespace, self.key, self.pattern) {
            (Some(tag), None, None, None) => {
                let tag = tag
                    .parse::<Tag>()
                    .map_err(|error| Invalid::field("tag", error.to_string()))?;
                Ok(vec![Invalidate::Tag(tenant.ok_or_else(needs_tenant)?, tag)])
            }
            (None, Some(namespace), None, None) => {
                let namespace = namespace.parse::<Namespace>().map_err(|()| {
                    let names = Namespace::ALL.map(Namespace::as_str).join(", ");
                    Invalid::field("namespace", format!("must be one of {names}"))
                })?;
                Ok(vec![Invalidate::Namespace(tenant, namespace)])
            }
            (None, None, Some(key), None) => {
                let key = CacheKey::parse(&key)
                    .ok_or_else(|| Invalid::field("key", "must be of the form leads.list?status=NEW"))?;
                Ok(vec![Invalidate::Key(tenant.ok_or_else(needs_tenant)?, key)])
            }
            (None, None, None, Some(pattern)) => {
                let meant = pattern::parse(&pattern).map_err(|fault| Invalid::field("pattern", fault))?;
                if tenant.is_some() {
                    let fault = "must not stand beside pattern; write tenant:<id>: into the pattern";
                    return Err(Invalid::field("tenantId", fault));
                }
                Ok(meant)
            }
            (None, None, None, None) => match tenant {
                Some(tenant) => Ok(vec![Invalidate::Tenant(tenant)]),
                None => Err(ambiguous()),
            },
            _ => Err(ambiguous()),
        }
    }
}

fn ambiguous() -> Invalid {
    let mut faults = Faults::default();
    faults.add(
        "",
        "must have exactly one of tag, namespace, key and pattern, or tenantId alone",
    );
    match faults.finish() {
        Err(invalid) => invalid,
        Ok(()) => unreachable!("a fault was added"),
    }
}

/// Says in words what is dropped.
pub(super) fn describe(what: &Invalidate) -> String {
    match what {
        Invalidate::Key(tenant, key) => format!("{key} of tenant {tenant}"),
        Invalidate::Tag(tenant, tag) => format!("what depends on {tag}, of tenant {tenant}"),
        Invalidate::Namespace(Some(tenant), namespace) => format!("{namespace} of tenant {tenant}"),
        Invalidate::Namespace(None, namespace) => format!("{namespace} of every tenant"),
        Invalidate::Tenant(tenant) => format!("everything of tenant {tenant}"),
        Invalidate::Everything => "everything".to_owned(),
    }
}

/// Drop answers by tag, kind, key, tenant or pattern.
///
/// In every process that shares the cache, and in a time that does not grow with what is dropped: nothing is searched.
#[utoipa::path(
    tag = "platform",
    operation_id = "invalidateCache",
    request_body = InvalidationBody,
    responses(
        (status = 200, description = "What was dropped.", body = InvalidatedView),
        Problems<NoCache>,
    ),
    extensions(("x-permit" = json!("Operator"))),
)]
#[post("/performance/cache/invalidate")]
pub(super) async fn invalidate(
    services: web::Data<Services>,
    operator: Operator,
    body: JsonBody<InvalidationBody>,
) -> Result<HttpResponse, Problem> {
    let field = if body.value.pattern.is_some() {
        "pattern"
    } else {
        "tenantId"
    };
    let meant = body.value.parse()?;
    let unknown = || Invalid::field(field, "must name a tenant; there is none of this id").into();
    drop_answers(&services, &operator, meant, unknown).await
}

/// Drops answers on an operator's behalf, and tells what; `unknown` is the problem of a tenant that there is not.
///
/// Where that cannot be looked up, as the database is away, the answers are dropped: they may be why it is called.
pub(super) async fn drop_answers(
    services: &Services,
    operator: &Operator,
    meant: Vec<Invalidate>,
    unknown: impl FnOnce() -> Problem,
) -> Result<HttpResponse, Problem> {
    let control = control(services)?;
    let mut notes = Vec::new();
    // All of it is one tenant's, or nobody's.
    if let Some(tenant) = meant.iter().find_map(tenant_of) {
        match is_known(services, tenant).await {
            Ok(true) => {}
            Ok(false) => return Err(unknown()),
            Err(error) => {
                let error: &dyn std::error::Error = &error;
                tracing::warn!(error, %tenant, "whether there is such a tenant cannot be looked up");
                notes.push(format!(
                    "whether there is a tenant {tenant} could not be looked up"
                ));
            }
        }
    }
    let mut invalidated = Vec::with_capacity(meant.len());
    for what in meant {
        // A key has what was searched for in it, which may be a person's name: the operator is told it, the log is not.
        let logged = match &what {
            Invalidate::Key(tenant, key) => {
                format!("a key of {} of tenant {tenant}", key.namespace().as_str())
            }
            other => describe(other),
        };
        let described = describe(&what);
        control.invalidate(what).await;
        tracing::info!(
            operator = operator.0.operator(),
            what = logged,
            "answers were dropped"
        );
        invalidated.push(described);
    }
    Ok(HttpResponse::Ok().json(InvalidatedView { invalidated, notes }))
}

fn tenant_of(what: &Invalidate) -> Option<TenantId> {
    match what {
        Invalidate::Key(tenant, _) | Invalidate::Tag(tenant, _) | Invalidate::Tenant(tenant) => Some(*tenant),
        Invalidate::Namespace(tenant, _) => *tenant,
        Invalidate::Everything => None,
    }
}

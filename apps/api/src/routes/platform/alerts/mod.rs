//! What operators are told when something is wrong: rules, objectives, and the alerts that have come of them.

mod act;
mod get;
mod list;
mod make_rule;
mod objectives;
mod rule_body;
mod rule_view;
mod rules;
mod silences;
pub(super) mod view;

use fairlead_domain::access::SystemScope;
use fairlead_domain::performance::alerts::{AlertError, MakeRuleError, NoSuchRule, RuleError};
use fairlead_domain::store::{StoreError, SystemUnitOfWork};
use utoipa_actix_web::service_config::ServiceConfig;

use crate::Services;
use crate::problem::{Kind, Problem};
use crate::spec::Problematic;

pub(super) fn configure(config: &mut ServiceConfig) {
    config
        .service(list::list)
        .service(rules::list)
        .service(make_rule::make)
        .service(rules::get)
        .service(make_rule::change)
        .service(rules::delete)
        .service(silences::silence_rule)
        .service(silences::end_silence)
        .service(objectives::list)
        .service(objectives::change)
        .service(get::get)
        .service(act::acknowledge)
        .service(act::silence_alert);
}

#[expect(
    clippy::disallowed_methods,
    reason = "operators see the platform across tenants"
)]
async fn begin(services: &Services) -> Result<Box<dyn SystemUnitOfWork>, StoreError> {
    services.system.begin(&SystemScope::new("operator: alerts")).await
}

impl From<NoSuchRule> for Problem {
    fn from(error: NoSuchRule) -> Self {
        Self::client(
            Kind::NotFound,
            format!("{error}; GET /api/v1/performance/alerts/rules has those that there are"),
        )
    }
}

impl From<RuleError> for Problem {
    fn from(error: RuleError) -> Self {
        match error {
            RuleError::Missing(missing) => missing.into(),
            RuleError::Store(error) => error.into(),
        }
    }
}

impl From<MakeRuleError> for Problem {
    fn from(error: MakeRuleError) -> Self {
        match error {
            MakeRuleError::Taken => Self::client(
                Kind::NameTaken,
                format!("{error}; change it by PUT, or choose another"),
            ),
            MakeRuleError::Store(error) => error.into(),
        }
    }
}

impl From<AlertError> for Problem {
    fn from(error: AlertError) -> Self {
        match error {
            AlertError::Missing => Self::client(Kind::NotFound, error.to_string()),
            AlertError::Over => Self::client(
                Kind::Conflict,
                format!("{error}; what comes next of its rule is another one"),
            ),
            AlertError::Store(error) => error.into(),
        }
    }
}

impl Problematic for RuleError {
    const KINDS: &'static [Kind] = &[Kind::NotFound];
}

impl Problematic for MakeRuleError {
    const KINDS: &'static [Kind] = &[Kind::NameTaken];
}

impl Problematic for AlertError {
    const KINDS: &'static [Kind] = &[Kind::NotFound, Kind::Conflict];
}

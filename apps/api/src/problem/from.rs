//! The domain's errors as problems: exhaustive matches, so that a new variant does not compile until it is mapped.

use fairlead_domain::access::{Denied, POLICY};
use fairlead_domain::invalid::Invalid;
use fairlead_domain::store::StoreError;

use super::{Kind, Problem};

impl From<Invalid> for Problem {
    fn from(invalid: Invalid) -> Self {
        Self::invalid(invalid)
    }
}

impl From<Denied> for Problem {
    fn from(Denied { action }: Denied) -> Self {
        let Some(rule) = POLICY.iter().find(|rule| rule.name == action) else {
            return Self::client(Kind::NotPermitted, format!("{action} is not permitted"));
        };
        let roles = rule
            .roles
            .iter()
            .map(|role| role.as_str())
            .collect::<Vec<_>>()
            .join(", ");
        let keys = match rule.scope {
            Some(scope) => format!("API keys with the scope {}", scope.as_str()),
            None => "no API key".to_owned(),
        };
        Self::client(
            Kind::NotPermitted,
            format!("{action} is for users who are {roles}, and for {keys}"),
        )
    }
}

impl From<StoreError> for Problem {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::OverPlan(over) => Self::client(Kind::PlanLimitReached, over.to_string()),
            error => Self::server(kind_of(&error), error),
        }
    }
}

fn kind_of(error: &StoreError) -> Kind {
    match error {
        StoreError::Contended => Kind::Contended,
        StoreError::Unavailable(_) | StoreError::Exhausted(_) | StoreError::Interrupted(_) => {
            Kind::Unavailable
        }
        StoreError::InDoubt(error) => kind_of(error),
        StoreError::OverPlan(_) => Kind::PlanLimitReached,
        StoreError::TimedOut => Kind::DeadlineExceeded,
        StoreError::Corrupt { .. } | StoreError::Unexpected(_) => Kind::Internal,
    }
}

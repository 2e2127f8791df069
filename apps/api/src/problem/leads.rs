use fairlead_domain::invalid::Invalid;
use fairlead_domain::leads::{AssignError, BulkError, CreateLeadError, DeleteLeadError, UpdateLeadError};
use fairlead_domain::marketing::SubscribeLeadError;

use super::{Kind, Problem};
use crate::spec::Problematic;

impl From<CreateLeadError> for Problem {
    fn from(error: CreateLeadError) -> Self {
        match error {
            CreateLeadError::OutOfReach => Self::client(Kind::NotPermitted, error.to_string()),
            CreateLeadError::AgentFull(_) => Self::client(Kind::AgentFull, error.to_string()),
            CreateLeadError::NotAnAgent(_) => no_agent(&error),
            CreateLeadError::Store(error) => error.into(),
        }
    }
}

impl Problematic for CreateLeadError {
    const KINDS: &'static [Kind] = &[
        Kind::NotPermitted,
        Kind::AgentFull,
        Kind::PlanLimitReached,
        Kind::InvalidInput,
    ];
}

impl From<UpdateLeadError> for Problem {
    fn from(error: UpdateLeadError) -> Self {
        match error {
            UpdateLeadError::NotFound => Self::not_found(),
            UpdateLeadError::OutOfReach => Self::client(Kind::NotPermitted, error.to_string()),
            UpdateLeadError::Stale { .. } => Self::client(Kind::StaleVersion, error.to_string()),
            UpdateLeadError::Transition(_) => Self::client(Kind::InvalidTransition, error.to_string()),
            UpdateLeadError::AgentFull(_) => Self::client(Kind::AgentFull, error.to_string()),
            UpdateLeadError::NotAnAgent(_) => no_agent(&error),
            UpdateLeadError::Store(error) => error.into(),
        }
    }
}

impl Problematic for UpdateLeadError {
    const KINDS: &'static [Kind] = &[
        Kind::NotFound,
        Kind::NotPermitted,
        Kind::StaleVersion,
        Kind::InvalidTransition,
        Kind::AgentFull,
        Kind::InvalidInput,
    ];
}

impl From<AssignError> for Problem {
    fn from(error: AssignError) -> Self {
        match error {
            AssignError::NoAgentFree => Self::client(Kind::NoAgentFree, error.to_string()),
            AssignError::Update(error) => error.into(),
        }
    }
}

impl Problematic for AssignError {
    const KINDS: &'static [Kind] = &[
        Kind::NotFound,
        Kind::NotPermitted,
        Kind::StaleVersion,
        Kind::AgentFull,
        Kind::NoAgentFree,
        Kind::InvalidInput,
    ];
}

impl From<DeleteLeadError> for Problem {
    fn from(error: DeleteLeadError) -> Self {
        match error {
            DeleteLeadError::NotFound => Self::not_found(),
            DeleteLeadError::Stale { .. } => Self::client(Kind::StaleVersion, error.to_string()),
            DeleteLeadError::Store(error) => error.into(),
        }
    }
}

impl Problematic for DeleteLeadError {
    const KINDS: &'static [Kind] = &[Kind::NotFound, Kind::StaleVersion];
}

impl From<BulkError> for Problem {
    fn from(error: BulkError) -> Self {
        match error {
            BulkError::Store(error) => error.into(),
        }
    }
}

impl Problematic for BulkError {
    const KINDS: &'static [Kind] = &[Kind::PlanLimitReached];
}

fn no_agent(error: &dyn std::error::Error) -> Problem {
    Problem::invalid(Invalid::field("assignedTo", error.to_string()))
}

impl From<SubscribeLeadError> for Problem {
    fn from(error: SubscribeLeadError) -> Self {
        match error {
            SubscribeLeadError::NotFound => Self::not_found(),
            SubscribeLeadError::OutOfReach => Self::client(Kind::NotPermitted, error.to_string()),
            SubscribeLeadError::NoEmail => Self::client(Kind::NotSubscribable, error.to_string()),
            SubscribeLeadError::Store(error) => error.into(),
        }
    }
}

impl Problematic for SubscribeLeadError {
    const KINDS: &'static [Kind] = &[Kind::NotPermitted, Kind::NotFound, Kind::NotSubscribable];
}

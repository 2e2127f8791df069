use std::collections::{HashMap, HashSet};

use async_trait::async_trait;
use time::OffsetDateTime;

use super::{Lead, LeadId, SearchText, Statistics, StatusName};
use crate::access::{Actor, Reach};
use crate::identity::{User, UserId};
use crate::paging::{Direction, Page, Paging};
use crate::store::StoreError;

/// The leads of one tenant.
#[async_trait]
pub trait Leads: Send {
    async fn find(&mut self, id: LeadId) -> Result<Option<Lead>, StoreError>;
    /// Finds and locks a lead until the unit of work ends.
    async fn find_for_update(&mut self, id: LeadId) -> Result<Option<Lead>, StoreError>;
    /// Finds and locks those of `ids` that exist, in the order of their ids.
    async fn find_many_for_update(&mut self, ids: &[LeadId]) -> Result<Vec<Lead>, StoreError>;

    async fn list(&mut self, query: &LeadQuery) -> Result<Page<Lead>, StoreError>;
    /// The best matches first, at most `limit`.
    async fn search(&mut self, text: &SearchText, limit: u32) -> Result<Vec<(Lead, f32)>, StoreError>;
    async fn statistics(&mut self, now: OffsetDateTime) -> Result<Statistics, StoreError>;

    /// Finds those of `leads` whose normalised e-mail address and phone number no stored lead has. Until the unit of work
    /// ends, no other asks this in the tenant; so of all that ask, none adds what this one found new.
    async fn find_new(&mut self, leads: &[Lead]) -> Result<HashSet<LeadId>, StoreError>;
    /// Adds leads by one statement.
    async fn insert(&mut self, leads: &[Lead]) -> Result<(), StoreError>;
    /// Writes leads that this unit of work has locked, by one statement; each stored version becomes one more.
    async fn update(&mut self, leads: &[Lead]) -> Result<(), StoreError>;
    /// Deletes a lead with its activities and assignments.
    async fn delete(&mut self, id: LeadId) -> Result<(), StoreError>;
}

/// Which leads, in which order.
#[derive(Clone, Debug)]
pub struct LeadQuery {
    pub filter: LeadFilter,
    pub sort: LeadSort,
    pub direction: Direction,
    pub paging: Paging,
}

#[derive(Clone, Debug, Default, PartialEq)]
pub struct LeadFilter {
    pub status: Option<StatusName>,
    pub source: Option<String>,
    pub assigned_to: Option<AssignedTo>,
    pub insurance_type: Option<String>,
    pub zip_code: Option<String>,
    pub min_score: Option<i32>,
    pub created_after: Option<OffsetDateTime>,
    pub created_before: Option<OffsetDateTime>,
    /// Restricts to 1,000 of the leads that a search finds.
    pub text: Option<SearchText>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AssignedTo {
    Agent(UserId),
    Nobody,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LeadSort {
    CreatedAt,
    UpdatedAt,
    QualityScore,
}

/// Which agent holds which lead, and how many each holds.
#[async_trait]
pub trait Assignments: Send {
    /// Finds the best agent with room for a lead: matching state or specialisation, then highest rating, then least
    /// loaded. Until the unit of work ends, no other automatic assignment of the tenant runs.
    async fn find_agent(&mut self, wanted: &WantedAgent) -> Result<Option<User>, StoreError>;

    /// Changes how many open leads agents hold, in the order of their ids.
    ///
    /// # Errors
    ///
    /// `NoRoom` for an agent that would go over its maximum; nothing is changed for that agent.
    async fn change_load(&mut self, changes: &HashMap<UserId, i32>) -> Result<(), LoadConflict>;

    /// Writes down that agents hold leads that nobody held: one statement, however many there are.
    async fn begin(&mut self, assignments: &[Assignment]) -> Result<(), StoreError>;
    /// Writes down that nobody holds these leads since `at`: one statement, however many there are.
    async fn end(&mut self, leads: &[LeadId], at: OffsetDateTime) -> Result<(), StoreError>;
}

/// An agent that holds a lead.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Assignment {
    pub lead: LeadId,
    pub agent: UserId,
    pub by: Actor,
    /// Since when.
    pub at: OffsetDateTime,
}

/// What a lead asks of an agent.
#[derive(Clone, Debug, Default)]
pub struct WantedAgent {
    /// Upper case; an agent of this state goes before one of another, who is taken when there is none.
    pub state: Option<String>,
    /// Lower case; likewise.
    pub specialization: Option<String>,
    /// An agent may only pick itself.
    pub reach: Option<Reach>,
}

/// Why an agent's load could not change.
#[derive(Debug, thiserror::Error)]
pub enum LoadConflict {
    #[error("agent {0} has no room for another open lead")]
    NoRoom(UserId),
    #[error("user {0} is not an active agent")]
    NotAnAgent(UserId),
    #[error(transparent)]
    Store(#[from] StoreError),
}

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration as StdDuration;

use async_trait::async_trait;
use time::{Duration, OffsetDateTime};

use super::{
    Alert, AlertId, AlertNotice, KeptObjective, KeptRule, Objective, Requests, Rule, Standing, WhichAlerts,
};
use crate::store::StoreError;

/// The right to judge what was measured, until the next one has it. Times are the database's, so the clocks of the
/// processes do not matter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Turn {
    pub number: i64,
    pub now: OffsetDateTime,
}

/// What was found, and the keys of what is there and cannot be read: another version has made it, and is to judge it.
#[derive(Clone, Debug, PartialEq)]
pub struct Known<T> {
    pub all: Vec<T>,
    pub unread: BTreeSet<String>,
}

/// Rules, alerts, and what was told of them: one of each for all processes.
#[async_trait]
pub trait Alerts: Send {
    /// Begins a turn, unless one began less than `pause` ago.
    async fn begin_turn(&mut self, pause: StdDuration) -> Result<Option<Turn>, StoreError>;

    /// Has all others who would change something of this wait until this unit of work has ended, and tells of the turn
    /// that began last.
    async fn hold(&mut self) -> Result<Turn, StoreError>;

    /// Sees to it that those that come with the platform are there, and as they are here; those that operators have
    /// changed are left alone. Returns how many were not there.
    async fn ensure(&mut self, rules: &[Rule], objectives: &[Objective]) -> Result<u64, StoreError>;

    /// By their keys.
    async fn rules(&mut self) -> Result<Known<KeptRule>, StoreError>;

    /// Returns whether there was none of this key.
    async fn insert_rule(&mut self, rule: &KeptRule) -> Result<bool, StoreError>;

    /// Returns whether there is one of this key.
    async fn update_rule(&mut self, rule: &KeptRule) -> Result<bool, StoreError>;

    /// Returns whether there was one.
    async fn delete_rule(&mut self, key: &str) -> Result<bool, StoreError>;

    /// By their names.
    async fn objectives(&mut self) -> Result<Known<KeptObjective>, StoreError>;

    async fn update_objective(&mut self, objective: &KeptObjective) -> Result<bool, StoreError>;

    /// What became of requests by each objective in the last so much time, for windows that something is known of.
    async fn requests(&mut self, windows: &[Duration])
    -> Result<BTreeMap<String, Vec<Requests>>, StoreError>;

    /// By the keys of rules and objectives. What this version cannot read is as if nothing had been.
    async fn standings(&mut self) -> Result<BTreeMap<String, Standing>, StoreError>;

    async fn put_standings(&mut self, standings: &BTreeMap<String, Standing>) -> Result<(), StoreError>;

    /// Those that are not over, the newest first. One that cannot be read is told by the key of its rule.
    async fn active(&mut self) -> Result<Known<Alert>, StoreError>;

    /// The newest first, from the one behind `before` on.
    async fn list(
        &mut self,
        which: &WhichAlerts,
        before: Option<AlertId>,
        limit: u32,
    ) -> Result<Vec<Alert>, StoreError>;

    async fn find(&mut self, id: AlertId) -> Result<Option<Alert>, StoreError>;

    async fn insert(&mut self, alert: &Alert) -> Result<(), StoreError>;

    async fn update(&mut self, alert: &Alert) -> Result<(), StoreError>;

    /// Returns whether none of this kind was told of the alert before; if one was, it stays.
    async fn add_notice(&mut self, alert: AlertId, notice: &AlertNotice) -> Result<bool, StoreError>;

    /// The oldest first.
    async fn notices(&mut self, alert: AlertId) -> Result<Vec<AlertNotice>, StoreError>;
}

use std::collections::HashMap;
use std::time::Duration;

use super::Together;
use crate::identity::TenantId;

/// How a [`Gate`](super::Gate) behaves.
#[derive(Clone, Debug)]
pub struct GateSettings {
    /// However slow it gets, so many requests may be behind the gate.
    pub min_limit: u32,
    /// However fast it is, no more may.
    pub max_limit: u32,
    /// How many times longer than usual the database may take before the limit sinks.
    pub tolerance: f64,
    /// How long anybody waits at the most.
    pub max_wait: Duration,
    /// How many wait at the most.
    pub max_waiting: usize,
    pub together: Together,
    /// The part of the limit beyond which no bulk work begins, of 1.
    pub bulk_share: f64,
    pub spike: SpikeSettings,
    /// Tenants whose share is another than 1.
    pub weights: HashMap<TenantId, u32>,
}

/// When so many requests fail that less is to be attempted.
#[derive(Clone, Copy, Debug)]
pub struct SpikeSettings {
    /// Of the requests of a window, the part that must fail for it to begin, of 1. Above 1, it never does.
    pub begins_at: f64,
    /// And the part below which it ends.
    pub ends_at: f64,
    pub window: Duration,
}

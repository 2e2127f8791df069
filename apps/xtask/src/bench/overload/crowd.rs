//! Clients that ask at a rate, however fast they are answered, and what they found.

use std::path::Path;

use anyhow::{Context as _, Result};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::bench::measure::float;
use crate::bench::processors::Processors;
use crate::bench::server::Server;
use crate::bench::workload::Workload;
use crate::child;

/// Connections by which as much is done as can be.
pub(super) const CLOSED: u32 = 32;
/// Connections of those who ask at a rate: enough that nobody waits for one while the server answers in time.
pub(super) const OPEN: u32 = 256;
/// An answer that takes longer is of no use.
pub(super) const USEFUL_MS: u32 = 500;

/// What the clients of one tenant have found.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Found {
    pub(super) due: u64,
    pub(super) served: u64,
    pub(super) useful: u64,
    pub(super) refused: u64,
    pub(super) failed: u64,
    pub(super) unsent: u64,
    pub(super) served_ms: Percentiles,
    pub(super) refused_ms: Percentiles,
}

#[derive(Clone, Copy, Debug, Deserialize)]
pub(super) struct Percentiles {
    pub(super) p95: f64,
    pub(super) p99: f64,
    pub(super) max: f64,
}

/// Those who ask.
pub(super) struct Party<'a> {
    pub(super) token: &'a str,
    /// A second; 0: as many as are answered.
    pub(super) rate: f64,
    pub(super) connections: u32,
}

/// What all measurements share.
pub(super) struct Field<'a> {
    pub(super) crowd: &'a Path,
    pub(super) processors: &'a Processors,
    pub(super) folder: &'a Path,
    pub(super) seconds: u32,
    pub(super) rounds: u32,
    /// Of the tenant that asks much, and of the one that asks little.
    pub(super) tokens: [String; 2],
}

impl Field<'_> {
    pub(super) fn ask(
        &self,
        server: &Server,
        workload: Workload,
        parties: &[Party<'_>],
    ) -> Result<Vec<Found>> {
        let parties: Vec<Value> = parties
            .iter()
            .map(|party| {
                json!({
                    "token": party.token, "rate": party.rate, "connections": party.connections,
                    "paths": [workload.path()],
                })
            })
            .collect();
        let crowd = json!({
            "port": server.port, "seconds": self.seconds, "warmUpSeconds": 2, "usefulMs": USEFUL_MS, "parties": parties,
        });
        // By the environment, so that no token is in the process list.
        let text = child::read(
            self.processors
                .client(self.crowd.as_os_str())
                .env("CROWD", crowd.to_string()),
        )?;
        server.forget_log()?;
        serde_json::from_str(&text).context("the crowd prints no report")
    }

    pub(super) fn party(&self, number: usize, rate: f64, connections: u32) -> Party<'_> {
        Party {
            token: &self.tokens[number],
            rate,
            connections,
        }
    }

    /// How many are answered in a second by whichever answers most, when so many connections ask as fast as they are
    /// answered.
    pub(super) fn peak(&self, servers: &[Server], workload: Workload) -> Result<f64> {
        let mut most: f64 = 0.0;
        for server in servers {
            let found = self.ask(server, workload, &[self.party(0, 0.0, CLOSED)])?;
            most = most.max(self.per_second(found[0].served));
        }
        Ok(most)
    }

    pub(super) fn per_second(&self, count: u64) -> f64 {
        float(count) / f64::from(self.seconds)
    }
}

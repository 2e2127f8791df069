//! All that a run has found.

use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result};
use serde::Serialize;

use super::field::{Field, POOL};
use super::machine::{Machine, Occasion};
use super::measure::{Plan, Series, Subject};
use super::pgbench;
use super::soak::Soak;
use super::stage::{Data, Stage};
use super::startup::Startup;
use super::workload::Workload;

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Report {
    #[serde(flatten)]
    pub(crate) occasion: Occasion,
    pub(crate) machine: Machine,
    pub(crate) plan: Plan,
    pub(crate) data: Data,
    pub(crate) postgres: String,
    pub(crate) settings: Vec<(String, String)>,
    pub(crate) pool: u32,
    pub(crate) pgbench_connections: u32,
    pub(crate) has_response_cache: bool,
    pub(crate) startups: [Startup; 2],
    pub(crate) results: Vec<Series>,
    pub(crate) soak: Option<Soak>,
}

impl Report {
    pub(crate) fn new(
        occasion: Occasion,
        plan: &Plan,
        stage: &Stage,
        field: &Field,
        startups: [Startup; 2],
        results: Vec<Series>,
        soak: Option<Soak>,
    ) -> Self {
        Self {
            occasion,
            machine: Machine::look(),
            plan: plan.clone(),
            data: stage.data.clone(),
            postgres: stage.version.clone(),
            settings: stage.settings.clone(),
            pool: POOL,
            pgbench_connections: pgbench::CONNECTIONS,
            has_response_cache: field.has_response_cache,
            startups,
            results,
            soak,
        }
    }

    pub(crate) fn save(&self, data_dir: &Path) -> Result<()> {
        let text = serde_json::to_string_pretty(self)? + "\n";
        fs::write(data_dir.join("bench.json"), text).context("cannot write bench.json")
    }

    pub(crate) fn errors(&self) -> u64 {
        let rounds = self.results.iter().map(|series| series.summary().errors);
        rounds.chain(self.soak.iter().map(|soak| soak.errors)).sum()
    }

    /// The subjects of one workload at one number of connections.
    pub(crate) fn group(&self, workload: Workload, connections: u32) -> Vec<&Series> {
        let is_meant = |series: &&Series| series.workload == workload && series.connections == connections;
        self.results.iter().filter(is_meant).collect()
    }

    /// The most memory of a server over W1 to W5 at the most connections; `None` unless one of them was measured.
    pub(crate) fn peak_mib(&self, subject: Subject) -> Option<f64> {
        let most = self.plan.connections.iter().max()?;
        self.results
            .iter()
            .filter(|series| series.subject == subject && series.connections == *most)
            .filter(|series| series.workload <= Workload::W5)
            .flat_map(|series| series.rounds.iter().filter_map(|round| round.peak_mib))
            .reduce(f64::max)
    }
}

//! How long a server takes to its first answer, and what memory it has before it has worked.

use std::thread;
use std::time::Duration;

use anyhow::Result;
use serde::Serialize;

use super::field::Field;
use super::measure::{Plan, median};
use super::server::Server;

/// When a server that has answered once is idle: by then the allocator has given back what the start alone needed, which
/// takes ten seconds (jemalloc(3), `opt.dirty_decay_ms`).
const REST: Duration = Duration::from_secs(15);

/// Medians over a few starts.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Startup {
    pub(crate) name: &'static str,
    /// From the start of the process to the first 200 of a read, on a migrated database.
    pub(crate) first_answer_ms: f64,
    /// Resident memory when it is idle.
    pub(crate) idle_mib: f64,
}

pub(crate) fn measure(field: &Field, plan: &Plan) -> Result<[Startup; 2]> {
    let starts = if plan.is_quick { 1 } else { 3 };
    let (mut ours, mut baseline) = (Vec::new(), Vec::new());
    for _ in 0..starts {
        ours.push(look(field.start_ours()?)?);
        baseline.push(look(field.start_baseline()?)?);
    }
    Ok([summary("fairlead", &ours), summary("axum + sqlx", &baseline)])
}

/// Returns milliseconds to the first answer, and MiB at rest.
fn look(server: Server) -> Result<(f64, f64)> {
    thread::sleep(REST);
    let memory = server.memory()?.now_mib();
    let started_in = server.started_in.as_secs_f64() * 1_000.0;
    server.stop()?;
    Ok((started_in, memory))
}

fn summary(name: &'static str, looks: &[(f64, f64)]) -> Startup {
    Startup {
        name,
        first_answer_ms: median(looks.iter().map(|look| look.0)),
        idle_mib: median(looks.iter().map(|look| look.1)),
    }
}

//! What memory a server takes that works for long.

use std::panic::resume_unwind;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, ScopedJoinHandle};
use std::time::{Duration, Instant};

use anyhow::Result;
use serde::Serialize;

use super::field::Field;
use super::load::{self, Load, Seen};
use super::server::Server;
use super::workload::Workload;
use crate::interrupt;

/// Everything that W1 to W5 and W8 ask for at once, by 128 connections.
const SHARES: [(Workload, u32); 6] = [
    (Workload::W1, 32),
    (Workload::W2, 24),
    (Workload::W3, 24),
    (Workload::W4, 16),
    (Workload::W5, 16),
    (Workload::W8, 16),
];
const MINUTE: Duration = Duration::from_mins(1);
const GLANCE: Duration = Duration::from_secs(1);

/// The product with its cache on, under a mixed load.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Soak {
    pub(crate) minutes: u32,
    pub(crate) connections: u32,
    pub(crate) requests: u64,
    pub(crate) errors: u64,
    /// Before, and at the end of each minute.
    pub(crate) memory_mib: Vec<f64>,
}

/// Loads a server that was just started, for `minutes`.
pub(crate) fn run(field: &Field, minutes: u32) -> Result<Soak> {
    let server = field.start_ours()?;
    let memory_mib = vec![server.memory()?.now_mib()];
    let is_over = AtomicBool::new(false);
    let (seen, watched) = thread::scope(|scope| {
        let clients = SHARES.map(|(workload, share)| {
            let server = &server;
            scope.spawn(move || load(field, server, workload, share, minutes))
        });
        let watched = scope.spawn(|| watch(&server, memory_mib, &is_over));
        let seen: Vec<_> = clients.into_iter().map(joined).collect();
        is_over.store(true, Ordering::Relaxed);
        (seen, joined(watched))
    });
    let seen = seen.into_iter().collect::<Result<Vec<Seen>>>()?;
    server.stop()?;
    Ok(Soak {
        minutes,
        connections: SHARES.iter().map(|(_, share)| share).sum(),
        requests: seen.iter().map(|seen| seen.requests).sum(),
        errors: seen.iter().map(Seen::errors).sum(),
        memory_mib: watched?,
    })
}

fn load(field: &Field, server: &Server, workload: Workload, connections: u32, minutes: u32) -> Result<Seen> {
    let load = Load {
        workload,
        lines: &field.lines(workload),
        port: server.port,
        token: server.token(),
        connections,
        seconds: minutes * 60,
        key: "soak".to_owned(),
    };
    load::run(&field.script, &load)
}

/// Looks at the end of each minute.
fn watch(server: &Server, mut memory_mib: Vec<f64>, is_over: &AtomicBool) -> Result<Vec<f64>> {
    let mut due = Instant::now() + MINUTE;
    while !is_over.load(Ordering::Relaxed) {
        interrupt::check()?;
        thread::sleep(GLANCE);
        if Instant::now() >= due {
            due += MINUTE;
            memory_mib.push(server.memory()?.now_mib());
            server.forget_log()?;
        }
    }
    Ok(memory_mib)
}

fn joined<T>(thread: ScopedJoinHandle<'_, T>) -> T {
    thread.join().unwrap_or_else(|panic| resume_unwind(panic))
}

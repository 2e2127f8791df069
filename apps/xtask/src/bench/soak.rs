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
    let mut memory_mib = vec![server.memory()?.now_mib()];
    let look = || {
        let now = server.memory()?.now_mib();
        server.forget_log()?;
        Ok(now)
    };
    let is_over = AtomicBool::new(false);
    let (seen, watched) = thread::scope(|scope| {
        let clients = SHARES.map(|(workload, share)| {
            let server = &server;
            scope.spawn(move || load(field, server, workload, share, minutes))
        });
        let watched = scope.spawn(|| watch(minutes, MINUTE, &is_over, look));
        let seen: Vec<_> = clients.into_iter().map(joined).collect();
        is_over.store(true, Ordering::Relaxed);
        (seen, joined(watched))
    });
    let seen = seen.into_iter().collect::<Result<Vec<Seen>>>()?;
    memory_mib.extend(watched?);
    server.stop()?;
    Ok(Soak {
        minutes,
        connections: SHARES.iter().map(|(_, share)| share).sum(),
        requests: seen.iter().map(|seen| seen.requests).sum(),
        errors: seen.iter().map(Seen::errors).sum(),
        memory_mib,
    })
}

fn load(field: &Field, server: &Server, workload: Workload, connections: u32, minutes: u32) -> Result<Seen> {
    let load = Load {
        processors: None,
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

/// Looks at the end of each minute. The last look is when the load has ended: it ends with the last minute, a moment before
/// or after.
fn watch(
    minutes: u32,
    minute: Duration,
    is_over: &AtomicBool,
    mut look: impl FnMut() -> Result<f64>,
) -> Result<Vec<f64>> {
    let mut looks = Vec::new();
    let mut due = Instant::now() + minute;
    while !is_over.load(Ordering::Relaxed) {
        interrupt::check()?;
        let left = due.saturating_duration_since(Instant::now());
        if looks.len() + 1 >= minutes as usize {
            thread::sleep(GLANCE);
        } else if left.is_zero() {
            due += minute;
            looks.push(look()?);
        } else {
            thread::sleep(left.min(GLANCE));
        }
    }
    looks.push(look()?);
    Ok(looks)
}

fn joined<T>(thread: ScopedJoinHandle<'_, T>) -> T {
    thread.join().unwrap_or_else(|panic| resume_unwind(panic))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The numbers of the looks.
    fn looks(minutes: u32, minute: Duration, is_over: &AtomicBool) -> Vec<f64> {
        let mut count = 0.0;
        let look = || {
            count += 1.0;
            is_over.fetch_or(count >= 3.0, Ordering::Relaxed);
            Ok(count)
        };
        watch(minutes, minute, is_over, look).unwrap()
    }

    #[test]
    fn there_is_a_look_at_the_end_though_the_load_ends_before_its_last_minute() {
        let over = AtomicBool::new(true);

        assert_eq!(looks(1, MINUTE, &over), [1.0]);
    }

    #[test]
    fn there_is_a_look_for_each_minute_and_none_more() {
        let over = AtomicBool::new(false);

        assert_eq!(looks(4, Duration::ZERO, &over), [1.0, 2.0, 3.0, 4.0]);
    }
}

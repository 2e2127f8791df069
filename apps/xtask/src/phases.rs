//! What is being done, and how long it takes.

use std::io::{IsTerminal as _, stderr};
use std::time::{Duration, Instant};

use anyhow::Result;

/// The phases of one run, announced as they begin and added up in the end.
#[derive(Debug, Default)]
pub(crate) struct Phases {
    done: Vec<(&'static str, Duration)>,
}

impl Phases {
    pub(crate) fn run<T>(&mut self, name: &'static str, act: impl FnOnce() -> Result<T>) -> Result<T> {
        eprintln!("── {name}");
        let started = Instant::now();
        let outcome = act();
        self.done.push((name, started.elapsed()));
        outcome
    }

    pub(crate) fn report(&self) {
        let total = self.done.iter().map(|(_, duration)| *duration).sum::<Duration>();
        for (name, duration) in self.done.iter().chain([&("total", total)]) {
            eprintln!("{:>8.1} s  {name}", duration.as_secs_f64());
        }
    }
}

/// A line that shows how long we have been waiting.
#[derive(Debug)]
pub(crate) struct Waiting {
    what: &'static str,
    started: Instant,
    shown_seconds: Option<u64>,
}

impl Waiting {
    pub(crate) fn start(what: &'static str) -> Self {
        Self {
            what,
            started: Instant::now(),
            shown_seconds: None,
        }
    }

    /// Brings the line up to date: each second on a terminal, each ten seconds in a log.
    pub(crate) fn tick(&mut self) {
        let seconds = self.started.elapsed().as_secs();
        let on_terminal = stderr().is_terminal();
        let is_due = self.shown_seconds != Some(seconds) && (on_terminal || seconds.is_multiple_of(10));
        if !is_due {
            return;
        }
        self.shown_seconds = Some(seconds);
        if on_terminal {
            eprint!("\r── {} … {seconds} s ", self.what);
        } else {
            eprintln!("── {} … {seconds} s", self.what);
        }
    }

    pub(crate) fn finish(self) {
        let start = if stderr().is_terminal() { "\r" } else { "" };
        eprintln!(
            "{start}── {}: {:.1} s",
            self.what,
            self.started.elapsed().as_secs_f64()
        );
    }
}

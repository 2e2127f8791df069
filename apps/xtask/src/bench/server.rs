//! The servers that are measured.

use std::fs::{self, File, OpenOptions};
use std::net::{Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};

use super::process::{self, Memory};
use crate::child::Group;
use crate::http::{self, Answer};
use crate::interrupt;

/// What a server may take to answer for the first time.
const START_LIMIT: Duration = Duration::from_mins(1);
const GLANCE: Duration = Duration::from_millis(1);

/// A running server.
#[derive(Debug)]
pub(crate) struct Server {
    name: &'static str,
    group: Group,
    pub(crate) port: u16,
    token: String,
    log: PathBuf,
    /// From the start of the process to its first answer.
    pub(crate) started_in: Duration,
}

impl Server {
    /// Starts a server and waits for its first 200. It learns its port by the environment.
    pub(crate) fn start(
        name: &'static str,
        command: &mut Command,
        port: u16,
        token: &str,
        path: &str,
        folder: &Path,
    ) -> Result<Self> {
        let log = folder.join(format!("{name}.log"));
        let output = append_to(&log)?;
        command.stdout(output.try_clone()?).stderr(output);
        let started = Instant::now();
        let mut server = Self {
            name,
            group: Group::spawn(command)?,
            port,
            token: token.to_owned(),
            log,
            started_in: Duration::ZERO,
        };
        loop {
            interrupt::check()?;
            if let Some(status) = server.group.ended()? {
                bail!("{name} ended while it started: {status}\n{}", server.last_lines());
            }
            if server.get(path).is_ok_and(|answer| answer.status == 200) {
                break;
            }
            if started.elapsed() > START_LIMIT {
                bail!("{name} does not answer {path} with 200\n{}", server.last_lines());
            }
            thread::sleep(GLANCE);
        }
        server.started_in = started.elapsed();
        Ok(server)
    }

    pub(crate) fn name(&self) -> &'static str {
        self.name
    }

    pub(crate) fn token(&self) -> &str {
        &self.token
    }

    /// Tells the server by which token requests come from now on.
    pub(crate) fn set_token(&mut self, token: String) {
        self.token = token;
    }

    pub(crate) fn get(&self, path: &str) -> Result<Answer> {
        let authorization = format!("Bearer {}", self.token);
        let headers = [("Authorization", authorization.as_str())];
        let headers = if self.token.is_empty() {
            &headers[..0]
        } else {
            &headers[..]
        };
        http::exchange(self.port, "GET", path, headers, "")
    }

    pub(crate) fn post(&self, path: &str, body: &str) -> Result<Answer> {
        let authorization = format!("Bearer {}", self.token);
        let headers = [
            ("Authorization", authorization.as_str()),
            ("Content-Type", "application/json"),
        ];
        http::exchange(self.port, "POST", path, &headers, body)
    }

    pub(crate) fn pid(&self) -> u32 {
        self.group.id().pid()
    }

    pub(crate) fn cpu(&self) -> Result<Duration> {
        process::cpu(self.pid())
    }

    pub(crate) fn memory(&self) -> Result<Memory> {
        process::memory(self.pid())
    }

    pub(crate) fn forget_peak(&self) -> Result<()> {
        process::forget_peak(self.pid())
    }

    pub(crate) fn stop(mut self) -> Result<()> {
        self.group.stop()
    }

    /// Empties the log: a line for each of a million requests fills a disk.
    pub(crate) fn forget_log(&self) -> Result<()> {
        let file = OpenOptions::new().write(true).open(&self.log)?;
        Ok(file.set_len(0)?)
    }

    pub(crate) fn last_lines(&self) -> String {
        let text = fs::read(&self.log).unwrap_or_default();
        let text = String::from_utf8_lossy(&text[text.len().saturating_sub(4096)..]).into_owned();
        format!("{} ends:\n{text}", self.log.display())
    }
}

fn append_to(log: &Path) -> Result<File> {
    let file = OpenOptions::new().create(true).append(true).open(log);
    file.with_context(|| format!("cannot write {}", log.display()))
}

/// Returns a port that nobody listens on.
pub(crate) fn free_port() -> Result<u16> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).context("no port is free")?;
    Ok(listener.local_addr()?.port())
}

//! The server programs that private services are started from.

use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Result, bail};
use fairlead_devstack::{PostgresBinaries, rabbitmq_server, redis_server};

use crate::child;

const INSTALL: &str = include_str!("install.sh");

/// Stands for the distribution's PostgreSQL major version in a package's name.
const DEFAULT_MAJOR: &str = "@";

/// What a verb cannot do without.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Need {
    Database,
    AllServices,
    /// What the benchmark starts and measures by.
    Bench,
}

/// Makes sure that the programs are there: installs what is missing, or says what to install.
pub(crate) fn ensure(need: Need) -> Result<()> {
    let missing = Missing::look(need);
    if missing.required.is_empty() && missing.optional.is_empty() {
        return Ok(());
    }
    let Some(mut root_shell) = root_shell() else {
        return missing.tell();
    };
    eprintln!(
        "── installing {}",
        missing.names().join(" ").replace(DEFAULT_MAJOR, "15")
    );
    root_shell
        .args(["-c", INSTALL, "install"])
        .args(&missing.required)
        .arg("--")
        .args(&missing.optional);
    if let Err(error) = child::run(&mut root_shell) {
        eprintln!("{error:#}");
    }
    Missing::look(need).tell()
}

/// Names of Debian packages.
#[derive(Debug)]
struct Missing {
    required: Vec<String>,
    /// Tests of index advice need it; not every distribution has it.
    optional: Vec<String>,
}

impl Missing {
    fn look(need: Need) -> Self {
        let mut missing = Self {
            required: Vec::new(),
            optional: Vec::new(),
        };
        let postgres = PostgresBinaries::find().ok();
        let major = postgres
            .as_ref()
            .map_or_else(|| DEFAULT_MAJOR.to_owned(), |found| found.major().to_string());
        if postgres.is_none() {
            missing.required.push(format!("postgresql-{major}"));
        }
        if need == Need::Database {
            return missing;
        }
        if redis_server().is_err() {
            missing.required.push("redis-server".to_owned());
        }
        if need == Need::Bench {
            if output_of("sh", &["-c", "command -v wrk"]).is_none() {
                missing.required.push("wrk".to_owned());
            }
            return missing;
        }
        if rabbitmq_server().is_err() {
            missing.required.push("rabbitmq-server".to_owned());
        }
        // The chart is checked by programs that are packaged for Python.
        if output_of("python3", &["-c", "import ensurepip, venv"]).is_none() {
            missing.required.push("python3-venv".to_owned());
        }
        if postgres.is_none_or(|found| found.has_extension("hypopg") == Some(false)) {
            missing.optional.push(format!("postgresql-{major}-hypopg"));
        }
        missing
    }

    fn names(&self) -> Vec<&str> {
        self.required
            .iter()
            .chain(&self.optional)
            .map(String::as_str)
            .collect()
    }

    /// Fails with the command that mends it if something required is missing; warns of the rest.
    fn tell(&self) -> Result<()> {
        let names = self.names().join(" ").replace(DEFAULT_MAJOR, "15");
        let command = format!("apt-get install -y --no-install-recommends {names}");
        if !self.required.is_empty() {
            bail!("server programs are missing; install them as root: {command}");
        }
        if !self.optional.is_empty() {
            eprintln!("index advice cannot be tested; install what it needs as root: {command}");
        }
        Ok(())
    }
}

/// Returns a shell that may install packages, where there is `apt-get` and we are, or may become, root.
fn root_shell() -> Option<Command> {
    if !Path::new("/usr/bin/apt-get").exists() {
        return None;
    }
    if output_of("id", &["-u"]).as_deref() == Some("0") {
        return Some(Command::new("/bin/sh"));
    }
    output_of("sudo", &["-n", "true"])?;
    let mut sudo = Command::new("sudo");
    sudo.args(["-n", "/bin/sh"]);
    Some(sudo)
}

fn output_of(program: &str, arguments: &[&str]) -> Option<String> {
    let output = Command::new(program)
        .args(arguments)
        .stdin(Stdio::null())
        .output()
        .ok()?;
    output
        .status
        .success()
        .then(|| String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

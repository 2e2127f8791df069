//! The product's binary and the environment it runs in.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result};
use serde_json::Value;

use crate::child;

/// How each subcommand of one installation is called.
#[derive(Debug)]
pub(crate) struct Product {
    binary: PathBuf,
    data_dir: PathBuf,
    variables: Vec<(&'static str, String)>,
}

impl Product {
    pub(crate) fn new(binary: PathBuf, data_dir: &Path, port: u16) -> Self {
        let variables = vec![
            ("FAIRLEAD__HTTP__PORT", port.to_string()),
            // Several installations may run at a time; the log tells which one was taken.
            ("FAIRLEAD__METRICS__PORT", "0".to_owned()),
        ];
        Self {
            binary,
            data_dir: data_dir.to_owned(),
            variables,
        }
    }

    /// Adds to the environment of every call from now on.
    pub(crate) fn set(&mut self, variables: impl IntoIterator<Item = (&'static str, String)>) {
        self.variables.extend(variables);
    }

    /// What every call finds in its environment.
    pub(crate) fn variables(&self) -> impl Iterator<Item = (&'static str, &str)> {
        self.variables.iter().map(|(name, value)| (*name, value.as_str()))
    }

    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(&self.binary);
        command.args(arguments).env("FAIRLEAD__DATA_DIR", &self.data_dir);
        command.envs(self.variables.iter().map(|(name, value)| (name, value)));
        command
    }

    /// Runs a subcommand that answers with one JSON document.
    pub(crate) fn ask(&self, arguments: &[&str]) -> Result<Value> {
        let text = child::read(&mut self.command(arguments))?;
        serde_json::from_str(&text)
            .with_context(|| format!("fairlead {} did not print JSON", arguments.join(" ")))
    }
}

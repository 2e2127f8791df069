//! A running PostgreSQL as its superuser reaches it.

use std::io::{self, Write as _};
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};
use std::thread;

use crate::error::{During as _, StackError};
use crate::password::Password;
use crate::service::Endpoint;

/// Address and credentials of a private PostgreSQL.
#[derive(Clone, Debug)]
pub struct Postgres {
    pub(crate) port: u16,
    pub(crate) password: Password,
    pub(crate) psql: PathBuf,
}

impl Postgres {
    pub fn port(&self) -> u16 {
        self.port
    }

    pub fn superuser_url(&self, database: &str) -> String {
        format!(
            "postgres://postgres:{}@127.0.0.1:{}/{database}",
            self.password.reveal(),
            self.port
        )
    }

    pub(crate) fn endpoint(&self) -> Endpoint {
        Endpoint {
            port: self.port,
            url: self.superuser_url("postgres"),
        }
    }

    /// Runs `sql` as the superuser and returns its rows, columns separated by `|`; stops at the first error.
    ///
    /// The statements travel by standard input and the password by the environment, so that no other user
    /// finds a secret in the process list.
    pub fn run_sql(&self, database: &str, sql: &str) -> Result<String, StackError> {
        let output = self
            .psql(database, sql)
            .during(|| format!("run {}", self.psql.display()))?;
        if output.status.success() {
            return Ok(String::from_utf8_lossy(&output.stdout).trim_end().to_owned());
        }
        let message = String::from_utf8_lossy(&output.stderr).trim().to_owned();
        Err(StackError::Sql {
            database: database.to_owned(),
            message,
        })
    }

    fn psql(&self, database: &str, sql: &str) -> io::Result<Output> {
        let mut child = Command::new(&self.psql)
            .args([
                "--no-psqlrc",
                "--quiet",
                "--no-align",
                "--tuples-only",
                "--no-password",
            ])
            .args([
                "--set=ON_ERROR_STOP=1",
                "--file=-",
                "--host=127.0.0.1",
                "--username=postgres",
            ])
            .args([format!("--port={}", self.port), format!("--dbname={database}")])
            .env_clear()
            .envs([
                ("PGPASSWORD", self.password.reveal()),
                ("PGCLIENTENCODING", "UTF8"),
                ("LC_ALL", "C.UTF-8"),
            ])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()?;
        let mut input = child.stdin.take().expect("standard input was piped just above");
        thread::scope(|scope| {
            // Written beside the reading: psql answers while it reads. It closes the pipe at the first error, and
            // then its exit status says more than a broken pipe would.
            scope.spawn(move || drop(input.write_all(sql.as_bytes())));
            child.wait_with_output()
        })
    }
}

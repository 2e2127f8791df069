//! The embedded PostgreSQL: its roles, their passwords, its database.
//!
//! What a second process needs to join is in the data folder, readable by its owner alone: `stack.json` has the port,
//! `roles.json` the passwords.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Context as _;
use fairlead_devstack::{Durability, Password, Postgres, Root, Stack, StackError, StackOptions};
use fairlead_migrations::{BootstrapPasswords, bootstrap_sql};
use fairlead_telemetry::spawn_blocking;
use serde::{Deserialize, Serialize};

use super::Progress;
use super::supervisor::Supervisor;
use crate::config::{DatabaseUrls, Secret};

const NAME: &str = "fairlead";

/// A PostgreSQL that lives as long as this value at most, and is started again should it end before.
#[derive(Debug)]
pub(super) struct Embedded {
    stack: Arc<Stack>,
    supervisor: Supervisor,
    urls: DatabaseUrls,
}

impl Embedded {
    pub(super) async fn start(data_dir: &Path, progress: Progress) -> anyhow::Result<Self> {
        let data_dir = data_dir.to_owned();
        let started = spawn_blocking(move || start(data_dir, progress)).await;
        let (stack, postgres, urls) = started.context("the start of the embedded database panicked")??;
        let stack = Arc::new(stack);
        let supervisor = Supervisor::start(Arc::clone(&stack), postgres.port());
        Ok(Self {
            stack,
            supervisor,
            urls,
        })
    }

    pub(super) fn urls(&self) -> &DatabaseUrls {
        &self.urls
    }

    pub(super) async fn stop(self) {
        self.supervisor.stop().await;
        // Stopping waits for processes to end, and a panic in there leaves it to the watchdog.
        let stopped = spawn_blocking(move || self.stack.stop()).await;
        if let Err(error) = stopped {
            tracing::error!(error = %error, "the embedded database could not be stopped in order");
        }
    }
}

/// Returns how to reach the embedded database that another process runs; `None` when none does.
pub(super) async fn join(data_dir: &Path) -> anyhow::Result<Option<DatabaseUrls>> {
    let data_dir = data_dir.to_owned();
    let joined = spawn_blocking(move || match fairlead_devstack::running_postgres(&data_dir) {
        Ok(postgres) => {
            let path = roles_path(&data_dir);
            let roles = Roles::load(&path)?;
            // The database runs, but whoever started it has not come as far as its roles.
            let roles = roles.with_context(|| format!("{} is not there yet; try again", path.display()))?;
            Ok(Some(roles.urls(&postgres)))
        }
        Err(StackError::NotRunning { .. }) => Ok(None),
        Err(error) => Err(error).context("cannot join the embedded database"),
    });
    joined
        .await
        .context("looking for the embedded database panicked")?
}

fn start(data_dir: PathBuf, progress: Progress) -> anyhow::Result<(Stack, Postgres, DatabaseUrls)> {
    let options = StackOptions {
        root: Root::Persistent(data_dir),
        durability: Durability::Safe,
    };
    let stack = Stack::start(options, &progress).context("cannot start the embedded database")?;
    let postgres = stack.postgres()?;
    let path = roles_path(stack.folder());
    let roles = match Roles::load(&path)? {
        Some(roles) => roles,
        None => Roles::generate(&path)?,
    };
    equip(&postgres, &roles).context("cannot set the embedded database up")?;
    let urls = roles.urls(&postgres);
    Ok((stack, postgres, urls))
}

/// Makes the roles and the database, as far as they are not there; the roles' passwords are set anew.
fn equip(postgres: &Postgres, roles: &Roles) -> Result<(), StackError> {
    let passwords = BootstrapPasswords {
        owner: roles.owner.reveal(),
        app: roles.app.reveal(),
        system: roles.system.reveal(),
    };
    postgres.run_sql("postgres", &bootstrap_sql(&passwords))?;
    let found = postgres.run_sql(
        "postgres",
        &format!("SELECT 1 FROM pg_database WHERE datname = '{NAME}'"),
    )?;
    if found.is_empty() {
        postgres.run_sql(
            "postgres",
            &format!("CREATE DATABASE {NAME} OWNER fairlead_owner"),
        )?;
    }
    Ok(())
}

/// The passwords of the three roles.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Roles {
    owner: Password,
    app: Password,
    system: Password,
}

fn roles_path(data_dir: &Path) -> PathBuf {
    data_dir.join("roles.json")
}

impl Roles {
    fn load(path: &Path) -> anyhow::Result<Option<Self>> {
        let text = match fs::read_to_string(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            read => read.with_context(|| format!("cannot read {}", path.display()))?,
        };
        serde_json::from_str(&text)
            .map(Some)
            .with_context(|| format!("cannot understand {}", path.display()))
    }

    fn generate(path: &Path) -> anyhow::Result<Self> {
        let roles = Self {
            owner: Password::generate()?,
            app: Password::generate()?,
            system: Password::generate()?,
        };
        // Written before they are set: a start that is cut short leaves no role with a password nobody knows.
        fairlead_devstack::write_private(path, &serde_json::to_string_pretty(&roles)?)?;
        Ok(roles)
    }

    fn urls(&self, postgres: &Postgres) -> DatabaseUrls {
        let url = |role: &str, password: &Password| {
            let port = postgres.port();
            Secret::new(format!(
                "postgres://{role}:{}@127.0.0.1:{port}/{NAME}",
                password.reveal()
            ))
        };
        DatabaseUrls {
            app: url("fairlead_app", &self.app),
            system: url("fairlead_system", &self.system),
            owner: url("fairlead_owner", &self.owner),
        }
    }
}

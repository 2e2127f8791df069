//! `cargo xtask up --full`: the services of a production installation, and the product on top of them.

use std::fs;
use std::io;
use std::path::Path;
use std::thread;

use anyhow::{Context as _, Result};
use fairlead_devstack::{Durability, Password, Root, Service, Stack, StackOptions, write_private};
use serde::{Deserialize, Serialize};

use crate::child;
use crate::credentials::Extras;
use crate::product::Product;

/// Starts all services in the data folder and brings their database to where the product can use it.
///
/// It is the database of the embedded mode: a folder can be served either way, in turns.
pub(crate) fn start(product: &mut Product, data_dir: &Path) -> Result<(Stack, Extras)> {
    let options = StackOptions {
        root: Root::Persistent(data_dir.to_owned()),
        durability: Durability::Safe,
    };
    let stack = Stack::start(options, &|step| eprintln!("── {step}"))?;
    let extras = start_extras(&stack)?;
    connect(product, &stack, data_dir)?;
    Ok((stack, extras))
}

fn start_extras(stack: &Stack) -> Result<Extras> {
    let [replica, redis, rabbitmq] = thread::scope(|scope| {
        [Service::Replica, Service::Redis, Service::RabbitMq]
            .map(|service| scope.spawn(move || stack.ensure(service)))
            .map(|start| {
                start
                    .join()
                    .unwrap_or_else(|panic| std::panic::resume_unwind(panic))
            })
    });
    let (replica, redis, rabbitmq) = (replica?, redis?, rabbitmq?);
    Ok(Extras {
        replica: replica.database_url("fairlead"),
        redis: redis.url,
        rabbitmq: rabbitmq.url,
    })
}

/// Makes roles and database, tells the product of them, and migrates.
pub(crate) fn connect(product: &mut Product, stack: &Stack, data_dir: &Path) -> Result<()> {
    let Roles { owner, app, system } = Roles::of(data_dir)?;
    let secret = keep(&data_dir.join("secret"), || {
        // Twice 128 random bits.
        Ok(format!(
            "{}{}",
            Password::generate()?.reveal(),
            Password::generate()?.reveal()
        ))
    })?;
    let mut bootstrap = product.command(&["bootstrap-sql"]);
    bootstrap.env("FAIRLEAD_BOOTSTRAP_OWNER_PASSWORD", owner.reveal());
    bootstrap.env("FAIRLEAD_BOOTSTRAP_APP_PASSWORD", app.reveal());
    bootstrap.env("FAIRLEAD_BOOTSTRAP_SYSTEM_PASSWORD", system.reveal());
    let postgres = stack.postgres()?;
    postgres.run_sql("postgres", &child::read(&mut bootstrap)?)?;

    let url = |role: &str, password: &Password| {
        format!(
            "postgres://{role}:{}@127.0.0.1:{}/fairlead",
            password.reveal(),
            postgres.port()
        )
    };
    product.set([
        ("FAIRLEAD__DATABASE__URL", url("fairlead_app", &app)),
        ("FAIRLEAD__DATABASE__SYSTEM_URL", url("fairlead_system", &system)),
        ("FAIRLEAD__DATABASE__OWNER_URL", url("fairlead_owner", &owner)),
        ("FAIRLEAD__SECURITY__SECRET", secret.trim_end().to_owned()),
    ]);
    child::run(&mut product.command(&["migrate"]))
}

/// The content of `roles.json`, which, like `secret`, the embedded mode reads and writes too.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Roles {
    owner: Password,
    pub(crate) app: Password,
    system: Password,
}

impl Roles {
    pub(crate) fn of(data_dir: &Path) -> Result<Self> {
        let path = data_dir.join("roles.json");
        let text = keep(&path, || Ok(serde_json::to_string_pretty(&Self::generate()?)?))?;
        serde_json::from_str(&text).with_context(|| format!("cannot understand {}", path.display()))
    }

    fn generate() -> Result<Self> {
        Ok(Self {
            owner: Password::generate()?,
            app: Password::generate()?,
            system: Password::generate()?,
        })
    }
}

/// Returns what the file holds; if it is not there, it is made.
fn keep(path: &Path, make: impl FnOnce() -> Result<String>) -> Result<String> {
    match fs::read_to_string(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let text = make()?;
            write_private(path, &text)?;
            Ok(text)
        }
        read => read.with_context(|| format!("cannot read {}", path.display())),
    }
}

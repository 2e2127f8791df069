//! `cargo xtask up --full`: the services of a production installation, and the product on top of them.

use std::fs;
use std::io;
use std::path::Path;
use std::thread;

use anyhow::{Context as _, Result};
use fairlead_devstack::{Durability, Endpoint, Password, Root, Service, Stack, StackOptions, write_private};
use serde::{Deserialize, Serialize};
use serde_json::json;

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
    let services = start_services(&stack)?;
    connect(product, &stack, data_dir)?;
    Ok((stack, services.tell(product, data_dir)?))
}

/// What is there beside the database.
struct Services {
    replica: Endpoint,
    redis: Endpoint,
    rabbitmq: Endpoint,
}

impl Services {
    /// Has the product use them, and says where they are.
    fn tell(self, product: &mut Product, data_dir: &Path) -> Result<Extras> {
        let replica = role_url("fairlead_app", &Roles::of(data_dir)?.app, self.replica.port);
        let replicas = json!([{ "name": "replica-1", "url": replica }]);
        product.set([
            ("FAIRLEAD__DATABASE__REPLICAS", replicas.to_string()),
            ("FAIRLEAD__CACHE__REDIS__URL", self.redis.url.clone()),
            ("FAIRLEAD__EVENTS__AMQP__URL", self.rabbitmq.url.clone()),
        ]);
        Ok(Extras {
            replica: self.replica.database_url("fairlead"),
            redis: self.redis.url,
            rabbitmq: self.rabbitmq.url,
        })
    }
}

fn start_services(stack: &Stack) -> Result<Services> {
    let [replica, redis, rabbitmq] = thread::scope(|scope| {
        [Service::Replica, Service::Redis, Service::RabbitMq]
            .map(|service| scope.spawn(move || stack.ensure(service)))
            .map(|start| {
                start
                    .join()
                    .unwrap_or_else(|panic| std::panic::resume_unwind(panic))
            })
    });
    Ok(Services {
        replica: replica?,
        redis: redis?,
        rabbitmq: rabbitmq?,
    })
}

fn role_url(role: &str, password: &Password, port: u16) -> String {
    format!(
        "postgres://{role}:{}@127.0.0.1:{port}/fairlead",
        password.reveal()
    )
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

    let url = |role, password| role_url(role, password, postgres.port());
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

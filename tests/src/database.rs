//! One database per test, copied from a migrated template.

use anyhow::{Context as _, Result};
use fairlead::SystemIds;
use fairlead_auth::Sha256Secrets;
use fairlead_devstack::control;
use fairlead_domain::clock::Ids as _;
use fairlead_domain::identity::{SecretKind, Secrets as _};
use fairlead_migrations::BootstrapPasswords;
use sqlx::postgres::{PgConnectOptions, PgPool, PgPoolOptions};
use sqlx::{AssertSqlSafe, Connection as _, Executor as _, PgConnection};

/// The password of every role; the server listens on loopback and lives as long as the run.
const PASSWORD: &str = "test";

/// The roles a test connects as. As owner or superuser row-level security is not in force, and isolation tests would
/// prove nothing.
#[derive(Clone, Copy, Debug)]
pub enum DatabaseRole {
    App,
    System,
    Owner,
    Superuser,
}

impl DatabaseRole {
    fn name(self) -> &'static str {
        match self {
            Self::App => "fairlead_app",
            Self::System => "fairlead_system",
            Self::Owner => "fairlead_owner",
            Self::Superuser => "postgres",
        }
    }
}

/// Creates the roles and the template, unless a run against the same server already did for these migrations.
pub async fn prepare_template() -> Result<()> {
    let mut admin = PgConnection::connect(&superuser_url("postgres")?).await?;
    let template = template_name();
    let passwords = BootstrapPasswords {
        owner: PASSWORD,
        app: PASSWORD,
        system: PASSWORD,
    };
    admin
        .execute(AssertSqlSafe(fairlead_migrations::bootstrap_sql(&passwords)))
        .await?;

    let exists: bool = sqlx::query_scalar("SELECT EXISTS (SELECT FROM pg_database WHERE datname = $1)")
        .bind(&template)
        .fetch_one(&mut admin)
        .await?;
    if exists {
        return Ok(());
    }
    // Built under another name: a run that is killed half-way leaves no half-built template.
    let draft = format!("{template}_draft");
    admin
        .execute(AssertSqlSafe(format!("DROP DATABASE IF EXISTS {draft}")))
        .await?;
    admin
        .execute(AssertSqlSafe(format!(
            "CREATE DATABASE {draft} OWNER fairlead_owner"
        )))
        .await?;
    fairlead_migrations::migrate(&url(&draft, DatabaseRole::Owner)?).await?;
    admin
        .execute(AssertSqlSafe(format!(
            "ALTER DATABASE {draft} RENAME TO {template}"
        )))
        .await?;
    Ok(())
}

fn template_name() -> String {
    format!("fairlead_template_{}", &fairlead_migrations::digest()[..16])
}

fn superuser_url(database: &str) -> Result<String> {
    Ok(control::postgres_url(database)?)
}

fn url(database: &str, role: DatabaseRole) -> Result<String> {
    let superuser = superuser_url(database)?;
    if matches!(role, DatabaseRole::Superuser) {
        return Ok(superuser);
    }
    let (_, address) = superuser
        .split_once('@')
        .context("the superuser's URL has an address")?;
    Ok(format!("postgres://{}:{PASSWORD}@{address}", role.name()))
}

/// A test's own database.
#[derive(Debug)]
pub struct TestDatabase {
    name: String,
}

impl TestDatabase {
    pub async fn create() -> Self {
        Self::copy_of(&template_name()).await
    }

    /// The credential of a new operator of the platform.
    pub async fn operator_key(&self, name: &str) -> String {
        let secret = Sha256Secrets.make(SecretKind::Operator, None, None);
        let mut system = self.connect(DatabaseRole::System).await;
        sqlx::query("INSERT INTO operators (id, name, secret_hash, created_at) VALUES ($1, $2, $3, now())")
            .bind(SystemIds.next())
            .bind(name)
            .bind(Sha256Secrets.hash(secret.expose()))
            .execute(&mut system)
            .await
            .expect("the name is free");
        secret.expose().to_owned()
    }

    /// A database that migrations have not touched yet.
    pub async fn empty() -> Self {
        let database = Self { name: unique_name() };
        let mut admin = Self::admin().await;
        let create = format!("CREATE DATABASE {} OWNER fairlead_owner", database.name);
        admin
            .execute(AssertSqlSafe(create))
            .await
            .expect("an empty database is created");
        database
    }

    async fn copy_of(template: &str) -> Self {
        let database = Self { name: unique_name() };
        let mut admin = Self::admin().await;
        // FILE_COPY beats WAL_LOG for a small template on a server that does not sync.
        let create = format!(
            "CREATE DATABASE {} TEMPLATE {template} OWNER fairlead_owner STRATEGY FILE_COPY",
            database.name
        );
        admin
            .execute(AssertSqlSafe(create))
            .await
            .expect("the template was prepared by `cargo xtask test`");
        database
    }

    async fn admin() -> PgConnection {
        let url = superuser_url("postgres").expect("tests are started by `cargo xtask test`");
        PgConnection::connect(&url)
            .await
            .expect("the run's PostgreSQL answers")
    }

    pub fn name(&self) -> &str {
        &self.name
    }

    pub fn url(&self, role: DatabaseRole) -> String {
        url(&self.name, role).expect("the run's PostgreSQL was there a moment ago")
    }

    /// A pool of `size` connections as `role`.
    pub async fn pool(&self, role: DatabaseRole, size: u32) -> PgPool {
        let options: PgConnectOptions = self.url(role).parse().expect("a URL of our own making");
        PgPoolOptions::new()
            .max_connections(size)
            .connect_with(options)
            .await
            .expect("the role can connect")
    }

    /// One connection as `role`.
    pub async fn connect(&self, role: DatabaseRole) -> PgConnection {
        PgConnection::connect(&self.url(role))
            .await
            .expect("the role can connect")
    }
}

impl Drop for TestDatabase {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("the database is kept: {}", self.url(DatabaseRole::Superuser));
            return;
        }
        let drop = format!("DROP DATABASE IF EXISTS {} WITH (FORCE)", self.name);
        // A thread of its own, because a runtime cannot be entered from within another.
        let dropped = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()?;
            runtime.block_on(async { Self::admin().await.execute(AssertSqlSafe(drop)).await })?;
            anyhow::Ok(())
        })
        .join();
        if !matches!(dropped, Ok(Ok(()))) {
            eprintln!("database {} could not be dropped", self.name);
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "names of test databases need no order")]
fn unique_name() -> String {
    format!("test_{}", uuid::Uuid::now_v7().simple())
}

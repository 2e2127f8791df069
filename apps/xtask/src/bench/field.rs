//! Everything that is measured, started and ready.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, ensure};
use fairlead_devstack::Password;
use serde_json::{Value, json};

use super::body::{self, NewLead};
use super::load;
use super::pgbench::Pgbench;
use super::server::{Server, free_port};
use super::stage::{self, Stage};
use super::statements::Sample;
use super::workload::{BULK, Workload};
use crate::child;
use crate::full::Roles;
use crate::product::Product;

/// Database connections of each server: the product's and the baseline's alike.
pub(crate) const POOL: u32 = 20;

/// The key that switches the product's response cache.
const CACHE_KEY: &str = "cache.responses.enabled";

/// Any answer of 200 will do to see that a server is up.
const READY: &str = "/health/ready";
/// What a start is measured by: a read that needs a token and the database.
pub(crate) const FIRST: &str = "/api/v1/leads?status=NEW&limit=1";

#[derive(Debug)]
pub(crate) struct Binaries {
    pub(crate) product: PathBuf,
    pub(crate) baseline: PathBuf,
    pub(crate) limit: PathBuf,
    pub(crate) broadcast: PathBuf,
    pub(crate) crowd: PathBuf,
    pub(crate) followers: PathBuf,
}

/// The product, the baseline and the limits.
#[derive(Debug)]
pub(crate) struct Field {
    pub(crate) ours: Server,
    pub(crate) ours_cached: Server,
    pub(crate) baseline: Server,
    pub(crate) baseline_cached: Server,
    pub(crate) http: Server,
    pub(crate) http_logged: Server,
    pub(crate) pgbench: Pgbench,
    pub(crate) sample: Sample,
    pub(crate) script: PathBuf,
    pub(crate) folder: PathBuf,
    /// Whether this version of the product has a response cache that can be switched.
    pub(crate) has_response_cache: bool,
    launch: Launch,
}

/// How servers are started, again if need be.
#[derive(Debug)]
struct Launch {
    product: PathBuf,
    product_variables: Vec<(String, String)>,
    baseline: PathBuf,
    baseline_variables: Vec<(String, String)>,
    folder: PathBuf,
}

impl Field {
    pub(crate) fn start(
        stage: &Stage,
        product: &Product,
        binaries: &Binaries,
        data_dir: &Path,
        folder: &Path,
    ) -> Result<Self> {
        let keys = known_keys(product)?;
        let has_response_cache = keys.iter().any(|(key, _)| key == CACHE_KEY);
        let password = Roles::of(data_dir)?.app;
        let mut launch = Launch {
            product: binaries.product.clone(),
            product_variables: product_variables(product, data_dir, &keys, stage),
            baseline: binaries.baseline.clone(),
            baseline_variables: Vec::new(),
            folder: folder.to_owned(),
        };

        let mut ours = launch.ours("fairlead", has_response_cache.then_some(false), "", READY)?;
        let session = log_in(&ours, stage)?;
        ours.set_token(session.token.clone());
        let token = session.token.as_str();
        let ours_cached = launch.ours(
            "fairlead-cached",
            has_response_cache.then_some(true),
            token,
            FIRST,
        )?;

        let secret = Password::generate()?;
        launch.baseline_variables = baseline_variables(stage, &password, &secret);
        let mut issue = Command::new(&launch.baseline);
        issue
            .args(["token", &session.tenant, &session.user])
            .env("JWT_SECRET", secret.reveal());
        let baseline_token = child::read(&mut issue)?.trim().to_owned();
        let baseline = launch.baseline("baseline", None, &baseline_token, FIRST)?;
        let baseline_cached =
            launch.baseline("baseline-cached", Some(&stage.redis), &baseline_token, FIRST)?;

        let http = start_limit(&binaries.limit, &ours_cached, folder, Log::None)?;
        let http_logged = start_limit(&binaries.limit, &ours_cached, folder, Log::Lines)?;
        let sample = take_sample(stage, &session, folder)?;
        Ok(Self {
            ours,
            ours_cached,
            baseline,
            baseline_cached,
            http,
            http_logged,
            pgbench: Pgbench::find(folder, stage.postgres.port(), password, &sample.tenant)?,
            sample,
            script: load::install(folder)?,
            folder: folder.to_owned(),
            has_response_cache,
            launch,
        })
    }

    /// Starts the product once more, as the first time.
    pub(crate) fn start_ours(&self) -> Result<Server> {
        let cache = self.has_response_cache.then_some(true);
        self.launch
            .ours("fairlead-start", cache, self.ours.token(), FIRST)
    }

    pub(crate) fn start_baseline(&self) -> Result<Server> {
        self.launch
            .baseline("baseline-start", None, self.baseline.token(), FIRST)
    }

    /// The file with the paths or bodies of a workload.
    pub(crate) fn lines(&self, workload: Workload) -> PathBuf {
        lines(&self.folder, workload)
    }

    pub(crate) fn stop(self) -> Result<()> {
        for server in [
            self.ours,
            self.ours_cached,
            self.baseline,
            self.baseline_cached,
            self.http,
            self.http_logged,
        ] {
            server.stop()?;
        }
        Ok(())
    }
}

impl Launch {
    /// Starts the product; `cache` says whether its response cache is on, where it has one.
    fn ours(&self, name: &'static str, cache: Option<bool>, token: &str, path: &str) -> Result<Server> {
        let port = free_port()?;
        let mut command = Command::new(&self.product);
        command.arg("serve").envs(self.product_variables.iter().cloned());
        command.env("FAIRLEAD__HTTP__PORT", port.to_string());
        if let Some(cache) = cache {
            command.env("FAIRLEAD__CACHE__RESPONSES__ENABLED", cache.to_string());
        }
        Server::start(name, &mut command, port, token, path, &self.folder)
    }

    fn baseline(&self, name: &'static str, redis: Option<&str>, token: &str, path: &str) -> Result<Server> {
        let port = free_port()?;
        let mut command = Command::new(&self.baseline);
        command.arg("serve").envs(self.baseline_variables.iter().cloned());
        command.env("PORT", port.to_string());
        if let Some(redis) = redis {
            command.env("REDIS_URL", redis);
        }
        Server::start(name, &mut command, port, token, path, &self.folder)
    }
}

/// The product as it is meant to run in production, logs included; but nothing is given up for being slow, since the
/// benchmark waits for everybody.
fn product_variables(
    product: &Product,
    data_dir: &Path,
    keys: &[(String, String)],
    stage: &Stage,
) -> Vec<(String, String)> {
    let mut variables: Vec<(String, String)> = product
        .variables()
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect();
    let mut set = |name: &str, value: &str| variables.push((name.to_owned(), value.to_owned()));
    set("FAIRLEAD__DATA_DIR", &data_dir.display().to_string());
    set("FAIRLEAD__PRESET", "highPerformance");
    set("FAIRLEAD__DATABASE__POOL__MIN", &POOL.to_string());
    set("FAIRLEAD__DATABASE__POOL__MAX", &POOL.to_string());
    set("FAIRLEAD__DATABASE__POOL__ACQUIRE_TIMEOUT_MS", "60000");
    set("FAIRLEAD__DATABASE__STATEMENT_TIMEOUT_MS", "120000");
    set("FAIRLEAD__HTTP__REQUEST_TIMEOUT_MS", "120000");
    set("FAIRLEAD__AUTH__ACCESS_TTL_SECONDS", "3600");
    // Counted as in production, and never used up.
    for (_, variable) in keys.iter().filter(|(key, _)| is_rate(key)) {
        set(variable, "1000000000");
    }
    // So many work at once as in production, and whoever waits does so until there is room.
    for (key, most) in [
        ("admission.max_wait_ms", "60000"),
        ("admission.max_waiting", "100000"),
    ] {
        if let Some((_, variable)) = keys.iter().find(|(known, _)| known == key) {
            set(variable, most);
        }
    }
    if let Some((_, variable)) = keys.iter().find(|(key, _)| key.ends_with("redis.url")) {
        set(variable, &stage.redis);
    }
    variables
}

/// Whether a key says how often clients may ask.
pub(crate) fn is_rate(key: &str) -> bool {
    key.strip_prefix("rate_limits.").is_some_and(|rest| {
        ["address", "tenant", "api_key"].contains(&rest) || rest.starts_with("operations.")
    })
}

fn baseline_variables(stage: &Stage, app: &Password, secret: &Password) -> Vec<(String, String)> {
    let (port, password) = (stage.postgres.port(), app.reveal());
    let url = format!("postgres://fairlead_app:{password}@127.0.0.1:{port}/fairlead");
    [
        ("DATABASE_URL", url),
        ("DATABASE_CONNECTIONS", POOL.to_string()),
        ("JWT_SECRET", secret.reveal().to_owned()),
    ]
    .map(|(name, value)| (name.to_owned(), value))
    .to_vec()
}

/// Returns each key of this version's configuration with the variable that sets it.
pub(crate) fn known_keys(product: &Product) -> Result<Vec<(String, String)>> {
    let keys = product.ask(&["config", "explain", "--json"])?;
    let keys = keys.as_array().context("the product explains no keys")?;
    Ok(keys
        .iter()
        .filter_map(|key| {
            Some((
                key["key"].as_str()?.to_owned(),
                key["variables"][0].as_str()?.to_owned(),
            ))
        })
        .collect())
}

struct Session {
    token: String,
    tenant: String,
    user: String,
}

fn log_in(ours: &Server, stage: &Stage) -> Result<Session> {
    let owner = &stage.owner;
    let body = json!({ "email": owner.email, "password": owner.password, "tenant": stage::TENANT });
    let answer = ours.post("/api/v1/auth/login", &body.to_string())?;
    ensure!(
        answer.status == 200,
        "cannot log in: {} {}",
        answer.status,
        answer.body
    );
    let session: Value = serde_json::from_str(&answer.body)?;
    let text = |pointer: &str| {
        let found = session
            .pointer(pointer)
            .and_then(Value::as_str)
            .map(str::to_owned);
        found.with_context(|| format!("the login's answer has no {pointer}"))
    };
    Ok(Session {
        token: text("/accessToken")?,
        tenant: text("/tenant/id")?,
        user: text("/user/id")?,
    })
}

/// Whether a limit leaves a line for each request, as the product does.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Log {
    None,
    Lines,
}

/// Starts the server that knows one answer by heart: the product's own.
fn start_limit(binary: &Path, ours: &Server, folder: &Path, log: Log) -> Result<Server> {
    let (keys, bytes) = (folder.join("jwks.json"), folder.join("answer.json"));
    let path = Workload::W7.path();
    fs::write(&keys, ours.get("/.well-known/jwks.json")?.body)?;
    fs::write(&bytes, ours.get(&path)?.body)?;
    let port = free_port()?;
    let mut command = Command::new(binary);
    command
        .env("PORT", port.to_string())
        .env("JWKS_FILE", keys)
        .env("AUDIENCE", "fairlead-api")
        .env("ANSWER_FILE", bytes);
    let name = match log {
        Log::None => "limit",
        Log::Lines => {
            command.env("LOG", "1");
            "limit-logged"
        }
    };
    Server::start(name, &mut command, port, ours.token(), &path, folder)
}

/// Draws leads and names, and writes what the load consists of.
fn take_sample(stage: &Stage, session: &Session, folder: &Path) -> Result<Sample> {
    let Session { tenant, user, .. } = session;
    let of_tenant = format!("FROM leads WHERE tenant_id = '{tenant}'");
    let leads = stage.column(&format!("SELECT id {of_tenant} ORDER BY random() LIMIT 10000"))?;
    let names = stage.column(&format!(
        "SELECT name {of_tenant} AND name ~ '^[A-Za-z]+( [A-Za-z]+)+$' ORDER BY random() LIMIT 200"
    ))?;
    ensure!(
        !leads.is_empty() && !names.is_empty(),
        "the measured tenant has no leads"
    );

    for workload in Workload::ALL {
        let content: Vec<String> = match workload {
            Workload::W1 => leads
                .iter()
                .map(|id| format!("{}/{id}", workload.path()))
                .collect(),
            Workload::W8 => names
                .iter()
                .map(|name| format!("{}?q={}", workload.path(), name.replace(' ', "%20")))
                .collect(),
            Workload::W5 => (0..1_000)
                .map(|index| NewLead::of(index).to_json().to_string())
                .collect(),
            Workload::W6 => (0..8)
                .map(|part| body::bulk(part * BULK, BULK).to_string())
                .collect(),
            Workload::W2 | Workload::W3 | Workload::W4 | Workload::W7 => vec![workload.path()],
        };
        fs::write(lines(folder, workload), content.join("\n") + "\n")?;
    }
    Ok(Sample {
        tenant: tenant.clone(),
        user: user.clone(),
        leads,
        names,
    })
}

fn lines(folder: &Path, workload: Workload) -> PathBuf {
    folder.join(format!("{}.txt", workload.name()))
}

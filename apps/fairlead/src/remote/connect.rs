use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context as _;
use clap::Args;
use fairlead_http::{ApiClient, ApiCredential, ApiError};
use serde::Deserialize;
use serde_json::json;
use tokio::time::timeout;
use url::Url;

use crate::config::Secret;
use crate::{output, tls};

const URL: &str = "FAIRLEAD_URL";
const KEY: &str = "FAIRLEAD_API_KEY";
const OPERATOR_KEY: &str = "FAIRLEAD_OPERATOR_KEY";
const PASSWORD: &str = "FAIRLEAD_PASSWORD";
const CA_FILE: &str = "FAIRLEAD_CA_FILE";
const DEFAULT_URL: &str = "http://127.0.0.1:8080";

const LOG_OUT_WITHIN: Duration = Duration::from_secs(5);

/// Which server, and who asks. No secret is an argument: those of a process are everybody's to see.
#[derive(Debug, Args)]
pub(crate) struct RemoteArgs {
    /// Where the server is [env: `FAIRLEAD_URL`] [default: <http://127.0.0.1:8080>]
    #[arg(long, value_name = "URL", help_heading = "Server")]
    url: Option<Url>,
    /// PEM file of the authorities that its certificate may be signed by [env: `FAIRLEAD_CA_FILE`] [default: those that
    /// browsers trust]
    #[arg(long, value_name = "FILE", help_heading = "Server")]
    ca_file: Option<PathBuf>,
    /// Slug of the tenant; a credential of another one is refused
    #[arg(long, value_name = "SLUG", help_heading = "Server")]
    tenant: Option<String>,
    /// File with an API key [else: the key in `FAIRLEAD_API_KEY`]
    #[arg(long, value_name = "FILE", help_heading = "Server")]
    key_file: Option<PathBuf>,
    /// Log in as this user, rather than by a key
    #[arg(
        long,
        value_name = "ADDRESS",
        conflicts_with = "key_file",
        help_heading = "Server"
    )]
    email: Option<String>,
    /// File with the user's password [else: the password in `FAIRLEAD_PASSWORD`]
    #[arg(long, value_name = "FILE", requires = "email", help_heading = "Server")]
    password_file: Option<PathBuf>,
}

/// The command line asks for what cannot be.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(crate) struct UsageError(pub(crate) String);

/// A server that knows us.
#[derive(Debug)]
pub(crate) struct Remote {
    client: ApiClient,
    /// `None`: by an API key.
    login: Option<Login>,
    /// The slug of the tenant.
    pub(crate) tenant: String,
}

#[derive(Debug)]
struct Login {
    email: String,
    password: Secret,
    tenant: Option<String>,
}

#[derive(Deserialize)]
struct Me {
    tenant: Tenant,
}

#[derive(Deserialize)]
struct Tenant {
    slug: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Session {
    access_token: String,
}

impl Remote {
    /// Has work done by a server that is there and lets us in, and leaves no session behind, however the work ends.
    pub(crate) async fn with<T>(
        args: &RemoteArgs,
        work: impl AsyncFnOnce(&mut Self) -> anyhow::Result<T>,
    ) -> anyhow::Result<T> {
        let mut remote = Self::connect(args).await?;
        let done = work(&mut remote).await;
        remote.log_out().await;
        done
    }

    /// For what everybody may ask.
    pub(crate) fn anonymous(args: &RemoteArgs) -> anyhow::Result<Self> {
        let (client, _) = client(args)?;
        Ok(Self::by(client))
    }

    /// For what operators of the platform may ask.
    pub(crate) fn operator(args: &RemoteArgs, key_file: Option<&Path>) -> anyhow::Result<Self> {
        let (client, _) = client(args)?;
        let key = secret(key_file, OPERATOR_KEY, "--operator-key-file")?;
        Ok(Self::by(
            client.with(ApiCredential::Token(key.expose().to_owned())),
        ))
    }

    /// The same, where there is such a key.
    pub(crate) fn operator_if_any(
        args: &RemoteArgs,
        key_file: Option<&Path>,
    ) -> anyhow::Result<Option<Self>> {
        if key_file.is_none() && environment(OPERATOR_KEY).is_none() {
            return Ok(None);
        }
        Self::operator(args, key_file).map(Some)
    }

    fn by(client: ApiClient) -> Self {
        Self {
            client,
            login: None,
            tenant: String::new(),
        }
    }

    /// Finds out whether the server is there and lets us in, before anything is asked of it.
    async fn connect(args: &RemoteArgs) -> anyhow::Result<Self> {
        let (client, where_it_is) = client(args)?;
        let login = match &args.email {
            Some(email) => Some(Login {
                email: email.clone(),
                password: secret(args.password_file.as_deref(), PASSWORD, "--password-file")?,
                tenant: args.tenant.clone(),
            }),
            None => None,
        };
        let client = if login.is_some() {
            client
        } else {
            let key = secret(args.key_file.as_deref(), KEY, "--key-file")?;
            client.with(ApiCredential::Key(key.expose().to_owned()))
        };
        let mut remote = Self {
            client,
            login,
            tenant: String::new(),
        };
        let cannot = || format!("cannot work with the server at {where_it_is}");
        remote.renew().await.with_context(cannot)?;
        let me: Me = remote.client.get("/api/v1/auth/me").await.with_context(cannot)?;
        remote.tenant = me.tenant.slug;
        match &args.tenant {
            Some(wanted) if *wanted != remote.tenant => {
                remote.log_out().await;
                let told = format!("the credential is of tenant {}, not of {wanted}", remote.tenant);
                Err(UsageError(told).into())
            }
            _ => Ok(remote),
        }
    }

    /// Ends the session, if we have one.
    async fn log_out(&self) {
        if self.login.is_none() {
            return;
        }
        let ended = self.client.post::<()>("/api/v1/auth/logout", None, None);
        // Nobody waits for it for long: it ends by itself, later.
        match timeout(LOG_OUT_WITHIN, ended).await {
            Ok(Ok(())) => {}
            Ok(Err(ApiError::Refused(problem))) if problem.status == 401 => {}
            _ => output::progress("warning: the server did not hear that the session has ended"),
        }
    }

    pub(crate) fn client(&self) -> &ApiClient {
        &self.client
    }

    /// Logs in, or in again; returns whether that is how we get in.
    pub(crate) async fn renew(&mut self) -> Result<bool, ApiError> {
        let Some(Login {
            email,
            password,
            tenant,
        }) = &self.login
        else {
            return Ok(false);
        };
        let body = json!({ "email": email, "password": password.expose(), "tenant": tenant });
        let anonymous = self.client.clone().with(ApiCredential::None);
        let session: Session = anonymous
            .post("/api/v1/auth/login", None, Some(body.to_string()))
            .await?;
        self.client = anonymous.with(ApiCredential::Token(session.access_token));
        Ok(true)
    }
}

impl RemoteArgs {
    /// Whether a user asks, rather than an API key.
    pub(crate) fn is_user(&self) -> bool {
        self.email.is_some()
    }
}

/// Speaks to the server, as nobody yet; with where it is.
fn client(args: &RemoteArgs) -> anyhow::Result<(ApiClient, String)> {
    let (url, authorities) = place(args)?;
    let where_it_is = url.to_string();
    let user_agent = concat!("fairlead/", env!("CARGO_PKG_VERSION"));
    let client = ApiClient::new(url, user_agent, authorities.as_deref())?;
    Ok((client, where_it_is))
}

/// Where the server is, and the authorities that its certificate may be signed by.
fn place(args: &RemoteArgs) -> anyhow::Result<(Url, Option<String>)> {
    let url = match (&args.url, environment(URL)) {
        (Some(url), _) => url.clone(),
        (None, given) => {
            let text = given.unwrap_or_else(|| DEFAULT_URL.to_owned());
            Url::parse(&text).map_err(|error| UsageError(format!("{URL} is no URL: {error}")))?
        }
    };
    if !url.username().is_empty() || url.password().is_some() {
        let told = "a URL with a user or password is shown to every process of this machine; see --email and --key-file";
        return Err(UsageError(told.to_owned()).into());
    }
    warn_of_plain_text(&url);
    let ca_file = args
        .ca_file
        .clone()
        .or_else(|| environment(CA_FILE).map(PathBuf::from));
    Ok((url, ca_file.as_deref().map(tls::authorities).transpose()?))
}

fn warn_of_plain_text(url: &Url) {
    let is_here = url.host_str().is_some_and(|host| {
        let host = host.trim_matches(['[', ']']);
        host == "localhost"
            || host
                .parse()
                .is_ok_and(|address: std::net::IpAddr| address.is_loopback())
    });
    if url.scheme() == "http" && !is_here {
        output::progress(&format!(
            "warning: {url} is not encrypted; whoever listens on the way reads the credential"
        ));
    }
}

fn secret(file: Option<&Path>, variable: &str, flag: &str) -> anyhow::Result<Secret> {
    let text = match file {
        Some(path) => fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?,
        None => environment(variable)
            .ok_or_else(|| UsageError(format!("no credential: set {variable}, or name a file by {flag}")))?,
    };
    let text = text.trim();
    if text.is_empty() {
        return Err(UsageError(format!("the credential is empty: see {variable} and {flag}")).into());
    }
    Ok(Secret::new(text))
}

#[expect(
    clippy::disallowed_methods,
    reason = "what a command is told beside its arguments is no configuration of a server"
)]
fn environment(variable: &str) -> Option<String> {
    std::env::var(variable).ok().filter(|value| !value.is_empty())
}

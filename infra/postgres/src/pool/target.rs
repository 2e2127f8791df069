use std::path::PathBuf;
use std::time::Duration;

use rustls::Error as TlsError;
use tokio::time::timeout;
use tokio_postgres::Config;
use tokio_postgres::config::{LoadBalanceHosts, SslMode, TargetSessionAttrs};
use tokio_postgres_rustls::MakeRustlsConnect;
use url::{Url, form_urlencoded};

use super::tls::{self, Trust};
use crate::wire::{Conversation, Error, Handshake};

/// A connection reads only, unless a transaction says that it writes: what reads begins none, and nothing else would keep
/// it from writing what the role may.
const READ_ONLY: &str = "-c default_transaction_read_only=on";

/// What the driver takes where a URL is silent, and how it cannot be told from that.
const UNSET_KEEPALIVE: Duration = Duration::from_hours(2);
/// A server that acknowledges nothing for so long is gone. COMMIT has no other limit: it is the connection's end that
/// tells that its outcome is in doubt.
const SILENT_FOR: Duration = Duration::from_secs(30);
/// A server that cannot be asked to cancel something by then is asked no more.
const CANCEL_LIMIT: Duration = Duration::from_secs(5);

/// Where to connect, and how safely.
#[derive(Clone)]
pub(crate) struct Target {
    handshake: Handshake,
}

/// Why a URL cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum BadUrl {
    #[error("it is no URL")]
    Malformed(#[from] url::ParseError),
    #[error("it has parts that PostgreSQL's URLs do not have")]
    Unknown(#[from] tokio_postgres::Error),
    #[error("{0} is not supported: name the primary and the replicas each by a URL of its own")]
    Unsupported(&'static str),
    #[error("sslmode={0} is not known")]
    SslMode(String),
    #[error("sslcert and sslkey go together")]
    HalfIdentity,
    #[error("{} cannot be read as PEM", path.display())]
    Pem {
        path: PathBuf,
        source: rustls::pki_types::pem::Error,
    },
    #[error("TLS cannot be set up")]
    Tls(#[from] TlsError),
}

/// What a URL says of TLS; the driver knows less of it.
#[derive(Default)]
struct TlsParameters {
    mode: Option<String>,
    roots: Option<PathBuf>,
    certificate: Option<PathBuf>,
    key: Option<PathBuf>,
}

impl Target {
    /// Reads a URL; `application_name` is how PostgreSQL lists the connections.
    pub(crate) fn parse(url: &str, application_name: &str) -> Result<Self, BadUrl> {
        let mut url: Url = url.parse()?;
        let parameters = TlsParameters::take(&mut url);
        let (mode, tls) = parameters.connector()?;
        let mut config: Config = url.as_str().parse()?;
        add_options(&mut config, READ_ONLY);
        config.application_name(application_name).ssl_mode(mode);
        if config.get_keepalives_idle() == UNSET_KEEPALIVE {
            config
                .keepalives_idle(Duration::from_secs(10))
                .keepalives_interval(Duration::from_secs(5))
                .keepalives_retries(3);
        }
        if config.get_tcp_user_timeout().is_none() {
            config.tcp_user_timeout(SILENT_FOR);
        }
        if config.get_target_session_attrs() != TargetSessionAttrs::Any {
            return Err(BadUrl::Unsupported("target_session_attrs"));
        }
        if config.get_load_balance_hosts() != LoadBalanceHosts::Disable {
            return Err(BadUrl::Unsupported("load_balance_hosts"));
        }
        if !config.get_hostaddrs().is_empty() {
            return Err(BadUrl::Unsupported("hostaddr"));
        }
        Ok(Self {
            handshake: Handshake { config, tls },
        })
    }

    /// The same place, but listed under another name.
    pub(crate) fn named(&self, application_name: &str) -> Self {
        let mut named = self.clone();
        named.handshake.config.application_name(application_name);
        named
    }

    /// The same place, with further settings of the server's for the connection: `-c name=value`.
    pub(crate) fn with_options(mut self, options: &str) -> Self {
        add_options(&mut self.handshake.config, options);
        self
    }

    pub(crate) async fn open(&self) -> Result<Conversation, Error> {
        self.handshake.open().await
    }

    /// Has the server give up the statement that runs on a connection, by a word over another one.
    pub(crate) async fn cancel(&self, conversation: &Conversation) -> Result<(), Error> {
        self.handshake.cancel(conversation).await
    }

    /// Ends a connection, whatever it is at: what still runs is cancelled, and the server waited for.
    pub(crate) async fn let_go(&self, conversation: Conversation) {
        if conversation.is_owed() {
            // Without it what runs ends by its own limit, if it has one.
            let _ = timeout(CANCEL_LIMIT, self.cancel(&conversation)).await;
        }
        conversation.end().await;
    }
}

fn add_options(config: &mut Config, options: &str) {
    let options = match config.get_options() {
        Some(others) => format!("{others} {options}"),
        None => options.to_owned(),
    };
    config.options(options);
}

impl TlsParameters {
    /// Takes them out of the URL. Their names are those of libpq and of sqlx, which the migrations go through.
    fn take(url: &mut Url) -> Self {
        let mut taken = Self::default();
        let query = url.query().unwrap_or_default().to_owned();
        let mut rest = Vec::new();
        for pair in query.split('&').filter(|pair| !pair.is_empty()) {
            let parsed = form_urlencoded::parse(pair.as_bytes()).into_owned().next();
            let (name, value) = parsed.unwrap_or_default();
            match name.as_str() {
                "sslmode" | "ssl-mode" => taken.mode = Some(value),
                "sslrootcert" | "ssl-root-cert" | "ssl-ca" => taken.roots = Some(value.into()),
                "sslcert" | "ssl-cert" => taken.certificate = Some(value.into()),
                "sslkey" | "ssl-key" => taken.key = Some(value.into()),
                "statement-cache-capacity" => {}
                _ => rest.push(pair),
            }
        }
        url.set_query((!rest.is_empty()).then(|| rest.join("&")).as_deref());
        taken
    }

    fn connector(self) -> Result<(SslMode, Option<MakeRustlsConnect>), BadUrl> {
        let identity = match (self.certificate, self.key) {
            (Some(certificate), Some(key)) => Some(tls::identity(&certificate, &key)?),
            (None, None) => None,
            _ => return Err(BadUrl::HalfIdentity),
        };
        let roots = self.roots.as_deref();
        let (mode, trust) = match self.mode.as_deref() {
            Some("disable" | "allow") => return Ok((SslMode::Disable, None)),
            None | Some("prefer") => (SslMode::Prefer, Trust::AnyServer),
            Some("require") if roots.is_none() => (SslMode::Require, Trust::AnyServer),
            // With root certificates `require` means `verify-ca`.
            Some("require" | "verify-ca") => (SslMode::Require, Trust::Signed(tls::roots(roots)?)),
            Some("verify-full") => (SslMode::Require, Trust::Named(tls::roots(roots)?)),
            Some(other) => return Err(BadUrl::SslMode(other.to_owned())),
        };
        Ok((mode, Some(tls::connector(trust, identity)?)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(query: &str) -> Result<Target, BadUrl> {
        let url = format!("postgres://app:p%40ss@[::1]:5433/fairlead{query}");
        Target::parse(&url, "fairlead-test")
    }

    #[test]
    fn sslmode_means_what_it_means_elsewhere() {
        let mode = |query| parse(query).unwrap().handshake.config.get_ssl_mode();

        assert_eq!(mode(""), SslMode::Prefer);
        assert_eq!(mode("?sslmode=disable"), SslMode::Disable);
        assert_eq!(mode("?sslmode=require"), SslMode::Require);
        assert_eq!(mode("?sslmode=verify-ca"), SslMode::Require);
        assert_eq!(mode("?sslmode=verify-full"), SslMode::Require);
    }

    #[test]
    fn what_would_be_less_safe_or_is_not_known_is_refused() {
        for query in [
            "?sslmode=verify",
            "?sslmode=verify-full&sslrootcert=/nowhere/ca.pem",
            "?sslmode=require&sslrootcert=/nowhere/ca.pem",
            "?sslcert=/nowhere/client.pem",
            "?colour=blue",
            "?target_session_attrs=read-write",
            "?load_balance_hosts=random",
            "?hostaddr=127.0.0.1",
        ] {
            assert!(parse(query).is_err(), "{query}");
        }
    }

    #[test]
    fn user_password_place_and_options_survive_the_way() {
        let config = parse("?sslmode=disable&options=-c%20geqo%3Doff")
            .unwrap()
            .handshake
            .config;

        assert_eq!(config.get_user(), Some("app"));
        assert_eq!(config.get_password(), Some(b"p@ss".as_slice()));
        assert_eq!(config.get_dbname(), Some("fairlead"));
        assert_eq!(config.get_ports(), [5433]);
        assert_eq!(
            config.get_options(),
            Some("-c geqo=off -c default_transaction_read_only=on")
        );
        assert_eq!(config.get_application_name(), Some("fairlead-test"));
    }
}

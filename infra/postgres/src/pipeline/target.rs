use std::path::PathBuf;

use rustls::Error;
use tokio_postgres::config::SslMode;
use tokio_postgres::{Config, NoTls};
use tokio_postgres_rustls::MakeRustlsConnect;
use url::Url;

use super::client::Client;
use super::tls;

/// Where to connect, and how safely.
pub(super) struct Target {
    config: Config,
    tls: Option<MakeRustlsConnect>,
}

/// Why a URL cannot be served by pipelines; its reads go through the other pools.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Unfit {
    #[error("the URL has the parameter {0}")]
    Parameter(String),
    #[error("sslmode={0} is not supported by pipelined reads")]
    SslMode(String),
    #[error("the file of root certificates cannot be read")]
    RootCertificates,
    #[error("TLS cannot be set up: {0}")]
    Tls(Error),
    #[error("the URL is malformed")]
    Malformed,
}

impl Target {
    pub(super) fn parse(url: &str, application_name: &str) -> Result<Self, Unfit> {
        let mut url: Url = url.parse().map_err(|_| Unfit::Malformed)?;
        let (mut mode, mut roots) = ("prefer".to_owned(), None);
        for (name, value) in url.query_pairs() {
            match &*name {
                "sslmode" | "ssl-mode" => mode = value.into_owned(),
                "sslrootcert" | "ssl-root-cert" | "ssl-ca" => roots = Some(PathBuf::from(&*value)),
                "application_name" | "statement-cache-capacity" => {}
                _ => return Err(Unfit::Parameter(name.into_owned())),
            }
        }
        url.set_query(None);

        let (mode, tls) = match mode.as_str() {
            "disable" | "allow" => (SslMode::Disable, None),
            "prefer" => (SslMode::Prefer, Some(tls::encrypted()?)),
            "require" if roots.is_none() => (SslMode::Require, Some(tls::encrypted()?)),
            "verify-full" => (SslMode::Require, Some(tls::verified(roots.as_deref())?)),
            _ => return Err(Unfit::SslMode(mode)),
        };
        let mut config: Config = url.as_str().parse().map_err(|_| Unfit::Malformed)?;
        config.application_name(application_name).ssl_mode(mode);
        Ok(Self { config, tls })
    }

    pub(super) async fn connect(&self) -> Result<Client, tokio_postgres::Error> {
        match &self.tls {
            None => {
                let (client, connection) = self.config.connect(NoTls).await?;
                drive(connection);
                Ok(Client::new(client))
            }
            Some(tls) => {
                let (client, connection) = self.config.connect(tls.clone()).await?;
                drive(connection);
                Ok(Client::new(client))
            }
        }
    }
}

/// Moves the bytes of a connection until it is closed, on the thread that opened it.
#[expect(
    clippy::disallowed_methods,
    reason = "it outlives the request that happens to open it, and works for others"
)]
fn drive<C>(connection: C)
where
    C: Future<Output = Result<(), tokio_postgres::Error>> + Send + 'static,
{
    // Whoever waits for an answer is told of the error.
    tokio::spawn(async move {
        let _ = connection.await;
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(query: &str) -> Result<SslMode, Unfit> {
        // As `main` does; another test may have been first.
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        let url = format!("postgres://app:p%40ss@db.example:5433/fairlead{query}");
        Target::parse(&url, "fairlead-test").map(|target| target.config.get_ssl_mode())
    }

    #[test]
    fn sslmode_means_what_it_means_elsewhere() {
        assert_eq!(parse("").unwrap(), SslMode::Prefer);
        assert_eq!(parse("?sslmode=disable").unwrap(), SslMode::Disable);
        assert_eq!(parse("?sslmode=require").unwrap(), SslMode::Require);
        assert_eq!(parse("?sslmode=verify-full").unwrap(), SslMode::Require);
    }

    #[test]
    fn what_would_be_less_safe_or_is_not_known_is_left_to_the_other_pools() {
        for query in [
            "?sslmode=verify-ca",
            // With a root certificate `require` means `verify-ca`.
            "?sslmode=require&sslrootcert=/etc/ca.pem",
            "?sslmode=verify-full&sslrootcert=/nowhere/ca.pem",
            "?options=-c%20search_path%3Dother",
        ] {
            assert!(parse(query).is_err(), "{query}");
        }
    }

    #[test]
    fn user_password_and_place_survive_the_way() {
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        let target = Target::parse("postgres://app:p%40ss@[::1]:5433/fairlead?sslmode=disable", "x").unwrap();

        assert_eq!(target.config.get_user(), Some("app"));
        assert_eq!(target.config.get_password(), Some(b"p@ss".as_slice()));
        assert_eq!(target.config.get_dbname(), Some("fairlead"));
        assert_eq!(target.config.get_ports(), [5433]);
    }
}

//! Which server Redis is, and whom to believe that it is that one.

use std::error::Error;
use std::io;
use std::sync::Arc;

use redis::{Client, ConnectionAddr, RedisError, TlsCertificates};

use crate::settings::SharedSettings;

/// Why Redis cannot be used as it is configured. The URL is not repeated: it may hold a password.
#[derive(Debug, thiserror::Error)]
pub enum BadRedis {
    #[error("not a URL of Redis: write `redis://[:password@]host:port[/database]`, or `rediss://` with TLS")]
    Url(#[source] RedisError),
    /// `#insecure` is a word of the client library, for servers that anybody may pretend to be.
    #[error("`#insecure` is not taken: name the authority that has signed the certificate of Redis instead")]
    Insecure,
    #[error(
        "authorities are named, but the URL begins with `redis://`, which is without TLS: write `rediss://`"
    )]
    NotTls,
    #[error("the certificates of the authorities cannot be used")]
    Authorities(#[source] RedisError),
}

pub(super) fn client(settings: &SharedSettings) -> Result<Client, BadRedis> {
    let client = Client::open(settings.url.as_str()).map_err(BadRedis::Url)?;
    let info = client.get_connection_info().clone();
    match (info.addr(), &settings.authorities) {
        (ConnectionAddr::TcpTls { insecure: true, .. }, _) => Err(BadRedis::Insecure),
        (ConnectionAddr::TcpTls { .. }, Some(authorities)) => {
            let certificates = TlsCertificates {
                client_tls: None,
                root_cert: Some(authorities.as_bytes().to_vec()),
            };
            Client::build_with_tls(info, certificates).map_err(BadRedis::Authorities)
        }
        (_, Some(_)) => Err(BadRedis::NotTls),
        (_, None) => Ok(client),
    }
}

/// Whether somebody answered whose certificate nobody we trust has signed, or that is another's.
pub(super) fn is_untrusted(error: &RedisError) -> bool {
    let mut next: Option<&(dyn Error + 'static)> = Some(error);
    while let Some(error) = next {
        // The client library shares what it passes on.
        let error = match error.downcast_ref::<Arc<dyn Error + Send + Sync>>() {
            Some(shared) => &**shared,
            None => error,
        };
        if let Some(rustls::Error::InvalidCertificate(_)) = error.downcast_ref() {
            return true;
        }
        // An error of I/O that holds another does not tell that it is its source, but the other's.
        let held = error.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
        next = match held {
            Some(held) => Some(held),
            None => error.source(),
        };
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(url: &str, authorities: Option<&str>) -> String {
        let settings = SharedSettings {
            authorities: authorities.map(str::to_owned),
            ..SharedSettings::at(url)
        };
        client(&settings).unwrap_err().to_string()
    }

    #[test]
    fn what_would_be_less_safe_than_it_looks_is_refused_and_no_password_is_repeated() {
        let insecure = refused("rediss://:hunter2@redis.example.com#insecure", None);
        let not_tls = refused("redis://:hunter2@redis.example.com", Some("any"));
        let no_certificate = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
        let no_authority = refused("rediss://:hunter2@redis.example.com", Some(no_certificate));

        assert!(insecure.contains("#insecure"), "{insecure}");
        assert!(not_tls.contains("rediss://"), "{not_tls}");
        assert!(no_authority.contains("authorities"), "{no_authority}");
        for text in [insecure, not_tls, no_authority] {
            assert!(!text.contains("hunter2"), "{text}");
        }
    }
}

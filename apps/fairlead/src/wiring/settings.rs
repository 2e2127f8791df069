//! The configuration in the words of the crates it configures.

use std::net::{IpAddr, SocketAddr};
use std::num::NonZeroUsize;
use std::thread::available_parallelism;

use anyhow::Context as _;
use fairlead_api::{ApiSettings, Compression, TrustedProxies};
use fairlead_auth::HasherLimits;
use fairlead_domain::identity::{LoginPolicy, ThrottleLimit};
use fairlead_domain::network::Network;

use crate::config::{Config, ForwardedHeader, HttpConfig, LockoutConfig};

pub(super) fn api_settings(config: &Config) -> anyhow::Result<ApiSettings> {
    let http = &config.http;
    Ok(ApiSettings {
        workers: or_cores(http.workers).get(),
        keep_alive: http.keep_alive,
        client_timeout: http.client_timeout,
        max_connections_of_address: http.connections_per_address,
        shutdown: http.shutdown_timeout,
        deadline: http.request_timeout,
        slow_request: http.slow_request,
        max_body_bytes: http.body_limit_bytes,
        max_bulk_body_bytes: http.bulk_body_limit_bytes,
        max_header_bytes: http.header_limit_bytes,
        max_query_bytes: http.query_limit_bytes,
        max_json_depth: http.json_depth,
        compression: Compression {
            enabled: http.compression.enabled,
            level: http.compression.level,
            threshold: http.compression.threshold_bytes,
        },
        behind_tls: http.hsts,
        allowed_origins: allowed_origins(http).into(),
        socket_ping: config.events.stream.ping,
        socket_silence: config.events.stream.silence,
        proxies: proxies(http)?,
        login: login_policy(&config.auth.lockout),
        session_lifetime: config.auth.refresh_ttl,
        refresh_leeway: config.auth.refresh_leeway,
        invitation_lifetime: config.auth.invitation_ttl,
    })
}

fn proxies(http: &HttpConfig) -> anyhow::Result<TrustedProxies> {
    let networks = http.trusted_proxies.as_deref().unwrap_or_default();
    Ok(TrustedProxies {
        networks: Network::parse_list(networks)
            .context("http.trusted_proxies")?
            .into(),
        header: match http.forwarded_header {
            ForwardedHeader::XForwardedFor => fairlead_api::ForwardedHeader::XForwardedFor,
            ForwardedHeader::Forwarded => fairlead_api::ForwardedHeader::Forwarded,
        },
    })
}

/// Those that are named, and our own where a proxy hides by which name we are reached.
fn allowed_origins(http: &HttpConfig) -> Vec<String> {
    let own = http.public_url.as_deref().map(|url| {
        let end = url.match_indices('/').nth(2).map_or(url.len(), |(at, _)| at);
        url[..end].to_owned()
    });
    let named = http.allowed_origins.iter().flatten().cloned();
    named.chain(own).collect()
}

fn login_policy(lockout: &LockoutConfig) -> LoginPolicy {
    let limit = |failures, lockout_time| ThrottleLimit {
        failures,
        window: lockout.window,
        lockout: lockout_time,
    };
    LoginPolicy {
        account: limit(lockout.account_failures, lockout.account_lockout),
        address: limit(lockout.address_failures, lockout.address_lockout),
    }
}

/// Returns how many passwords are hashed at a time, and that about a second of them may wait.
pub(crate) fn hasher_limits(config: &Config) -> HasherLimits {
    let at_once = or_cores(config.auth.hash_concurrency);
    HasherLimits {
        at_once,
        waiting: at_once.get() * 32,
    }
}

pub(crate) fn hash_concurrency(config: &Config) -> usize {
    hasher_limits(config).at_once.get()
}

/// 0 means one per core.
fn or_cores(wanted: usize) -> NonZeroUsize {
    NonZeroUsize::new(wanted)
        .or_else(|| available_parallelism().ok())
        .unwrap_or(NonZeroUsize::MIN)
}

/// Returns where clients reach the server. Nobody can connect to "all addresses", so that becomes this machine's own.
pub(super) fn public_url(config: &Config, address: SocketAddr) -> String {
    if let Some(url) = &config.http.public_url {
        return url.clone();
    }
    let reachable = match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => SocketAddr::from(([127, 0, 0, 1], address.port())),
        IpAddr::V6(ip) if ip.is_unspecified() => {
            SocketAddr::new(std::net::Ipv6Addr::LOCALHOST.into(), address.port())
        }
        _ => address,
    };
    format!("http://{reachable}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Input, load};

    fn config(variables: &[(&str, &str)]) -> Config {
        let own = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        let environment = variables.iter().map(own).collect();
        load(&Input {
            environment,
            ..Input::default()
        })
        .unwrap()
        .config
    }

    #[test]
    fn the_url_is_the_configured_one_or_one_that_can_be_connected_to() {
        let address = |text: &str| text.parse::<SocketAddr>().unwrap();
        let public = config(&[("FAIRLEAD__HTTP__PUBLIC_URL", "https://api.example.com")]);

        assert_eq!(
            public_url(&public, address("0.0.0.0:80")),
            "https://api.example.com"
        );
        assert_eq!(
            public_url(&config(&[]), address("0.0.0.0:81")),
            "http://127.0.0.1:81"
        );
        assert_eq!(public_url(&config(&[]), address("[::]:82")), "http://[::1]:82");
        assert_eq!(
            public_url(&config(&[]), address("10.0.0.7:83")),
            "http://10.0.0.7:83"
        );
    }

    #[test]
    fn zero_workers_means_one_per_core() {
        let cores = available_parallelism().unwrap().get();

        assert_eq!(
            api_settings(&config(&[("FAIRLEAD__HTTP__WORKERS", "0")]))
                .unwrap()
                .workers,
            cores
        );
        assert_eq!(
            api_settings(&config(&[("FAIRLEAD__HTTP__WORKERS", "3")]))
                .unwrap()
                .workers,
            3
        );
    }
}

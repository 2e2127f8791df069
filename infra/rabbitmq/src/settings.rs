use std::fmt;
use std::time::Duration;

use lapin::uri::{AMQPScheme, AMQPUri};

/// How often a delivery that failed comes again; then it goes to the dead letters.
const RETRIES: u32 = 5;
/// Each time so much later.
const FACTOR: u32 = 4;

/// Dead letters that are kept, where nobody says how many.
const DEAD_LETTERS: u32 = 10_000;

/// Where RabbitMQ is, and how to use it.
#[derive(Clone)]
pub struct RabbitMqSettings {
    pub(crate) uri: AMQPUri,
    /// Certificates, as PEM, that the broker's may be signed by besides those that browsers trust.
    pub(crate) authorities: Option<String>,
    /// What all names begin with, so that installations can share a virtual host.
    pub(crate) prefix: String,
    pub(crate) first_retry: Duration,
    /// Beyond these the oldest are dropped.
    pub(crate) dead_letters: u32,
}

/// The longest that all names may begin with: those of the broker have at most 255 bytes.
const LONGEST_PREFIX: usize = 100;

/// Why RabbitMQ cannot be used as it is configured. The URL is not repeated: it may hold a password.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadSettings {
    #[error("the URL is malformed; it should be like amqp://user:password@host:5672/vhost")]
    Url,
    #[error("authorities are named, but the URL begins with amqp://, which is without TLS: write amqps://")]
    NotTls,
    #[error("the prefix must have 1 to {LONGEST_PREFIX} letters, digits, dots, dashes or underscores")]
    Prefix,
}

impl RabbitMqSettings {
    /// `url` is `amqp://user:password@host:port/vhost`; a delivery that failed comes again after `first_retry`, then
    /// after four times as long, and so on.
    pub fn new(url: &str, prefix: &str, first_retry: Duration) -> Result<Self, BadSettings> {
        let is_fine = |byte: u8| byte.is_ascii_alphanumeric() || b".-_".contains(&byte);
        if !(1..=LONGEST_PREFIX).contains(&prefix.len()) || !prefix.bytes().all(is_fine) {
            return Err(BadSettings::Prefix);
        }
        Ok(Self {
            uri: url.parse().map_err(|_| BadSettings::Url)?,
            authorities: None,
            prefix: prefix.to_owned(),
            first_retry,
            dead_letters: DEAD_LETTERS,
        })
    }

    /// Believes that a broker at `amqps://` is ours if one of these has signed its certificate, too; they are PEM.
    pub fn trusting(self, authorities: String) -> Result<Self, BadSettings> {
        if self.uri.scheme != AMQPScheme::AMQPS {
            return Err(BadSettings::NotTls);
        }
        Ok(Self {
            authorities: Some(authorities),
            ..self
        })
    }

    /// Keeps so many dead letters, the last ones.
    #[must_use]
    pub fn keeping_dead_letters(self, most: u32) -> Self {
        Self {
            dead_letters: most,
            ..self
        }
    }

    /// How long a delivery waits after its first failure, its second, and so on.
    pub(crate) fn delays(&self) -> impl Iterator<Item = Duration> + use<> {
        let first = self.first_retry;
        (0..RETRIES).map(move |retry| first.saturating_mul(FACTOR.saturating_pow(retry)))
    }

    /// How long a delivery that always fails is tried, from its first failure to its last.
    pub fn tried_for(&self) -> Duration {
        self.delays().sum()
    }

    /// Where it is, without credentials.
    pub(crate) fn place(&self) -> String {
        let authority = &self.uri.authority;
        format!(
            "{}:{}/{}",
            authority.host,
            authority.port,
            self.uri.vhost.trim_start_matches('/')
        )
    }
}

impl fmt::Debug for RabbitMqSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RabbitMqSettings")
            .field("place", &self.place())
            .field("prefix", &self.prefix)
            .field("first_retry", &self.first_retry)
            .field("dead_letters", &self.dead_letters)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(url: &str) -> Result<RabbitMqSettings, BadSettings> {
        RabbitMqSettings::new(url, "fairlead", Duration::from_secs(1))
    }

    #[test]
    fn credentials_are_not_printed() {
        let settings = settings("amqp://ann:secret@mq.example.com:5673/acme").unwrap();

        assert_eq!(settings.place(), "mq.example.com:5673/acme");
        assert!(!format!("{settings:?}").contains("secret"));
    }

    #[test]
    fn what_cannot_be_used_is_refused_and_not_repeated() {
        for url in [
            "http://ann:secret@mq",
            "amqp:ann:secret@mq",
            "amqp://ann:secret@mq:port",
        ] {
            assert_eq!(settings(url).unwrap_err(), BadSettings::Url, "{url}");
        }
        for prefix in ["", "a b", "ä", "x".repeat(101).as_str()] {
            let refused = RabbitMqSettings::new("amqp://localhost", prefix, Duration::from_secs(1));
            assert_eq!(refused.unwrap_err(), BadSettings::Prefix, "{prefix}");
        }
    }

    #[test]
    fn authorities_are_for_tls() {
        let trusting = |url| settings(url).unwrap().trusting("any".to_owned()).err();

        assert_eq!(trusting("amqp://localhost"), Some(BadSettings::NotTls));
        assert_eq!(trusting("amqps://localhost"), None);
    }

    #[test]
    fn a_delivery_comes_again_later_each_time() {
        let settings = settings("amqp://localhost").unwrap();

        let seconds: Vec<u64> = settings.delays().map(|delay| delay.as_secs()).collect();

        assert_eq!(seconds, [1, 4, 16, 64, 256]);
    }
}

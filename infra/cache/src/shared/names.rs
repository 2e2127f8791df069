//! What things are called in Redis. All that one script touches has the tenant as its hash tag, so that it lies on one
//! node of a cluster.

use std::fmt::Write as _;

use aws_lc_rs::digest;
use fairlead_domain::cache::{CacheKey, Tag};
use fairlead_domain::consistency::LogPosition;
use fairlead_domain::identity::TenantId;

#[derive(Clone, Debug)]
pub(crate) struct Names {
    prefix: String,
}

impl Names {
    pub(crate) fn new(prefix: &str) -> Self {
        Self {
            prefix: prefix.to_owned(),
        }
    }

    /// `era` changes when many answers are dropped at once.
    pub(crate) fn answer(&self, tenant: TenantId, key: &CacheKey, era: &str) -> String {
        self.of(
            tenant,
            &format!("e:{era}:{}:{}", key.namespace(), short_hash(key.variant())),
        )
    }

    pub(crate) fn lease(&self, tenant: TenantId, key: &CacheKey) -> String {
        self.of(
            tenant,
            &format!("l:{}:{}", key.namespace(), short_hash(key.variant())),
        )
    }

    /// The counters of an answer's tags, in the order of its generations.
    pub(crate) fn counters(&self, tenant: TenantId, key: &CacheKey, tags: &[Tag]) -> Vec<String> {
        let mut names = Vec::with_capacity(tags.len() + 2);
        names.push(self.counter(tenant, Tag::Whole));
        names.push(self.of(tenant, &format!("g:namespace:{}", key.namespace())));
        names.extend(tags.iter().map(|tag| self.counter(tenant, *tag)));
        names
    }

    pub(crate) fn counter(&self, tenant: TenantId, tag: Tag) -> String {
        self.of(tenant, &format!("g:{tag}"))
    }

    pub(crate) fn namespace_counter(&self, tenant: TenantId, namespace: &str) -> String {
        self.of(tenant, &format!("g:namespace:{namespace}"))
    }

    pub(crate) fn last_write(&self, tenant: TenantId) -> String {
        self.of(tenant, "w")
    }

    pub(crate) fn channel(&self) -> String {
        format!("{}:bumps", self.prefix)
    }

    pub(crate) fn eras(&self) -> String {
        format!("{}:eras", self.prefix)
    }

    /// Which server the data was last trusted on.
    pub(crate) fn server(&self) -> String {
        format!("{}:server", self.prefix)
    }

    /// Who shares the cache.
    pub(crate) fn roll(&self) -> String {
        format!("{}:roll", self.prefix)
    }

    pub(crate) fn sign_of_life(&self, node: u64) -> String {
        format!("{}:alive:{node}", self.prefix)
    }

    pub(crate) fn learned(&self) -> String {
        format!("{}:learned", self.prefix)
    }

    /// Who does `what` now, for all processes.
    pub(crate) fn turn(&self, what: &str) -> String {
        format!("{}:turn:{what}", self.prefix)
    }

    fn of(&self, tenant: TenantId, rest: &str) -> String {
        format!("{}:{{{tenant}}}:{rest}", self.prefix)
    }
}

/// 128 bits of SHA-256. The text itself lies in the value, and is compared.
fn short_hash(text: &str) -> String {
    let digest = digest::digest(&digest::SHA256, text.as_bytes());
    digest.as_ref()[..16]
        .iter()
        .fold(String::with_capacity(32), |mut hex, byte| {
            write!(hex, "{byte:02x}").expect("writing to a string cannot fail");
            hex
        })
}

/// As scripts compare positions: by text, the newer timeline first.
pub(crate) fn position_text(position: LogPosition) -> String {
    format!("{:08x}{:016x}", position.timeline, position.lsn)
}

pub(crate) fn parse_position(text: &str) -> Option<LogPosition> {
    let (timeline, lsn) = text.split_at_checked(8)?;
    let timeline = u32::from_str_radix(timeline, 16).ok()?;
    Some(LogPosition::new(timeline, u64::from_str_radix(lsn, 16).ok()?))
}

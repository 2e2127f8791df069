//! Answers loaded ahead of need.

use std::fmt::Debug;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use serde::Deserialize;
use serde_json::value::RawValue;
use uuid::Uuid;

use super::{CacheKey, Loader, Tag};
use crate::Id;
use crate::access::TenantScope;
use crate::identity::TenantId;
use crate::invalid::Invalid;
use crate::store::StoreError;

/// What is worth having ready, registered beside the query that answers it.
#[async_trait]
pub trait Dataset: Debug + Send + Sync {
    fn name(&self) -> &'static str;

    /// What comes first: the lowest, for all tenants, before the next.
    fn priority(&self) -> u8;

    /// What to load for a tenant.
    async fn items(&self, scope: &TenantScope) -> Result<Vec<WarmItem>, StoreError>;

    /// What to load for one key, learnt or named by an operator; `None` when it is not one of this dataset.
    fn item(&self, scope: &TenantScope, key: &CacheKey) -> Option<WarmItem>;
}

/// One answer to load: its key, what it depends on, and how it is loaded.
#[derive(Clone)]
pub struct WarmItem {
    pub key: CacheKey,
    pub tags: Vec<Tag>,
    pub loader: Arc<dyn Loader>,
}

/// Tells which tenants are worth warming.
#[async_trait]
pub trait ActiveTenants: Debug + Send + Sync {
    /// Those that were active lately, the most active first.
    async fn active(&self) -> Result<Vec<TenantId>, StoreError>;
}

/// Loads answers ahead of need.
#[async_trait]
pub trait CacheWarming: Debug + Send + Sync {
    /// The names of the datasets, the most important first.
    fn datasets(&self) -> Vec<&'static str>;

    /// Names of datasets that there are not are passed over.
    async fn warm(&self, request: WarmRequest) -> Result<WarmReport, StoreError>;

    /// What each key that was warmed has earned since, most first; for the latest thousand.
    fn earnings(&self) -> Vec<WarmedKey>;
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct WarmRequest {
    /// `None`: all active tenants, and those for whom something was learnt.
    pub tenant: Option<TenantId>,
    pub what: WarmWhat,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum WarmWhat {
    /// Every dataset, by priority.
    #[default]
    Everything,
    /// Those of these names, by priority.
    Datasets(Vec<String>),
    /// These keys of each tenant.
    Keys(Vec<CacheKey>),
    /// The keys that have saved the most.
    Learned,
}

/// A [`WarmRequest`] as somebody has written it: everything, unless one of `datasets`, `keys` and `learned` is there.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct WarmWish {
    /// For this tenant alone.
    pub tenant_id: Option<Uuid>,
    pub datasets: Option<Vec<String>>,
    pub keys: Option<Vec<String>>,
    pub learned: Option<bool>,
}

impl WarmWish {
    /// Reads the payload of a job; without one everything is warmed.
    pub fn read(payload: &RawValue) -> Result<Self, Invalid> {
        let wish = serde_json::from_str::<Option<Self>>(payload.get());
        let wish = wish.map_err(|error| Invalid::field("", error.to_string()))?;
        Ok(wish.unwrap_or_default())
    }

    /// The most datasets and keys that one wish may name.
    pub const MOST_DATASETS: usize = 20;
    pub const MOST_KEYS: usize = 1_000;

    /// `known`: the datasets that there are.
    pub fn parse(self, known: &[&'static str]) -> Result<WarmRequest, Invalid> {
        let what = match (self.datasets, self.keys, self.learned.unwrap_or(false)) {
            (None, None, false) => WarmWhat::Everything,
            (Some(datasets), None, false) => {
                at_most("datasets", datasets.len(), Self::MOST_DATASETS)?;
                let is_unknown = |name: &String| !known.contains(&name.as_str());
                if let Some(place) = datasets.iter().position(is_unknown) {
                    let detail = format!("must be one of {}", known.join(", "));
                    return Err(Invalid::field(format!("datasets.{place}"), detail));
                }
                WarmWhat::Datasets(datasets)
            }
            (None, Some(keys), false) => {
                at_most("keys", keys.len(), Self::MOST_KEYS)?;
                let keys = keys.iter().enumerate();
                let parsed = keys.map(|(place, key)| parse_key(place, key));
                WarmWhat::Keys(parsed.collect::<Result<_, _>>()?)
            }
            (None, None, true) => WarmWhat::Learned,
            _ => {
                let detail = "must have at most one of datasets, keys and learned";
                return Err(Invalid::field("", detail));
            }
        };
        Ok(WarmRequest {
            tenant: self.tenant_id.map(Id::from_uuid),
            what,
        })
    }
}

fn at_most(field: &'static str, count: usize, most: usize) -> Result<(), Invalid> {
    if count <= most {
        return Ok(());
    }
    Err(Invalid::field(
        field,
        format!("must have at most {most} items, unlike {count}"),
    ))
}

fn parse_key(place: usize, key: &str) -> Result<CacheKey, Invalid> {
    let refused = |detail| Invalid::field(format!("keys.{place}"), detail);
    if key.chars().count() > CacheKey::LONGEST_TEXT {
        let detail = format!("must have at most {} characters", CacheKey::LONGEST_TEXT);
        return Err(refused(detail));
    }
    CacheKey::parse(key).ok_or_else(|| refused("must be of the form leads.list?status=NEW".to_owned()))
}

#[derive(Clone, Debug, Default)]
pub struct WarmReport {
    pub datasets: Vec<DatasetReport>,
    pub tenants: usize,
    pub took: Duration,
    /// Why something was not loaded that was asked for.
    pub notes: Vec<&'static str>,
}

#[derive(Clone, Debug)]
pub struct DatasetReport {
    pub name: String,
    /// Loaded from the database.
    pub loaded: u64,
    /// Taken from the shared level.
    pub taken: u64,
    /// In memory before.
    pub kept: u64,
    pub failed: u64,
    /// Keys that no dataset knows how to load.
    pub unknown: u64,
    pub took: Duration,
}

#[derive(Clone, Debug)]
pub struct WarmedKey {
    pub tenant: TenantId,
    pub key: CacheKey,
    pub dataset: &'static str,
    pub warmed_ago: Duration,
    /// Hits of the warmed answer, until a change or time replaced it.
    pub hits: u64,
    /// Time of the database that those hits made unnecessary.
    pub saved: Duration,
}

impl Debug for WarmItem {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("WarmItem")
            .field("key", &self.key)
            .field("tags", &self.tags)
            .finish_non_exhaustive()
    }
}

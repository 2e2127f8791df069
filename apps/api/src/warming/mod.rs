//! What is worth having ready before anybody asks.
//!
//! A dataset is made of the same questions that requests ask, so what it loads lies under the keys that they look for.

mod known;

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use fairlead_domain::access::TenantScope;
use fairlead_domain::cache::{CacheKey, Dataset, Namespace, Tag, WarmItem};
use fairlead_domain::store::{Store, StoreError};

use crate::paging::CursorKey;
use crate::read::{Asked, Origin, Question};

/// The datasets that a server warms, the most important first.
pub fn datasets(store: Arc<dyn Store>, cursors: CursorKey) -> Vec<Arc<dyn Dataset>> {
    let origin = Origin { store, cursors };
    let dataset = |(priority, spec)| -> Arc<dyn Dataset> {
        Arc::new(Questions {
            origin: origin.clone(),
            priority,
            spec,
        })
    };
    (1..).zip(SPECS).map(dataset).collect()
}

/// What the answer under a key depends on; `None` when that is not known of the key alone.
pub(crate) fn tags_of(key: &CacheKey) -> Option<Vec<Tag>> {
    known::question(key).map(|question| question.tags())
}

/// Questions that belong together.
#[derive(Debug)]
struct Spec {
    name: &'static str,
    /// What every tenant is likely to ask: keys as reports name them.
    usual: &'static [&'static str],
    /// The kinds of answers that are warmed as part of it when they are asked for by key.
    namespaces: &'static [Namespace],
}

const SPECS: &[Spec] = &[
    Spec {
        name: "recent-leads",
        usual: &[
            "leads.list?",
            "leads.list?status=NEW",
            "leads.list?limit=50&status=NEW",
        ],
        namespaces: &[
            Namespace::LeadList,
            Namespace::Lead,
            Namespace::LeadSearch,
            Namespace::ActivityList,
            Namespace::Activity,
        ],
    },
    Spec {
        name: "statistics",
        usual: &["leads.statistics?"],
        namespaces: &[Namespace::LeadStatistics],
    },
    Spec {
        name: "agents",
        usual: &["agents.list?", "agents.list?available=true"],
        namespaces: &[Namespace::AgentList],
    },
    Spec {
        name: "carriers",
        usual: &["carriers.list?", "carriers.list?active=true"],
        namespaces: &[Namespace::CarrierList, Namespace::Carrier],
    },
    Spec {
        name: "metadata",
        usual: &["tenant?", "users.list?"],
        namespaces: &[Namespace::Tenant, Namespace::UserList, Namespace::User],
    },
];

struct Questions {
    origin: Origin,
    priority: u8,
    spec: &'static Spec,
}

#[async_trait]
impl Dataset for Questions {
    fn name(&self) -> &'static str {
        self.spec.name
    }

    fn priority(&self) -> u8 {
        self.priority
    }

    async fn items(&self, scope: &TenantScope) -> Result<Vec<WarmItem>, StoreError> {
        let keys = self.spec.usual.iter().filter_map(|key| CacheKey::parse(key));
        Ok(keys.filter_map(|key| self.item(scope, &key)).collect())
    }

    fn item(&self, scope: &TenantScope, key: &CacheKey) -> Option<WarmItem> {
        if !self.spec.namespaces.contains(&key.namespace()) {
            return None;
        }
        let question = known::question(key)?;
        // What is not in normal form nobody looks for.
        if question.key().as_ref() != Some(key) {
            return None;
        }
        Some(WarmItem {
            key: key.clone(),
            tags: question.tags(),
            loader: Arc::new(Asked::new(self.origin.clone(), scope.clone(), question)),
        })
    }
}

impl fmt::Debug for Questions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Questions").field(&self.spec.name).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_usual_key_is_one_that_requests_look_for() {
        for spec in SPECS {
            for text in spec.usual {
                let key = CacheKey::parse(text).unwrap_or_else(|| panic!("{text}"));
                let question = known::question(&key).unwrap_or_else(|| panic!("{text}"));
                assert_eq!(question.key().as_ref(), Some(&key), "{text}");
                assert!(spec.namespaces.contains(&key.namespace()), "{text}");
            }
        }
    }

    #[test]
    fn a_key_leads_back_to_its_question_and_nothing_else_does() {
        let id = "01934f6e-7b1a-7cc3-98a4-0242ac120001";
        for text in [
            format!("leads.one?id={id}&"),
            format!("leads.one?id={id}&include=activities"),
            format!("activities.list?of={id}&limit=5"),
            format!("activities.list?leadId={id}"),
            format!("activities.one?id={id}"),
            format!("carriers.one?id={id}"),
            format!("users.one?id={id}"),
            "leads.search?q=ann".to_owned(),
            "leads.list?source=a+b&status=NEW".to_owned(),
        ] {
            let key = CacheKey::parse(&text).unwrap();
            let question = known::question(&key).unwrap_or_else(|| panic!("{text}"));
            assert_eq!(question.key(), Some(key), "{text}");
        }
        for text in [
            "leads.list?colour=red",
            "leads.one?id=7&",
            "me?user=x",
            "leads.search?",
        ] {
            assert!(
                known::question(&CacheKey::parse(text).unwrap()).is_none(),
                "{text}"
            );
        }
    }
}

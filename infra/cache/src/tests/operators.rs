//! What operators drop.

use std::sync::Arc;

use fairlead_domain::cache::{CacheControl as _, Invalidate, Namespace, Tag};

use super::origin::{Origin, Reader, scope};
use crate::CacheSettings;

/// They have changed something past us, on the primary. A replica may not have it yet, and must not be read for what is
/// kept from then on.
#[tokio::test]
async fn what_is_loaded_after_an_operator_has_dropped_it_sees_what_was_changed_before() {
    let tenant = scope(1).tenant();
    let key = Reader::new(Origin::open(), CacheSettings::default()).key;
    for what in [
        Invalidate::Tag(tenant, Tag::Leads),
        Invalidate::Tenant(tenant),
        Invalidate::Key(tenant, key),
        Invalidate::Namespace(Some(tenant), Namespace::LeadList),
        Invalidate::Namespace(None, Namespace::LeadList),
        Invalidate::Everything,
    ] {
        let reader = Reader::new(Origin::open(), CacheSettings::default());
        reader.cache.ask_log_end_of(Arc::clone(&reader.origin) as _);
        assert_eq!(reader.value().await, 1);
        reader.origin.commit();

        reader.cache.invalidate(what.clone()).await;

        assert_eq!(reader.value().await, 2, "{what:?}: the replica was read");
    }
}

use std::sync::{Arc, LazyLock};
use std::time::{Duration, Instant};

use bytes::Bytes;
use fairlead_domain::cache::{CacheControl as _, CacheKey, Entry, Loaded, Namespace};
use fairlead_domain::identity::TenantId;

use super::origin::{Origin, Reader, position, scope};
use crate::CacheSettings;
use crate::generations::{Generations, Snapshot};
use crate::memory::{Held, Life, Memory, MemoryKey, NewHeld};
use crate::meters::Meters;
use crate::settings::{Eviction, MemorySettings};

const KB: u64 = 1 << 10;

fn memory(capacity_bytes: u64, tenant_bytes: u64) -> Memory {
    let settings = MemorySettings {
        capacity_bytes,
        tenant_bytes,
        largest_bytes: 64 << 10,
        eviction: Eviction::Frequency,
        compressed_from: usize::MAX,
    };
    Memory::new(settings, &Arc::new(Meters::default()))
}

fn key(tenant: TenantId, number: usize) -> MemoryKey {
    MemoryKey {
        tenant,
        key: CacheKey::new(Namespace::LeadList, format!("page={number}")),
    }
}

fn keep(memory: &Memory, tenant: TenantId, number: usize, bytes: usize) {
    let loaded = Loaded {
        body: Bytes::from(vec![b'x'; bytes]),
        entity_tag: "tag".into(),
        content_type: "text/plain".into(),
        modified: None,
        as_of: position(1),
    };
    let held = NewHeld {
        key: Arc::new(key(tenant, number)),
        entry: Arc::new(Entry::new(loaded)),
        tags: Box::default(),
        snapshot: no_tags(),
        proof: None,
        epoch: 0,
        life: Life {
            loaded_at: Instant::now(),
            fresh: Duration::from_mins(5),
            stale: Duration::ZERO,
            outage: Duration::from_hours(1),
        },
        cost: Duration::ZERO,
        account: memory.account(tenant),
        ledger: None,
        compressed_from: usize::MAX,
    };
    memory.insert(Held::from(held));
}

fn kept(memory: &Memory, tenant: TenantId, numbers: std::ops::Range<usize>) -> usize {
    numbers
        .filter(|number| memory.get(tenant, &key(tenant, *number).key).is_some())
        .count()
}

#[test]
fn a_tenant_that_fills_the_cache_leaves_others_their_part() {
    let memory = memory(1_024 * KB, 64 * KB);
    let (small, large) = (scope(1).tenant(), scope(2).tenant());
    for number in 0..40 {
        keep(&memory, small, number, 1_000);
    }

    for number in 0..5_000 {
        keep(&memory, large, number, 1_000);
        // Asked for again and again: frequency is on its side.
        kept(&memory, large, number.saturating_sub(3)..number);
    }
    memory.settle();

    assert_eq!(kept(&memory, small, 0..40), 40);
    assert!(memory.used_bytes() <= 1_024 * KB);
    let account = memory.account(large);
    assert!(account.own_bytes() <= 64 * KB);
    assert_eq!(
        account.own_bytes() + account.common_bytes() + memory.account(small).own_bytes(),
        memory.used_bytes(),
        "the accounts tell another sum than the pools"
    );
}

#[test]
fn nobody_is_turned_away_or_pushed_out_when_many_tenants_fill_their_parts() {
    let memory = memory(1_024 * KB, 64 * KB);
    let tenants: Vec<_> = (1..=40).map(|tenant| scope(tenant).tenant()).collect();

    // The first eight fill the half that is set aside, which then has nothing for those who come later.
    for tenant in &tenants {
        for number in 0..if *tenant <= scope(8).tenant() { 42 } else { 4 } {
            keep(&memory, *tenant, number, 1_000);
        }
        memory.settle();
    }

    for tenant in &tenants {
        let account = memory.account(*tenant);
        let entries = usize::try_from(account.entries()).unwrap();
        let all = if *tenant <= scope(8).tenant() { 42 } else { 4 };
        assert_eq!((entries, kept(&memory, *tenant, 0..50)), (all, all), "{tenant}");
    }
    assert!(memory.used_bytes() <= 1_024 * KB);
}

#[test]
fn who_comes_when_all_parts_are_taken_is_given_one_that_nobody_pushes_out() {
    let memory = memory(1_024 * KB, 64 * KB);
    let tenants: Vec<_> = (1..=9).map(|tenant| scope(tenant).tenant()).collect();
    let (late, early) = tenants.split_last().unwrap();
    for tenant in early {
        for number in 0..60 {
            keep(&memory, *tenant, number, 1_000);
        }
    }
    for number in 0..2 {
        keep(&memory, *late, number, 1_000);
    }
    memory.settle();
    let account = memory.account(*late);
    assert!(account.common_bytes() > 0, "there was room for all");

    memory.reclaim(Instant::now());
    for number in 0..20 {
        keep(&memory, *late, number, 1_000);
    }
    assert_eq!(account.common_bytes(), 0, "it has found no place of its own");
    for number in 0..5_000 {
        keep(&memory, early[0], number, 1_000);
        kept(&memory, early[0], number.saturating_sub(3)..number);
    }
    memory.settle();

    assert_eq!(kept(&memory, *late, 0..20), 20);
    assert!(memory.used_bytes() <= 1_024 * KB);
    for tenant in early {
        assert!(
            memory.account(*tenant).own_bytes() > 40 * KB,
            "{tenant} has lost its part"
        );
    }
}

#[test]
fn what_only_an_outage_would_show_leaves_a_full_part_first() {
    let memory = memory(1_024 * KB, 64 * KB);
    let tenant = scope(1).tenant();
    let begin = Instant::now();
    for number in 0..60 {
        keep(&memory, tenant, number, 1_000);
    }
    let own = memory.account(tenant).own_bytes();

    memory.reclaim(begin);
    assert_eq!(memory.account(tenant).own_bytes(), own, "nothing is over");
    memory.reclaim(begin + Duration::from_mins(6));

    assert_eq!(memory.account(tenant).own_bytes(), 0);
}

#[test]
fn what_does_not_stay_is_taken_off_the_account() {
    let memory = memory(256 * KB, 8 * KB);
    let tenant = scope(1).tenant();
    for round in 0..3 {
        for number in 0..1_000 {
            keep(&memory, tenant, number, 100 + round);
        }
    }
    memory.remove_if(|held| held.key().tenant == tenant);
    memory.settle();

    let account = memory.account(tenant);
    assert_eq!(
        (account.own_bytes(), account.common_bytes(), account.entries()),
        (0, 0, 0)
    );
    assert_eq!(memory.entries(), 0);
}

#[test]
fn an_answer_that_is_too_large_is_not_kept() {
    let memory = memory(256 * KB, 8 * KB);
    let tenant = scope(1).tenant();

    keep(&memory, tenant, 1, 65 << 10);
    keep(&memory, tenant, 2, 63 << 10);

    assert_eq!(kept(&memory, tenant, 1..3), 1);
}

/// Nobody looks at answers that have changed, and nothing pushes them out of their tenant's own part.
#[tokio::test]
async fn what_has_changed_leaves_a_tenants_part_to_what_is_shown() {
    let settings = CacheSettings {
        memory: MemorySettings {
            capacity_bytes: 1_024 * KB,
            tenant_bytes: 16 * KB,
            ..MemorySettings::default()
        },
        ..CacheSettings::default()
    };
    let reader = Reader::new(Origin::open(), settings);
    let tenant = scope(1).tenant();
    let page = |number: usize| Reader {
        key: key(tenant, number).key,
        ..reader.clone()
    };
    let fill = async |pages: std::ops::Range<usize>| {
        for number in pages {
            page(number).value().await;
        }
    };
    fill(0..100).await;
    let account = reader.cache.inner.memory.account(tenant);
    assert!(account.common_bytes() > 0, "the own part was never full");
    reader.bump(reader.origin.commit()).await;

    let deadline = Instant::now() + Duration::from_secs(30);
    let mut next = 100;
    while account.own_bytes() > 8 * KB {
        assert!(Instant::now() < deadline, "what has changed is kept");
        fill(next..next + 1).await;
        next += 1;
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let (own, common) = (account.own_bytes(), account.common_bytes());
    fill(next..next + 8).await;

    assert!(account.own_bytes() > own, "what is shown has no place of its own");
    assert_eq!(account.common_bytes(), common);
}

#[tokio::test]
async fn what_leaves_memory_is_counted_by_why_it_does() {
    let reader = Reader::new(Origin::open(), CacheSettings::default());
    let left = || {
        let memory = reader.cache.report().memory;
        (memory.replaced, memory.removed, memory.evicted_for_room)
    };
    reader.value().await;
    reader.bump(reader.origin.commit()).await;
    assert_eq!(left(), (0, 0, 0), "it is there until its place is needed");

    reader.value().await;
    assert_eq!(left(), (1, 0, 0));
    reader.bump(reader.origin.commit()).await;
    reader.cache.shrink();

    assert_eq!(left(), (1, 1, 0));
}

fn no_tags() -> Snapshot {
    static GENERATIONS: LazyLock<Generations> = LazyLock::new(Generations::new);
    GENERATIONS.snapshot(std::iter::empty())
}

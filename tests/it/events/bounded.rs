//! A page of the log looks at a bounded number of events, whatever is wanted of however many.

use fairlead_domain::Id;
use fairlead_domain::access::SystemScope;
use fairlead_domain::consistency::ReadIntent;
use fairlead_domain::events::{Aggregate, AggregateFilter, EventCursor, EventFilter};
use fairlead_domain::store::Store as _;
use sqlx::PgPool;
use support::database::DatabaseRole;
use support::{TestApp, TestDatabase, wait_until};
use uuid::Uuid;

use super::record_many;
use crate::plans::{fill, settled_scans};

const TENANT: Uuid = Uuid::from_u128(0x0193_0000_0000_7000_8000_0000_0000_0001);
/// Much has happened to it.
const BUSY: Uuid = Uuid::from_u128(1);
/// It was created, changed and deleted, with many things between.
const QUIET: Uuid = Uuid::from_u128(2);

/// What is rare comes last, where statistics that know how rare it is do not expect it.
const FILL: &str = "
INSERT INTO tenants (tenant_id, id, slug, name, created_at, updated_at)
SELECT t, t, 'busy', 'Busy', now(), now() FROM (SELECT '01930000-0000-7000-8000-000000000001'::uuid AS t) x;

INSERT INTO events (tenant_id, id, xid, position, type, version, aggregate_type, aggregate_id, source, actor, data,
                    occurred_at)
SELECT '01930000-0000-7000-8000-000000000001', (left(uuid_v7_floor(now())::text, 24) || lpad(to_hex(n), 12, '0'))::uuid,
       (3 + n / 1000)::text::xid8, n,
       CASE WHEN n <= 57000 THEN 'lead_updated' ELSE 'lead_deleted' END, 1,
       CASE WHEN n <= 57000 THEN 'lead' ELSE 'activity' END,
       CASE WHEN n IN (7, 30007, 56007) THEN '00000000-0000-0000-0000-000000000002'::uuid
            WHEN n % 3 = 0 THEN '00000000-0000-0000-0000-000000000001'::uuid
            ELSE gen_random_uuid() END,
       'system', 'system', '{}', now()
FROM generate_series(1, 60000) n;

VACUUM ANALYZE events;
";
const EVENTS: usize = 60_000;

/// So many are looked at, and the place where that ends is looked for among as many; of one thing, as many of that first.
const MOST_READ: i64 = 3 * 4_000 + 500;

/// How many entries of indexes and rows of the log were read so far.
async fn rows_read(superuser: &PgPool) -> i64 {
    settled_scans(superuser, "fairlead_app").await;
    sqlx::query_scalar(
        "SELECT ((SELECT sum(idx_tup_read) FROM pg_stat_user_indexes WHERE relname LIKE 'events%')
               + (SELECT sum(seq_tup_read) FROM pg_stat_user_tables WHERE relname LIKE 'events%'))::bigint",
    )
    .fetch_one(superuser)
    .await
    .unwrap()
}

fn filter(types: &[&str], aggregate: Option<(Aggregate, Option<Uuid>)>) -> EventFilter {
    EventFilter {
        types: types.iter().map(|name| (*name).to_owned()).collect(),
        aggregate: aggregate.map(|(aggregate, id)| AggregateFilter { aggregate, id }),
    }
}

#[tokio::test]
async fn each_page_looks_at_a_bounded_part_of_the_log_and_all_together_find_all() {
    let database = TestDatabase::create().await;
    fill(&database, FILL).await;
    let superuser = database.pool(DatabaseRole::Superuser, 1).await;
    #[expect(clippy::disallowed_methods, reason = "the test is the platform")]
    let scope = SystemScope::new("a test of the log").tenant(Id::from_uuid(TENANT));
    let of = |id| Some((Aggregate::Lead, Some(id)));

    for (what, wanted, limit, expected) in [
        ("all", filter(&[], None), 200, EVENTS),
        (
            "a type that comes late",
            filter(&["lead_deleted"], None),
            200,
            3_000,
        ),
        (
            "several types",
            filter(&["lead_deleted", "lead_restored"], None),
            200,
            3_000,
        ),
        (
            "a type that is not there",
            filter(&["lead_restored"], None),
            50,
            0,
        ),
        (
            "a kind of thing that comes late",
            filter(&[], Some((Aggregate::Activity, None))),
            200,
            3_000,
        ),
        (
            "a type that this kind of thing never has",
            filter(&["lead_updated"], Some((Aggregate::Activity, None))),
            50,
            0,
        ),
        ("a thing of which there is little", filter(&[], of(QUIET)), 50, 3),
        (
            "a thing of which there is much",
            filter(&[], of(BUSY)),
            200,
            18_999,
        ),
        (
            "what is rare of such a thing",
            filter(&["lead_deleted"], of(BUSY)),
            50,
            0,
        ),
    ] {
        let mut place = EventCursor::START;
        let mut positions: Vec<i64> = Vec::new();
        let (mut pages, mut is_more) = (0, true);
        let before = rows_read(&superuser).await;
        while is_more {
            // Of so many nothing new is learnt: the plan of each has been made by then, and the generic one, too.
            if what == "all" && pages == 20 {
                break;
            }
            let store = support::connect_store(database.url(DatabaseRole::App), 1).await;
            let mut uow = store.read(&scope, ReadIntent::INTERACTIVE).await.unwrap();
            for _ in 0..10 {
                let page = uow.events().after(&wanted, Some(place), limit).await.unwrap();
                assert!(page.next > place || !page.has_more, "{what} does not get on");
                positions.extend(page.events.iter().map(|event| event.cursor.position));
                place = page.next;
                pages += 1;
                is_more = page.has_more;
                if !is_more {
                    break;
                }
            }
            drop(uow);
            store.cluster().close().await;
        }
        let read = (rows_read(&superuser).await - before) / pages;

        println!(
            "{what}: {} found by {pages} pages, {read} read by each",
            positions.len()
        );
        assert!(read <= MOST_READ, "{what}: {read} read by each of {pages} pages");
        if what != "all" {
            assert_eq!(positions.len(), expected, "{what}");
        }
        assert!(positions.is_sorted_by(|one, other| one < other), "{what}");
    }
}

/// What is found in one page of things with few events: they need not be looked for along all of the log.
#[tokio::test]
async fn what_happened_to_one_thing_is_one_page_however_long_the_log_is() {
    let database = TestDatabase::create().await;
    fill(&database, FILL).await;
    let store = support::connect_store(database.url(DatabaseRole::App), 1).await;
    #[expect(clippy::disallowed_methods, reason = "the test is the platform")]
    let scope = SystemScope::new("a test of the log").tenant(Id::from_uuid(TENANT));
    let mut uow = store.read(&scope, ReadIntent::INTERACTIVE).await.unwrap();
    let wanted = filter(&[], Some((Aggregate::Lead, Some(QUIET))));

    let first = uow.events().after(&wanted, None, 2).await.unwrap();
    let rest = uow.events().after(&wanted, Some(first.next), 2).await.unwrap();

    let positions = |events: &[fairlead_domain::events::Event]| -> Vec<i64> {
        events.iter().map(|event| event.cursor.position).collect()
    };
    assert_eq!(
        (positions(&first.events), first.has_more),
        (vec![7, 30_007], true)
    );
    assert_eq!((positions(&rest.events), rest.has_more), (vec![56_007], false));
    assert!(rest.next.position >= i64::try_from(EVENTS).unwrap());
}

#[tokio::test]
async fn a_page_that_found_nothing_says_that_there_is_more_to_look_at() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let mut superuser = app.database.connect(DatabaseRole::Superuser).await;
    record_many(&mut superuser, &acme.id, "lead_updated", "now()", 9_000).await;
    acme.lead("The last").await;
    let path = "/api/v1/events?type=lead_created";

    let mut pages = Vec::new();
    let mut cursor = String::new();
    wait_until("the last is found", async || {
        let page = acme.owner.get(&format!("{path}{cursor}")).await.expect(200);
        cursor = format!("&cursor={}", page["nextCursor"].as_str().unwrap());
        let found = page["items"].as_array().unwrap().len();
        pages.push((found, page["hasMore"].as_bool().unwrap()));
        found == 1
    })
    .await;

    assert_eq!(pages[..2], [(0, true), (0, true)], "{pages:?}");
    assert!(!pages.last().unwrap().1);
}

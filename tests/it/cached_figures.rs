//! What operators are told of the cache is what has happened: by level, kind, tag and tenant, in times, sizes and
//! evictions.

use reqwest::Method;
use serde_json::{Value, json};
use support::pair::operator;
use support::process::Serving;
use support::{Client, TestApp, TestDatabase, TestTenant, wait_until};

use super::cache::RedisServer;
use super::cached_reads::{LIST, source};
use super::cached_together::{at, pair, program};

const BASE: &str = "/api/v1/performance/cache";

async fn told(operator: &Client, figures: &str) -> Value {
    operator.get(&format!("{BASE}/{figures}")).await.expect(200)
}

/// The item of a list of figures that is about `what`.
fn of<'a>(figures: &'a Value, list: &str, name: &str, what: &str) -> &'a Value {
    let items = figures[list].as_array().unwrap();
    let item = items.iter().find(|item| item[name] == what);
    item.unwrap_or_else(|| panic!("{what} is not told of: {figures}"))
}

/// Asks so many times, and sees where the answers come from.
async fn ask(client: &Client, path: &str, sources: &[(&str, usize)]) {
    for (expected, times) in sources {
        for _ in 0..*times {
            let answer = client.get(path).await;
            assert_eq!(
                (answer.status.as_u16(), source(&answer)),
                (200, *expected),
                "{path}"
            );
        }
    }
}

fn requests(counts: &Value) -> [u64; 5] {
    ["requests", "hits", "memoryHits", "sharedHits", "loads"].map(|name| counts[name].as_u64().unwrap())
}

/// Two processes that warm nothing: what is counted somebody has asked.
async fn two_processes() -> (TestDatabase, RedisServer, [Serving; 2], [Client; 2]) {
    let (database, redis) = (TestDatabase::create().await, RedisServer::start().await);
    let program = program(&database, &redis).with("FAIRLEAD__CACHE__WARMING__AT_START", "false");
    let servers = pair(&program).await;
    let operator = operator(&program, &servers[0]).await;
    let operators = [operator.clone(), at(&operator, &servers[1])];
    (database, redis, servers, operators)
}

#[tokio::test]
async fn hit_ratios_are_told_by_level_kind_tag_key_and_tenant() {
    let (_database, redis, [first, second], operators) = two_processes().await;
    let acme = TestTenant::sign_up(first.anonymous(), "acme").await;
    let umbrella = TestTenant::sign_up(first.anonymous(), "umbrella").await;
    let lead = format!("/api/v1/leads/{}", acme.lead("Ann").await);

    ask(&acme.owner, LIST, &[("primary", 1), ("l1", 9)]).await;
    ask(&umbrella.owner, LIST, &[("primary", 1), ("l1", 1)]).await;
    wait_until("both lie in Redis", async || {
        told(&operators[0], "metrics").await["shared"]["writes"] == 2
    })
    .await;
    ask(&at(&acme.owner, &second), LIST, &[("l2", 1), ("l1", 3)]).await;

    let [here, there] = [
        told(&operators[0], "hit-rate").await,
        told(&operators[1], "hit-rate").await,
    ];
    assert_eq!(requests(&here["total"]), [12, 10, 10, 0, 2]);
    assert_eq!(requests(&there["total"]), [4, 4, 3, 1, 0]);
    let ratio = |figures: &Value, level: &str| of(figures, "levels", "level", level)["hitRatio"].as_f64();
    assert_eq!(ratio(&here, "memory"), Some(10.0 / 12.0));
    assert_eq!(ratio(&here, "shared"), Some(0.0));
    assert_eq!(ratio(&there, "memory"), Some(0.75));
    assert_eq!(ratio(&there, "shared"), Some(1.0));
    let lists = of(&here, "namespaces", "namespace", "leads.list");
    assert_eq!(requests(&lists["counts"]), [12, 10, 10, 0, 2]);
    let ones = of(&here, "namespaces", "namespace", "leads.one");
    assert_eq!(requests(&ones["counts"]), [0; 5]);
    assert!(ones["counts"]["hitRatio"].is_null(), "nothing was asked: {ones}");
    let leads = of(&here, "tags", "tag", "leads");
    assert_eq!((&leads["hits"], &leads["misses"]), (&json!(10), &json!(2)));
    let key = of(&here, "keys", "tenantId", &umbrella.id);
    assert_eq!(
        (&key["key"], &key["misses"]),
        (&json!("leads.list?status=NEW"), &json!(1))
    );
    for (tenant, counted) in [(&acme, [10, 9, 9, 0, 1]), (&umbrella, [2, 1, 1, 0, 1])] {
        let of_tenant = of(&here, "tenants", "tenantId", &tenant.id);
        assert_eq!(requests(&of_tenant["counts"]), counted, "{of_tenant}");
        let alone = told(&operators[0], &format!("tenant/{}/stats", tenant.id)).await;
        assert_eq!(alone["counts"], of_tenant["counts"]);
    }

    // One change, which both have heard of.
    let bumps = async |operator: &Client| {
        let alone = told(operator, &format!("tenant/{}/stats", acme.id)).await;
        alone["bumps"].as_u64().unwrap()
    };
    let before = [bumps(&operators[0]).await, bumps(&operators[1]).await];
    let of_tag = leads["bumps"].as_u64().unwrap();
    acme.owner
        .patch(&lead, json!({ "name": "Bea" }))
        .await
        .expect(200);
    wait_until("the other has heard of it", async || {
        bumps(&operators[1]).await > before[1]
    })
    .await;
    assert_eq!(bumps(&operators[0]).await, before[0] + 1);
    assert_eq!(bumps(&operators[1]).await, before[1] + 1);
    let here = told(&operators[0], "hit-rate").await;
    assert_eq!(of(&here, "tags", "tag", "leads")["bumps"], of_tag + 1);
    drop(redis);
}

#[tokio::test]
async fn times_and_sizes_are_those_of_what_was_done_and_is_kept() {
    let (_database, _redis, [first, second], operators) = two_processes().await;
    let acme = TestTenant::sign_up(first.anonymous(), "acme").await;
    acme.lead("Ann").await;
    let bumps = async || {
        let metrics = told(&operators[0], "metrics").await;
        of(&metrics, "times", "operation", "bump")["count"].clone()
    };
    let bumped = bumps().await;

    let mut bodies = 0;
    for path in [LIST, "/api/v1/leads", "/api/v1/leads/statistics"] {
        ask(&acme.owner, path, &[("primary", 1), ("l1", 2)]).await;
        bodies += acme.owner.get(path).await.body.len() as u64;
    }
    wait_until("all lie in Redis", async || {
        told(&operators[0], "metrics").await["shared"]["writes"] == 3
    })
    .await;
    ask(&at(&acme.owner, &second), LIST, &[("l2", 1)]).await;

    let [here, there] = [
        told(&operators[0], "metrics").await,
        told(&operators[1], "metrics").await,
    ];
    let count = |figures: &Value, operation: &str| {
        let items = figures["times"].as_array().unwrap();
        let times = items.iter().find(|times| times["operation"] == operation);
        times.map_or(0, |times| times["count"].as_u64().unwrap())
    };
    let counted = |figures: &Value| {
        ["load", "shared_read", "shared_write", "memory_read"].map(|operation| count(figures, operation))
    };
    // Of the hits of each answer, the first of sixteen is measured.
    assert_eq!(counted(&here), [3, 3, 3, 3]);
    assert_eq!(counted(&there), [0, 1, 0, 0]);
    assert_eq!(bumps().await, bumped, "nothing has changed");
    for times in here["times"].as_array().unwrap() {
        let [p50, p95, p99, max, sum] =
            ["p50Ms", "p95Ms", "p99Ms", "maxMs", "sumMs"].map(|name| times[name].as_f64().unwrap());
        assert!(p50 <= p95 && p95 <= p99 && p99 <= max && max <= sum, "{times}");
    }
    for (figures, entries) in [(&here, 3), (&there, 1)] {
        let memory = &figures["memory"];
        let [used, capacity] = ["usedBytes", "capacityBytes"].map(|name| memory[name].as_u64().unwrap());
        assert_eq!((memory["entries"].as_u64(), capacity), (Some(entries), 64 << 20));
        let of_acme = of(figures, "tenants", "tenantId", &acme.id);
        let [own, common] = ["ownBytes", "commonBytes"].map(|name| of_acme[name].as_u64().unwrap());
        assert_eq!((of_acme["entries"].as_u64(), own + common), (Some(entries), used));
        let ratio = ["usedBytes", "capacityBytes"].map(|name| memory[name].as_f64().unwrap());
        let utilisation = memory["utilisation"].as_f64().unwrap();
        assert!((utilisation - ratio[0] / ratio[1]).abs() < 1e-9, "{memory}");
    }
    let used = here["memory"]["usedBytes"].as_u64().unwrap();
    assert!(used > bodies, "{used} bytes hold bodies of {bodies}");
}

async fn memory(operator: &Client) -> Value {
    told(operator, "metrics").await["memory"].clone()
}

/// `evictedForRoom`, `expired`, `replaced` and `removed`.
fn left(memory: &Value) -> [u64; 4] {
    ["evictedForRoom", "expired", "replaced", "removed"].map(|name| memory[name].as_u64().unwrap())
}

#[tokio::test]
async fn why_answers_leave_memory_is_told() {
    let app = TestApp::start_with(|config| {
        config.cache.warming.at_start = false;
        config.cache.database_away_seconds = 0;
        config.cache.stale_seconds = 0;
        config.cache.ttl_seconds.insert("tenant".to_owned(), 1);
    })
    .await;
    let acme = app.tenant("acme").await;
    let operator = app.operator("olga").await;
    let lead = format!("/api/v1/leads/{}", acme.lead("Ann").await);

    for path in [LIST, &lead, "/api/v1/tenant"] {
        ask(&acme.owner, path, &[("primary", 1)]).await;
    }
    wait_until("the time of one is over", async || {
        left(&memory(&operator).await) == [0, 1, 0, 0]
    })
    .await;
    let change = acme.owner.request(Method::PATCH, &lead);
    let change = change.json(&json!({ "name": "Bea" }));
    acme.owner.send(change).await.expect(200);
    ask(&acme.owner, LIST, &[("primary", 1)]).await;
    assert_eq!(
        left(&memory(&operator).await),
        [0, 1, 1, 0],
        "one was loaded anew"
    );
    acme.owner.delete(&lead).await.expect(204);
    assert_eq!(acme.owner.get(&lead).await.status, 404);

    let memory = memory(&operator).await;
    assert_eq!(left(&memory), [0, 1, 1, 1], "one is gone");
    assert_eq!(memory["entries"], 1);
}

#[tokio::test]
async fn what_makes_room_for_others_is_told() {
    let capacity = 256 << 10;
    let app = TestApp::start_with(|config| {
        config.cache.warming.at_start = false;
        config.cache.memory.capacity_bytes = capacity;
        config.cache.memory.tenant_bytes = 0;
    })
    .await;
    let acme = app.tenant("acme").await;
    let operator = app.operator("olga").await;
    acme.lead("Ann").await;

    for limit in 1..=100 {
        for status in ["NEW", "CONTACTED", "QUALIFIED", "CLOSED"] {
            let path = format!("/api/v1/leads?status={status}&limit={limit}");
            ask(&acme.owner, &path, &[("primary", 1)]).await;
        }
    }

    let memory = memory(&operator).await;
    let [for_room, others @ ..] = left(&memory);
    assert!(for_room > 0, "{memory}");
    assert_eq!(others, [0; 3]);
    let entries = memory["entries"].as_u64().unwrap();
    assert_eq!(
        entries + for_room,
        400,
        "each that came is there, or has made room: {memory}"
    );
    assert!(memory["usedBytes"].as_u64() <= Some(capacity), "{memory}");
}

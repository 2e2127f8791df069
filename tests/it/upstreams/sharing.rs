//! What one process finds out about a service, the others know; and each goes on by itself where there is no Redis.

use std::time::{Duration, Instant};

use fairlead_devstack::Service;
use serde_json::{Value, json};
use support::database::DatabaseRole;
use support::pair::operator;
use support::process::{Program, Serving};
use support::provider::{KEY, MODEL, Mood, Provider};
use support::{Client, TestDatabase, TestTenant, wait_until};

use super::bench::{BREAKERS, breaker, score};
use crate::cache::RedisServer;

/// How long a breaker is open; and for how long no process may find out for itself, which is more than is needed to learn.
const RECOVERY: Duration = Duration::from_secs(4);

/// Two processes that call one provider, and an operator and a user of each.
struct Two {
    redis: RedisServer,
    provider: Provider,
    operators: [Client; 2],
    users: [Client; 2],
    /// One for each, so that they do not meet in it.
    leads: [String; 2],
    program: Program,
    key: Client,
    _serving: [Serving; 2],
    _database: TestDatabase,
}

impl Two {
    async fn start() -> Self {
        let (database, redis) = (TestDatabase::create().await, RedisServer::start().await);
        let provider = Provider::start().await;
        provider.say(r#"{"score": 72, "reasons": ["was referred"]}"#);
        let keys = database.url(DatabaseRole::App);
        let keys = std::env::temp_dir().join(format!("keys-of-{}", keys.rsplit('/').next().unwrap()));
        let program = Program::on(&database)
            .with("FAIRLEAD__CACHE__REDIS__URL", redis.url())
            // A busy machine may be slow to answer.
            .with("FAIRLEAD__CACHE__REDIS__COMMAND_TIMEOUT_MS", "500")
            .with("FAIRLEAD__AUTH__KEYS_DIR", &keys.display().to_string())
            .with("FAIRLEAD__AI__PROVIDER", "openai")
            .with("FAIRLEAD__AI__URL", &provider.openai())
            .with("FAIRLEAD__AI__MODEL", MODEL)
            .with("FAIRLEAD__AI__API_KEY", KEY)
            .with(
                "FAIRLEAD__UPSTREAMS__BREAKER__RECOVERY_MS",
                &RECOVERY.as_millis().to_string(),
            );
        let serving = [program.serve().await.unwrap(), program.serve().await.unwrap()];
        let acme = TestTenant::sign_up(serving[0].anonymous(), "acme").await;
        let key = operator(&program, &serving[0]).await;
        Self {
            operators: [key.clone(), key.at(&serving[1].url)],
            users: [acme.owner.clone(), acme.owner.at(&serving[1].url)],
            leads: [acme.lead("Ann").await, acme.lead("Bob").await],
            redis,
            provider,
            program,
            key,
            _serving: serving,
            _database: database,
        }
    }

    async fn state(&self, process: usize) -> String {
        breaker(&self.operators[process]).await["state"]
            .as_str()
            .unwrap()
            .to_owned()
    }

    /// Has one process find out that the provider fails.
    async fn open(&self, process: usize) {
        self.provider.be(Mood::Fails);
        wait_until("the breaker opens", async || {
            score(&self.users[process], &self.leads[process]).await;
            self.state(process).await == "open"
        })
        .await;
    }

    async fn until(&self, process: usize, state: &str) -> Duration {
        let began = Instant::now();
        wait_until(state, async || self.state(process).await == state).await;
        began.elapsed()
    }

    fn asked(&self) -> usize {
        self.provider.asked().len()
    }
}

async fn by_hand(operator: &Client, what: &str, reason: &str) {
    let path = format!("{BREAKERS}/ai/{what}");
    operator
        .post(&path, json!({ "reason": reason }))
        .await
        .expect(200);
}

#[tokio::test]
async fn a_breaker_that_opens_in_one_process_opens_in_the_other_and_one_finds_out_for_both() {
    let two = Two::start().await;

    two.open(0).await;
    let learned_after = two.until(1, "open").await;
    let (asked, other) = (two.asked(), breaker(&two.operators[1]).await);
    let refused = score(&two.users[1], &two.leads[1]).await;

    assert!(learned_after < Duration::from_secs(2), "{learned_after:?}");
    // It was told, and has neither asked nor opened by itself.
    assert_eq!(
        (&other["calls"], &other["opened"]),
        (&json!(0), &json!(0)),
        "{other}"
    );
    assert_eq!(refused["degradedBecause"], "unavailable");
    assert_eq!(two.asked(), asked);

    two.provider.be(Mood::Well);
    wait_until("a model scores leads again", async || {
        let scored = tokio::join!(
            score(&two.users[0], &two.leads[0]),
            score(&two.users[1], &two.leads[1])
        );
        scored.0["degraded"] == false && scored.1["degraded"] == false
    })
    .await;
    assert_eq!(
        (two.state(0).await, two.state(1).await),
        ("closed".to_owned(), "closed".to_owned())
    );
    println!("the other process knew after {learned_after:?}");
}

#[tokio::test]
async fn while_it_is_half_open_one_process_asks_and_only_if_it_has_something_to_ask() {
    let two = Two::start().await;
    two.open(0).await;
    two.until(1, "open").await;
    two.until(0, "half-open").await;
    two.until(1, "half-open").await;
    let asked = two.asked();

    // The provider still fails: whoever asks finds that out, and nobody asks again.
    let both = async || {
        tokio::join!(
            score(&two.users[0], &two.leads[0]),
            score(&two.users[1], &two.leads[1])
        );
        two.state(0).await == "open" || two.state(1).await == "open"
    };
    wait_until("somebody finds out", both).await;
    two.until(0, "open").await;
    two.until(1, "open").await;

    // By what costs nothing.
    assert_eq!(two.asked() - asked, 1);
}

#[tokio::test]
async fn what_an_operator_does_in_one_process_counts_in_all_and_in_those_that_come_later() {
    let two = Two::start().await;

    by_hand(&two.operators[0], "open", "it bills twice").await;
    two.until(1, "open").await;
    let held = breaker(&two.operators[1]).await["held"].clone();
    let third = two.program.serve().await.unwrap();
    let late = two.key.at(&third.url);
    wait_until("a process that comes later knows", async || {
        breaker(&late).await["state"] == "open"
    })
    .await;
    by_hand(&two.operators[1], "close", "it does not").await;

    assert_eq!(
        (&held["operator"], &held["reason"]),
        (&json!("test"), &json!("it bills twice"))
    );
    two.until(0, "closed").await;
    wait_until("all know", async || breaker(&late).await["held"] == Value::Null).await;
}

#[tokio::test]
async fn without_redis_each_process_finds_out_for_itself_and_what_was_decided_meanwhile_counts_afterwards() {
    let two = Two::start().await;
    by_hand(&two.operators[0], "open", "it bills twice").await;
    two.until(1, "open").await;

    two.redis.with(|stack| stack.kill(Service::Redis).unwrap()).await;
    by_hand(&two.operators[1], "close", "it does not").await;
    let scored = score(&two.users[1], &two.leads[1]).await;
    let alone = two.state(0).await;
    two.redis
        .with(|stack| stack.restart(Service::Redis).unwrap())
        .await;

    assert_eq!((&scored["degraded"], alone.as_str()), (&json!(false), "open"));
    two.until(0, "closed").await;
    assert_eq!(two.state(1).await, "closed");
}

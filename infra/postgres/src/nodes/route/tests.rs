//! The choice of a node, from what is known of all of them. Nothing is connected to.

use std::time::Duration;

use fairlead_domain::consistency::NodeName;
use fairlead_domain::database::Lag;

use super::*;
use crate::config::PoolConfig;
use crate::connection::{PgStatementMeters, ReadsById};
use crate::nodes::node::Seen;
use crate::pool::{Pool, PoolName, StatementLimits, target};

const INTERACTIVE: ReadIntent = ReadIntent::INTERACTIVE;
const ANALYTICS: ReadIntent = ReadIntent {
    consistency: Consistency::Eventual,
    workload: Workload::Analytics,
};

const NONE: Lag = Lag {
    bytes: 0,
    time: Duration::ZERO,
};

fn at(lsn: u64) -> LogPosition {
    LogPosition::new(1, lsn)
}

/// A node that serves, as far as `lsn`.
fn node(name: &str, role: NodeRole, lsn: u64) -> Arc<Node> {
    let seen = Seen::new(Duration::ZERO);
    seen.look(Ok(()));
    seen.position.store(at(lsn));
    seen.saw_replica(None, Some(NONE));
    Arc::new(Node {
        name: NodeName::new(name),
        role,
        pool: pool(name),
        reads_by_id: ReadsById::default(),
        seen: Arc::new(seen),
    })
}

fn pool(node: &str) -> Pool {
    let name = PoolName {
        role: "app",
        node: NodeName::new(node),
    };
    let target = target("nobody", "test", "postgres://nobody@127.0.0.1:1/none").unwrap();
    let moment = Duration::from_millis(100);
    let config = PoolConfig {
        min: 0,
        max: 1,
        acquire_timeout: moment,
        create_timeout: moment,
        destroy_timeout: moment,
        idle_timeout: moment,
        max_lifetime: moment,
        max_uses: 1,
    };
    let limits = StatementLimits {
        timeout: moment,
        slow: moment,
    };
    Pool::new(name, target, config, limits, PgStatementMeters::default(), None)
}

fn cluster(replicas: impl Into<Vec<Arc<Node>>>) -> Cluster {
    Cluster {
        primary: node("primary", NodeRole::Primary, 100),
        replicas: replicas.into(),
        system: pool("primary"),
        last_writes: Arc::default(),
        timelines: Arc::default(),
        history: Arc::default(),
        silence: Duration::from_secs(1),
        reap_every: Duration::from_secs(1),
        turn: std::sync::atomic::AtomicUsize::new(0),
        planning: crate::plans::Turns::default(),
        tasks: std::sync::Mutex::default(),
    }
}

/// Two replicas that have come to 90 and 95, and one for analytics that has come to 80.
fn three() -> Cluster {
    cluster([
        node("one", NodeRole::Replica, 90),
        node("two", NodeRole::Replica, 95),
        node("analytics", NodeRole::Analytics, 80),
    ])
}

fn named(cluster: &Cluster, name: &str) -> Arc<Node> {
    let node = cluster.nodes().find(|node| node.name.as_str() == name);
    Arc::clone(node.unwrap())
}

/// Whom a few reads in a row are led to, each once.
fn chosen(cluster: &Cluster, intent: ReadIntent, tried: &[&str]) -> Vec<String> {
    let tried: Vec<_> = tried.iter().map(|name| named(cluster, name)).collect();
    let choose = |_| choose(cluster, intent, &tried).name.to_string();
    let mut names: Vec<_> = (0..6).map(choose).collect();
    names.sort();
    names.dedup();
    names
}

fn at_least(lsn: u64, intent: ReadIntent) -> ReadIntent {
    intent.raised_to(at(lsn))
}

#[tokio::test]
async fn replicas_that_are_fresh_enough_take_turns() {
    let cluster = three();

    assert_eq!(chosen(&cluster, INTERACTIVE, &[]), ["one", "two"]);
    assert_eq!(chosen(&cluster, at_least(90, INTERACTIVE), &[]), ["one", "two"]);
    assert_eq!(chosen(&cluster, at_least(91, INTERACTIVE), &[]), ["two"]);
    assert_eq!(chosen(&cluster, at_least(96, INTERACTIVE), &[]), ["primary"]);
    assert_eq!(chosen(&cluster, ReadIntent::STRONG, &[]), ["primary"]);
}

#[tokio::test]
async fn a_position_on_another_timeline_is_read_on_the_primary() {
    let other = LogPosition::new(2, 1);

    assert_eq!(chosen(&three(), INTERACTIVE.raised_to(other), &[]), ["primary"]);
}

#[tokio::test]
async fn analytics_prefer_their_own_node_then_replicas_then_the_primary() {
    let cluster = three();

    assert_eq!(chosen(&cluster, ANALYTICS, &[]), ["analytics"]);
    assert_eq!(chosen(&cluster, at_least(81, ANALYTICS), &[]), ["one", "two"]);
    assert_eq!(chosen(&cluster, at_least(99, ANALYTICS), &[]), ["primary"]);
}

#[tokio::test]
async fn who_is_out_of_the_rotation_gets_nothing() {
    let cluster = three();

    named(&cluster, "one").fail(Fault::Lagging);
    assert_eq!(chosen(&cluster, INTERACTIVE, &[]), ["two"]);
    named(&cluster, "two").fail(Fault::Refuses);
    assert_eq!(chosen(&cluster, INTERACTIVE, &[]), ["primary"]);
    named(&cluster, "analytics").fail(Fault::Silent);
    assert_eq!(chosen(&cluster, ANALYTICS, &[]), ["primary"]);
}

#[tokio::test]
async fn a_replica_whose_lag_nobody_knows_serves_when_the_primary_is_gone() {
    let cluster = three();
    for name in ["one", "two", "analytics"] {
        named(&cluster, name).seen.saw_replica(None, None);
    }

    for intent in [INTERACTIVE, ANALYTICS, at_least(95, INTERACTIVE)] {
        assert_eq!(chosen(&cluster, intent, &[]), ["primary"], "{intent:?}");
    }
    named(&cluster, "primary").fail(Fault::Refuses);
    assert_eq!(chosen(&cluster, at_least(91, INTERACTIVE), &[]), ["two"]);
    assert_eq!(
        chosen(&cluster, at_least(96, INTERACTIVE), &[]),
        ["primary"],
        "nobody is known to have it"
    );
}

#[tokio::test]
async fn who_was_tried_is_not_tried_again_while_there_is_somebody_else() {
    let cluster = three();

    assert_eq!(chosen(&cluster, INTERACTIVE, &["one"]), ["two"]);
    assert_eq!(chosen(&cluster, INTERACTIVE, &["one", "two"]), ["primary"]);
    assert_eq!(
        chosen(&cluster, INTERACTIVE, &["one", "two", "primary"]),
        ["analytics"]
    );
    assert_eq!(
        chosen(&cluster, INTERACTIVE, &["one", "two", "primary", "analytics"]),
        ["primary"],
        "then it is the primary's error that is told"
    );
}

#[tokio::test]
async fn without_a_primary_whoever_is_fresh_enough_serves() {
    let cluster = cluster([node("analytics", NodeRole::Analytics, 80)]);
    assert_eq!(chosen(&cluster, INTERACTIVE, &[]), ["primary"]);

    cluster.primary.fail(Fault::Refuses);

    assert_eq!(chosen(&cluster, INTERACTIVE, &[]), ["analytics"]);
    assert_eq!(chosen(&cluster, at_least(81, INTERACTIVE), &[]), ["primary"]);
    assert_eq!(chosen(&cluster, ReadIntent::STRONG, &[]), ["primary"]);
}

#[tokio::test]
async fn without_replicas_the_primary_serves() {
    assert_eq!(chosen(&cluster([]), ANALYTICS, &[]), ["primary"]);
}

#[tokio::test]
async fn what_has_read_on_one_node_goes_on_at_the_primary_alone() {
    let tenant = fairlead_domain::Id::from_uuid(uuid::Uuid::from_u128(1));
    let ways_of = |is_first| {
        let mut route = Route::new(Arc::new(three()), tenant, INTERACTIVE);
        while route.redirect(is_first, LogPosition::UNKNOWN).is_ok() {}
        route.tried.iter().map(|node| node.role).collect::<Vec<_>>()
    };

    assert_eq!(ways_of(true).len(), 4, "the first statement may run anywhere");
    assert_eq!(ways_of(false), [NodeRole::Replica, NodeRole::Primary]);
}

//! That what is repeated is done once, of every operation that the specification has.

use sqlx::PgConnection;
use support::database::DatabaseRole;
use support::{Response, TestApp};

use super::matrix::{Thing, altered, make, matrix, operations, request};

/// Operations that change something and take no key, each of which says why. Each is a decision: what is added here is added
/// to `without.rs` and to the guide, with its reason.
const WITHOUT_KEY: [&str; 44] = [
    "acceptInvitation",
    "acknowledgeAlert",
    "analyzeQuery",
    "archiveEvents",
    "buildIndex",
    "cancelAct",
    "changeAlertRule",
    "changeObjective",
    "cleanUpConnections",
    "cleanUpMemory",
    "clearCache",
    "clearTenantCache",
    "closeCircuitBreaker",
    "createAlertRule",
    "deleteAlertRule",
    "deleteJobSchedule",
    "drainQueue",
    "editDeadJob",
    "endAlertSilence",
    "endConnection",
    "initializePerformance",
    "invalidateCache",
    "login",
    "logout",
    "openCircuitBreaker",
    "optimize",
    "optimizeTable",
    "pauseQueue",
    "receiveStripeEvent",
    "recordWebVitals",
    "refresh",
    "releaseMemory",
    "requestRefund",
    "resetPerformance",
    "resumeQueue",
    "retryFailedJobs",
    "scheduleJob",
    "signUp",
    "silenceAlert",
    "silenceAlertRule",
    "startCheckout",
    "summarizeActivities",
    "warmCache",
    "writeIndexMigration",
];

/// Those that this test cannot have succeed: a file that is whole, and a mailing list. Their own tests repeat them.
const REPEATED_ELSEWHERE: [&str; 2] = ["deleteOperationResult", "subscribeLead"];

#[test]
fn every_operation_that_changes_something_takes_a_key_or_says_why_not() {
    let mut without = Vec::new();
    for operation in operations() {
        let says_why = operation.description.contains("Takes no idempotency key: ");
        if !operation.is_unsafe() {
            assert!(
                !operation.takes_key && !says_why,
                "{}: it changes nothing",
                operation.id
            );
        } else if operation.takes_key {
            assert!(!says_why, "{}: it takes one", operation.id);
        } else {
            assert!(
                says_why,
                "{} takes no Idempotency-Key: claim it as its neighbours do, or say in \
                 apps/api/src/idempotency/without.rs why it needs none",
                operation.id
            );
            without.push(operation.id);
        }
    }
    assert_eq!(without, WITHOUT_KEY);
}

#[tokio::test]
async fn whatever_takes_a_key_is_done_once_and_answered_alike() {
    // What is begun here would leave traces of its own, and end before it is cancelled.
    let app = TestApp::start_with(|config| {
        config.jobs.imports.concurrency = 0;
        config.jobs.lead_processing.concurrency = 0;
    })
    .await;
    let acme = app.tenant("acme").await;
    let owner = &acme.owner;
    let mut system = app.database.connect(DatabaseRole::System).await;
    let mut repeated = 0;

    for (number, (operation, case)) in matrix().iter().enumerate().filter(|(_, (it, _))| it.takes_key) {
        let what = &operation.id;
        let id = if let Some(thing) = case.thing {
            make(thing, &acme, owner, number).await
        } else {
            // So that there is a place for what is begun here.
            make(Thing::Operation, &acme, owner, number).await;
            String::new()
        };
        let key = format!("key-{number}");
        // Made once: some bodies name another thing each time.
        let keyed = request(owner, (operation, case), &id, number)
            .header("idempotency-key", &key)
            .header("prefer", "respond-async");
        let repeated_request = keyed.try_clone().expect("its body is at hand");

        let first = owner.send(keyed).await;
        if REPEATED_ELSEWHERE.contains(&what.as_str()) {
            assert_eq!(first.status, 409, "{what}: {first:?}");
            continue;
        }
        assert!(first.status.is_success(), "{what}: {first:?}");
        let written = traces(&mut system).await;
        let again = owner.send(repeated_request).await;
        let other = altered(owner, (operation, case), &id, number)
            .header("idempotency-key", &key)
            .header("prefer", "respond-async");
        let other = owner.send(other).await;

        assert_eq!(told(&again), told(&first), "{what}");
        assert_eq!(first.header("idempotency-replayed"), None, "{what}");
        assert_eq!(again.header("idempotency-replayed"), Some("true"), "{what}");
        assert_eq!(
            (other.status.as_u16(), other.problem().as_str()),
            (422, "idempotency-key-reused"),
            "{what}"
        );
        assert_eq!(traces(&mut system).await, written, "{what}: it was done twice");
        repeated += 1;
    }
    println!("{repeated} operations were repeated, and done once");
    assert!(repeated > 30);
}

/// What an answer tells its client.
fn told(response: &Response) -> (u16, String, Vec<Option<&str>>) {
    let headers = [
        "content-type",
        "etag",
        "location",
        "cache-control",
        "preference-applied",
    ];
    (
        response.status.as_u16(),
        String::from_utf8_lossy(&response.body).into_owned(),
        headers.map(|name| response.header(name)).to_vec(),
    )
}

/// How many events and audit rows there are.
async fn traces(system: &mut PgConnection) -> (i64, i64) {
    sqlx::query_as("SELECT (SELECT count(*) FROM events), (SELECT count(*) FROM audit_log)")
        .fetch_one(system)
        .await
        .expect("the system may read them")
}

//! What Stripe is told of the calls that tenants make.

use sqlx::{AssertSqlSafe, Executor as _, PgConnection};
use support::database::DatabaseRole;
use support::service::Mood;
use support::stripe::{METER, Metered, Stripe};
use support::{TestApp, wait_until};
use time::Duration;

use super::bench::{customer, now, sells};

const METER_EVENTS: &str = "/v1/billing/meter_events";

async fn metered(stripe: &Stripe) -> TestApp {
    TestApp::start_with(|config| {
        sells(stripe)(config);
        config.billing.stripe.meter_event_name = Some(METER.to_owned());
    })
    .await
}

async fn execute(superuser: &mut PgConnection, statement: String) {
    superuser.execute(AssertSqlSafe(statement)).await.unwrap();
}

/// As if processes had written down these calls of the month.
async fn call(app: &TestApp, superuser: &mut PgConnection, tenant: &str, calls: u32) {
    let at = now(app);
    let statement = format!(
        "INSERT INTO tenant_calls AS known (tenant_id, month, calls)
         VALUES ('{tenant}', date_trunc('month', to_timestamp({at}) AT TIME ZONE 'UTC')::date, {calls})
         ON CONFLICT (tenant_id, month) DO UPDATE SET calls = known.calls + EXCLUDED.calls"
    );
    execute(superuser, statement).await;
}

/// As if these had been customers for long.
async fn be_old_customers(superuser: &mut PgConnection) {
    let statement = "UPDATE billing_customers SET created_at = '2020-01-01'";
    execute(superuser, statement.to_owned()).await;
}

/// Has it reported until the condition is met: a moment that comes while the job of the one before is under way is passed
/// over.
async fn report_until(
    superuser: &mut PgConnection,
    what: &str,
    mut is_met: impl AsyncFnMut(&mut PgConnection) -> bool,
) {
    wait_until(what, async || {
        let due = "UPDATE job_schedules SET next_at = now() WHERE name = 'report-usage'";
        superuser.execute(due).await.unwrap();
        is_met(superuser).await
    })
    .await;
}

async fn states(superuser: &mut PgConnection) -> Vec<String> {
    let states = "SELECT state || ' ' || calls FROM usage_reports ORDER BY created_at, calls";
    sqlx::query_scalar(states).fetch_all(superuser).await.unwrap()
}

fn told(stripe: &Stripe) -> usize {
    let asked = stripe.asked();
    asked.iter().filter(|asked| asked.path == METER_EVENTS).count()
}

/// A row that waits, of so many hours ago; the provider may have it for as long as it says.
fn waiting(tenant: &str, id: u8, customer: &str, used_at: &str, asked_at: &str) -> String {
    format!(
        "INSERT INTO usage_reports (tenant_id, id, month, meter, customer, calls, used_at, state, asked_at, created_at)
         VALUES ('{tenant}', '00000000-0000-0000-0000-00000000000{id}', '2020-0{id}-01', '{METER}', '{customer}', {id},
                 {used_at}, 'PENDING', {asked_at}, now() - interval '40 days')"
    )
}

#[tokio::test]
async fn each_call_is_billed_once_whatever_breaks_off() {
    let stripe = Stripe::stripe().await;
    let app = metered(&stripe).await;
    let mut superuser = app.database.connect(DatabaseRole::Superuser).await;
    let (acme, id) = customer(&app, &stripe, "acme").await;
    let stranger = app.tenant("umbrella").await;
    be_old_customers(&mut superuser).await;
    call(&app, &mut superuser, &acme.id, 100).await;
    call(&app, &mut superuser, &stranger.id, 70).await;

    report_until(&mut superuser, "the first are told", async |_| told(&stripe) == 1).await;
    let first: Vec<Metered> = stripe.with(|account| account.metered.values().cloned().collect());
    assert_eq!((first.len(), &first[0].customer, first[0].value), (1, &id, 100));
    assert!((now(&app) - first[0].at).abs() < 60, "{first:?}");

    // Within the hour there is no other row. Then there is, and its answer is lost, and Stripe fails besides.
    call(&app, &mut superuser, &acme.id, 11).await;
    app.clock.advance(Duration::hours(1));
    stripe.be_next([Mood::Cuts, Mood::Fails, Mood::Cuts]);
    report_until(&mut superuser, "the next are told", async |superuser| {
        states(superuser).await == ["DONE 100", "DONE 11"]
    })
    .await;
    assert!(told(&stripe) >= 3, "{:?}", told(&stripe));
    assert_eq!(stripe.with(|account| account.used(&id)), 111);
    assert_eq!(stripe.with(|account| account.metered.len()), 2);
}

#[tokio::test]
async fn what_was_called_before_there_was_a_customer_is_billed_to_nobody() {
    let stripe = Stripe::stripe().await;
    let app = metered(&stripe).await;
    let mut superuser = app.database.connect(DatabaseRole::Superuser).await;
    let (acme, id) = customer(&app, &stripe, "acme").await;
    call(&app, &mut superuser, &acme.id, 500).await;
    let seen = "SELECT count(*) FROM tenant_calls WHERE reported = 500";
    report_until(&mut superuser, "they are seen", async |superuser| {
        sqlx::query_scalar::<_, i64>(seen)
            .fetch_one(superuser)
            .await
            .unwrap()
            == 1
    })
    .await;

    call(&app, &mut superuser, &acme.id, 3).await;
    report_until(&mut superuser, "the others are told", async |_| {
        told(&stripe) == 1
    })
    .await;

    assert_eq!(stripe.with(|account| account.used(&id)), 3);
}

#[tokio::test]
async fn what_stripe_will_not_take_is_not_told_again_and_says_why() {
    let stripe = Stripe::stripe().await;
    let app = metered(&stripe).await;
    let mut superuser = app.database.connect(DatabaseRole::Superuser).await;
    let (acme, _) = customer(&app, &stripe, "acme").await;
    be_old_customers(&mut superuser).await;
    call(&app, &mut superuser, &acme.id, 9).await;
    stripe.with(|account| account.is_archived = true);

    report_until(&mut superuser, "it is refused", async |superuser| {
        states(superuser).await == ["REFUSED 9"]
    })
    .await;
    stripe.with(|account| account.is_archived = false);
    let fault: String = sqlx::query_scalar("SELECT fault FROM usage_reports")
        .fetch_one(&mut superuser)
        .await
        .unwrap();
    assert!(fault.contains("archived_meter"), "{fault}");
    app.clock.advance(Duration::hours(2));
    call(&app, &mut superuser, &acme.id, 4).await;
    report_until(&mut superuser, "the next are told", async |superuser| {
        states(superuser).await == ["REFUSED 9", "DONE 4"]
    })
    .await;

    assert_eq!(told(&stripe), 2);
}

#[tokio::test]
async fn what_is_in_doubt_is_told_for_a_day_and_what_nobody_was_told_of_for_as_long_as_it_is_taken() {
    let stripe = Stripe::stripe().await;
    let app = metered(&stripe).await;
    let mut superuser = app.database.connect(DatabaseRole::Superuser).await;
    let (acme, id) = customer(&app, &stripe, "acme").await;
    let known = "00000000-0000-0000-0000-000000000001".to_owned();
    let taken = Metered {
        customer: id.clone(),
        value: 1,
        at: now(&app),
    };
    // Its key is forgotten, and it is not.
    stripe.with(|account| account.metered.insert(known, taken));
    let lately = "now() - interval '22 hours'";
    for row in [
        waiting(&acme.id, 1, &id, lately, lately),
        waiting(&acme.id, 2, &id, lately, "now() - interval '24 hours'"),
        waiting(&acme.id, 3, &id, "now() - interval '33 days'", "NULL"),
        waiting(&acme.id, 4, &id, "now() - interval '35 days'", "NULL"),
        waiting(&acme.id, 5, &id, "now() - interval '35 days'", lately),
    ] {
        execute(&mut superuser, row).await;
    }

    report_until(&mut superuser, "all have ended", async |superuser| {
        states(superuser).await == ["DONE 1", "UNKNOWN 2", "DONE 3", "LATE 4", "UNKNOWN 5"]
    })
    .await;

    assert_eq!(told(&stripe), 2);
    assert_eq!(stripe.with(|account| account.used(&id)), 1 + 3);
    // Nobody was told of what came too late.
    let untold = "SELECT state || ' ' || calls FROM usage_reports WHERE asked_at IS NULL";
    let untold: Vec<String> = sqlx::query_scalar(untold)
        .fetch_all(&mut superuser)
        .await
        .unwrap();
    assert_eq!(untold, ["LATE 4"]);
}

#[tokio::test]
async fn in_doubt_is_what_may_have_been_taken_alone() {
    let stripe = Stripe::stripe().await;
    let app = metered(&stripe).await;
    let mut superuser = app.database.connect(DatabaseRole::Superuser).await;
    let (acme, id) = customer(&app, &stripe, "acme").await;
    be_old_customers(&mut superuser).await;
    call(&app, &mut superuser, &acme.id, 5).await;

    for (mood, stands) in [
        (Mood::Busy, "fault LIKE '%429%' AND asked_at IS NULL"),
        (Mood::Resets, "fault LIKE '%broke%' AND asked_at IS NOT NULL"),
        (Mood::Busy, "fault LIKE '%429%' AND asked_at IS NOT NULL"),
    ] {
        stripe.be(mood);
        let found = format!("SELECT count(*) FROM usage_reports WHERE state = 'PENDING' AND {stands}");
        report_until(&mut superuser, stands, async |superuser| {
            let found = sqlx::query_scalar(AssertSqlSafe(found.clone()));
            let found: i64 = found.fetch_one(superuser).await.unwrap();
            found == 1
        })
        .await;
    }
    stripe.be(Mood::Well);
    report_until(&mut superuser, "it is told", async |superuser| {
        states(superuser).await == ["DONE 5"]
    })
    .await;

    assert_eq!(stripe.with(|account| account.used(&id)), 5);
}

#[tokio::test]
async fn without_a_meter_nothing_is_told() {
    let stripe = Stripe::stripe().await;
    let app = TestApp::start_with(sells(&stripe)).await;
    let mut superuser = app.database.connect(DatabaseRole::Superuser).await;

    let schedules: i64 = sqlx::query_scalar("SELECT count(*) FROM job_schedules WHERE name = 'report-usage'")
        .fetch_one(&mut superuser)
        .await
        .unwrap();

    assert_eq!(schedules, 0);
}

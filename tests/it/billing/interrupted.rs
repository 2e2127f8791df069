//! However attempts are interrupted, nothing is paid twice.

use std::collections::BTreeSet;
use std::time::Duration;

use sqlx::PgConnection;
use support::database::DatabaseRole;
use support::service::Mood;
use support::stripe::Stripe;
use support::{TestApp, repetitions, wait_until};

use super::bench::{REFUNDS, customer, refund, sells};

/// What becomes of a hundred requests, half of which are interrupted: before their effect or after it, by the other side
/// or by ours.
fn moods(rounds: usize) -> impl Iterator<Item = Mood> {
    const INTERRUPTED: [Mood; 50] = {
        let mut moods = [Mood::Cuts; 50];
        let mut at = 25;
        while at < 50 {
            moods[at] = if at < 35 { Mood::Resets } else { Mood::Fails };
            at += 1;
        }
        moods[49] = Mood::Hangs;
        moods
    };
    (0..rounds).flat_map(|round| {
        (0..100).map(move |at| {
            // Seven is prime to a hundred: in another order each time, and evenly.
            let place = (at * 7 + round * 13) % 100;
            INTERRUPTED.get(place).copied().unwrap_or(Mood::Well)
        })
    })
}

async fn left(superuser: &mut PgConnection) -> i64 {
    sqlx::query_scalar("SELECT count(*) FROM payment_requests WHERE kind = 'REFUND' AND state = 'PENDING'")
        .fetch_one(superuser)
        .await
        .unwrap()
}

#[tokio::test]
async fn nothing_is_paid_twice_and_nothing_is_forgotten_however_attempts_are_interrupted() {
    let stripe = Stripe::stripe().await;
    let refunds = repetitions(500);
    let mut app = TestApp::start_with(|config| {
        sells(&stripe)(config);
        config.upstreams.timeout = Duration::from_millis(300);
        // It is not the breaker that is tested here.
        config.upstreams.breaker.failures = 1_000;
        // A process that stops breaks off what is under way.
        config.jobs.stop_timeout = Duration::ZERO;
        config.jobs.integrations.concurrency = 40;
    })
    .await;
    let operator = app.operator("olga").await;
    let (acme, id) = customer(&app, &stripe, "acme").await;
    let payment = |number: usize| format!("pi_{number}");
    stripe.with(|account| {
        account
            .payments
            .extend((0..refunds).map(|number| (payment(number), id.clone())));
    });
    let asked_before = stripe.asked().len();
    stripe.be_next(moods(refunds.div_ceil(25)));

    for number in 0..refunds {
        let body = refund(&acme, &number.to_string(), &payment(number));
        operator.post(REFUNDS, body).await.expect(202);
        if number % (refunds / 4) == refunds / 8 {
            app.restart().await;
        }
    }
    let mut superuser = app.database.connect(DatabaseRole::Superuser).await;
    let mut pending = refunds;
    while pending > 0 {
        // As many as there are take a while; as long as they get fewer it is well.
        let before = pending;
        wait_until("more is paid back", async || {
            pending = usize::try_from(left(&mut superuser).await).unwrap();
            pending == 0 || pending < before
        })
        .await;
    }

    let (attempts, unfinished): (i64, i64) = sqlx::query_as(
        "SELECT sum(attempts)::bigint, count(*) FILTER (WHERE state <> 'DONE') FROM payment_requests
         WHERE kind = 'REFUND'",
    )
    .fetch_one(&mut superuser)
    .await
    .unwrap();
    let asked = stripe.asked().len() - asked_before;
    stripe.with(|account| {
        let payments: BTreeSet<_> = account.refunds.iter().map(|(payment, _)| payment).collect();
        assert_eq!(account.refunds.len(), refunds, "paid back, altogether");
        assert_eq!(payments.len(), refunds, "payments that were paid back");
    });
    assert_eq!(unfinished, 0);
    // A refund is two requests: what it is of, and itself.
    assert!(asked > refunds * 5 / 2, "{asked} requests were not interrupted");
    println!("{refunds} refunds, {attempts} attempts that were noted, {asked} requests: each paid back once");
}

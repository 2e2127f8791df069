//! For how long what there is only so much of will do.

use fairlead::SystemClock;
use fairlead_domain::clock::Clock as _;
use serde_json::{Value, json};
use sqlx::Executor as _;
use support::database::DatabaseRole;
use support::pair::operator;
use support::process::Program;
use support::{Client, TestDatabase};
use time::format_description::well_known::Rfc3339;
use time::{Duration, OffsetDateTime};

/// 130 days in each of which ten clients more stay than on the day before, and fewer at the weekend.
const GROWING: &str = "
    SELECT setseed(0.42);
    INSERT INTO perf.samples (grain, at, process, kind, name, class, looks, sum, highest)
    SELECT 2, date_trunc('day', now(), 'UTC') - (130 - n) * interval '1 day', '', 'gauge', 'clients.open', 0, 100,
           100 * (200 + 10 * n - CASE WHEN n % 7 > 4 THEN 30 ELSE 0 END + 12 * random()), 0
    FROM generate_series(0, 129) AS n";

async fn forecast(operator: &Client, of: &str) -> Value {
    let path = format!("/api/v1/performance/capacity/forecast/{of}");
    operator.get(&path).await.expect(200)
}

fn moment(of: &Value) -> OffsetDateTime {
    OffsetDateTime::parse(of.as_str().unwrap(), &Rfc3339).unwrap()
}

#[tokio::test]
async fn what_grows_reaches_its_limit_when_it_would_and_what_is_not_known_is_said() {
    let database = TestDatabase::create().await;
    let program = Program::on(&database).with("FAIRLEAD__EVENTS__STREAM__MAX", "2000");
    let mut superuser = database.connect(DatabaseRole::Superuser).await;
    superuser.execute(GROWING).await.unwrap();
    let serving = program.serve().await.unwrap();
    let operator = operator(&program, &serving).await;

    let told = forecast(&operator, "sockets?months=6").await;

    assert_eq!(
        (&told["verdict"], &told["step"], &told["missing"]),
        (&json!("forecast"), &json!("day"), &json!([])),
        "{told:#}"
    );
    let made = &told["forecast"];
    let limit = &made["limits"][0];
    assert_eq!(
        (&limit["value"], &limit["reached"]),
        (&json!(2000.0), &json!("within"))
    );
    // 1,495 at the most by yesterday, and ten a day more: some fifty days from now, which the interval must hold.
    let then = SystemClock.now() + Duration::days(50);
    assert!(moment(&limit["earliest"]) <= then, "{limit:#}");
    assert!(
        limit["latest"].is_null() || moment(&limit["latest"]) >= then,
        "{limit:#}"
    );
    assert!(moment(&limit["earliest"]) <= moment(&limit["likely"]));
    let growth = made["growth"]["perMonth"].as_f64().unwrap();
    assert!((growth - 304.0).abs() < 20.0, "{growth}");
    let test = &made["backTest"];
    assert!(test["relativeError"].as_f64().unwrap() < 0.5, "{test:#}");
    assert!(test["covered80"].as_f64().unwrap() > 0.6, "{test:#}");
    let points = made["points"].as_array().unwrap();
    assert!((180..=185).contains(&points.len()), "{}", points.len());
    assert!(points.iter().all(|point| {
        let of = |name: &str| point[name].as_f64().unwrap();
        of("lower95") <= of("lower80") && of("lower80") <= of("value") && of("upper80") <= of("upper95")
    }));

    // Two years are more than three times what is known.
    let far = forecast(&operator, "sockets?months=24").await;
    assert_eq!(
        (&far["verdict"], &far["forecast"], &far["missing"][0]["missing"]),
        (&json!("insufficient-data"), &Value::Null, &json!("time"))
    );
    let [has, needs] = ["has", "needs"].map(|name| far["missing"][0][name].as_f64().unwrap());
    assert!(
        (129.0..=131.0).contains(&has) && (240.0..=246.0).contains(&needs),
        "{far:#}"
    );
    let nothing = forecast(&operator, "bandwidth").await;
    assert_eq!(nothing["verdict"], "insufficient-data");
    assert_eq!(nothing["missing"][0]["missing"], "time");

    let unknown = operator
        .get("/api/v1/performance/capacity/forecast/patience")
        .await;
    assert_eq!(unknown.status, 404);
    let never = operator
        .get("/api/v1/performance/capacity/forecast/cpu?months=25")
        .await;
    assert_eq!(never.status, 422);
}

#[tokio::test]
async fn what_is_used_is_told_with_what_may_be_and_with_what_was() {
    let database = TestDatabase::create().await;
    let program = Program::on(&database)
        .with("FAIRLEAD__PERFORMANCE__INTERVAL_MS", "1000")
        .with("FAIRLEAD__EVENTS__STREAM__MAX", "2000");
    let serving = program.serve().await.unwrap();
    let operator = operator(&program, &serving).await;
    super::history::written(&operator, "").await;

    let told = operator
        .get("/api/v1/performance/capacity/dashboard")
        .await
        .expect(200);
    let size = operator
        .get("/api/v1/performance/database/size")
        .await
        .expect(200);

    let of = |name: &str| {
        let all = told["resources"].as_array().unwrap();
        all.iter().find(|of| of["resource"] == name).unwrap().clone()
    };
    let sockets = of("sockets");
    assert_eq!(
        (&sockets["used"], &sockets["limit"], &sockets["utilisation"]),
        (&json!(0.0), &json!(2000.0), &json!(0.0))
    );
    assert_eq!(sockets["lastDay"], json!({"mean": 0.0, "highest": 0.0}));
    let storage = of("storage");
    let (used, total) = (
        storage["used"].as_f64().unwrap(),
        size["totalBytes"].as_f64().unwrap(),
    );
    assert!((used - total).abs() < total / 10.0, "{used} of {total}");
    assert_eq!(storage["limit"], Value::Null);
    for name in ["cpu", "memory", "database-connections"] {
        let share = of(name)["utilisation"].as_f64().unwrap();
        assert!((0.0..=1.0).contains(&share), "{name}: {told:#}");
    }
    assert!(
        of("memory")["lastDay"]["highest"].as_f64().unwrap() > 1e6,
        "{told:#}"
    );
}

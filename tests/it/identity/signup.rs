use serde_json::{Value, json};
use sqlx::{AssertSqlSafe, Executor as _};
use support::database::DatabaseRole;
use support::{PASSWORD, TestApp};

use super::{Session, log_in};

fn body() -> Value {
    json!({ "tenantName": "Acme Insurance", "name": "Ann Lee", "email": "Ann@Acme.test", "password": PASSWORD })
}

#[tokio::test]
async fn a_company_signs_up_and_its_owner_is_logged_in() {
    let app = TestApp::start().await;

    let response = app.anonymous().post("/api/v1/auth/signup", body()).await;

    let signed_up = response.expect(201);
    assert_eq!(response.header("cache-control"), Some("no-store"));
    assert_eq!(signed_up["tenant"]["name"], "Acme Insurance");
    assert!(
        signed_up["tenant"]["slug"]
            .as_str()
            .unwrap()
            .starts_with("acme-insurance-"),
        "{signed_up}"
    );
    assert_eq!(signed_up["user"]["role"], "OWNER");
    assert_eq!(signed_up["user"]["email"], "ann@acme.test");
    assert_eq!(signed_up["expiresIn"], 900);
    let me = Session::of(&app, &signed_up)
        .client
        .get("/api/v1/auth/me")
        .await
        .expect(200);
    assert_eq!(
        (&me["tenant"], &me["user"]),
        (&signed_up["tenant"], &signed_up["user"])
    );
    assert!(log_in(&app, "ann@acme.test").await.is_alive().await);
}

#[tokio::test]
async fn two_companies_may_have_the_same_name() {
    let app = TestApp::start().await;

    let first = app
        .anonymous()
        .post("/api/v1/auth/signup", body())
        .await
        .expect(201);
    let second = app
        .anonymous()
        .post("/api/v1/auth/signup", body())
        .await
        .expect(201);

    assert_ne!(first["tenant"]["id"], second["tenant"]["id"]);
    assert_ne!(first["tenant"]["slug"], second["tenant"]["slug"]);
}

#[tokio::test]
async fn every_fault_of_a_sign_up_is_named() {
    let app = TestApp::start().await;
    let faulty = json!({ "tenantName": "", "name": "a\nb", "email": "ann", "password": "short" });

    let response = app.anonymous().post("/api/v1/auth/signup", faulty).await;

    assert_eq!(
        (response.status.as_u16(), response.problem()),
        (422, "invalid-input".to_owned())
    );
    let problem = response.json();
    let mut pointers: Vec<_> = problem["errors"]
        .as_array()
        .unwrap()
        .iter()
        .map(|error| &error["pointer"])
        .collect();
    pointers.sort_by_key(|pointer| pointer.as_str().map(str::to_owned));
    assert_eq!(pointers, ["/email", "/name", "/password", "/tenantName"]);
}

#[tokio::test]
async fn a_sign_up_that_fails_midway_leaves_nothing() {
    let app = TestApp::start().await;
    app.expect_server_errors();
    let mut owner = app.database.connect(DatabaseRole::Owner).await;
    let mut superuser = app.database.connect(DatabaseRole::Superuser).await;
    owner
        .execute("CREATE FUNCTION fail() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'out of order'; END $$")
        .await
        .unwrap();
    let tables = [
        "tenants",
        "users",
        "credentials",
        "sessions",
        "refresh_tokens",
        "events",
        "audit_log",
    ];

    for broken in tables {
        let break_it =
            format!("CREATE TRIGGER fail AFTER INSERT ON {broken} FOR EACH ROW EXECUTE FUNCTION fail()");
        owner.execute(AssertSqlSafe(break_it)).await.unwrap();

        let response = app.anonymous().post("/api/v1/auth/signup", body()).await;

        assert_eq!(
            (response.status.as_u16(), response.problem()),
            (500, "internal-error".to_owned()),
            "{broken}"
        );
        for table in tables {
            let count = format!("SELECT count(*) FROM {table}");
            let left: i64 = sqlx::query_scalar(AssertSqlSafe(count))
                .fetch_one(&mut superuser)
                .await
                .unwrap();
            assert_eq!(left, 0, "rows in {table} after {broken} failed");
        }
        owner
            .execute(AssertSqlSafe(format!("DROP TRIGGER fail ON {broken}")))
            .await
            .unwrap();
    }
    app.anonymous()
        .post("/api/v1/auth/signup", body())
        .await
        .expect(201);
}

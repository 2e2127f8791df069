use serde_json::{Value, json};
use sqlx::AssertSqlSafe;
use support::database::DatabaseRole;
use support::process::Program;
use support::{Client, TestDatabase};

const CHOSEN: &str = "a password that Ann chose";
const MISTYPED: &str = "a password that Ann mistyped";
const OF_BOB: &str = "a password that Bob chose";

/// Does everything that has to do with a secret, and returns the secrets.
async fn use_secrets(anonymous: &Client) -> Vec<(&'static str, String)> {
    let mut secrets = vec![
        ("password", CHOSEN.to_owned()),
        ("wrong password", MISTYPED.to_owned()),
    ];
    let mut keep = |name, value: &Value| {
        secrets.push((
            name,
            value
                .as_str()
                .unwrap_or_else(|| panic!("{name} is {value}"))
                .to_owned(),
        ));
    };
    let login = |password: &str| json!({ "email": "ann@acme.test", "password": password });
    let sign_up =
        json!({ "tenantName": "Acme", "name": "Ann", "email": "ann@acme.test", "password": CHOSEN });
    anonymous.post("/api/v1/auth/signup", sign_up).await.expect(201);
    assert_eq!(
        anonymous.post("/api/v1/auth/login", login(MISTYPED)).await.status,
        401
    );
    let session = anonymous
        .post("/api/v1/auth/login", login(CHOSEN))
        .await
        .expect(200);
    keep("access token", &session["accessToken"]);
    keep("refresh token", &session["refreshToken"]);
    let refresh = json!({ "refreshToken": session["refreshToken"] });
    let refreshed = anonymous
        .post("/api/v1/auth/refresh", refresh.clone())
        .await
        .expect(200);
    keep("second access token", &refreshed["accessToken"]);
    keep("second refresh token", &refreshed["refreshToken"]);
    let owner = anonymous.with_token(refreshed["accessToken"].as_str().unwrap());

    let invite = json!({ "email": "bob@acme.test", "name": "Bob", "role": "VIEWER" });
    let invited = owner.post("/api/v1/users", invite).await.expect(201);
    keep("invitation", &invited["invitation"]["token"]);
    keep("password of Bob", &json!(OF_BOB));
    let accept = json!({ "token": invited["invitation"]["token"], "password": OF_BOB });
    anonymous
        .post("/api/v1/auth/accept-invitation", accept.clone())
        .await
        .expect(200);
    assert_eq!(
        anonymous
            .post("/api/v1/auth/accept-invitation", accept)
            .await
            .status,
        401
    );

    let key = json!({ "name": "a key", "scopes": ["leads:write"] });
    let key = owner.post("/api/v1/tenant/api-keys", key).await.expect(201);
    keep("API key", &key["key"]);
    let machine = anonymous.with_key(key["key"].as_str().unwrap());
    machine
        .post("/api/v1/leads", json!({ "name": "Lead" }))
        .await
        .expect(201);
    owner
        .delete(&format!(
            "/api/v1/tenant/api-keys/{}",
            key["id"].as_str().unwrap()
        ))
        .await
        .expect(204);
    assert_eq!(machine.get("/api/v1/leads").await.status, 401);
    // A body in which the secret is in the wrong place, and a query in which it never should have been.
    let misplaced = json!({ "email": "ann@acme.test", "passwort": CHOSEN });
    assert_eq!(
        anonymous
            .post("/api/v1/auth/login", misplaced)
            .await
            .status
            .as_u16()
            / 100,
        4
    );
    // The session ends as it does when a token was stolen.
    assert_eq!(anonymous.post("/api/v1/auth/refresh", refresh).await.status, 401);
    assert_eq!(owner.get("/api/v1/auth/me").await.status, 401);
    secrets
}

/// Every row of every table as text.
async fn everything_stored(database: &TestDatabase) -> String {
    let mut superuser = database.connect(DatabaseRole::Superuser).await;
    let tables: Vec<String> = sqlx::query_scalar(
        "SELECT c.relname::text FROM pg_class c
         WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p') AND NOT c.relispartition",
    )
    .fetch_all(&mut superuser)
    .await
    .unwrap();
    let mut text = String::new();
    for table in tables {
        let rows = format!("SELECT '{table}: ' || r::text FROM {table} r");
        let rows: Vec<String> = sqlx::query_scalar(AssertSqlSafe(rows))
            .fetch_all(&mut superuser)
            .await
            .unwrap();
        text.push_str(&rows.join("\n"));
        text.push('\n');
    }
    text
}

/// PostgreSQL writes bytes as hexadecimal digits, and a secret might be among them.
fn hexadecimal(text: &str) -> String {
    let digits = text.bytes().flat_map(|byte| [byte >> 4, byte & 15]);
    digits
        .filter_map(|digit| char::from_digit(digit.into(), 16))
        .collect()
}

#[tokio::test]
async fn no_secret_is_logged_or_stored() {
    let database = TestDatabase::create().await;
    let server = Program::on(&database)
        // A refresh token that comes back is stolen, then.
        .with("FAIRLEAD__AUTH__REFRESH_LEEWAY_SECONDS", "0")
        .with("FAIRLEAD__LOG__FILTER", "debug")
        .serve()
        .await
        .unwrap();
    let secrets = use_secrets(&server.anonymous()).await;
    server.signal("TERM");
    let log = server.ended().await.stderr;
    let stored = everything_stored(&database).await;

    // What is looked through does tell of all that was done.
    assert!(
        log.contains("acceptInvitation") || log.contains("/auth/accept-invitation"),
        "{log}"
    );
    for trace in [
        "session_started",
        "session_ended",
        "user_invited",
        "api_key_revoked",
        "ann@acme.test",
    ] {
        assert!(stored.contains(trace), "{trace}");
    }
    for (name, secret) in &secrets {
        assert!(!log.contains(secret.as_str()), "the {name} is in the log");
        assert!(!stored.contains(secret.as_str()), "the {name} is in the database");
        assert!(
            !stored.contains(&hexadecimal(secret)),
            "the {name} is in the database as bytes"
        );
        // Nor the part of it that is secret, behind what names its owner.
        let tail = &secret[secret.len() - secret.len().min(24)..];
        assert!(
            !log.contains(tail) && !stored.contains(tail),
            "the end of the {name}"
        );
    }
    assert!(!log.contains("ann@acme.test"), "personal data is not logged");
    assert!(!log.contains("$argon2"), "nor are hashes");
}

//! The table of roles and operations, from real answers.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use fairlead::SystemIds;
use fairlead_domain::access::{ApiScope, POLICY, Role};
use fairlead_domain::clock::Ids as _;
use serde_json::json;
use sqlx::Executor as _;
use support::database::DatabaseRole;
use support::provider::Provider;
use support::{Client, TestApp, TestTenant};

use super::super::upstreams::bench::calls;
use super::matrix::{call, lets_in, make, matrix};

const DEAD_JOB: &str = "
    INSERT INTO jobs (tenant_id, id, queue, kind, payload, priority, state, finished_at)
    VALUES ('00000000-0000-0000-0000-000000000000', gen_random_uuid(), 'lead-processing', 'a test', 'null', 1, 'dead',
            now())";

/// One that is not over, as an hour is not: before that, nobody says how memory grows.
const ALERT: &str = r#"
    WITH incident AS (
        SELECT jsonb_build_object('number', 1, 'severity', 'warning', 'since', t, 'opened', t, 'worst', 1.0, 'latest', 1.0,
                                  'told', NULL, 'acknowledged', NULL, 'isFlapping', false) AS it
        FROM to_char(now() AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"') AS t
    ), watch AS (
        INSERT INTO perf.alert_watches (key, watch)
        SELECT 'memory-growth', jsonb_build_object('incidents', 1, 'state', jsonb_build_object('open',
            jsonb_build_object('incident', it, 'why', NULL, 'criticalSince', NULL, 'wellSince', NULL))) FROM incident
        ON CONFLICT (key) DO UPDATE SET watch = EXCLUDED.watch
    )
    INSERT INTO perf.alerts (id, rule, metric, severity, incident)
    SELECT gen_random_uuid(), 'memory-growth', 'memoryGrowthBytes', 'warning', it FROM incident"#;

/// Somebody who calls every operation.
struct Identity {
    name: String,
    client: Client,
    /// Whether the policy table permits an action.
    may: Box<dyn Fn(&str) -> bool>,
}

async fn identities(app: &TestApp, tenant: &TestTenant) -> Vec<Identity> {
    let mut identities = Vec::new();
    for role in Role::ALL {
        let name = role.as_str();
        let client = match role {
            Role::Owner => tenant.owner.clone(),
            _ => {
                tenant
                    .user(&format!("{}@acme.test", name.to_lowercase()), name)
                    .await
                    .1
            }
        };
        let may = move |action: &str| {
            POLICY
                .iter()
                .any(|rule| rule.name == action && rule.roles.contains(&role))
        };
        identities.push(Identity {
            name: name.to_owned(),
            client,
            may: Box::new(may),
        });
    }
    for scope in ApiScope::ALL {
        let name = scope.as_str();
        let may = move |action: &str| {
            POLICY
                .iter()
                .any(|rule| rule.name == action && rule.scope == Some(scope))
        };
        let client = tenant.machine(&[name]).await;
        identities.push(Identity {
            name: name.to_owned(),
            client,
            may: Box::new(may),
        });
    }
    let operator = Identity {
        name: "operator".to_owned(),
        client: app.operator("olga").await,
        may: Box::new(|action| action == "Operator"),
    };
    identities.push(operator);
    identities
}

#[tokio::test]
async fn each_identity_may_do_what_the_policy_says_and_no_more() {
    // Operations that were begun might end before they are cancelled.
    let provider = Provider::start().await;
    let app = TestApp::start_with(|config| {
        calls(&provider)(config);
        config.jobs.imports.concurrency = 0;
    })
    .await;
    let acme = app.tenant("acme").await;
    let mut superuser = app.database.connect(DatabaseRole::Superuser).await;
    superuser.execute(DEAD_JOB).await.unwrap();
    superuser.execute(ALERT).await.unwrap();
    let identities = identities(&app, &acme).await;
    let matrix = matrix();
    let (mut number, mut table) = (0, heading(&identities));

    for (operation, case) in &matrix {
        let permits = &operation.permits;
        let needed = match &permits[..] {
            [] => "any credential".to_owned(),
            some => some.join(" or "),
        };
        write!(table, "| {} | {needed} |", operation.id).unwrap();
        for identity in &identities {
            number += 1;
            let expected = if permits.is_empty() {
                // Whoever is in the tenant. A session can only be ended by whoever has one.
                identity.name != "operator" && (operation.id != "logout" || !identity.name.contains(':'))
            } else {
                permits.iter().any(|action| (identity.may)(action))
            };
            let id = match case.thing {
                Some(thing) if expected => make(thing, &acme, author(identity, &acme), number).await,
                _ => SystemIds.next().to_string(),
            };
            let client = if operation.id == "logout" {
                anew(&app, &acme, identity).await
            } else {
                identity.client.clone()
            };

            let response = call(&client, (operation, case), &id, number).await;

            let (operation, who) = (&operation.id, &identity.name);
            let is_let_in = lets_in(&response);
            if expected {
                assert!(is_let_in, "{operation} by {who}: {response:?}");
            } else {
                assert_eq!(response.status, 403, "{operation} by {who}: {response:?}");
                assert_eq!(response.problem(), "not-permitted", "{operation} by {who}");
            }
            table.push_str(if is_let_in { " ✓ |" } else { " – |" });
        }
        table.push('\n');
    }
    println!(
        "{} operations × {} identities: {number} answers",
        matrix.len(),
        identities.len()
    );
    assert_golden("roles.md", &table);
}

/// Who writes what an identity then changes: the identity itself where it can.
fn author<'a>(identity: &'a Identity, tenant: &'a TestTenant) -> &'a Client {
    let writes = ["WriteActivities", "ImportLeads", "ExportLeads", "Operator"];
    if writes.iter().any(|action| (identity.may)(action)) {
        &identity.client
    } else {
        &tenant.owner
    }
}

/// The same user in another session, which may end; a machine as it is.
async fn anew(app: &TestApp, tenant: &TestTenant, identity: &Identity) -> Client {
    if Role::parse(&identity.name).is_none() {
        return identity.client.clone();
    }
    let email = match identity.name.as_str() {
        "OWNER" => tenant.owner_email.clone(),
        name => format!("{}@acme.test", name.to_lowercase()),
    };
    let login = json!({ "email": email, "password": support::PASSWORD });
    let tokens = app
        .anonymous()
        .post("/api/v1/auth/login", login)
        .await
        .expect(200);
    app.anonymous()
        .with_token(tokens["accessToken"].as_str().expect("a token"))
}

fn heading(identities: &[Identity]) -> String {
    let mut table = "# Who may call what\n\n\
        Written from real answers by `UPDATE_GOLDEN=1 cargo xtask test isolation`; the test compares.\n\
        The columns with a colon are API keys of that one scope.\n\n\
        | operation | permit |"
        .to_owned();
    for identity in identities {
        write!(table, " {} |", identity.name).unwrap();
    }
    write!(table, "\n|{}\n", "---|".repeat(identities.len() + 2)).unwrap();
    table
}

/// Compares with the file, or writes it where the environment says so.
#[expect(
    clippy::disallowed_methods,
    reason = "a switch for people who run tests is no configuration"
)]
fn assert_golden(name: &str, text: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("it").join(name);
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        fs::write(&path, text).unwrap();
    }
    let golden = fs::read_to_string(&path).unwrap_or_default();
    assert!(
        golden == text,
        "{name} is not what the server answers; if the change is meant, run the test with UPDATE_GOLDEN=1 and review \
         the difference. The answers:\n{text}"
    );
}

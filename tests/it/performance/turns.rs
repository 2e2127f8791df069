//! How many connections statements are planned on at once.

use std::sync::Arc;
use std::time::Duration;

use fairlead_domain::Id;
use fairlead_domain::performance::plans::{AnalyseError, AnalyseQuery, QueryPlans as _, Run};
use fairlead_postgres::{Cluster, PgQueryPlans};
use sqlx::{AssertSqlSafe, Executor as _};
use support::database::DatabaseRole;
use support::{TestDatabase, store_config, wait_until};
use tokio::time::timeout;
use uuid::Uuid;

use super::indexing::many_leads;

const TENANT: Uuid = Uuid::from_u128(0x0193_0000_0000_7000_8000_0000_0000_0001);
const OPEN: &str = "
    SELECT count(*) FROM pg_stat_activity
    WHERE datname = current_database() AND application_name = 'fairlead-planning'";

#[tokio::test]
async fn whoever_stops_waiting_makes_no_room_before_the_server_has_ended() {
    let database = TestDatabase::create().await;
    let mut superuser = database.connect(DatabaseRole::Superuser).await;
    let tenant = format!(
        "INSERT INTO tenants (tenant_id, id, slug, name, created_at, updated_at)
         VALUES ('{TENANT}', '{TENANT}', 'acme', 'Acme', now(), now())"
    );
    superuser.execute(AssertSqlSafe(tenant)).await.unwrap();
    superuser
        .execute(AssertSqlSafe(many_leads(&TENANT.to_string())))
        .await
        .unwrap();
    let config = store_config(
        database.url(DatabaseRole::App),
        database.url(DatabaseRole::System),
        2,
    );
    let cluster = Cluster::connect(&config).await.unwrap();
    let plans = PgQueryPlans::new(Arc::clone(&cluster));
    let mut most: i64 = 0;

    for _ in 0..12 {
        let query = AnalyseQuery {
            tenant: Id::from_uuid(TENANT),
            sql: "SELECT count(*) FROM leads a JOIN leads b ON a.name <> b.name".to_owned(),
            run: Run::Executed,
        };
        match timeout(Duration::from_millis(100), plans.analyse(query)).await {
            Err(_) | Ok(Err(AnalyseError::Busy)) => {}
            Ok(other) => panic!("{other:?}"),
        }
        let open: i64 = sqlx::query_scalar(OPEN).fetch_one(&mut superuser).await.unwrap();
        most = most.max(open);
    }

    assert!((1..=4).contains(&most), "{most} at once");
    // What nobody waits for is cancelled, and its turn given back.
    wait_until("all have ended", async || {
        let open: i64 = sqlx::query_scalar(OPEN).fetch_one(&mut superuser).await.unwrap();
        open == 0
    })
    .await;
    let query = AnalyseQuery {
        tenant: Id::from_uuid(TENANT),
        sql: "SELECT count(*) FROM leads".to_owned(),
        run: Run::Executed,
    };
    plans.analyse(query).await.unwrap();
    cluster.close().await;
}

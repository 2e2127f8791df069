//! The counters behind the statistics of leads: equal to the leads after whatever was done to them.

mod concurrency;
mod property;
mod repair;
mod schema;
mod work;

use std::collections::BTreeMap;

use fairlead::SystemIds;
use fairlead_domain::Id;
use fairlead_domain::access::SystemScope;
use fairlead_domain::clock::Ids as _;
use fairlead_domain::consistency::ReadIntent;
use fairlead_domain::identity::TenantId;
use fairlead_domain::leads::{LeadFilter, LeadQuery, LeadSort, Statistics, StatusCount, StatusName};
use fairlead_domain::paging::{Direction, Paging, Start};
use fairlead_domain::store::{Store as _, UnitOfWork};
use fairlead_postgres::PgStore;
use sqlx::{AssertSqlSafe, Executor as _, PgConnection, Row as _};
use support::TestDatabase;
use support::database::DatabaseRole;
use time::OffsetDateTime;

/// What the counters say that the leads do not, in one snapshot.
const DRIFT: &str = "
    SELECT format('%s %s: %s counted, %s there, creation times off by %s', tenant_id, status, counted.leads,
                  there.leads, COALESCE(there.created, 0) - COALESCE(counted.created, 0))
    FROM (SELECT tenant_id, status, SUM(leads) AS leads, SUM(created_seconds) AS created
          FROM lead_statistics GROUP BY tenant_id, status) AS counted
    FULL JOIN (SELECT tenant_id, status, COUNT(*) AS leads, SUM(EXTRACT(epoch FROM created_at)) AS created
               FROM leads GROUP BY tenant_id, status) AS there USING (tenant_id, status)
    WHERE COALESCE(counted.leads, 0) <> COALESCE(there.leads, 0)
       OR COALESCE(counted.created, 0) <> COALESCE(there.created, 0)
    ORDER BY 1";

async fn drift(superuser: &mut PgConnection) -> Vec<String> {
    texts(superuser, DRIFT).await
}

async fn texts(connection: &mut PgConnection, sql: &str) -> Vec<String> {
    sqlx::query_scalar(AssertSqlSafe(sql.to_owned()))
        .fetch_all(connection)
        .await
        .unwrap()
}

async fn run(connection: &mut PgConnection, sql: &str) -> sqlx::Result<()> {
    connection.execute(AssertSqlSafe(sql.to_owned())).await.map(drop)
}

#[expect(clippy::disallowed_methods, reason = "the test sets up tenants by itself")]
fn system() -> SystemScope {
    SystemScope::new("test")
}

async fn add_tenant(superuser: &mut PgConnection, slug: &str) -> TenantId {
    let id = SystemIds.next();
    let insert = format!(
        "INSERT INTO tenants (tenant_id, id, slug, name, created_at, updated_at)
         VALUES ('{id}', '{id}', '{slug}', '{slug}', now(), now())"
    );
    run(superuser, &insert).await.unwrap();
    Id::from_uuid(id)
}

/// A connection of the application role inside a tenant, for statements that no repository has.
async fn app_in(database: &TestDatabase, tenant: TenantId) -> PgConnection {
    let mut app = database.connect(DatabaseRole::App).await;
    // Nobody in these tests waits for another longer than it takes to commit.
    let settings = format!(
        "SET app.current_tenant = '{}'; SET lock_timeout = '20s'",
        tenant.as_uuid()
    );
    run(&mut app, &settings).await.unwrap();
    app
}

/// One lead in SQL, created so long before now.
fn insert_lead(tenant: TenantId, status: &str, age: &str) -> String {
    let (tenant, id) = (tenant.as_uuid(), SystemIds.next());
    let reason = if status == "CLOSED" { "'LOST'" } else { "NULL" };
    format!(
        "INSERT INTO leads (tenant_id, id, name, status, close_reason, created_at, updated_at)
         VALUES ('{tenant}', '{id}', 'Ann', '{status}', {reason}, now() - interval '{age}', now())"
    )
}

/// The statistics of the leads that a unit of work sees, computed from each of them in whole microseconds.
async fn expected(app: &mut PgConnection, now: OffsetDateTime) -> Statistics {
    let rows = app
        .fetch_all("SELECT status, created_at FROM leads")
        .await
        .unwrap();
    let mut ages: BTreeMap<StatusName, Vec<i128>> = BTreeMap::new();
    for row in rows {
        let created_at: OffsetDateTime = row.get(1);
        let age = (now - created_at).whole_microseconds();
        let status = StatusName::parse(row.get(0)).unwrap();
        ages.entry(status).or_default().push(age);
    }
    let count = |ages: &Vec<i128>| {
        let day_of_each = ages.len() as i128 * 86_400 * 1_000_000;
        StatusCount {
            count: ages.len() as u64,
            avg_age_days: u64::try_from(ages.iter().sum::<i128>().div_euclid(day_of_each)).unwrap_or(0),
        }
    };
    let by_status = ages.iter().map(|(status, ages)| (*status, count(ages))).collect();
    Statistics { by_status }
}

/// Fails unless the statistics of a tenant are those of its leads.
async fn assert_equal(store: &PgStore, app: &mut PgConnection, tenant: TenantId, after: &str) {
    let mut uow: Box<dyn UnitOfWork> = store
        .read(&system().tenant(tenant), ReadIntent::STRONG)
        .await
        .unwrap();
    let now = uow.now();
    let statistics = uow.leads().statistics(now).await.unwrap();
    let expected = expected(app, now).await;
    assert_eq!(statistics, expected, "after {after}");
    assert_totals_equal(&mut *uow, &expected, after).await;
}

/// Fails unless whatever else tells how many leads there are says the same.
async fn assert_totals_equal(uow: &mut dyn UnitOfWork, expected: &Statistics, after: &str) {
    let count = |status| expected.by_status.get(&status).map_or(0, |known| known.count);
    let any = (None, expected.total());
    let by_status = StatusName::ALL.map(|status| (Some(status), count(status)));
    for (status, there) in by_status.into_iter().chain([any]) {
        let query = LeadQuery {
            filter: LeadFilter {
                status,
                ..LeadFilter::default()
            },
            sort: LeadSort::CreatedAt,
            direction: Direction::Descending,
            paging: Paging {
                start: Start::Page(0),
                limit: 1,
            },
        };
        let page = uow.leads().list(&query).await.unwrap();
        assert_eq!(page.total, Some(there), "{status:?} after {after}");
        // Any other condition has them counted one by one.
        let one_by_one = LeadQuery {
            filter: LeadFilter {
                min_score: Some(0),
                ..query.filter.clone()
            },
            ..query
        };
        let page = uow.leads().list(&one_by_one).await.unwrap();
        assert_eq!(page.total, Some(there), "{status:?} one by one after {after}");
    }
    let usage = uow.tenants().usage().await.unwrap();
    let open = expected.total() - count(StatusName::Closed);
    assert_eq!(
        (usage.leads, usage.open_leads),
        (expected.total(), open),
        "after {after}"
    );
}

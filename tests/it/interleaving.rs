//! Requests of many tenants that share few connections, and clients that hang up in the middle.

use std::collections::HashMap;
use std::future::poll_fn;
use std::pin::pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::Poll;

use fairlead::SystemIds;
use fairlead_domain::Id;
use fairlead_domain::access::{ChangeLeads, ManageCarriers, Permit, SystemScope, TenantScope};
use fairlead_domain::carriers::{CarrierDraft, RawCarrier};
use fairlead_domain::consistency::ReadIntent;
use fairlead_domain::identity::TenantId;
use fairlead_domain::leads::{self, Lead, LeadDraft, LeadFilter, LeadQuery, LeadSort, RawLead, SearchText};
use fairlead_domain::paging::{Direction, Paging};
use fairlead_domain::store::{Store as _, StoreError};
use fairlead_domain::{carriers, clock::Ids as _};
use fairlead_postgres::PgStore;
use futures_util::StreamExt as _;
use futures_util::stream;
use sqlx::{Connection as _, Executor as _, PgConnection, Row as _};
use support::database::DatabaseRole;
use support::proxy::{Leftover, Proxy};
use support::{TestDatabase, connect_store, wait_until};

const TENANTS: usize = 20;
/// In the long form twenty times as many.
const REQUESTS: usize = 1_000;
const CONNECTIONS: u32 = 4;
/// More than there are connections, so that requests also wait, and are dropped waiting.
const AT_ONCE: usize = 16;
/// The kind of request that changes something.
const WRITE: usize = 2;

#[expect(clippy::disallowed_methods, reason = "the test sets up tenants by itself")]
fn system() -> SystemScope {
    SystemScope::new("test")
}

/// Adds the tenants, each with a lead that has the tenant's number in its name.
async fn tenants(database: &TestDatabase) -> Vec<TenantId> {
    let mut superuser = database.connect(DatabaseRole::Superuser).await;
    let mut ids = Vec::new();
    for number in 0..TENANTS {
        let id = SystemIds.next();
        sqlx::query(
            "WITH tenant AS (
                 INSERT INTO tenants (tenant_id, id, slug, name, created_at, updated_at)
                 VALUES ($1, $1, 'tenant-' || $2, 'Tenant ' || $2, now(), now()))
             INSERT INTO leads (tenant_id, id, name, status, created_at, updated_at)
             VALUES ($1, $1, 'Tenant ' || $2 || ' first', 'NEW', now(), now())",
        )
        .bind(id)
        .bind(number.to_string())
        .execute(&mut superuser)
        .await
        .unwrap();
        ids.push(Id::from_uuid(id));
    }
    ids
}

/// What one request is to do. A function of its number, so that every run does the same.
#[derive(Clone, Copy, Debug)]
struct Request {
    number: usize,
    tenant: usize,
    kind: usize,
    /// Dropped when it has waited so many times; `None`: let go on to its end.
    patience: Option<usize>,
}

fn requests() -> Vec<Request> {
    // Xorshift (Marsaglia, 2003): any sequence without a pattern will do.
    let mut state = 0x2545_f491_4f6c_dd1d_u64;
    let mut next = |below: usize| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        usize::try_from(state % below as u64).expect("less than `below`")
    };
    let request = |number| {
        let (tenant, kind) = (next(TENANTS), next(4));
        // A write waits a dozen times at least; the others two times or three: for a connection, BEGIN and a query.
        let waits = if kind == WRITE { 10 } else { 3 };
        Request {
            number,
            tenant,
            kind,
            patience: (number % 5 == 0).then(|| next(waits)),
        }
    };
    (0..support::repetitions(REQUESTS)).map(request).collect()
}

/// Fails when a lead is not of the tenant by whose number it is named.
fn assert_of(tenant: usize, leads: &[Lead]) {
    for lead in leads {
        assert!(
            lead.name.starts_with(&format!("Tenant {tenant} ")),
            "tenant {tenant} was shown {}",
            lead.name
        );
    }
}

async fn serve(store: &PgStore, tenant: TenantId, request: Request) -> Result<(), StoreError> {
    let Request {
        number,
        tenant: of,
        kind,
        ..
    } = request;
    let scope = system().tenant(tenant);
    match kind {
        0 => list(store, &scope, of).await,
        1 => search(store, &scope, of).await,
        WRITE => write(store, tenant, &format!("Tenant {of} of request {number}")).await,
        _ => look_then_fail(store, &scope, of).await,
    }
}

async fn list(store: &PgStore, scope: &TenantScope, of: usize) -> Result<(), StoreError> {
    let query = LeadQuery {
        filter: LeadFilter::default(),
        sort: LeadSort::CreatedAt,
        direction: Direction::Descending,
        paging: Paging::first(50),
    };
    let mut uow = store.read(scope, ReadIntent::INTERACTIVE).await?;
    let tenant = uow.tenants().get().await?;
    let page = uow.leads().list(&query).await?;
    assert_eq!(tenant.name, format!("Tenant {of}"));
    assert_of(of, &page.items);
    assert!(!page.items.is_empty());
    Ok(())
}

async fn search(store: &PgStore, scope: &TenantScope, of: usize) -> Result<(), StoreError> {
    let mut uow = store.read(scope, ReadIntent::INTERACTIVE).await?;
    let found = uow
        .leads()
        .search(&SearchText::parse("tenant").unwrap(), 100)
        .await?;
    let found: Vec<Lead> = found.into_iter().map(|(lead, _)| lead).collect();
    assert_of(of, &found);
    assert!(!found.is_empty());
    Ok(())
}

/// Writes two leads and a carrier, with their events and audit rows: all of it or nothing.
async fn write(store: &PgStore, tenant: TenantId, name: &str) -> Result<(), StoreError> {
    let change_leads = Permit::<ChangeLeads>::system(&system(), tenant);
    let manage_carriers = Permit::<ManageCarriers>::system(&system(), tenant);
    let mut uow = store.begin(change_leads.scope()).await?;
    for _ in 0..2 {
        let draft = LeadDraft::parse(RawLead {
            name: name.to_owned(),
            ..RawLead::default()
        })
        .unwrap();
        leads::create(&mut *uow, &change_leads, draft)
            .await
            .expect("a lead for nobody can be made");
    }
    let draft = CarrierDraft::parse(RawCarrier {
        name: name.to_owned(),
        ..RawCarrier::default()
    })
    .unwrap();
    carriers::create(&mut *uow, &manage_carriers, draft)
        .await
        .expect("the name is free");
    uow.commit().await?;
    Ok(())
}

/// Fails inside its transaction, by a statement that the database refuses: the connection goes back all the same.
async fn look_then_fail(store: &PgStore, scope: &TenantScope, of: usize) -> Result<(), StoreError> {
    let mut uow = store.read(scope, ReadIntent::INTERACTIVE).await?;
    let mut tenant = uow.tenants().get().await?;
    assert_eq!(tenant.name, format!("Tenant {of}"));
    "changed".clone_into(&mut tenant.name);
    let refused = uow.tenants().update(&tenant).await;
    assert!(
        matches!(refused, Err(StoreError::Unexpected(_))),
        "a read can change nothing: {refused:?}"
    );
    Ok(())
}

/// Runs `future` until it has waited `patience` times; `None`: it was dropped then, in the middle of what it did.
async fn with_patience<T>(future: impl Future<Output = T>, patience: Option<usize>) -> Option<T> {
    let mut future = pin!(future);
    let mut waited = 0;
    poll_fn(|context| match future.as_mut().poll(context) {
        Poll::Ready(output) => Poll::Ready(Some(output)),
        Poll::Pending if patience.is_some_and(|patience| waited >= patience) => Poll::Ready(None),
        Poll::Pending => {
            waited += 1;
            Poll::Pending
        }
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_that_share_connections_and_are_dropped_midway_leave_nothing_behind() {
    let database = TestDatabase::create().await;
    let tenants = tenants(&database).await;
    let url = database.url(DatabaseRole::App);
    let proxy = Proxy::start(&url, "app.current_tenant").await;
    let store = connect_store(proxy.through(&url), CONNECTIONS).await;
    let requests = requests();
    let dropped = AtomicUsize::new(0);

    stream::iter(&requests)
        .for_each_concurrent(AT_ONCE, |request| {
            let work = serve(&store, tenants[request.tenant], *request);
            let dropped = &dropped;
            async move {
                match with_patience(work, request.patience).await {
                    Some(outcome) => outcome.unwrap_or_else(|error| panic!("{request:?}: {error:?}")),
                    None => drop(dropped.fetch_add(1, Ordering::Relaxed)),
                }
            }
        })
        .await;

    // No connection was lost: all can be had at once, and do their work.
    let mut held = Vec::new();
    for tenant in tenants.iter().take(CONNECTIONS as usize) {
        let mut uow = store.begin(&system().tenant(*tenant)).await.unwrap();
        assert_eq!(uow.tenants().get().await.unwrap().id, *tenant);
        held.push(uow);
    }
    drop(held);
    store.cluster().close().await;

    let dropped = dropped.into_inner();
    assert!(
        dropped >= requests.len() * 3 / 20,
        "only {dropped} requests were dropped midway"
    );
    assert_nothing_left(&proxy).await;
    assert_whole(&database, &requests).await;
}

/// No setting and no open transaction on any connection when the pool gave it up.
async fn assert_nothing_left(proxy: &Proxy) {
    let closed = async || proxy.leftovers().len() >= CONNECTIONS as usize;
    wait_until("the pool's connections were looked at", closed).await;
    let clean = Leftover {
        setting: String::new(),
        in_transaction: false,
    };
    for leftover in proxy.leftovers() {
        assert_eq!(leftover, clean);
    }
}

/// Every write is there as a whole or not at all; what was answered is there.
async fn assert_whole(database: &TestDatabase, requests: &[Request]) {
    let mut superuser = database.connect(DatabaseRole::Superuser).await;
    let rows = superuser
        .fetch_all(
            "SELECT l.name, count(*) AS leads,
                    count(*) FILTER (WHERE EXISTS (
                        SELECT FROM carriers c WHERE c.tenant_id = l.tenant_id AND c.name = l.name)) AS with_carrier,
                    sum((SELECT count(*) FROM events e
                         WHERE e.tenant_id = l.tenant_id AND e.aggregate_id = l.id))::bigint AS events,
                    sum((SELECT count(*) FROM audit_log a
                         WHERE a.tenant_id = l.tenant_id AND a.entity_id = l.id))::bigint AS audit_rows
             FROM leads l JOIN tenants t USING (tenant_id)
             WHERE l.name LIKE t.name || ' of request %'
             GROUP BY l.name",
        )
        .await
        .unwrap();
    let counts = |row: &sqlx::postgres::PgRow| -> [i64; 4] {
        ["leads", "with_carrier", "events", "audit_rows"].map(|column| row.get(column))
    };
    let written: HashMap<String, [i64; 4]> = rows.iter().map(|row| (row.get("name"), counts(row))).collect();

    for request in requests.iter().filter(|request| request.kind == WRITE) {
        let name = format!("Tenant {} of request {}", request.tenant, request.number);
        match written.get(&name) {
            Some(counts) => assert_eq!(*counts, [2; 4], "{request:?}"),
            None => assert!(
                request.patience.is_some(),
                "{request:?} was answered and is not there"
            ),
        }
    }
    let total: i64 = sqlx::query_scalar("SELECT count(*) FROM leads")
        .fetch_one(&mut superuser)
        .await
        .unwrap();
    let expected = TENANTS + 2 * written.len();
    assert_eq!(
        total,
        i64::try_from(expected).unwrap(),
        "no lead is with another tenant than its name says"
    );
}

#[tokio::test]
async fn what_a_client_leaves_on_its_connection_is_noticed() {
    let database = TestDatabase::create().await;
    let url = database.url(DatabaseRole::App);
    let proxy = Proxy::start(&url, "app.current_tenant").await;
    let mut careless = PgConnection::connect(&proxy.through(&url)).await.unwrap();

    careless
        .execute("BEGIN; SET app.current_tenant = 'left behind'")
        .await
        .unwrap();
    careless.close().await.unwrap();

    wait_until("the connection was looked at", async || {
        !proxy.leftovers().is_empty()
    })
    .await;
    let careless = Leftover {
        setting: "left behind".to_owned(),
        in_transaction: true,
    };
    assert_eq!(proxy.leftovers(), [careless]);
}

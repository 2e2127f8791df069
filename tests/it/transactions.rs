//! Statements that are sent before those in front of them are answered: what becomes of them when one fails.

use std::slice;

use fairlead::SystemIds;
use fairlead_domain::Id;
use fairlead_domain::access::{Actor, SystemScope, TenantScope};
use fairlead_domain::activities::{Activity, ActivityKind};
use fairlead_domain::carriers::{Carrier, PartnershipStatus, PartnershipTier};
use fairlead_domain::clock::Ids as _;
use fairlead_domain::events::{Aggregate, Recorded, Source};
use fairlead_domain::identity::TenantId;
use fairlead_domain::leads::{Lead, LeadDraft, RawLead};
use fairlead_domain::store::{Store as _, StoreError, SystemStore as _, UnitOfWork};
use fairlead_postgres::{Cluster, PgStore, PgSystemStore};
use sqlx::AssertSqlSafe;
use support::database::DatabaseRole;
use support::proxy::Proxy;
use support::{TestDatabase, store_config, store_parts};

/// Both stores, behind a proxy.
struct Stores {
    database: TestDatabase,
    proxy: Proxy,
    store: PgStore,
    system: PgSystemStore,
    tenant: TenantId,
}

#[expect(clippy::disallowed_methods, reason = "the test stands in for the platform")]
fn platform() -> SystemScope {
    SystemScope::new("test")
}

impl Stores {
    async fn connect(connections: u32) -> Self {
        let database = TestDatabase::create().await;
        let id = SystemIds.next();
        let mut superuser = database.connect(DatabaseRole::Superuser).await;
        sqlx::query(
            "INSERT INTO tenants (tenant_id, id, slug, name, created_at, updated_at)
             VALUES ($1, $1, 'acme', 'Acme', now(), now())",
        )
        .bind(id)
        .execute(&mut superuser)
        .await
        .unwrap();
        let app_url = database.url(DatabaseRole::App);
        let proxy = Proxy::start(&app_url, "app.current_tenant").await;
        let system_url = proxy.through(&database.url(DatabaseRole::System));
        let config = store_config(proxy.through(&app_url), system_url, connections);
        let cluster = Cluster::connect(&config).await.unwrap();
        Self {
            store: PgStore::new(cluster.clone(), store_parts()),
            system: PgSystemStore::new(cluster, &config, store_parts()),
            tenant: Id::from_uuid(id),
            database,
            proxy,
        }
    }

    fn scope(&self) -> TenantScope {
        platform().tenant(self.tenant)
    }

    async fn count(&self, table: &str) -> i64 {
        let mut superuser = self.database.connect(DatabaseRole::Superuser).await;
        sqlx::query_scalar(AssertSqlSafe(format!("SELECT count(*) FROM {table}")))
            .fetch_one(&mut superuser)
            .await
            .unwrap()
    }
}

fn carrier(uow: &dyn UnitOfWork) -> Carrier {
    Carrier {
        id: Id::from_uuid(uow.next_id()),
        name: "Carrier".to_owned(),
        active: true,
        partnership_status: PartnershipStatus::Active,
        partnership_tier: PartnershipTier::Silver,
        performance_score: 50,
        version: 1,
        created_at: uow.now(),
        updated_at: uow.now(),
    }
}

fn lead(uow: &dyn UnitOfWork) -> Lead {
    let raw = RawLead {
        name: "Ann".to_owned(),
        ..RawLead::default()
    };
    LeadDraft::parse(raw).unwrap().into_lead(uow.next_id(), uow.now())
}

fn record(uow: &mut dyn UnitOfWork) {
    let aggregate_id = uow.next_id();
    uow.record(Recorded {
        event_type: "carrier_created",
        version: 1,
        aggregate: Aggregate::Carrier,
        aggregate_id,
        actor: Actor::System,
        source: Source::System,
        before: None,
        after: None,
    });
}

/// A write whose answer is waited for, one that travels with COMMIT, a read, and a write of the role that no tenant
/// binds. Each is the first statement of its unit of work.
async fn four_beginnings(stores: &Stores) -> [Result<(), String>; 4] {
    let told = |error: &dyn std::fmt::Debug| format!("{error:?}");

    let mut uow = stores.store.begin(&stores.scope()).await.unwrap();
    let carrier = carrier(&*uow);
    let waited_for = uow
        .carriers()
        .insert(&carrier)
        .await
        .map_err(|error| told(&error));
    drop(uow);

    let mut uow = stores.store.begin(&stores.scope()).await.unwrap();
    record(&mut *uow);
    let with_commit = uow.commit().await.map(drop).map_err(|error| told(&error));

    let mut uow = stores.store.begin(&stores.scope()).await.unwrap();
    let read = uow.leads().find(Id::from_uuid(SystemIds.next())).await;
    drop(uow);

    let mut uow = stores.system.begin(&platform()).await.unwrap();
    let of_system = uow
        .operators()
        .upsert(SystemIds.next(), "eve", b"secret", None)
        .await;
    drop(uow);
    [
        waited_for,
        with_commit,
        read.map(drop).map_err(|error| told(&error)),
        of_system.map_err(|error| told(&error)),
    ]
}

#[tokio::test]
async fn behind_a_begin_that_failed_nothing_is_written_and_nothing_is_believed() {
    let stores = Stores::connect(1).await;
    // From now on all statements are prepared, and sent together with BEGIN.
    assert_eq!(four_beginnings(&stores).await, [const { Ok(()) }; 4]);
    let mut before = Vec::new();
    for table in TABLES {
        before.push(stores.count(table).await);
    }

    stores.proxy.break_begins();
    let outcomes = four_beginnings(&stores).await;

    for outcome in outcomes {
        let error = outcome.unwrap_err();
        assert!(error.contains("does not exist"), "{error}");
    }
    for (table, before) in TABLES.into_iter().zip(before) {
        assert_eq!(stores.count(table).await, before, "{table}");
    }
}

const TABLES: [&str; 4] = ["carriers", "events", "audit_log", "operators"];

#[tokio::test]
async fn what_a_queued_statement_fails_by_is_what_the_commit_fails_by() {
    let stores = Stores::connect(2).await;
    let mut uow = stores.store.begin(&stores.scope()).await.unwrap();
    let carrier = carrier(&*uow);
    uow.carriers().insert(&carrier).await.unwrap();
    let nowhere = Id::from_uuid(uow.next_id());
    let (id, now) = (uow.next_id(), uow.now());
    let note = Activity::automatic(
        id,
        nowhere,
        ActivityKind::Note,
        "Hello".to_owned(),
        Actor::System,
        now,
    );
    record(&mut *uow);

    uow.activities().insert(slice::from_ref(&note)).await.unwrap();
    let committed = uow.commit().await;

    // A lead that is gone by now.
    assert!(matches!(committed, Err(StoreError::Contended)), "{committed:?}");
    for table in ["carriers", "activities", "events"] {
        assert_eq!(stores.count(table).await, 0, "{table}");
    }
}

#[tokio::test]
async fn what_is_queued_comes_before_what_is_asked_behind_it() {
    let stores = Stores::connect(2).await;
    let mut uow = stores.store.begin(&stores.scope()).await.unwrap();
    let lead = lead(&*uow);

    uow.leads().insert(slice::from_ref(&lead)).await.unwrap();
    let found = uow.leads().find(lead.id).await.unwrap();

    assert_eq!(found.map(|lead| lead.name).as_deref(), Some("Ann"));
    drop(uow);
    assert_eq!(stores.count("leads").await, 0, "nobody has committed");
}

#[tokio::test]
async fn a_failed_statement_ends_its_unit_of_work_and_not_its_connection() {
    let stores = Stores::connect(2).await;
    for _ in 0..4 {
        let mut uow = stores.store.begin(&stores.scope()).await.unwrap();
        let carrier = carrier(&*uow);
        uow.carriers().insert(&carrier).await.unwrap();
        uow.carriers().insert(&carrier).await.unwrap_err();

        let after = uow.tenants().get().await;
        assert!(matches!(after, Err(StoreError::Unexpected(_))), "{after:?}");
        let committed = uow.commit().await;
        assert!(
            matches!(committed, Err(StoreError::Unexpected(_))),
            "{committed:?}"
        );
    }

    // Of the two connections none was lost, and none is inside a transaction.
    let mut first = stores.store.begin(&stores.scope()).await.unwrap();
    let mut second = stores.store.begin(&stores.scope()).await.unwrap();
    assert_eq!(first.tenants().get().await.unwrap().id, stores.tenant);
    assert_eq!(second.tenants().get().await.unwrap().id, stores.tenant);
    assert_eq!(stores.count("carriers").await, 0);
}

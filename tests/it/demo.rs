//! The demo tenant, as it lies in the database.

use std::sync::Arc;

use fairlead::demo::{DemoError, DemoOrder, DemoPorts, Filled, fill};
use fairlead_auth::{Argon2PasswordHasher, HasherLimits, Sha256Secrets};
use fairlead_domain::identity::{Password, PasswordHasher as _};
use fairlead_postgres::{Cluster, PgStore, PgSystemStore};
use sqlx::PgConnection;
use support::database::DatabaseRole;
use support::{TestDatabase, store_config, store_parts};

const PASSWORD: &str = "correct horse battery";

struct Filler {
    store: PgStore,
    system: PgSystemStore,
    hasher: Argon2PasswordHasher,
}

impl Filler {
    async fn connect(database: &TestDatabase) -> Self {
        let config = store_config(
            database.url(DatabaseRole::App),
            database.url(DatabaseRole::System),
            4,
        );
        let cluster = Cluster::connect(&config).await.unwrap();
        let parts = store_parts();
        Self {
            store: PgStore::new(Arc::clone(&cluster), parts.clone()),
            system: PgSystemStore::new(cluster, &config, parts),
            hasher: Argon2PasswordHasher::new(HasherLimits::default()),
        }
    }

    /// Fills tenant `slug` up to `leads`; also returns the last progress told.
    async fn fill(&self, slug: &str, leads: u64) -> Result<(Filled, (u64, u64)), DemoError> {
        let ports = DemoPorts {
            store: &self.store,
            system: &self.system,
            hasher: &self.hasher,
            secrets: &Sha256Secrets,
        };
        let password = Password::parse(PASSWORD.to_owned()).unwrap();
        let order = DemoOrder {
            slug: slug.to_owned(),
            leads,
            password,
        };
        let mut last = (0, 0);
        let filled = fill(ports, &order, &mut |done, total| last = (done, total)).await?;
        Ok((filled, last))
    }
}

async fn count(database: &mut PgConnection, query: &'static str) -> i64 {
    sqlx::query_scalar(query).fetch_one(database).await.unwrap()
}

#[tokio::test]
async fn a_demo_is_filled_up_and_a_second_run_adds_nothing() {
    let database = TestDatabase::create().await;
    let filler = Filler::connect(&database).await;
    let mut superuser = database.connect(DatabaseRole::Superuser).await;

    let (first, _) = filler.fill("acme", 1_500).await.unwrap();
    let (grown, progress) = filler.fill("acme", 2_600).await.unwrap();
    let (again, _) = filler.fill("acme", 2_600).await.unwrap();

    assert_eq!(
        [first.leads_added, grown.leads_added, again.leads_added],
        [1_500, 1_100, 0]
    );
    assert_eq!(
        [
            first.new_users.len(),
            grown.new_users.len(),
            again.new_users.len()
        ],
        [25, 0, 0]
    );
    assert_eq!(progress, (2_600, 2_600));
    assert_eq!(again.activities_added, 0);
    assert_eq!(count(&mut superuser, "SELECT count(*) FROM leads").await, 2_600);
    assert_eq!(count(&mut superuser, "SELECT count(*) FROM carriers").await, 12);
    assert_eq!(
        count(&mut superuser, "SELECT count(*) FROM activities").await,
        i64::try_from(first.activities_added + grown.activities_added).unwrap()
    );
}

#[tokio::test]
async fn a_demo_is_as_consistent_as_if_people_had_made_it() {
    let database = TestDatabase::create().await;
    let filler = Filler::connect(&database).await;
    let mut superuser = database.connect(DatabaseRole::Superuser).await;

    filler.fill("acme", 3_000).await.unwrap();

    let faults = [
        "SELECT count(*) FROM users u
         WHERE open_leads > max_open_leads
            OR open_leads <> (SELECT count(*) FROM leads l WHERE l.assigned_to = u.id AND status <> 'CLOSED')",
        "SELECT count(*) FROM leads l
         WHERE assigned_to IS DISTINCT FROM
               (SELECT agent_id FROM lead_assignments a WHERE a.lead_id = l.id AND a.status = 'ACTIVE')",
        "SELECT count(*) FROM leads l
         WHERE 1 <> (SELECT count(*) FROM events e
                     WHERE e.aggregate_id = l.id AND type = 'lead_created' AND source = 'demo')
            OR 1 <> (SELECT count(*) FROM audit_log a WHERE a.entity_id = l.id AND action = 'lead_created')",
        "SELECT count(*) FROM leads WHERE updated_at < created_at",
    ];
    for query in faults {
        assert_eq!(count(&mut superuser, query).await, 0, "{query}");
    }
    assert!(count(&mut superuser, "SELECT sum(open_leads) FROM users").await > 300);
}

#[tokio::test]
async fn every_user_of_a_demo_has_the_password_that_was_ordered() {
    let database = TestDatabase::create().await;
    let filler = Filler::connect(&database).await;
    let mut superuser = database.connect(DatabaseRole::Superuser).await;

    let (outcome, _) = filler.fill("acme", 0).await.unwrap();

    assert_eq!(outcome.new_users[0].0, "owner@acme.test");
    let query = "SELECT password_hash FROM users JOIN credentials USING (tenant_id) WHERE user_id = id";
    let hashes: Vec<String> = sqlx::query_scalar(query).fetch_all(&mut superuser).await.unwrap();
    assert_eq!(hashes.len(), 25);
    for hash in [&hashes[0], &hashes[24]] {
        assert!(filler.hasher.verify(PASSWORD, hash).await.unwrap());
    }
}

#[tokio::test]
async fn a_name_that_cannot_be_a_slug_is_refused() {
    let database = TestDatabase::create().await;
    let filler = Filler::connect(&database).await;

    let refused = filler.fill("Acme Inc.", 10).await;

    assert!(matches!(refused, Err(DemoError::BadSlug)));
}

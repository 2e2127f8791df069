use std::env;
use std::time::Duration;

use anyhow::Context as _;
use jsonwebtoken::DecodingKey;
use redis::aio::ConnectionManager;
use sqlx::postgres::{PgPool, PgPoolOptions};
use sqlx::{Postgres, Transaction};
use uuid::Uuid;

use crate::setting;

#[derive(Clone)]
pub struct AppState {
    db: PgPool,
    /// Where lists are cached; `None`: they are not.
    pub redis: Option<ConnectionManager>,
    pub key: DecodingKey,
}

impl AppState {
    pub async fn connect() -> anyhow::Result<Self> {
        let connections = setting("DATABASE_CONNECTIONS")?.parse()?;
        let db = PgPoolOptions::new()
            .min_connections(connections)
            .max_connections(connections)
            .acquire_timeout(Duration::from_secs(30))
            .connect(&setting("DATABASE_URL")?)
            .await
            .context("cannot connect to the database")?;
        let redis = match env::var("REDIS_URL") {
            Ok(url) => Some(ConnectionManager::new(redis::Client::open(url)?).await?),
            Err(_) => None,
        };
        Ok(Self {
            db,
            redis,
            key: DecodingKey::from_secret(setting("JWT_SECRET")?.as_bytes()),
        })
    }

    /// Opens a transaction that sees the rows of one tenant.
    pub async fn begin(&self, tenant: Uuid) -> sqlx::Result<Transaction<'static, Postgres>> {
        let mut tx = self.db.begin().await?;
        sqlx::query("SELECT set_config('app.current_tenant', $1, true)")
            .bind(tenant.to_string())
            .execute(&mut *tx)
            .await?;
        Ok(tx)
    }
}

//! The baseline: the same reads and writes as the product's, the way they are usually written in Rust. axum, sqlx,
//! jsonwebtoken; a transaction with `set_config` for each request; a list cached in Redis.
//!
//! It works on the product's schema as the product's application role, so row-level security binds it too. It does
//! what the measured operations do and no more: no logs, no metrics, no deadlines, no conditional requests.
//!
//! `bench-baseline serve` listens; `bench-baseline token <tenant> <user>` prints a token that it takes. Its settings
//! are the environment: `DATABASE_URL`, `DATABASE_CONNECTIONS`, `JWT_SECRET`, `PORT`, and `REDIS_URL` where lists are
//! to be cached.

mod auth;
mod create;
mod error;
mod lead;
mod read;
mod state;

use std::env;
use std::net::Ipv4Addr;

use anyhow::{Context as _, bail};
use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::routing::{get, post};
use tokio::net::TcpListener;

use crate::state::AppState;

const BODY_LIMIT_BYTES: usize = 8 << 20;

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["serve"] => serve().await,
        ["token", tenant, user] => {
            let token = auth::issue(&setting("JWT_SECRET")?, tenant.parse()?, user.parse()?)?;
            println!("{token}");
            Ok(())
        }
        _ => bail!("usage: bench-baseline serve | token <tenant> <user>"),
    }
}

async fn serve() -> anyhow::Result<()> {
    let app = Router::new()
        .route("/api/v1/leads", get(read::list).post(create::one))
        .route("/api/v1/leads/bulk", post(create::many))
        .route("/api/v1/leads/search", get(read::search))
        .route("/api/v1/leads/statistics", get(read::statistics))
        .route("/api/v1/leads/{id}", get(read::one))
        .layer(DefaultBodyLimit::max(BODY_LIMIT_BYTES))
        .with_state(AppState::connect().await?);
    let port = setting("PORT")?.parse()?;
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await?;
    axum::serve(listener, app).await.context("cannot serve")
}

fn setting(name: &str) -> anyhow::Result<String> {
    env::var(name).with_context(|| format!("{name} is not set"))
}

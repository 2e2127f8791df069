use anyhow::{Context as _, ensure};
use clap::{Args, Subcommand};
use fairlead_auth::Sha256Secrets;
use fairlead_domain::access::SystemScope;
use fairlead_domain::identity::{SecretKind, Secrets as _};
use fairlead_domain::store::{SystemStore as _, SystemUnitOfWork};
use fairlead_domain::text;
use serde_json::json;
use time::{Duration, OffsetDateTime};

use super::session::Session;
use super::span;
use crate::config::Config;
use crate::output;

const EXAMPLES: &str = "\
Examples:
  fairlead operator create --name ann --expires-in 90d
  fairlead operator list
  fairlead operator revoke --name ann

An operator sees the platform, not the rows of tenants. The key is told once; create it again to replace it.";

#[derive(Debug, Subcommand)]
#[command(after_help = EXAMPLES)]
pub(super) enum OperatorCommand {
    /// Create an operator, or give an existing one a new key
    Create(CreateArgs),
    /// List the operators
    List(ListArgs),
    /// Refuse an operator's key from now on
    Revoke(RevokeArgs),
}

#[derive(Debug, Args)]
pub(super) struct CreateArgs {
    /// Who it is for; shown in logs and in the ledger
    #[arg(long)]
    name: String,
    /// When the key ends: 90d, 12h, 30m [default: never]
    #[arg(long, value_parser = span::parse)]
    expires_in: Option<Duration>,
    /// Print one JSON document
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
pub(super) struct ListArgs {
    /// Print one JSON document
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
pub(super) struct RevokeArgs {
    #[arg(long)]
    name: String,
    /// Print one JSON document
    #[arg(long)]
    json: bool,
}

pub(super) async fn run(command: &OperatorCommand, config: &Config) -> anyhow::Result<()> {
    let session = Session::open(config).await?;
    let outcome = match command {
        OperatorCommand::Create(args) => create(args, &session).await,
        OperatorCommand::List(args) => list(args, &session).await,
        OperatorCommand::Revoke(args) => revoke(args, &session).await,
    };
    session.close().await;
    outcome
}

async fn create(args: &CreateArgs, session: &Session) -> anyhow::Result<()> {
    let name = text::line(&args.name, 100).context("--name")?;
    let secret = Sha256Secrets.make(SecretKind::Operator, None, None);
    let hash = Sha256Secrets.hash(secret.expose());

    let mut uow = begin(session).await?;
    let (id, expires_at) = (uow.next_id(), args.expires_in.map(|span| uow.now() + span));
    uow.operators()
        .upsert(id, &name, &hash, expires_at)
        .await
        .context("cannot store the operator")?;
    uow.commit().await.context("cannot store the operator")?;

    let (key, expires_at) = (secret.expose(), expires_at.map(output::moment));
    if args.json {
        return output::print_json(&json!({ "operator": name, "operatorKey": key, "expiresAt": expires_at }));
    }
    let end = expires_at.map_or_else(|| "never".to_owned(), |moment| format!("at {moment}"));
    output::print(&format!(
        "Operator {name}, whose key ends {end}. It is told this once:\n{key}"
    ))
}

async fn list(args: &ListArgs, session: &Session) -> anyhow::Result<()> {
    let operators = begin(session)
        .await?
        .operators()
        .list()
        .await
        .context("cannot list the operators")?;
    if args.json {
        let view = |(name, created_at, expires_at): &(String, OffsetDateTime, Option<OffsetDateTime>)| json!({ "operator": name, "createdAt": output::moment(*created_at), "expiresAt": expires_at.map(output::moment) });
        return output::print_json(&operators.iter().map(view).collect::<Vec<_>>());
    }
    if operators.is_empty() {
        return output::print("There are no operators. Create one: fairlead operator create --name <name>");
    }
    let heading = ["OPERATOR", "CREATED", "EXPIRES"].map(str::to_owned).to_vec();
    let rows = operators.iter().map(|(name, created_at, expires_at)| {
        vec![
            name.clone(),
            output::moment(*created_at),
            expires_at.map_or_else(|| "never".to_owned(), output::moment),
        ]
    });
    output::print(&output::table(
        &std::iter::once(heading).chain(rows).collect::<Vec<_>>(),
    ))
}

async fn revoke(args: &RevokeArgs, session: &Session) -> anyhow::Result<()> {
    let mut uow = begin(session).await?;
    let is_known = uow
        .operators()
        .revoke(&args.name)
        .await
        .context("cannot revoke the operator")?;
    ensure!(
        is_known,
        "there is no operator {}; see them all: fairlead operator list",
        args.name
    );
    uow.commit().await.context("cannot revoke the operator")?;
    if args.json {
        return output::print_json(&json!({ "operator": args.name, "revoked": true }));
    }
    output::print(&format!("Operator {} is revoked.", args.name))
}

#[expect(clippy::disallowed_methods, reason = "operators belong to no tenant")]
async fn begin(session: &Session) -> anyhow::Result<Box<dyn SystemUnitOfWork>> {
    session
        .stores
        .system
        .begin(&SystemScope::new("operators by command line"))
        .await
        .context("cannot ask the database")
}

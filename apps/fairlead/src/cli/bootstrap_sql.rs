use anyhow::{Context as _, ensure};
use clap::Args;
use fairlead_migrations::{BootstrapPasswords, bootstrap_sql};

use crate::output;

const EXAMPLES: &str = "\
The passwords are taken from the environment, so that they are in no process list and no shell history:
  FAIRLEAD_BOOTSTRAP_OWNER_PASSWORD
  FAIRLEAD_BOOTSTRAP_APP_PASSWORD
  FAIRLEAD_BOOTSTRAP_SYSTEM_PASSWORD

Example:
  fairlead bootstrap-sql | psql postgres://postgres@db.example.com/postgres

Running it again is harmless; it sets the passwords anew.";

#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct BootstrapSqlArgs {
    /// Name of the database to make
    #[arg(long, default_value = "fairlead", value_parser = database_name)]
    database: String,
}

pub(super) fn run(args: &BootstrapSqlArgs) -> anyhow::Result<()> {
    let [owner, app, system] = ["OWNER", "APP", "SYSTEM"].map(password);
    let (owner, app, system) = (owner?, app?, system?);
    ensure!(
        owner != app && app != system && owner != system,
        "the three passwords must differ from each other"
    );
    let roles = bootstrap_sql(&BootstrapPasswords {
        owner: &owner,
        app: &app,
        system: &system,
    });
    let database = &args.database;
    output::print(&format!(
        "{roles}\n-- CREATE DATABASE knows no IF NOT EXISTS; \\gexec is psql's.\n\
         SELECT 'CREATE DATABASE {database} OWNER fairlead_owner'\n\
         WHERE NOT EXISTS (SELECT FROM pg_database WHERE datname = '{database}') \\gexec\n"
    ))
}

#[expect(
    clippy::disallowed_methods,
    reason = "passwords of a superuser's errand are no configuration of ours"
)]
fn password(role: &str) -> anyhow::Result<String> {
    let name = format!("FAIRLEAD_BOOTSTRAP_{role}_PASSWORD");
    let password = std::env::var(&name).with_context(|| format!("{name} is not set"))?;
    ensure!(
        password.len() >= 16,
        "{name} must have at least 16 characters; make one: openssl rand -hex 24"
    );
    Ok(password)
}

/// A name that needs no quoting.
fn database_name(text: &str) -> Result<String, String> {
    let is_plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
    let starts_well = text.starts_with(|c: char| c.is_ascii_lowercase());
    if starts_well && text.len() <= 63 && text.chars().all(is_plain) {
        Ok(text.to_owned())
    } else {
        Err("must be lower-case letters, digits and underscores, and begin with a letter".to_owned())
    }
}

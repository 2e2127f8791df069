//! The database this process works on: an external one, or the embedded one.

mod embedded;
mod supervisor;

use anyhow::Context as _;

use crate::config::{Config, DatabaseUrls, Secret};
use embedded::Embedded;

/// A database that answers, as each role reaches it.
#[derive(Debug)]
pub struct Database {
    urls: DatabaseUrls,
    origin: Origin,
}

#[derive(Debug)]
enum Origin {
    External,
    /// Embedded, and run by another process.
    Joined,
    /// Embedded, and run by us until [`Database::stop`].
    Own(Box<Embedded>),
}

impl Database {
    /// Opens the database for a server: starts the embedded one, which no other process may run by then, and
    /// migrates where the configuration says so.
    pub async fn open_to_serve(config: &Config, progress: Progress) -> anyhow::Result<Self> {
        let database = match config.database.external() {
            Some(urls) => Self {
                urls,
                origin: Origin::External,
            },
            None => Self::own(Embedded::start(&config.data_dir, progress).await?),
        };
        if config.database.migrates_on_start() {
            database.migrate_for_start(progress).await?;
        }
        Ok(database)
    }

    /// Opens the database for one command: joins the embedded one if it runs, else starts it until the command ends,
    /// and brings the schema of a database started here up to date.
    pub async fn open(config: &Config, progress: Progress) -> anyhow::Result<Self> {
        let database = Self::open_as_it_is(config, progress).await?;
        if let Origin::Own(_) = database.origin {
            database.migrate_for_start(progress).await?;
        }
        Ok(database)
    }

    /// Opens the database as [`open`](Self::open) does, but leaves the schema as it is.
    pub async fn open_as_it_is(config: &Config, progress: Progress) -> anyhow::Result<Self> {
        if let Some(urls) = config.database.external() {
            return Ok(Self {
                urls,
                origin: Origin::External,
            });
        }
        match embedded::join(&config.data_dir).await? {
            Some(urls) => Ok(Self {
                urls,
                origin: Origin::Joined,
            }),
            None => Ok(Self::own(Embedded::start(&config.data_dir, progress).await?)),
        }
    }

    fn own(embedded: Embedded) -> Self {
        Self {
            urls: embedded.urls().clone(),
            origin: Origin::Own(Box::new(embedded)),
        }
    }

    pub fn urls(&self) -> &DatabaseUrls {
        &self.urls
    }

    pub fn is_embedded(&self) -> bool {
        !matches!(self.origin, Origin::External)
    }

    /// Says which database it is, without a password.
    pub fn describe(&self) -> String {
        match &self.origin {
            Origin::External => format!("the PostgreSQL at {}", location(&self.urls.app)),
            Origin::Joined => format!(
                "the embedded PostgreSQL at {}, run by another process",
                location(&self.urls.app)
            ),
            Origin::Own(_) => format!("an embedded PostgreSQL at {}", location(&self.urls.app)),
        }
    }

    async fn migrate_for_start(&self, progress: Progress) -> anyhow::Result<()> {
        let applied = fairlead_migrations::migrate(self.urls.owner.expose())
            .await
            .context("cannot bring the schema up to date")?;
        if !applied.is_empty() {
            progress(&format!("schema brought up to date: {} steps", applied.len()));
        }
        Ok(())
    }

    /// Stops the embedded database if this process runs it; returns when it has ended.
    pub async fn stop(self) {
        if let Origin::Own(embedded) = self.origin {
            embedded.stop().await;
        }
    }
}

/// Returns the part of a URL that names server and database: what is behind the credentials and before the options.
fn location(url: &Secret) -> &str {
    let (_, rest) = url.expose().split_once("://").unwrap_or(("", ""));
    let (rest, _) = rest.split_once('?').unwrap_or((rest, ""));
    rest.rsplit_once('@').map_or(rest, |(_, location)| location)
}

/// Is told what takes long.
pub type Progress = fn(&str);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_location_has_no_credentials() {
        for (url, expected) in [
            (
                "postgres://app:p@ss@db:5432/fairlead?sslmode=require",
                "db:5432/fairlead",
            ),
            ("postgres://db/fairlead", "db/fairlead"),
            ("postgres://app:secret@db/fairlead?password=hush", "db/fairlead"),
        ] {
            assert_eq!(location(&Secret::new(url)), expected);
        }
    }
}

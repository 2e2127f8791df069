use fairlead_domain::clock::Clock as _;
use fairlead_postgres::conditions::{Conditions, conditions};
use fairlead_postgres::health::{self, Server};
use time::{Duration, OffsetDateTime};

use super::Check;
use crate::config::Config;
use crate::database::Database;
use crate::output::chain;
use crate::stores::{self, Stores};
use crate::system::SystemClock;

/// The schema is made for this major version and later.
const OLDEST: i32 = 15;
/// Tokens tolerate five seconds between the clocks of our processes.
const SKEW_LIMIT: Duration = Duration::seconds(5);

/// Looks at the server itself: version, extensions, settings, clock.
pub(super) async fn check(config: &Config, database: &Database, stores: &Stores) -> Vec<Check> {
    let asked_at = SystemClock.now();
    let answers = tokio::join!(conditions(&stores.system), health::server(&stores.system));
    let answered_at = SystemClock.now();
    let (conditions, server) = match answers {
        (Ok(conditions), Ok(server)) => (conditions, server),
        (Err(error), _) | (_, Err(error)) => {
            return vec![Check::fail(
                "server",
                chain(&error),
                "see the log of the database server",
            )];
        }
    };
    let mut checks = vec![version(&server), clock(asked_at, &conditions, answered_at)];
    checks.extend(extensions(&server, &conditions));
    checks.extend(settings(&conditions));
    checks.push(connections(config, database, &conditions));
    checks
}

fn version(server: &Server) -> Check {
    let detail = format!("PostgreSQL {}", server.version);
    // 150008 is 15.8.
    if server.version_number / 10_000 < OLDEST {
        return Check::fail(
            "version",
            detail,
            format!("upgrade the server to PostgreSQL {OLDEST} or later"),
        );
    }
    Check::ok("version", detail)
}

fn clock(asked_at: OffsetDateTime, conditions: &Conditions, answered_at: OffsetDateTime) -> Check {
    // The server read its clock some time between the two readings of ours.
    let skew = if conditions.now < asked_at {
        asked_at - conditions.now
    } else if conditions.now > answered_at {
        conditions.now - answered_at
    } else {
        Duration::ZERO
    };
    let detail = format!(
        "this machine and the database differ by {:.1} s, give or take {:.1}",
        skew.as_seconds_f64(),
        (answered_at - asked_at).as_seconds_f64(),
    );
    if skew > SKEW_LIMIT {
        return Check::warn(
            "clock",
            detail,
            "synchronise both clocks: timedatectl set-ntp true",
        );
    }
    Check::ok("clock", detail)
}

fn extensions(server: &Server, conditions: &Conditions) -> Vec<Check> {
    let preloaded = conditions
        .settings
        .get("shared_preload_libraries")
        .map_or("", String::as_str);
    let mut checks = vec![
        extension(
            "btree_gin",
            Need::Required("search within a tenant"),
            server,
            conditions,
        ),
        extension(
            "unaccent",
            Need::Required("search regardless of accents"),
            server,
            conditions,
        ),
        extension(
            "pg_stat_statements",
            Need::Wished("what queries cost the server stays unknown"),
            server,
            conditions,
        ),
        extension(
            "hypopg",
            Need::Wished("an index cannot be tried out without building it"),
            server,
            conditions,
        ),
    ];
    // A role that is no member of pg_read_all_settings is not shown the setting, and it reads as empty.
    if server
        .extensions
        .iter()
        .any(|(name, _)| name == "pg_stat_statements")
        && !preloaded.is_empty()
        && !preloaded.contains("pg_stat_statements")
    {
        checks.push(Check::warn(
            "extension",
            "pg_stat_statements is installed but not loaded",
            "ALTER SYSTEM SET shared_preload_libraries = 'pg_stat_statements'; -- then restart the server",
        ));
    }
    checks
}

#[derive(Clone, Copy)]
enum Need {
    /// For what.
    Required(&'static str),
    /// Or else what.
    Wished(&'static str),
}

fn extension(name: &str, need: Need, server: &Server, conditions: &Conditions) -> Check {
    if let Some((_, version)) = server.extensions.iter().find(|(installed, _)| installed == name) {
        return Check::ok("extension", format!("{name} {version}"));
    }
    let is_available = conditions
        .available_extensions
        .iter()
        .any(|available| available == name);
    if is_available && matches!(need, Need::Required(_)) {
        return Check::ok(
            "extension",
            format!("{name} can be created, which the schema does"),
        );
    }
    let create = format!("CREATE EXTENSION {name};");
    let fix = if is_available {
        create
    } else {
        format!(
            "install it on the database server (Debian: postgresql-contrib, postgresql-<version>-{name}), then: {create}"
        )
    };
    match need {
        Need::Required(what) => {
            Check::fail("extension", format!("{name} is missing, needed for {what}"), fix)
        }
        Need::Wished(otherwise) => Check::warn("extension", format!("{name} is missing: {otherwise}"), fix),
    }
}

/// Settings by which what was acknowledged can be lost, or a forgotten transaction can stay open.
fn settings(conditions: &Conditions) -> Vec<Check> {
    let is = |name: &str, value: &str| {
        conditions
            .settings
            .get(name)
            .is_some_and(|actual| actual == value)
    };
    let mut checks = Vec::new();
    for (name, loss) in [
        ("fsync", "a crash of the machine can destroy the database"),
        (
            "full_page_writes",
            "a crash of the machine can destroy pages of the database",
        ),
        (
            "synchronous_commit",
            "a crash can lose writes that were acknowledged",
        ),
    ] {
        if is(name, "off") {
            let fix = format!("ALTER SYSTEM SET {name} = on; SELECT pg_reload_conf();");
            checks.push(Check::fail("settings", format!("{name} is off: {loss}"), fix));
        }
    }
    if is("idle_in_transaction_session_timeout", "0") {
        checks.push(Check::warn(
            "settings",
            "idle_in_transaction_session_timeout is 0: a forgotten transaction holds back vacuum and events for ever",
            "ALTER ROLE fairlead_app SET idle_in_transaction_session_timeout = '30s'; \
             ALTER ROLE fairlead_system SET idle_in_transaction_session_timeout = '30s';",
        ));
    }
    if checks.is_empty() {
        checks.push(Check::ok(
            "settings",
            "writes are durable, forgotten transactions end",
        ));
    }
    checks
}

fn connections(config: &Config, database: &Database, conditions: &Conditions) -> Check {
    let number = |name: &str| {
        conditions
            .settings
            .get(name)
            .and_then(|value| value.parse::<u32>().ok())
    };
    let Some(max) = number("max_connections") else {
        return Check::warn(
            "connections",
            "the server does not tell its limit",
            "GRANT pg_monitor TO fairlead_system;",
        );
    };
    let free = max.saturating_sub(number("superuser_reserved_connections").unwrap_or(3));
    let (app, system) = stores::most_connections(config, database);
    let detail = format!("a process opens at most {app} + {system} of {free}");
    if app + system > free {
        let fix = "lower database.pool.max or database.system_pool.max, raise max_connections, or put a pooler between";
        return Check::fail("connections", detail, fix);
    }
    Check::ok("connections", detail)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::Verdict;

    fn conditions(settings: &[(&str, &str)], seconds: i64) -> Conditions {
        let own = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        Conditions {
            now: OffsetDateTime::UNIX_EPOCH + Duration::seconds(seconds),
            settings: settings.iter().map(own).collect(),
            available_extensions: vec!["hypopg".to_owned()],
        }
    }

    #[test]
    fn settings_that_lose_writes_fail() {
        let checks = settings(&conditions(&[("fsync", "off"), ("synchronous_commit", "off")], 0));

        assert_eq!(
            checks.iter().map(|check| check.verdict).collect::<Vec<_>>(),
            [Verdict::Fail; 2]
        );
        assert_eq!(
            settings(&conditions(&[("fsync", "on")], 0))[0].verdict,
            Verdict::Ok
        );
    }

    #[test]
    fn a_clock_counts_as_wrong_only_beyond_the_time_the_answer_took() {
        let at = |seconds| OffsetDateTime::UNIX_EPOCH + Duration::seconds(seconds);

        assert_eq!(
            clock(at(100), &conditions(&[], 150), at(200)).verdict,
            Verdict::Ok
        );
        assert_eq!(clock(at(100), &conditions(&[], 99), at(101)).verdict, Verdict::Ok);
        assert_eq!(
            clock(at(100), &conditions(&[], 90), at(101)).verdict,
            Verdict::Warn
        );
        assert_eq!(
            clock(at(100), &conditions(&[], 111), at(101)).verdict,
            Verdict::Warn
        );
    }

    #[test]
    fn a_missing_extension_is_created_or_first_installed() {
        let server = Server {
            version: "15.8".to_owned(),
            version_number: 150_008,
            extensions: Vec::new(),
        };
        let conditions = conditions(&[], 0);

        let available = extension("hypopg", Need::Wished("x"), &server, &conditions);
        let absent = extension("unaccent", Need::Required("x"), &server, &conditions);

        assert_eq!(
            (available.verdict, available.fix.as_deref()),
            (Verdict::Warn, Some("CREATE EXTENSION hypopg;"))
        );
        assert_eq!(absent.verdict, Verdict::Fail);
        assert!(absent.fix.unwrap().starts_with("install it"));
    }
}

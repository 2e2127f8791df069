//! A streaming replica of the primary, over a physical replication slot.

use std::fs;
use std::path::Path;
use std::time::Duration;

use crate::address::Postgres;
use crate::binaries::PostgresBinaries;
use crate::error::{During as _, StackError};
use crate::folder;
use crate::postgres::{self, Plan, PostgresServer};
use crate::stack::Durability;
use crate::wait::wait_until;

/// What one replica is called.
#[derive(Debug)]
pub(crate) struct Names {
    program: &'static str,
    pub(crate) folder: &'static str,
    /// Of the replication slot, and of the replica as `pg_stat_replication` shows it.
    slot: &'static str,
}

pub(crate) const FIRST: Names = Names {
    program: "the PostgreSQL replica",
    folder: "replica",
    slot: "replica_1",
};
pub(crate) const SECOND: Names = Names {
    program: "the second PostgreSQL replica",
    folder: "replica-2",
    slot: "replica_2",
};

const STREAM_LIMIT: Duration = Duration::from_mins(1);

/// Copies the primary unless a copy is there that can still follow, and returns the server to run.
pub(crate) fn prepare(
    names: &Names,
    plan: &Plan<'_>,
    primary: &Postgres,
    binaries: PostgresBinaries,
) -> Result<(PostgresServer, Postgres), StackError> {
    folder::make_for(plan.account, &plan.folder)?;
    let data = plan.folder.join("data");
    if !(data.exists() && can_follow(names, primary)?) {
        copy(names, plan, primary, &binaries, &data)?;
    }
    postgres::discard_stale_note(&data)?;
    folder::write_for(
        plan.account,
        &plan.folder.join("postgresql.conf"),
        &settings(names, plan, primary),
    )?;

    let address = Postgres {
        port: plan.port,
        ..primary.clone()
    };
    Ok((postgres::server(names.program, plan, binaries), address))
}

/// Returns once the replica receives what the primary writes.
pub(crate) fn await_stream(names: &Names, primary: &Postgres) -> Result<(), StackError> {
    let slot = names.slot;
    let sql = format!(
        "SELECT count(*) FROM pg_stat_replication WHERE application_name = '{slot}' AND state = 'streaming'"
    );
    let mut answer = Ok(String::new());
    let asked = wait_until(STREAM_LIMIT, || {
        answer = primary.run_sql("postgres", &sql);
        !matches!(answer.as_deref(), Ok("0"))
    });
    answer?;
    if asked {
        return Ok(());
    }
    let log = "the primary sees no streaming replica".to_owned();
    Err(StackError::NotReady {
        program: names.program,
        waited_seconds: STREAM_LIMIT.as_secs(),
        log,
    })
}

/// Returns whether the primary still holds all that the copy has not seen.
fn can_follow(names: &Names, primary: &Postgres) -> Result<bool, StackError> {
    let slot = names.slot;
    let sql = format!(
        "SELECT count(*) FROM pg_replication_slots WHERE slot_name = '{slot}' AND wal_status IN ('reserved', 'extended')"
    );
    Ok(primary.run_sql("postgres", &sql)? == "1")
}

fn copy(
    names: &Names,
    plan: &Plan<'_>,
    primary: &Postgres,
    binaries: &PostgresBinaries,
    data: &Path,
) -> Result<(), StackError> {
    let unfinished = plan.folder.join("data.unfinished");
    folder::remove(&unfinished)?;
    folder::remove(data)?;
    let slot = names.slot;
    let drop_slot = format!(
        "SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots WHERE slot_name = '{slot}'"
    );
    primary.run_sql("postgres", &drop_slot)?;

    let mut backup = plan.account.command(&binaries.program("pg_basebackup"));
    backup.args([
        "--host=127.0.0.1",
        "--username=postgres",
        "--no-password",
        "--pgdata=data.unfinished",
    ]);
    backup.args(["--wal-method=stream", "--checkpoint=fast", "--create-slot"]);
    backup.args([format!("--port={}", primary.port()), format!("--slot={slot}")]);
    if plan.durability == Durability::Fast {
        backup.arg("--no-sync");
    }
    backup
        .env("PGPASSWORD", plan.password.reveal())
        .current_dir(&plan.folder);
    postgres::run("pg_basebackup", &mut backup)?;

    folder::write_for(plan.account, &unfinished.join("standby.signal"), "")?;
    fs::rename(&unfinished, data).during(|| format!("rename {}", unfinished.display()))
}

fn settings(names: &Names, plan: &Plan<'_>, primary: &Postgres) -> String {
    let shared = postgres::settings(plan);
    let (slot, port, password) = (names.slot, primary.port(), plan.password.reveal());
    format!(
        "{shared}\
         primary_slot_name = '{slot}'\n\
         primary_conninfo = 'host=127.0.0.1 port={port} user=postgres password={password} application_name={slot}'\n"
    )
}

//! The PostgreSQL primary.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::account::Account;
use crate::address::Postgres;
use crate::binaries::PostgresBinaries;
use crate::error::{During as _, StackError};
use crate::folder;
use crate::password::Password;
use crate::process::{ProcessId, Signal};
use crate::program::Program;
use crate::stack::Durability;

/// A PostgreSQL server, primary or replica, over a data folder that is ready to use.
#[derive(Debug)]
pub(crate) struct PostgresServer {
    pub(crate) name: &'static str,
    pub(crate) folder: PathBuf,
    pub(crate) account: Account,
    pub(crate) binaries: PostgresBinaries,
    pub(crate) durability: Durability,
}

impl Program for PostgresServer {
    fn name(&self) -> &'static str {
        self.name
    }

    fn folder(&self) -> &Path {
        &self.folder
    }

    fn command(&self) -> Command {
        let mut command = self.account.command(&self.binaries.program("postgres"));
        command
            .arg("-D")
            .arg(self.folder.join("data"))
            .arg("--config-file=postgresql.conf");
        command
    }

    fn stop_signal(&self) -> Signal {
        match self.durability {
            // Nobody reads these data again: no checkpoint.
            Durability::Fast => Signal::Quit,
            Durability::Safe => Signal::Interrupt,
        }
    }

    /// Reads what `pg_ctl --wait` reads: line 1 of the server's own note is its pid, line 8 its state.
    fn answers(&self, pid: u32) -> bool {
        let note = fs::read_to_string(self.folder.join("data/postmaster.pid")).unwrap_or_default();
        let mut lines = note.lines().map(str::trim);
        lines.next() == Some(pid.to_string().as_str()) && lines.nth(6) == Some("ready")
    }
}

/// Where and how a server is to run.
#[derive(Debug)]
pub(crate) struct Plan<'a> {
    pub(crate) folder: PathBuf,
    pub(crate) account: &'a Account,
    pub(crate) durability: Durability,
    pub(crate) port: u16,
    pub(crate) password: &'a Password,
}

/// Makes the primary's cluster unless it is there, and returns the server to run and its address.
pub(crate) fn prepare(plan: &Plan<'_>) -> Result<(PostgresServer, Postgres), StackError> {
    folder::make_for(plan.account, &plan.folder)?;
    let data = plan.folder.join("data");
    let binaries = binaries_for(&data)?;
    if !data.exists() {
        initialise(plan, &binaries, &data)?;
    }
    discard_stale_note(&data)?;
    folder::write_for(
        plan.account,
        &plan.folder.join("postgresql.conf"),
        &settings(plan),
    )?;

    let address = Postgres {
        port: plan.port,
        password: plan.password.clone(),
        psql: binaries.program("psql"),
    };
    Ok((server("PostgreSQL", plan, binaries), address))
}

/// Gives each database made from now on the extensions that measure and advise.
pub(crate) fn equip(address: &Postgres) -> Result<(), StackError> {
    let sql = "SET client_min_messages = warning;
        CREATE EXTENSION IF NOT EXISTS pg_stat_statements;
        DO $$ BEGIN
            IF EXISTS (SELECT FROM pg_available_extensions WHERE name = 'hypopg') THEN
                CREATE EXTENSION IF NOT EXISTS hypopg;
            END IF;
        END $$;";
    address.run_sql("template1", sql).map(drop)
}

pub(crate) fn server(name: &'static str, plan: &Plan<'_>, binaries: PostgresBinaries) -> PostgresServer {
    let Plan {
        folder,
        account,
        durability,
        ..
    } = plan;
    PostgresServer {
        name,
        folder: folder.clone(),
        account: (*account).clone(),
        binaries,
        durability: *durability,
    }
}

/// Returns the settings that primary and replica share.
///
/// There is no Unix socket: each connection, ours too, proves itself by the password.
pub(crate) fn settings(plan: &Plan<'_>) -> String {
    let port = plan.port;
    let durability = match plan.durability {
        Durability::Fast => {
            "fsync = off\nsynchronous_commit = off\nfull_page_writes = off\nmax_connections = 300\n"
        }
        // Memory is taken as it is used. Bulk loads write dirty pages again and again when either is small.
        Durability::Safe => "max_connections = 100\nshared_buffers = '512MB'\nmax_wal_size = '4GB'\n",
    };
    format!(
        "# Written anew at each start.\n\
         listen_addresses = '127.0.0.1'\n\
         port = {port}\n\
         unix_socket_directories = ''\n\
         password_encryption = 'scram-sha-256'\n\
         shared_preload_libraries = 'pg_stat_statements'\n\
         wal_level = replica\n\
         # A replica that stays away must not fill the disk; it is made anew then.\n\
         max_slot_wal_keep_size = '1GB'\n\
         timezone = 'UTC'\n\
         log_timezone = 'UTC'\n\
         # Compiling a statement takes longer than running any of ours.\n\
         jit = off\n\
         {durability}"
    )
}

/// Runs one of PostgreSQL's own programs to its end.
pub(crate) fn run(program: &'static str, command: &mut Command) -> Result<(), StackError> {
    let output = command.output().during(|| format!("run {program}"))?;
    if output.status.success() {
        return Ok(());
    }
    Err(StackError::Failed {
        program,
        output: String::from_utf8_lossy(&output.stderr).trim().to_owned(),
    })
}

/// Finds the programs that can read the data folder, or the newest if there is none yet.
pub(crate) fn binaries_for(data: &Path) -> Result<PostgresBinaries, StackError> {
    let Some(made_by) = fs::read_to_string(data.join("PG_VERSION"))
        .ok()
        .and_then(|text| text.trim().parse().ok())
    else {
        return PostgresBinaries::find();
    };
    let folder = data.to_owned();
    PostgresBinaries::of_major(made_by).ok_or(StackError::OtherMajor { folder, made_by })
}

fn initialise(plan: &Plan<'_>, binaries: &PostgresBinaries, data: &Path) -> Result<(), StackError> {
    // Made beside and then renamed, so that a folder called "data" is always whole.
    let unfinished = plan.folder.join("data.unfinished");
    folder::remove(&unfinished)?;
    let password = plan.folder.join("password");
    folder::write_for(plan.account, &password, plan.password.reveal())?;

    let mut initdb = plan.account.command(&binaries.program("initdb"));
    initdb.args([
        "--username=postgres",
        "--auth=scram-sha-256",
        "--pwfile=password",
        "--no-instructions",
    ]);
    initdb.args(["--encoding=UTF8", "--locale=C.UTF-8", "--pgdata=data.unfinished"]);
    if plan.durability == Durability::Fast {
        initdb.arg("--no-sync");
    }
    let made = run("initdb", initdb.current_dir(&plan.folder));
    fs::remove_file(&password).during(|| format!("remove {}", password.display()))?;
    made?;
    fs::rename(&unfinished, data).during(|| format!("rename {}", unfinished.display()))
}

/// Removes the note of a server that was killed.
///
/// We own the folder and nothing recorded runs in it, so the pid in the note is nobody's or somebody else's by
/// now; in the second case, usual after a container's restart, the server would refuse to start.
pub(crate) fn discard_stale_note(data: &Path) -> Result<(), StackError> {
    let note = data.join("postmaster.pid");
    let text = fs::read_to_string(&note).unwrap_or_default();
    let pid = text.lines().next().and_then(|line| line.trim().parse().ok());
    if pid.and_then(ProcessId::of).is_none() {
        return Ok(());
    }
    fs::remove_file(&note).during(|| format!("remove {}", note.display()))
}

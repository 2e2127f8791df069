//! The command line.
//!
//! Results go to standard output, progress and logs to standard error. With `--json` the output is one document.
//! Exit codes: 0 it worked, 1 it did not, 2 the command line or the configuration is wrong. Commands that watch an
//! operation also have 3 (done, but some rows were rejected), 4 (somebody cancelled it) and 130 (Ctrl-C; it goes on).

mod api;
mod bootstrap_sql;
mod completions;
mod config;
mod demo;
mod doctor;
mod events;
mod export;
mod import;
mod keys;
mod loadtest;
mod man;
mod migrate;
mod openapi;
mod operations;
mod operator;
mod serve;
mod session;
mod span;
mod statistics;

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context as _;
use clap::{Args, CommandFactory as _, FromArgMatches as _, Parser, Subcommand};

use crate::config::{ConfigError, Input, Loaded, load};
use crate::output;
use crate::remote::UsageError;

const EXAMPLES: &str = "\
Examples:
  fairlead serve                      on an embedded PostgreSQL in .fairlead
  fairlead serve --port 9000 --data-dir /var/lib/fairlead
  fairlead demo --tenant acme         a tenant full of believable leads
  fairlead import leads.csv           into a server that runs
  fairlead export --out leads.csv
  fairlead api --list                 all that a server can be asked
  fairlead config explain             every key, and where its value is from
  fairlead doctor                     what is wrong, and what mends it

Every key of the configuration can also be set by an environment variable, such as FAIRLEAD__HTTP__PORT=9000.";

/// The backend of a business-to-business leads product: one binary, many tenants.
#[derive(Debug, Parser)]
#[command(name = "fairlead", version, after_help = EXAMPLES, propagate_version = true)]
struct Cli {
    #[command(flatten)]
    global: GlobalArgs,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Args)]
struct GlobalArgs {
    /// Configuration file [default: that of `FAIRLEAD_CONFIG`, else fairlead.toml if it is there]
    #[arg(long, global = true, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Set of values to start from: development, highPerformance, costOptimized
    #[arg(long, global = true, value_name = "NAME")]
    preset: Option<String>,
    /// Folder of the embedded database, keys and generated secrets
    #[arg(long, global = true, value_name = "DIR")]
    data_dir: Option<PathBuf>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the server until it is told to stop
    Serve(serve::ServeArgs),
    /// Bring the schema of the database up to date
    Migrate(migrate::MigrateArgs),
    /// Print the SQL by which a superuser makes the roles and the database
    BootstrapSql(bootstrap_sql::BootstrapSqlArgs),
    /// Write the description of the API: openapi.json and problems.md
    Openapi(openapi::OpenapiArgs),
    /// Check everything this process depends on, and say what mends it
    Doctor(doctor::DoctorArgs),
    /// Fill a demo tenant with believable leads, and say how to log in
    Demo(demo::DemoArgs),
    /// Import leads from a file into a tenant of a server
    Import(import::ImportArgs),
    /// Write the leads of a tenant of a server to a file
    Export(export::ExportArgs),
    /// Call any operation of a server, as the description of the API has it
    Api(api::ApiArgs),
    /// Ask a server for as much as a scenario says, and tell how it fares
    Loadtest(loadtest::LoadtestArgs),
    /// List, show, watch and cancel what a server does in the background
    #[command(subcommand)]
    Operations(operations::OperationsCommand),
    /// Create, list and revoke the credentials of operators
    #[command(subcommand)]
    Operator(operator::OperatorCommand),
    /// List, rotate and prune the keys that sign access tokens
    #[command(subcommand)]
    Keys(keys::KeysCommand),
    /// Repair the counters behind the statistics of leads
    #[command(subcommand)]
    Statistics(statistics::StatisticsCommand),
    /// Have the log of events begin anew, after a dump was restored
    #[command(subcommand)]
    Events(events::EventsCommand),
    /// Look at the configuration
    #[command(subcommand)]
    Config(config::ConfigCommand),
    /// Print what has a shell complete the command line
    Completions(completions::CompletionsArgs),
    /// Print the manual page, or write one for each command
    Man(man::ManArgs),
}

/// Runs the program and returns its exit code.
pub fn main() -> ExitCode {
    let cli = Cli::from_arg_matches(&command().get_matches()).unwrap_or_else(|error| error.exit());
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let outcome = runtime
        .context("cannot start the runtime")
        .and_then(|runtime| runtime.block_on(run(cli)));
    fairlead_telemetry::logging::flush();
    outcome.unwrap_or_else(|error| report(&error))
}

/// The command line, where those who work with a server are not shown the options of one.
fn command() -> clap::Command {
    fn hide_globals(command: clap::Command) -> clap::Command {
        let mut command = command.mut_args(|arg| {
            let is_global = arg.is_global_set();
            arg.hide(is_global)
        });
        for below in command.get_subcommands_mut() {
            *below = hide_globals(std::mem::take(below));
        }
        command
    }
    let mut command = Cli::command();
    // Until then a command has its own options alone.
    command.build();
    let of_clients = [
        "import",
        "export",
        "operations",
        "api",
        "loadtest",
        "completions",
        "man",
    ];
    for below in command.get_subcommands_mut() {
        if of_clients.contains(&below.get_name()) {
            *below = hide_globals(std::mem::take(below));
        }
    }
    command
}

async fn run(cli: Cli) -> anyhow::Result<ExitCode> {
    let global = cli.global;
    match cli.command {
        // None of these needs a configuration that holds.
        Command::BootstrapSql(args) => bootstrap_sql::run(&args)?,
        Command::Openapi(args) => openapi::run(&args)?,
        Command::Completions(args) => completions::run(&args)?,
        Command::Man(args) => man::run(&args)?,
        Command::Loadtest(args) => return Box::pin(loadtest::run(&args)).await,
        Command::Api(args) => return Box::pin(api::run(&args)).await,
        Command::Import(args) => return import::run(&args).await,
        Command::Export(args) => return export::run(&args).await,
        Command::Operations(command) => return operations::run(&command).await,

        Command::Serve(args) => Box::pin(serve::run(&args, global.input())).await?,
        Command::Doctor(args) => return doctor::run(&args, &global.input()).await,
        Command::Migrate(args) => migrate::run(&args, &global.load_for_command()?.config).await?,
        Command::Demo(args) => demo::run(&args, &global.load_for_command()?.config).await?,
        Command::Operator(command) => operator::run(&command, &global.load_for_command()?.config).await?,
        Command::Statistics(command) => statistics::run(&command, &global.load_for_command()?.config).await?,
        Command::Events(command) => events::run(&command, &global.load_for_command()?.config).await?,
        Command::Keys(command) => keys::run(&command, &global.load_for_command()?.config)?,
        Command::Config(command) => config::run(&command, &load(&global.input())?)?,
    }
    Ok(ExitCode::SUCCESS)
}

impl GlobalArgs {
    fn input(self) -> Input {
        Input::of_process(self.config)
            .flag("preset", "--preset", self.preset)
            .flag(
                "data_dir",
                "--data-dir",
                self.data_dir.map(|folder| folder.display().to_string()),
            )
    }

    /// Loads the configuration for a command that does one thing and ends; only what goes wrong is logged.
    fn load_for_command(self) -> anyhow::Result<Loaded> {
        let loaded = load(&self.input())?;
        fairlead_telemetry::logging::init(loaded.config.log.format.into(), "warn", None)?;
        crate::tls::install_provider();
        Ok(loaded)
    }
}

fn report(error: &anyhow::Error) -> ExitCode {
    if let Some(faults) = error.downcast_ref::<ConfigError>() {
        output::progress(&format!("the configuration is wrong:\n{faults}"));
        return ExitCode::from(2);
    }
    output::progress(&format!("error: {}", output::chain(error.as_ref())));
    if error.is::<UsageError>() {
        return ExitCode::from(2);
    }
    ExitCode::FAILURE
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_well_formed() {
        Cli::command().debug_assert();
    }

    /// Visits a command and all below it.
    fn each(command: &mut clap::Command, visit: &mut impl FnMut(&mut clap::Command)) {
        visit(command);
        for below in command.get_subcommands_mut() {
            each(below, visit);
        }
    }

    #[test]
    fn examples_fit_a_narrow_terminal_and_what_is_said_of_them_is_wrapped_by_it() {
        each(&mut command(), &mut |command| {
            let Some(text) = command.get_after_help().map(ToString::to_string) else {
                return;
            };
            let lines: Vec<&str> = text.lines().collect();
            for pair in lines.windows(2) {
                let is_prose =
                    |line: &str| !line.is_empty() && !line.starts_with(' ') && !line.ends_with(':');
                assert!(
                    !pair.iter().all(|line| is_prose(line)),
                    "{}: {pair:?}",
                    command.get_name()
                );
            }
            let examples = lines.iter().filter(|line| line.starts_with(' '));
            for example in examples {
                assert!(example.chars().count() <= 79, "{example}");
            }
        });
    }

    #[test]
    fn options_of_a_server_are_shown_where_there_is_one() {
        let mut shown = Vec::new();
        each(&mut command(), &mut |command| {
            if command.render_help().to_string().contains("--data-dir") {
                shown.push(command.get_name().to_owned());
            }
        });

        assert!(shown.contains(&"serve".to_owned()) && shown.contains(&"fairlead".to_owned()));
        for client in [
            "import",
            "export",
            "operations",
            "watch",
            "fetch",
            "api",
            "loadtest",
        ] {
            assert!(!shown.contains(&client.to_owned()), "{client}");
        }
    }

    #[test]
    fn global_flags_may_stand_behind_the_command() {
        let cli = Cli::try_parse_from(["fairlead", "serve", "--port", "0", "--data-dir", "/d"]).unwrap();

        assert_eq!(cli.global.data_dir, Some(PathBuf::from("/d")));
    }
}

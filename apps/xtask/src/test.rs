//! `cargo xtask test`

use std::process::{Command, ExitCode};
use std::sync::Arc;
use std::thread;

use anyhow::{Context as _, Result};
use clap::Args;
use fairlead_devstack::control::{self, Control};
use fairlead_devstack::{Durability, Root, Stack, StackOptions};

use crate::packages::{self, Need};
use crate::phases::Phases;
use crate::workspace::{self, Profile, cargo};
use crate::{chart_tools, child, file_limit};

const EXAMPLES: &str = "\
Examples:
  cargo xtask test                            everything, and the documentation's examples
  cargo xtask test leads::                    tests with that in their names
  cargo xtask test -E 'package(xtask)'        a filter of cargo-nextest, where that is installed
  cargo xtask test --long fault               the long forms of fault and soak tests";

/// Tells tests to take the long form, where they have one.
const LONG: &str = "FAIRLEAD_TEST_LONG";

/// Some tests have thousands of clients.
const MOST_FILES: u64 = 8_192;

#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct TestArgs {
    /// Run the long forms of fault and soak tests
    #[arg(long)]
    long: bool,
    /// Filters and options for `cargo nextest run`, or `cargo test` where there is no nextest
    #[arg(trailing_var_arg = true, allow_hyphen_values = true, value_name = "FILTER")]
    filters: Vec<String>,
}

pub(crate) fn run(args: &TestArgs) -> Result<ExitCode> {
    file_limit::raise(MOST_FILES)?;
    let mut phases = Phases::default();
    phases.run("looking for server programs", || {
        packages::ensure(Need::AllServices)
    })?;
    let runner = Runner::find();
    // The database starts while cargo compiles.
    let services = thread::spawn(start_services);
    let tools = thread::spawn(chart_tools::ensure);
    let built = phases.run("building", || {
        // Some tests run the product itself.
        workspace::build_product(Profile::Dev)?;
        child::run(&mut runner.build())
    });
    let services = services
        .join()
        .unwrap_or_else(|panic| std::panic::resume_unwind(panic))?;
    built?;
    let tools = tools
        .join()
        .unwrap_or_else(|panic| std::panic::resume_unwind(panic));
    if let Err(error) = &tools {
        // Whoever tests something else can go on; tests of the chart fail, and say why.
        eprintln!("{error:#}");
    }

    phases.run("preparing the template database", || {
        let mut prepare = Command::new(workspace::binary(Profile::Dev, "prepare-template")?);
        child::run(services.tell(&mut prepare))
    })?;
    let mut success = phases.run("running the tests", || {
        let mut tests = runner.test(&args.filters);
        if args.long {
            tests.env(LONG, "1");
        }
        if let Ok(tools) = &tools {
            tests.env(chart_tools::VARIABLE, tools);
        }
        child::succeeds(services.tell(&mut tests))
    })?;
    if args.filters.is_empty() {
        success &= phases.run("running the documentation's examples", || {
            child::succeeds(cargo().args(["test", "--doc", "--package", "fairlead-domain"]))
        })?;
    }
    phases.run("stopping the services", || {
        services.stop();
        Ok(())
    })?;
    phases.report();
    Ok(if success {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

/// The private services of this run, and the socket by which tests ask for them.
#[derive(Debug)]
struct Services {
    stack: Arc<Stack>,
    control: Control,
}

fn start_services() -> Result<Services> {
    let options = StackOptions {
        root: Root::Temporary,
        durability: Durability::Fast,
    };
    let stack = Stack::start(options, &|_| {}).context("cannot start the private services")?;
    let stack = Arc::new(stack);
    let control = control::serve(Arc::clone(&stack))?;
    Ok(Services { stack, control })
}

impl Services {
    fn tell<'a>(&self, command: &'a mut Command) -> &'a mut Command {
        command.env(control::VARIABLE, self.control.socket())
    }

    fn stop(self) {
        drop(self.control);
        self.stack.stop();
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Runner {
    Nextest,
    CargoTest,
}

impl Runner {
    /// Finds nextest if it is installed: it takes minutes to compile, so nobody is made to wait for it.
    fn find() -> Self {
        let nextest = cargo().args(["nextest", "--version"]).output();
        if nextest.is_ok_and(|output| output.status.success()) {
            Self::Nextest
        } else {
            Self::CargoTest
        }
    }

    fn command(self) -> Command {
        let mut command = cargo();
        match self {
            Self::Nextest => command.args(["nextest", "run"]),
            // Without the documentation's examples, as nextest.
            Self::CargoTest => command.args(["test", "--tests"]),
        };
        command
    }

    fn build(self) -> Command {
        let mut command = self.command();
        command.args(["--workspace", "--no-run"]);
        command
    }

    fn test(self, filters: &[String]) -> Command {
        let mut command = self.command();
        // Cargo ignores a package beside the whole workspace.
        if !filters
            .iter()
            .any(|filter| filter.starts_with("-p") || filter.starts_with("--package"))
        {
            command.arg("--workspace");
        }
        // One run shows all that is broken, unless something else is asked for.
        if !filters.iter().any(|filter| filter.contains("-fail")) {
            command.arg("--no-fail-fast");
        }
        command.args(filters);
        command
    }
}

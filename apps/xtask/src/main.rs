//! The workspace's chores: run the product, run the tests, write what is generated.
//!
//! Light to build, since it is the first thing a newcomer waits for.

#![expect(
    clippy::print_stdout,
    reason = "its answers go to standard output; progress goes to standard error"
)]

mod audit;
mod bench;
mod chart_tools;
mod child;
mod credentials;
mod detach;
mod down;
mod file_limit;
mod full;
mod http;
mod interrupt;
mod openapi;
mod packages;
mod phases;
mod product;
mod running;
mod supervise;
mod test;
mod up;
mod workspace;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

#[derive(Debug, Parser)]
#[command(
    name = "cargo xtask",
    bin_name = "cargo xtask",
    about = "Chores of the Fairlead workspace"
)]
struct Cli {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Build and run Fairlead with a demo tenant; Ctrl-C stops everything
    Up(up::UpArgs),
    /// Stop what `up` started
    Down(down::DownArgs),
    /// Run all tests against private services
    Test(test::TestArgs),
    /// Measure the product beside its limits and beside a plain service
    Bench(bench::BenchArgs),
    /// Measure what waiting WebSockets cost, and how soon events reach them
    BenchSockets(bench::SocketArgs),
    /// Measure what it costs to enqueue a job, and how many are done in a second
    BenchJobs(bench::JobArgs),
    /// Measure what is still done when three times as much is asked, and what neighbours feel of it
    BenchOverload(bench::OverloadArgs),
    /// Measure what it costs to measure: the product with `performance.recording` and without
    BenchOverhead(bench::OverheadArgs),
    /// Write the description of the API to openapi/
    Openapi(openapi::OpenapiArgs),
    /// Check dependencies: advisories, licences, layering, unused ones
    Audit,
}

fn main() -> ExitCode {
    let verb = Cli::parse().verb;
    let outcome = interrupt::watch().and_then(|()| match verb {
        Verb::Up(args) => up::run(&args),
        Verb::Down(args) => down::run(&args),
        Verb::Test(args) => test::run(&args),
        Verb::Bench(args) => bench::run(&args),
        Verb::BenchSockets(args) => bench::run_sockets(&args),
        Verb::BenchJobs(args) => bench::run_jobs(&args),
        Verb::BenchOverload(args) => bench::run_overload(&args),
        Verb::BenchOverhead(args) => bench::run_overhead(&args),
        Verb::Openapi(args) => openapi::run(&args),
        Verb::Audit => audit::run(),
    });
    outcome.unwrap_or_else(|error| {
        eprintln!("error: {error:#}");
        if interrupt::is_requested() {
            interrupt::exit_code()
        } else {
            ExitCode::FAILURE
        }
    })
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_command_line_is_well_formed() {
        Cli::command().debug_assert();
    }
}

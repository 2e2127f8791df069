//! One measurement of jobs, for `cargo xtask bench-jobs`, which has the database and tells what to measure.
//!
//! `bench-jobs <subject> <connections> <count>`, with `APP_URL`, `SYSTEM_URL` and `OWNER_URL` in the environment; prints JSON.

#![expect(clippy::print_stdout, reason = "its answer goes to standard output")]

mod enqueue;
mod plain;
mod worker;

use std::fs;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use serde_json::json;

/// What every measurement needs.
struct Order {
    app_url: String,
    system_url: String,
    owner_url: String,
    connections: u32,
    count: u32,
}

#[tokio::main]
async fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [subject, connections, count] = <[String; 3]>::try_from(arguments)
        .map_err(|given| anyhow::anyhow!("wants a subject and two numbers, not {given:?}"))?;
    let order = Order {
        app_url: environment("APP_URL")?,
        system_url: environment("SYSTEM_URL")?,
        owner_url: environment("OWNER_URL")?,
        connections: connections.parse().context("the connections are no number")?,
        count: count.parse().context("the count is no number")?,
    };
    let before = own_cpu()?;
    let took = match &*subject {
        "insert" => enqueue::measure(&order, enqueue::Beside::Nothing).await?,
        "insert-and-enqueue" => enqueue::measure(&order, enqueue::Beside::Job).await?,
        "worker" => worker::measure(&order).await?,
        "loop" => plain::measure(&order, 1).await?,
        "batches" => plain::measure(&order, plain::BATCH).await?,
        other => bail!("unknown subject: {other}"),
    };
    let per_second = f64::from(order.count) / took.as_secs_f64();
    let cpu = own_cpu()?.saturating_sub(before).as_secs_f64();
    println!(
        "{}",
        json!({ "perSecond": per_second, "seconds": took.as_secs_f64(), "cpuSeconds": cpu })
    );
    Ok(())
}

#[expect(
    clippy::disallowed_methods,
    reason = "a program for one purpose has no configuration"
)]
fn environment(name: &str) -> Result<String> {
    std::env::var(name).with_context(|| format!("{name} is not set"))
}

/// The processor time of this process (proc(5)), in user mode and in the kernel.
fn own_cpu() -> Result<Duration> {
    let stat = fs::read_to_string("/proc/self/stat")?;
    let (_, rest) = stat
        .rsplit_once(") ")
        .context("/proc/self/stat is not as proc(5) says")?;
    let fields: Vec<&str> = rest.split(' ').collect();
    let ticks: u32 = fields[11].parse::<u32>()? + fields[12].parse::<u32>()?;
    Ok(Duration::from_millis(10) * ticks)
}

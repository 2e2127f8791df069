//! Runs the product until we are asked to stop.

use std::path::Path;
use std::process::{self, ExitCode};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use fairlead_devstack::{ProcessId, Stack, running_postgres, wait_until};

use crate::child::Group;
use crate::credentials::{Access, DevFile, Extras};
use crate::phases::Waiting;
use crate::product::Product;
use crate::running::Running;
use crate::up::UpArgs;
use crate::{full, http, interrupt, workspace};

/// The first start makes a database cluster and migrates it.
const READY_LIMIT: Duration = Duration::from_mins(5);
const GLANCE: Duration = Duration::from_millis(50);

pub(crate) fn run(args: &UpArgs, data_dir: &Path) -> Result<ExitCode> {
    let supervisor = ProcessId::of(process::id()).context("cannot find my own process")?;
    let url = format!("http://127.0.0.1:{}", args.port);
    let mut running = Running {
        supervisor,
        server: None,
        url,
        is_ready: false,
    };
    running.save(data_dir)?;
    let outcome = serve(args, data_dir, &mut running);
    Running::forget(data_dir)?;
    match outcome {
        // To be asked to stop is how this ends well, whenever it comes.
        Err(_) if interrupt::is_requested() => Ok(ExitCode::SUCCESS),
        outcome => outcome.map(|()| ExitCode::SUCCESS),
    }
}

/// Starts everything, tells where it is, and stops it in the opposite order when we are asked to.
fn serve(args: &UpArgs, data_dir: &Path, running: &mut Running) -> Result<()> {
    let binary = workspace::binary(args.profile(), "fairlead")?;
    let mut product = Product::new(binary, data_dir, args.port);
    // Declared before the server, and so dropped after it.
    let (_stack, extras): (Option<Stack>, Option<Extras>) = if args.full {
        let (stack, extras) = full::start(&mut product, data_dir)?;
        (Some(stack), Some(extras))
    } else {
        (None, None)
    };

    let mut server = Group::spawn(&mut product.command(&["serve"]))?;
    running.server = Some(server.id());
    running.save(data_dir)?;
    await_ready(&mut server, args.port)?;

    let file = DevFile {
        url: running.url.clone(),
        docs_url: format!("{}/docs", running.url),
        database: running_postgres(data_dir)?.superuser_url("fairlead"),
        access: Access::get(&product, data_dir, args.port)?,
        extras,
    };
    file.save(data_dir)?;
    running.is_ready = true;
    running.save(data_dir)?;
    if !args.supervise {
        file.print(data_dir);
    }

    let status = server.wait()?;
    bail!("fairlead serve ended by itself: {status}")
}

fn await_ready(server: &mut Group, port: u16) -> Result<()> {
    let deadline = Instant::now() + READY_LIMIT;
    let mut waiting = Waiting::start("starting Fairlead");
    while !http::get(port, "/health/ready").is_ok_and(|status| status == 200) {
        interrupt::check()?;
        if let Some(status) = server.ended()? {
            bail!("fairlead serve ended while it started: {status}");
        }
        if Instant::now() >= deadline {
            bail!(
                "Fairlead is not ready after {} s: curl -s http://127.0.0.1:{port}/health/ready",
                READY_LIMIT.as_secs()
            );
        }
        waiting.tick();
        wait_until(GLANCE, interrupt::is_requested);
    }
    waiting.finish();
    Ok(())
}

//! One running server.

use std::fs::{self, File};
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::Child;
use std::time::Duration;

use crate::error::{During as _, StackError};
use crate::process::{ProcessId, Signal};
use crate::program::Program;
use crate::sweep;
use crate::wait::wait_until;

/// Long enough for crash recovery, or for RabbitMQ on a machine that compiles at the same time.
const START_LIMIT: Duration = Duration::from_mins(3);
const STOP_LIMIT: Duration = Duration::from_secs(30);
const KILL_LIMIT: Duration = Duration::from_secs(10);

/// A program and, unless it was stopped or killed, its process.
#[derive(Debug)]
pub(crate) struct Instance {
    program: Box<dyn Program>,
    process: Option<Process>,
}

#[derive(Debug)]
struct Process {
    child: Child,
    id: ProcessId,
}

impl Instance {
    /// Starts the program and returns when it answers.
    pub(crate) fn start(program: Box<dyn Program>) -> Result<Self, StackError> {
        let mut instance = Self {
            program,
            process: None,
        };
        instance.launch()?;
        Ok(instance)
    }

    /// Stops the program if it runs, and starts it as before: same folder, same port.
    pub(crate) fn restart(&mut self) -> Result<(), StackError> {
        self.stop();
        self.launch()
    }

    /// Freezes the server and all its processes: connections stay open, and nothing answers.
    pub(crate) fn pause(&self) {
        self.signal_tree(Signal::Stop);
    }

    pub(crate) fn resume(&self) {
        self.signal_tree(Signal::Continue);
    }

    /// Ends the server and all its processes at once, as a crash or the kernel's memory killer would.
    pub(crate) fn kill(&mut self) {
        let Some(mut process) = self.process.take() else {
            return;
        };
        let tree = process.id.signal_tree(Signal::Kill);
        reap(&mut process.child);
        wait_until(KILL_LIMIT, || !tree.iter().any(|id| id.is_alive()));
        sweep::forget(self.program.folder());
    }

    /// Steers the server by its own command; returns what that printed.
    pub(crate) fn control(&self, arguments: &[&str]) -> Result<String, StackError> {
        let program = self.program.name();
        let failed = |output: String| StackError::Failed { program, output };
        let mut command = self
            .program
            .control()
            .ok_or_else(|| failed("it has no command that steers it".to_owned()))?;
        let output = command
            .args(arguments)
            .current_dir(self.program.folder())
            .output()
            .during(|| format!("run {}", command.get_program().display()))?;
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        if output.status.success() {
            Ok(text(&output.stdout))
        } else {
            Err(failed(text(&output.stdout) + &text(&output.stderr)))
        }
    }

    /// Asks the server to end, and kills it if it does not within its time.
    pub(crate) fn stop(&mut self) {
        let Some(process) = &mut self.process else { return };
        process.id.signal(self.program.stop_signal());
        process.id.signal_tree(Signal::Continue);
        wait_until(STOP_LIMIT, || has_ended(&mut process.child));
        self.kill();
    }

    fn launch(&mut self) -> Result<(), StackError> {
        let (name, folder) = (self.program.name(), self.program.folder());
        let log = File::create(folder.join("output.log")).during(|| format!("create the log of {name}"))?;
        let copy = log.try_clone().during(|| format!("open the log of {name}"))?;
        let child = self
            .program
            .command()
            .current_dir(folder)
            .stdout(copy)
            .stderr(log)
            // A Ctrl-C in the owner's terminal is the owner's to answer: it stops its services in order.
            .process_group(0)
            .spawn()
            .during(|| format!("start {name}"))?;
        let id = ProcessId::of_child(&child).during(|| format!("watch {name}"))?;
        self.process = Some(Process { child, id });
        sweep::record(self.program.folder(), id, self.program.stop_signal())?;
        self.await_answer()
    }

    fn await_answer(&mut self) -> Result<(), StackError> {
        let Some(process) = &mut self.process else {
            return Ok(());
        };
        let mut ended = false;
        let settled = wait_until(START_LIMIT, || {
            ended = has_ended(&mut process.child);
            ended || self.program.answers(process.id.pid())
        });
        if settled && !ended {
            return Ok(());
        }
        self.kill();
        let (program, log) = (self.program.name(), last_lines(self.program.folder()));
        if ended {
            return Err(StackError::StoppedEarly { program, log });
        }
        Err(StackError::NotReady {
            program,
            waited_seconds: START_LIMIT.as_secs(),
            log,
        })
    }

    fn signal_tree(&self, signal: Signal) {
        if let Some(process) = &self.process {
            process.id.signal_tree(signal);
        }
    }
}

impl Drop for Instance {
    fn drop(&mut self) {
        self.stop();
    }
}

fn has_ended(child: &mut Child) -> bool {
    // A child that cannot be waited for is one that somebody else has reaped.
    child.try_wait().map_or(true, |status| status.is_some())
}

fn reap(child: &mut Child) {
    wait_until(KILL_LIMIT, || has_ended(child));
}

fn last_lines(folder: &Path) -> String {
    let log = fs::read(folder.join("output.log")).unwrap_or_default();
    let log = String::from_utf8_lossy(&log);
    let lines: Vec<&str> = log.lines().collect();
    lines[lines.len().saturating_sub(20)..].join("\n")
}

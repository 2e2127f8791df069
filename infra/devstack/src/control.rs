//! One owner, many users: how the processes of a test run share its private services.
//!
//! The run's owner serves a Unix socket in a folder only it can enter, and names it to the tests by an
//! environment variable. A test says which service it needs, and gets its address once it runs.

use std::env;
use std::error::Error;
use std::io::{self, BufRead as _, BufReader, Write as _};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};

use crate::account::Account;
use crate::error::{During as _, StackError};
use crate::folder;
use crate::service::{Endpoint, Service};
use crate::stack::Stack;

/// The environment variable that names the socket.
pub const VARIABLE: &str = "FAIRLEAD_TEST_CONTROL";

/// Answers until dropped.
#[derive(Debug)]
pub struct Control {
    socket: PathBuf,
    is_closing: Arc<AtomicBool>,
    listening: Option<JoinHandle<()>>,
}

impl Control {
    /// Returns the value for [`VARIABLE`].
    pub fn socket(&self) -> &Path {
        &self.socket
    }
}

impl Drop for Control {
    fn drop(&mut self) {
        self.is_closing.store(true, Ordering::Release);
        // Wakes the listener, which looks at the flag after each caller.
        let woken = UnixStream::connect(&self.socket).is_ok();
        if let Some(listening) = self.listening.take().filter(|_| woken) {
            listening.join().expect("the listener does not panic");
        }
    }
}

/// Offers the services of `stack` to the processes of this run; starts each when it is first needed.
pub fn serve(stack: Arc<Stack>) -> Result<Control, StackError> {
    let private = stack.folder().join("control");
    folder::make_for(&Account::Own, &private)?;
    let socket = private.join("socket");
    let listener = UnixListener::bind(&socket).during(|| format!("listen on {}", socket.display()))?;

    let is_closing = Arc::new(AtomicBool::new(false));
    let flag = Arc::clone(&is_closing);
    let listening = thread::spawn(move || {
        for caller in listener.incoming().flatten() {
            if flag.load(Ordering::Acquire) {
                return;
            }
            let stack = Arc::clone(&stack);
            // A caller that hangs up early misses its answer, which concerns nobody else.
            thread::spawn(move || drop(answer(&stack, &caller)));
        }
    });
    Ok(Control {
        socket,
        is_closing,
        listening: Some(listening),
    })
}

/// Asks the owner of this test run for a service, which it starts if nobody needed it before.
#[expect(
    clippy::disallowed_methods,
    reason = "the one thing a test run tells its tests"
)]
pub fn need(service: Service) -> Result<Endpoint, StackError> {
    let socket = env::var_os(VARIABLE)
        .map(PathBuf::from)
        .ok_or(StackError::NoTestRun)?;
    let answer =
        ask(&socket, service).during(|| format!("reach the test run's owner at {}", socket.display()))?;
    answer.map_err(StackError::Refused)
}

/// Returns the superuser's URL of one database of this test run's primary.
pub fn postgres_url(database: &str) -> Result<String, StackError> {
    need(Service::Postgres).map(|primary| primary.database_url(database))
}

/// The text of an error is its cause chain: a cause cannot cross a process border.
type Answer = Result<Endpoint, String>;

fn ask(socket: &Path, service: Service) -> io::Result<Answer> {
    let mut owner = UnixStream::connect(socket)?;
    writeln!(owner, "{}", serde_json::to_string(&service)?)?;
    let mut line = String::new();
    BufReader::new(owner).read_line(&mut line)?;
    Ok(serde_json::from_str(&line)?)
}

fn answer(stack: &Stack, mut caller: &UnixStream) -> io::Result<()> {
    let mut line = String::new();
    BufReader::new(caller).read_line(&mut line)?;
    let service = serde_json::from_str(&line)?;
    let answer: Answer = stack.ensure(service).map_err(|error| chain(&error));
    writeln!(caller, "{}", serde_json::to_string(&answer)?)
}

fn chain(error: &(dyn Error + 'static)) -> String {
    let causes = std::iter::successors(Some(error), |&error| error.source());
    causes.map(ToString::to_string).collect::<Vec<_>>().join(": ")
}

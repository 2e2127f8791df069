//! The program itself, as a process: its command line, its logs, its signals.

use std::io::{BufRead as _, BufReader, Read, Write as _};
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};

use serde_json::Value;

use crate::database::DatabaseRole;
use crate::{Client, TempFolder, TestDatabase, wait_until};

/// The secret of every configured program.
pub const SECRET: &str = "a secret of more than thirty-two bytes";

/// The program with a configuration, from the environment alone. A clone has the same data folder.
#[derive(Clone, Debug)]
pub struct Program {
    environment: Vec<(String, String)>,
    /// Whether it has one processor, however many there are.
    has_one_core: bool,
    pub data_dir: Arc<TempFolder>,
}

/// What a command has ended with.
#[derive(Debug)]
pub struct Ended {
    pub status: ExitStatus,
    pub stdout: String,
    pub stderr: String,
}

impl Program {
    /// Works on this database, with logs as JSON.
    pub fn on(database: &TestDatabase) -> Self {
        Self::at(
            [DatabaseRole::App, DatabaseRole::System, DatabaseRole::Owner].map(|role| database.url(role)),
        )
    }

    /// Works on the database that these URLs name: as the role of requests, of cross-tenant work, and of migrations.
    pub fn at([app, system, owner]: [String; 3]) -> Self {
        Self::unconfigured()
            .with("FAIRLEAD__DATABASE__URL", &app)
            .with("FAIRLEAD__DATABASE__SYSTEM_URL", &system)
            .with("FAIRLEAD__DATABASE__OWNER_URL", &owner)
            .with("FAIRLEAD__SECURITY__SECRET", SECRET)
    }

    /// Knows of no database, and so has one of its own in its data folder.
    pub fn unconfigured() -> Self {
        let data_dir = Arc::new(TempFolder::new("program"));
        let path = data_dir.path().display().to_string();
        Self {
            environment: Vec::new(),
            has_one_core: false,
            data_dir,
        }
        .with("FAIRLEAD__DATA_DIR", &path)
        .with("FAIRLEAD__HTTP__PORT", "0")
        .with("FAIRLEAD__METRICS__PORT", "0")
        .with("FAIRLEAD__LOG__FORMAT", "json")
        // Tests ask more than clients may: it is counted, and nothing refused.
        .with("FAIRLEAD__RATE_LIMITS__SHADOW", "true")
        .with("FAIRLEAD__ADMISSION__MIN_LIMIT", "10000")
        .with("FAIRLEAD__ADMISSION__MAX_LIMIT", "10000")
        .with("FAIRLEAD__ADMISSION__ERRORS__BEGIN_PERCENT", "0")
    }

    /// Sets an environment variable.
    #[must_use]
    pub fn with(mut self, name: &str, value: &str) -> Self {
        self.environment.retain(|(set, _)| set != name);
        self.environment.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Lets it run on one processor alone.
    #[must_use]
    pub fn on_one_core(mut self) -> Self {
        self.has_one_core = true;
        self
    }

    /// What an environment variable is set to.
    pub fn get(&self, name: &str) -> Option<&str> {
        let set = self.environment.iter().find(|(set, _)| set == name);
        set.map(|(_, value)| value.as_str())
    }

    /// Runs a command to its end.
    pub async fn run(&self, arguments: &[&str]) -> Ended {
        self.start(arguments).end().await
    }

    /// Runs a command to its end that reads `input`.
    pub async fn run_on(&self, arguments: &[&str], input: &[u8]) -> Ended {
        let mut running = self.spawn(arguments, Stdio::piped());
        let mut stdin = running.child.stdin.take().expect("it was piped");
        let input = input.to_vec();
        // It may end before it has read all.
        let writing = thread::spawn(move || drop(stdin.write_all(&input)));
        let ended = running.end().await;
        writing.join().expect("writing does not panic");
        ended
    }

    /// Serves; `Err` when the program ended instead.
    pub async fn serve(&self) -> Result<Serving, Ended> {
        let mut running = self.start(&["serve"]);
        let mut ended = None;
        wait_until("the program serves or ends", async || {
            ended = running.try_wait();
            ended.is_some() || running.announced_url().is_some()
        })
        .await;
        match (running.announced_url(), ended) {
            (Some(url), None) => Ok(Serving { url, running }),
            (_, Some(status)) => Err(running.output(status)),
            (None, None) => unreachable!("one of both was waited for"),
        }
    }

    /// Starts a command.
    pub fn start(&self, arguments: &[&str]) -> Running {
        self.spawn(arguments, Stdio::null())
    }

    /// A command for those who see to its input and output themselves.
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = if self.has_one_core {
            let mut command = Command::new("/usr/bin/taskset");
            command.arg("--cpu-list").arg(first_core()).arg(binary());
            command
        } else {
            Command::new(binary())
        };
        command
            .args(arguments)
            .env_clear()
            .envs(self.environment.iter().cloned())
            // So that no configuration file of the folder the tests run in is found.
            .current_dir(self.data_dir.path());
        command
    }

    fn spawn(&self, arguments: &[&str], stdin: Stdio) -> Running {
        let mut child = self
            .command(arguments)
            .stdin(stdin)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| panic!("{}: {error}; `cargo xtask test` builds it", binary().display()));
        let stdout = Lines::read(child.stdout.take().expect("it was piped"));
        let stderr = Lines::read(child.stderr.take().expect("it was piped"));
        Running {
            child,
            stdout,
            stderr,
        }
    }
}

/// The first of the processors that this process may run on.
fn first_core() -> String {
    let status = std::fs::read_to_string("/proc/self/status").expect("Linux tells of a process");
    let allowed = status
        .lines()
        .find_map(|line| line.strip_prefix("Cpus_allowed_list:"))
        .expect("it tells where it may run");
    let allowed = allowed.trim();
    let end = allowed.find(['-', ',']).unwrap_or(allowed.len());
    allowed[..end].to_owned()
}

/// Cargo puts programs beside the folder of the test executables.
fn binary() -> PathBuf {
    let test = std::env::current_exe().expect("a running program has a path");
    let profile = test
        .parent()
        .and_then(|deps| deps.parent())
        .expect("it lies in target/<profile>/deps");
    profile.join("fairlead")
}

/// A server in a process of its own. It is killed when dropped.
#[derive(Debug)]
pub struct Serving {
    pub url: String,
    running: Running,
}

impl Serving {
    pub fn anonymous(&self) -> Client {
        Client::to(&self.url)
    }

    /// Where `GET /metrics` is served.
    pub fn metrics_url(&self) -> String {
        let events = self.events();
        let address = events.iter().find_map(|event| event["metrics"].as_str());
        format!("http://{}/metrics", address.expect("metrics are switched on"))
    }

    /// The log lines so far.
    pub fn log(&self) -> Vec<String> {
        self.running.stderr.so_far()
    }

    /// The log lines so far that are JSON: all but the progress of the start.
    pub fn events(&self) -> Vec<Value> {
        self.log()
            .iter()
            .filter_map(|line| serde_json::from_str(line).ok())
            .collect()
    }

    /// Asks the process to end; `name` as in `kill -TERM`.
    pub fn signal(&self, name: &str) {
        self.running.signal(name);
    }

    /// By which the system knows it.
    pub fn pid(&self) -> u32 {
        self.running.child.id()
    }

    /// Waits for the end.
    pub async fn ended(self) -> Ended {
        self.running.end().await
    }
}

/// A command under way. It is killed when dropped.
#[derive(Debug)]
pub struct Running {
    child: Child,
    stdout: Lines,
    stderr: Lines,
}

impl Running {
    /// Asks the process to end; `name` as in `kill -TERM`.
    pub fn signal(&self, name: &str) {
        let kill = format!("kill -{name} {}", self.child.id());
        let status = Command::new("sh")
            .args(["-c", &kill])
            .status()
            .expect("there is a shell");
        assert!(status.success(), "{kill}");
    }

    /// What it has printed so far.
    pub fn printed(&self) -> Vec<String> {
        self.stdout.so_far()
    }

    /// What it has told on standard error so far.
    pub fn told(&self) -> Vec<String> {
        self.stderr.so_far()
    }

    /// Waits for the end.
    pub async fn end(mut self) -> Ended {
        let status = self.ended().await;
        self.output(status)
    }

    fn try_wait(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().expect("nobody else waits for the child")
    }

    async fn ended(&mut self) -> ExitStatus {
        let mut ended = None;
        wait_until("the program ends", async || {
            ended = self.try_wait();
            ended.is_some()
        })
        .await;
        ended.expect("it was waited for")
    }

    /// Where the server is, once the log says that it listens.
    fn announced_url(&self) -> Option<String> {
        let lines = self.stderr.so_far();
        let mut events = lines
            .iter()
            .filter_map(|line| serde_json::from_str::<Value>(line).ok());
        events.find_map(|event| Some(format!("http://{}", event["listen"].as_str()?)))
    }

    fn output(&mut self, status: ExitStatus) -> Ended {
        Ended {
            status,
            stdout: self.stdout.all(),
            stderr: self.stderr.all(),
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
        if thread::panicking() {
            eprintln!("the program wrote:\n{}", self.stderr.so_far().join("\n"));
        }
    }
}

/// What a process writes, line by line.
#[derive(Debug)]
struct Lines {
    read: Arc<Mutex<Vec<String>>>,
    reading: Option<JoinHandle<()>>,
}

impl Lines {
    fn read(from: impl Read + Send + 'static) -> Self {
        let read = Arc::new(Mutex::new(Vec::new()));
        let lines = Arc::clone(&read);
        let reading = thread::spawn(move || {
            for line in BufReader::new(from).lines().map_while(Result::ok) {
                lines.lock().expect("nobody panics here").push(line);
            }
        });
        Self {
            read,
            reading: Some(reading),
        }
    }

    fn so_far(&self) -> Vec<String> {
        self.read.lock().expect("nobody panics here").clone()
    }

    /// All of it, once the process has ended.
    fn all(&mut self) -> String {
        if let Some(reading) = self.reading.take() {
            reading.join().expect("reading does not panic");
        }
        self.so_far().join("\n")
    }
}

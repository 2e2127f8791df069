//! Messages that are sent together, each behind the other, before the first of them is answered.
//!
//! tokio-postgres sends what a future asks for when it is polled for the first time, and answers futures in the order
//! in which they were. So each future is polled once, in order, before the first is awaited; the task that moves the
//! bytes of the connection finds them all, and writes them by one system call.
//!
//! Each message is answered for itself: when one fails, those behind it run all the same. Inside a transaction that has
//! failed PostgreSQL refuses them, and answers COMMIT by undoing everything, without an error. Where BEGIN failed there
//! is no transaction: then the connection's default of reading only refuses to write ([`Target`](super::target)). So
//! the first error decides, and nothing behind it is believed.

use std::future::poll_fn;
use std::mem::{replace, take};
use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::Poll;
use std::time::{Duration, Instant};

use futures_util::TryStreamExt as _;
use futures_util::future::{MaybeDone, maybe_done, try_join_all};
use tokio_postgres::error::SqlState;
use tokio_postgres::{Client, Error, Row, SimpleQueryMessage, Statement as Prepared};

use super::holders::Held;
use crate::statement::Statement;

/// What is sent together.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pipeline<'p> {
    /// Opens the transaction, with everything local to it.
    pub(crate) begin: Option<&'p str>,
    pub(crate) statements: &'p [&'p Statement],
    pub(crate) end: Option<End>,
}

/// How a transaction ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// There is nothing to keep.
    Read,
    /// The changes are to be kept, and their position in the log told.
    Commit,
}

/// The insert position is read after the commit record was written, so it is behind it: possibly also behind records
/// of others, which only makes a reader wait for more than it must. The first eight digits of a segment's name are its
/// timeline.
const COMMIT: &str =
    "COMMIT; SELECT pg_walfile_name(pg_current_wal_insert_lsn()), pg_current_wal_insert_lsn()::text";

impl End {
    fn text(self) -> &'static str {
        match self {
            Self::Read => "COMMIT",
            Self::Commit => COMMIT,
        }
    }
}

/// What the server has answered.
#[derive(Debug, Default)]
pub(crate) struct Answers {
    /// One for each statement, in their order.
    pub(crate) statements: Vec<Answer>,
    /// To [`End`].
    pub(crate) end: Vec<SimpleQueryMessage>,
    /// Waits for the database: one, and another when statements were new to the connection.
    pub(crate) round_trips: u32,
}

impl Answers {
    /// The answer to a pipeline of one statement.
    pub(crate) fn into_one(mut self) -> Answer {
        self.statements.pop().expect("one answer for one statement")
    }
}

#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) rows: Vec<Row>,
    /// Rows returned or changed.
    pub(crate) count: u64,
    /// Since the answer before.
    pub(crate) took: Duration,
}

/// Why a pipeline was not answered whole.
#[derive(Debug)]
pub(crate) struct Failed {
    pub(crate) error: Error,
    pub(crate) at: Step,
    /// What was answered before.
    pub(crate) answered: Vec<Answer>,
    /// Since the answer before.
    pub(crate) took: Duration,
    /// Whether the changes may be durable all the same.
    pub(crate) in_doubt: bool,
}

impl Failed {
    /// Whether statements that were prepared before must be prepared anew, because the schema has changed since:
    /// "cached plan must not change result type".
    pub(super) fn is_of_stale_plan(&self) -> bool {
        self.error.code() == Some(&SqlState::FEATURE_NOT_SUPPORTED)
    }
}

/// A part of a pipeline.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    Begin,
    /// Counted from 0.
    Statement(usize),
    End,
}

impl Pipeline<'_> {
    /// Prepares statements, in the transaction that it begins for that: to prepare may mean to wait for a lock, for
    /// which the time limit of the transaction should hold.
    pub(super) async fn prepare(
        &mut self,
        client: &Client,
        statements: &[(usize, &Statement)],
    ) -> Result<Vec<Prepared>, Failed> {
        let mut progress = Progress::new();
        let begun = match self.begin.take() {
            Some(text) => {
                let sending = hand_over(client.batch_execute(text)).await;
                Some(sending.map_err(|error| progress.failed(Step::Begin, error))?)
            }
            None => None,
        };
        let preparing = statements.iter().map(async |(place, statement)| {
            let prepared = client.prepare_typed(statement.text(), statement.arguments().types());
            prepared.await.map_err(|error| (Step::Statement(*place), error))
        });
        let preparing = hand_over(try_join_all(preparing)).await;
        let preparing = preparing.map_err(|(at, error)| progress.failed(at, error))?;
        if let Some(begun) = begun {
            done(begun)
                .await
                .map_err(|error| progress.failed(Step::Begin, error))?;
        }
        done(preparing)
            .await
            .map_err(|(at, error)| progress.failed(at, error))
    }

    /// Sends everything, and waits for all answers. Whoever drops this leaves the connection to be settled; `is_open`
    /// tells whether the transaction still waits for its end to be sent.
    pub(super) async fn run(
        &self,
        client: &Client,
        prepared: &[Prepared],
        held: &Held,
        is_open: &AtomicBool,
    ) -> Result<Answers, Failed> {
        let mut progress = Progress::new();
        let begun = match self.begin {
            Some(text) => {
                let sending = hand_over(client.batch_execute(text)).await;
                Some(sending.map_err(|error| progress.failed(Step::Begin, error))?)
            }
            None => None,
        };
        let mut running = Vec::with_capacity(prepared.len());
        for (number, (statement, prepared)) in self.statements.iter().zip(prepared).enumerate() {
            let sending = hand_over(answer(client, prepared, statement)).await;
            running.push(sending.map_err(|error| progress.failed(Step::Statement(number), error))?);
        }
        // Invariant: COMMIT is sent only behind everything that it is to make durable.
        let ending = match self.end {
            Some(end) => {
                progress.commits = end == End::Commit && !client.is_closed();
                let sending = hand_over(client.simple_query(end.text())).await;
                let sent = sending.map_err(|error| progress.failed(Step::End, error))?;
                is_open.store(false, Ordering::Relaxed);
                Some(sent)
            }
            None => None,
        };

        if let Some(begun) = begun {
            done(begun)
                .await
                .map_err(|error| progress.failed(Step::Begin, error))?;
        }
        for (number, running) in running.into_iter().enumerate() {
            held.runs(self.statements[number].text());
            match done(running).await {
                Ok((rows, count)) => progress.note(rows, count),
                Err(error) => return Err(progress.failed(Step::Statement(number), error)),
            }
        }
        let end = match ending {
            Some(ending) => done(ending)
                .await
                .map_err(|error| progress.failed(Step::End, error))?,
            None => Vec::new(),
        };
        Ok(Answers {
            statements: progress.answered,
            end,
            round_trips: 1,
        })
    }
}

/// How far a pipeline has come.
struct Progress {
    answered: Vec<Answer>,
    since: Instant,
    /// Set when COMMIT may be on its way.
    commits: bool,
}

impl Progress {
    fn new() -> Self {
        Self {
            answered: Vec::new(),
            since: Instant::now(),
            commits: false,
        }
    }

    fn note(&mut self, rows: Vec<Row>, count: u64) {
        let now = Instant::now();
        self.answered.push(Answer {
            rows,
            count,
            took: now - replace(&mut self.since, now),
        });
    }

    fn failed(&mut self, at: Step, error: Error) -> Failed {
        // The server's own refusal of what stands before COMMIT is certain: there was nothing left to commit.
        // A pooler's word that it has lost the server (class 08) is none.
        let is_of_server = error.code().is_some_and(|code| !code.code().starts_with("08"));
        let is_refusal = at != Step::End && is_of_server;
        Failed {
            at,
            answered: take(&mut self.answered),
            took: self.since.elapsed(),
            in_doubt: self.commits && !is_refusal,
            error,
        }
    }
}

/// All rows of a statement, and how many it returned or changed.
async fn answer(
    client: &Client,
    prepared: &Prepared,
    statement: &Statement,
) -> Result<(Vec<Row>, u64), Error> {
    let mut stream = pin!(client.query_raw(prepared, statement.arguments().iter()).await?);
    let mut rows = Vec::new();
    while let Some(row) = stream.try_next().await? {
        rows.push(row);
    }
    Ok((rows, stream.rows_affected().unwrap_or_default()))
}

/// A message that is on its way.
type Sent<F> = Pin<Box<MaybeDone<F>>>;

/// Sends what `sending` sends when it is first polled; fails when that has failed already.
async fn hand_over<T, E, F>(sending: F) -> Result<Sent<F>, E>
where
    F: Future<Output = Result<T, E>>,
{
    let mut sent = Box::pin(maybe_done(sending));
    poll_fn(|context| {
        let _ = sent.as_mut().poll(context);
        Poll::Ready(())
    })
    .await;
    match sent.as_mut().output_mut() {
        Some(Err(_)) => Err(done(sent).await.err().expect("it has failed")),
        Some(Ok(_)) | None => Ok(sent),
    }
}

async fn done<T, E, F>(mut sent: Sent<F>) -> Result<T, E>
where
    F: Future<Output = Result<T, E>>,
{
    sent.as_mut().await;
    sent.as_mut()
        .take_output()
        .expect("it is done, and asked for once")
}

use std::collections::VecDeque;
use std::fmt;
use std::io;
use std::sync::Arc;

use bytes::{Buf as _, Bytes};
use postgres_protocol::IsNull;
use postgres_protocol::message::{backend, frontend};
use tokio_postgres::CancelToken;
use tokio_postgres::types::{Kind, Type};

use super::dial::Socket;
use super::handshake::{Leased, Stream};
use super::messages::Messages;
use super::{Error, Row, ServerError};
use crate::statement::Arguments;

/// All values go both ways in the binary form.
const BINARY: i16 = 1;
/// Names a prepared statement only until the next one of that name is prepared.
const UNNAMED: &str = "";
const NO_LIMIT: i32 = 0;

/// A connection, and how far the conversation on it has come. Requests are written one after the other and sent
/// together; replies come in their order. Up to a Sync they are one transaction, unless one was begun before.
pub(crate) struct Conversation {
    messages: Messages,
    socket: Leased<Socket>,
    cancel: CancelToken,
    /// How many Syncs the server has not answered.
    owed: u32,
    /// As the server told when it answered a Sync last.
    is_in_transaction: bool,
    notified: VecDeque<String>,
}

/// What a server says to a request.
#[derive(Debug)]
pub(crate) enum Reply {
    /// The types of the columns of a statement that was prepared.
    Prepared(Arc<[Type]>),
    /// A row of the statement that runs.
    Row(Bytes),
    /// It has ended.
    Done(Done),
    /// To a Sync.
    Ready,
}

/// How a statement has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Done {
    /// Rows returned or changed.
    pub(crate) count: u64,
    /// Whether it undid the transaction: what COMMIT does to one that has failed.
    pub(crate) undid: bool,
}

impl Conversation {
    pub(super) fn new(stream: Stream, socket: Leased<Socket>, cancel: CancelToken) -> Self {
        Self {
            messages: Messages::new(stream),
            socket,
            cancel,
            owed: 0,
            is_in_transaction: false,
            notified: VecDeque::new(),
        }
    }

    /// Cancels what runs on it.
    pub(super) fn cancel_token(&self) -> &CancelToken {
        &self.cancel
    }

    /// Has this thread told when there is something to read: whoever waits on another one is woken twice.
    pub(crate) fn move_here(&self) -> Result<(), Error> {
        Ok(self.socket.move_here()?)
    }

    /// Has a statement prepared. Answered by [`Reply::Prepared`].
    pub(crate) fn prepare(&mut self, name: &str, text: &str, types: &[Type]) -> Result<(), Error> {
        let out = self.messages.out();
        frontend::parse(name, text, types.iter().map(Type::oid), out)?;
        frontend::describe(b'S', name, out)?;
        Ok(())
    }

    /// Has a prepared statement executed. Answered by its rows and [`Reply::Done`].
    pub(crate) fn execute(&mut self, name: &str, arguments: &Arguments) -> Result<(), Error> {
        let out = self.messages.out();
        let values = arguments.iter();
        let bound = frontend::bind(
            UNNAMED,
            name,
            [BINARY],
            values,
            |value, out| {
                Ok(match value {
                    Some(bytes) => {
                        out.extend_from_slice(bytes);
                        IsNull::No
                    }
                    None => IsNull::Yes,
                })
            },
            [BINARY],
            out,
        );
        bound.map_err(|error| match error {
            frontend::BindError::Conversion(error) => io::Error::other(error),
            frontend::BindError::Serialization(error) => error,
        })?;
        frontend::execute(UNNAMED, NO_LIMIT, out)?;
        Ok(())
    }

    /// Has the server forget a prepared statement.
    pub(crate) fn forget(&mut self, name: &str) -> Result<(), Error> {
        Ok(frontend::close(b'S', name, self.messages.out())?)
    }

    /// Has the server say at once what it has to say to what came before.
    pub(crate) fn flush(&mut self) {
        frontend::flush(self.messages.out());
    }

    /// Ends what goes together. Answered by [`Reply::Ready`], also behind an error, after which the server passes over
    /// everything up to here.
    pub(crate) fn sync(&mut self) {
        frontend::sync(self.messages.out());
        self.owed += 1;
    }

    /// Sends what is written, and waits for the next reply.
    pub(crate) async fn reply(&mut self) -> Result<Reply, Error> {
        loop {
            let (kind, body) = self.messages.next().await?;
            if let Some(reply) = self.understand(kind, body)? {
                return Ok(reply);
            }
        }
    }

    /// Waits until every Sync is answered; what else is said is of no interest any more. Fails when a request was not
    /// written to its end.
    pub(crate) async fn settle(&mut self) -> Result<(), Error> {
        if self.owed == 0 && !self.messages.out().is_empty() {
            return Err(Error::Protocol("part of a request"));
        }
        while self.owed > 0 {
            if let Err(error) = self.reply().await
                && error.ends_connection()
            {
                return Err(error);
            }
        }
        Ok(())
    }

    /// The same, and undoes the transaction that is open.
    pub(crate) async fn roll_back(&mut self) -> Result<(), Error> {
        self.settle().await?;
        if self.is_in_transaction {
            self.ask("ROLLBACK").await?;
        }
        Ok(())
    }

    /// Asks whether the server is there.
    pub(crate) async fn ping(&mut self) -> Result<(), Error> {
        self.sync();
        self.settle().await
    }

    /// Runs a statement of no arguments that is not worth keeping.
    pub(crate) async fn ask(&mut self, text: &str) -> Result<Vec<Row>, Error> {
        self.prepare(UNNAMED, text, &[])?;
        self.execute(UNNAMED, &Arguments::default())?;
        self.sync();
        let mut types: Arc<[Type]> = Arc::default();
        let mut rows = Vec::new();
        loop {
            match self.reply().await {
                Ok(Reply::Prepared(columns)) => types = columns,
                Ok(Reply::Row(values)) => rows.push(Row::new(values, Arc::clone(&types))),
                Ok(Reply::Done(_)) => {}
                Ok(Reply::Ready) => return Ok(rows),
                Err(error) => {
                    // It matters more than what comes of the rest.
                    let _ = self.settle().await;
                    return Err(error);
                }
            }
        }
    }

    /// Waits until something is notified that this connection listens to; tells the payload.
    pub(crate) async fn notified(&mut self) -> Result<String, Error> {
        loop {
            if let Some(payload) = self.notified.pop_front() {
                return Ok(payload);
            }
            let (kind, body) = self.messages.next().await?;
            self.understand(kind, body)?;
        }
    }

    /// Whether no transaction is open, and no answer outstanding.
    pub(crate) fn is_settled(&mut self) -> bool {
        self.owed == 0 && !self.is_in_transaction && self.messages.out().is_empty()
    }

    /// Whether the server has gone while nothing was asked of it.
    pub(crate) fn is_closed(&mut self) -> bool {
        while let Some(heard) = self.messages.next_now() {
            let understood = heard.and_then(|(kind, body)| self.understand(kind, body));
            if understood.is_err() {
                return true;
            }
        }
        false
    }

    /// Says farewell, and waits until that is sent.
    pub(crate) async fn close(mut self) {
        frontend::terminate(self.messages.out());
        // Whatever it ended by, it has ended.
        let _ = self.messages.close().await;
    }

    /// `None` when it is no reply.
    fn understand(&mut self, kind: u8, mut body: Bytes) -> Result<Option<Reply>, Error> {
        let short = || Error::Protocol("a message that is too short");
        let reply = match kind {
            backend::DATA_ROW_TAG => {
                body.try_get_u16().map_err(|_| short())?;
                Reply::Row(body)
            }
            backend::COMMAND_COMPLETE_TAG => Reply::Done(Done::read(&body)),
            backend::EMPTY_QUERY_RESPONSE_TAG => Reply::Done(Done::read(&[])),
            backend::READY_FOR_QUERY_TAG => {
                self.is_in_transaction = body.first() != Some(&b'I');
                self.owed = self
                    .owed
                    .checked_sub(1)
                    .ok_or_else(|| Error::Protocol("an answer to nothing"))?;
                self.messages.shrink();
                Reply::Ready
            }
            backend::ROW_DESCRIPTION_TAG => Reply::Prepared(columns(body).ok_or_else(short)?),
            backend::NO_DATA_TAG => Reply::Prepared(Arc::default()),
            backend::ERROR_RESPONSE_TAG => return Err(Error::Server(Box::new(ServerError::read(&body)))),
            backend::NOTIFICATION_RESPONSE_TAG => {
                self.notified.push_back(payload(body).ok_or_else(short)?);
                return Ok(None);
            }
            backend::PARSE_COMPLETE_TAG
            | backend::BIND_COMPLETE_TAG
            | backend::CLOSE_COMPLETE_TAG
            | backend::PARAMETER_DESCRIPTION_TAG
            | backend::PARAMETER_STATUS_TAG
            | backend::NOTICE_RESPONSE_TAG => return Ok(None),
            _ => return Err(Error::Protocol("a message that is not known")),
        };
        Ok(Some(reply))
    }
}

impl Done {
    /// Reads a command tag: `INSERT 0 1`, `SELECT 50`, `COMMIT`.
    fn read(tag: &[u8]) -> Self {
        let words = || tag.strip_suffix(&[0]).unwrap_or(tag).split(|byte| *byte == b' ');
        let number = words()
            .next_back()
            .and_then(|word| str::from_utf8(word).ok()?.parse().ok());
        Self {
            count: number.unwrap_or_default(),
            undid: words().next() == Some(b"ROLLBACK"),
        }
    }
}

/// Reads the types off a `RowDescription`.
fn columns(mut body: Bytes) -> Option<Arc<[Type]>> {
    let count = body.try_get_u16().ok()?;
    let column = |_| {
        skip_text(&mut body)?;
        // The table and the column that it is of.
        body.try_get_u32().ok()?;
        body.try_get_u16().ok()?;
        let oid = body.try_get_u32().ok()?;
        // Its size, modifier and form.
        body.try_get_u64().ok()?;
        // One that PostgreSQL does not bring along can be told from others, and is read as nothing.
        let unknown = || Type::new("unknown".to_owned(), oid, Kind::Simple, String::new());
        Some(Type::from_oid(oid).unwrap_or_else(unknown))
    };
    (0..count).map(column).collect()
}

/// Reads the payload off a `NotificationResponse`: behind a process and a channel.
fn payload(mut body: Bytes) -> Option<String> {
    body.try_get_u32().ok()?;
    skip_text(&mut body)?;
    let text = body.strip_suffix(&[0])?;
    Some(String::from_utf8_lossy(text).into_owned())
}

fn skip_text(body: &mut Bytes) -> Option<()> {
    let end = body.iter().position(|byte| *byte == 0)?;
    body.advance(end + 1);
    Some(())
}

impl fmt::Debug for Conversation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Conversation")
            .field("owed", &self.owed)
            .field("is_in_transaction", &self.is_in_transaction)
            .finish_non_exhaustive()
    }
}

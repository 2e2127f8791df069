use std::collections::VecDeque;
use std::fmt;
use std::io;
use std::sync::Arc;

use bytes::{Buf as _, Bytes};
use postgres_protocol::IsNull;
use postgres_protocol::message::{backend, frontend};
use tokio_postgres::CancelToken;
use tokio_postgres::types::{Kind, Type};

use super::dial::{Peer, Socket};
use super::handshake::{Leased, Stream};
use super::messages::{Message, Messages};
use super::{Error, Row, ServerError};
use crate::statement::Arguments;

/// All values go both ways in the binary form.
const BINARY: i16 = 1;
/// Names a prepared statement only until the next one of that name is prepared.
const UNNAMED: &str = "";
/// Names the one that is asked again and again.
const REPEATED: &str = "again";
/// `invalid_sql_statement_name`
const NOT_PREPARED: &str = "26000";
const NO_LIMIT: i32 = 0;

/// A connection, and how far the conversation on it has come. Requests are written one after the other and sent
/// together; replies come in their order. Up to a Sync they are one transaction, unless one was begun before.
pub(crate) struct Conversation {
    messages: Messages,
    socket: Leased<Socket>,
    peer: Peer,
    cancel: CancelToken,
    /// How many Syncs the server has not answered.
    owed: u32,
    /// Whether something was heard after which nothing on it can be believed.
    is_broken: bool,
    /// As the server told when it answered a Sync last.
    is_in_transaction: bool,
    notified: VecDeque<String>,
    /// The columns of the statement that is asked again and again, once it is prepared.
    repeated: Option<Arc<[Type]>>,
}

/// What a server says to a request.
#[derive(Debug)]
pub(crate) enum Reply {
    /// The types of the columns of a statement that was prepared.
    Prepared(Arc<[Type]>),
    /// A row of the statement that runs.
    Row(Values),
    /// It has ended.
    Done(Done),
    /// To a Sync.
    Ready,
}

/// The values of a row, each behind its length.
#[derive(Debug)]
pub(crate) struct Values {
    pub(crate) columns: usize,
    pub(crate) bytes: Bytes,
}

/// How a statement has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Done {
    /// Rows returned or changed.
    pub(crate) count: u64,
    /// What it has made of the transaction.
    pub(crate) outcome: Outcome,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    GoesOn,
    Committed,
    /// Also what COMMIT does to one that has failed.
    Undone,
}

impl Conversation {
    pub(super) fn new(stream: Stream, socket: Leased<Socket>, peer: Peer, cancel: CancelToken) -> Self {
        Self {
            messages: Messages::new(stream),
            socket,
            peer,
            cancel,
            owed: 0,
            is_broken: false,
            is_in_transaction: false,
            notified: VecDeque::new(),
            repeated: None,
        }
    }

    /// Cancels what runs on it, by a word to the same server.
    pub(super) fn cancel_token(&self) -> (&Peer, &CancelToken) {
        (&self.peer, &self.cancel)
    }

    /// Has this thread told when there is something to read: whoever waits on another one is woken twice.
    pub(crate) fn move_here(&self) -> Result<(), Error> {
        Ok(self.socket.move_here()?)
    }

    /// Has a statement prepared. Answered by [`Reply::Prepared`].
    pub(crate) fn prepare(&mut self, name: &str, text: &str, types: &[Type]) -> Result<(), Error> {
        let out = self.messages.out();
        frontend::parse(name, text, types.iter().map(Type::oid), out).map_err(Error::Request)?;
        frontend::describe(b'S', name, out).map_err(Error::Request)
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
            frontend::BindError::Conversion(error) => Error::Request(io::Error::other(error)),
            frontend::BindError::Serialization(error) => Error::Request(error),
        })?;
        frontend::execute(UNNAMED, NO_LIMIT, out).map_err(Error::Request)
    }

    /// Has the server forget a prepared statement.
    pub(crate) fn forget(&mut self, name: &str) -> Result<(), Error> {
        frontend::close(b'S', name, self.messages.out()).map_err(Error::Request)
    }

    /// Takes back what was written since the last Sync, of which nothing was sent.
    pub(crate) fn take_back(&mut self) {
        self.messages.out().clear();
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
            let heard = self.messages.next().await;
            if let Some(reply) = self.take_in(heard)? {
                return Ok(reply);
            }
        }
    }

    /// Waits until every Sync is answered; what else is said is of no interest any more.
    pub(crate) async fn settle(&mut self) -> Result<(), Error> {
        if self.is_broken {
            return Err(Error::Closed);
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
        Ok(self.answers(Arc::default()).await?.0)
    }

    /// Runs a statement of no arguments that is the only one on this connection to be run like this: it is prepared once.
    pub(crate) async fn ask_again(&mut self, text: &'static str) -> Result<Vec<Row>, Error> {
        if let Some(known) = self.repeated.take() {
            self.execute(REPEATED, &Arguments::default())?;
            match self.answers(known).await {
                // A pooler has gone to another server.
                Err(error) if error.code() == Some(NOT_PREPARED) => {}
                answered => return Ok(self.remember(answered?)),
            }
        }
        self.forget(REPEATED)?;
        self.prepare(REPEATED, text, &[])?;
        self.execute(REPEATED, &Arguments::default())?;
        let answered = self.answers(Arc::default()).await?;
        Ok(self.remember(answered))
    }

    fn remember(&mut self, (rows, columns): (Vec<Row>, Arc<[Type]>)) -> Vec<Row> {
        self.repeated = Some(columns);
        rows
    }

    /// Waits for the answers to all that was asked; returns the rows, and the types of their columns.
    async fn answers(&mut self, mut types: Arc<[Type]>) -> Result<(Vec<Row>, Arc<[Type]>), Error> {
        self.sync();
        let mut rows = Vec::new();
        loop {
            match self.reply().await {
                Ok(Reply::Prepared(columns)) => types = columns,
                Ok(Reply::Row(values)) => rows.push(Row::new(values.bytes, Arc::clone(&types))),
                Ok(Reply::Done(_)) => {}
                Ok(Reply::Ready) => return Ok((rows, types)),
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
            let heard = self.messages.next().await;
            self.take_in(heard)?;
        }
    }

    /// Has nothing on it believed any more: its answers are not to what was asked.
    pub(crate) fn distrust(&mut self) {
        self.is_broken = true;
    }

    /// Whether it can be used by somebody else: no transaction is open, and no answer outstanding.
    pub(crate) fn is_settled(&mut self) -> bool {
        !self.is_broken && self.owed == 0 && !self.is_in_transaction && self.messages.out().is_empty()
    }

    /// Whether the server has gone while nothing was asked of it.
    pub(crate) fn is_closed(&mut self) -> bool {
        while !self.is_broken
            && let Some(heard) = self.messages.next_now()
        {
            // Whatever is wrong is kept in mind.
            let _ = self.take_in(heard);
        }
        self.is_broken
    }

    /// Takes no answer with a message that is longer.
    pub(crate) fn hear_at_most(&mut self, bytes: usize) {
        self.messages.limit(bytes);
    }

    /// Whether the server has not answered all yet.
    pub(crate) fn is_owed(&self) -> bool {
        self.owed > 0
    }

    /// Says farewell behind all that was asked, and waits until the server has let go: then nothing of it is left there.
    pub(crate) async fn end(mut self) {
        frontend::terminate(self.messages.out());
        self.is_broken = true;
        self.messages.end().await;
    }

    /// Says farewell, and waits until that is sent.
    pub(crate) async fn close(mut self) {
        frontend::terminate(self.messages.out());
        self.is_broken = true;
        // Whatever it ended by, it has ended.
        let _ = self.messages.close().await;
    }

    fn take_in(&mut self, heard: Result<Message, Error>) -> Result<Option<Reply>, Error> {
        let understood = heard.and_then(|(kind, body)| self.understand(kind, body));
        if let Err(error) = &understood {
            // Whoever speaks unasked takes its leave.
            self.is_broken |= self.owed == 0 || error.ends_connection();
        }
        understood
    }

    /// `None` when it is no reply.
    fn understand(&mut self, kind: u8, mut body: Bytes) -> Result<Option<Reply>, Error> {
        let short = || Error::Protocol("a message that is too short");
        let reply = match kind {
            backend::DATA_ROW_TAG => {
                let columns = body.try_get_u16().map_err(|_| short())?.into();
                Reply::Row(Values { columns, bytes: body })
            }
            backend::COMMAND_COMPLETE_TAG => Reply::Done(Done::read(&body)),
            backend::EMPTY_QUERY_RESPONSE_TAG => Reply::Done(Done::read(&[])),
            backend::READY_FOR_QUERY_TAG => {
                self.is_in_transaction = body.first() != Some(&b'I');
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
        if self.owed == 0 {
            return Err(Error::Protocol("an answer to nothing"));
        }
        if matches!(reply, Reply::Ready) {
            self.owed -= 1;
            self.messages.shrink();
        }
        Ok(Some(reply))
    }
}

/// A server that hears no farewell takes it for an accident.
impl Drop for Conversation {
    fn drop(&mut self) {
        if self.is_settled() {
            frontend::terminate(self.messages.out());
            self.messages.send_now();
        }
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
            outcome: match words().next() {
                Some(b"COMMIT") => Outcome::Committed,
                Some(b"ROLLBACK") => Outcome::Undone,
                _ => Outcome::GoesOn,
            },
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

#[cfg(test)]
mod tests {
    use bytes::BufMut as _;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::{TcpListener, TcpStream};

    use crate::pool::Target;

    use super::*;

    const WELCOME: [(u8, &[u8]); 3] = [(b'R', &[0; 4]), (b'K', &[7; 8]), READY];
    const READY: (u8, &[u8]) = (b'Z', b"I");
    const ONE_ROW: [(u8, &[u8]); 4] = [
        (
            b'T',
            b"\0\x01one\0\0\0\0\0\0\0\0\0\0\x17\0\x04\xff\xff\xff\xff\0\x01",
        ),
        (b'D', b"\0\x01\0\0\0\x04\0\0\0\x01"),
        (b'C', b"SELECT 1\0"),
        READY,
    ];

    fn messages(said: &[(u8, &[u8])]) -> Vec<u8> {
        let mut messages = Vec::new();
        for (kind, body) in said {
            messages.put_u8(*kind);
            messages.put_u32(u32::try_from(body.len() + 4).unwrap());
            messages.extend_from_slice(body);
        }
        messages
    }

    /// A conversation, and the server's end of it; `behind` is sent together with the welcome.
    async fn open(behind: &[u8]) -> (Conversation, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let url = format!("postgres://app@{address}/fairlead?sslmode=disable");
        let target = Target::parse(&url, "test").unwrap();
        let serving = async {
            let (mut server, _) = listener.accept().await.unwrap();
            let length = server.read_u32().await.unwrap();
            server
                .read_exact(&mut vec![0; length as usize - 4])
                .await
                .unwrap();
            let welcome = [&messages(&WELCOME), behind].concat();
            server.write_all(&welcome).await.unwrap();
            server
        };
        let (conversation, server) = tokio::join!(target.open(), serving);
        (conversation.unwrap(), server)
    }

    /// Until a reactor has seen what was sent.
    async fn is_closed(conversation: &mut Conversation) -> bool {
        for _ in 0..100 {
            if conversation.is_closed() {
                return true;
            }
            tokio::task::yield_now().await;
        }
        false
    }

    #[tokio::test]
    async fn what_stands_behind_the_welcome_is_not_lost() {
        let settings = messages(&[(b'S', b"TimeZone\0UTC\0")]);
        let (half, rest) = settings.split_at(9);
        let (mut conversation, mut server) = open(half).await;

        server
            .write_all(&[rest, &messages(&ONE_ROW)].concat())
            .await
            .unwrap();

        let rows = conversation.ask("SELECT 1").await.unwrap();
        assert_eq!(rows[0].try_get::<i32>(0).unwrap(), 1);
        assert!(conversation.is_settled());
    }

    #[tokio::test]
    async fn an_answer_that_comes_too_early_is_believed_by_nobody() {
        let (mut conversation, mut server) = open(&[]).await;
        let twice = [messages(&[READY]), messages(&ONE_ROW)].concat();
        server.write_all(&twice).await.unwrap();

        let early = conversation.ask("SELECT 1").await.unwrap();
        assert!(early.is_empty());
        assert!(is_closed(&mut conversation).await);
        assert!(!conversation.is_settled());
        assert!(conversation.settle().await.is_err());
    }

    #[tokio::test]
    async fn a_server_that_takes_its_leave_is_taken_at_its_word() {
        let (mut conversation, mut server) = open(&[]).await;
        let leave = messages(&[(b'E', b"VFATAL\0C57P01\0Mshutting down\0\0")]);
        server.write_all(&leave).await.unwrap();

        assert!(is_closed(&mut conversation).await);
        assert!(!conversation.is_settled());
    }

    #[tokio::test]
    async fn an_error_ends_what_was_asked_and_not_the_conversation() {
        let (mut conversation, mut server) = open(&[]).await;
        let refused = [(b'E', &b"VERROR\0C42601\0Msyntax\0\0"[..]), READY];
        server.write_all(&messages(&refused)).await.unwrap();
        assert_eq!(
            conversation.ask("SELEC 1").await.unwrap_err().code(),
            Some("42601")
        );
        assert!(conversation.is_settled());

        server.write_all(&messages(&ONE_ROW)).await.unwrap();
        assert_eq!(conversation.ask("SELECT 1").await.unwrap().len(), 1);
    }

    #[tokio::test]
    async fn whoever_lets_go_says_farewell() {
        let (conversation, mut server) = open(&[]).await;
        drop(conversation);

        let mut said = Vec::new();
        server.read_to_end(&mut said).await.unwrap();
        assert_eq!(said, messages(&[(b'X', b"")]));
    }
}

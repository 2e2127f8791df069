//! The log as it grows, by WebSocket (RFC 6455).
//!
//! The connection is taken over from the HTTP server after its handshake. What is to be sent is made when the client
//! has taken what was sent before, and what it says is read in between. So it has no queue of its own, and no buffer
//! while nothing happens.

mod frames;
mod handshake;
mod message;
mod origin;
mod output;

use std::future::pending;
use std::io::{self, ErrorKind};
use std::time::Duration;

use actix_http::ws::CloseCode;
use actix_web::rt::net::TcpStream;
use actix_web::web::BytesMut;
use fairlead_domain::access::ViewEvents;
use fairlead_domain::store::StoreError;
use tokio::io::AsyncWriteExt as _;
use tokio::select;
use tokio::time::{Instant, Interval, sleep_until, timeout};
use tokio_util::bytes::Buf;

use super::stay;
use crate::authentication::{KeptCredential, Standing};
use crate::problem::{Kind, Problem};
use crate::realtime::{Follower, Step};
use crate::upgrade::{LINGER, Upgraded, hang_up};
use frames::{Frames, Received};
use message::{Said, Told};
use output::Output;

pub(super) use handshake::configure;

/// Messages that a client may send between two looks at it, and frames of any kind.
const MOST_MESSAGES: u32 = 100;
const MOST_FRAMES: u32 = 1_000;
/// A message whose rest does not come is not waited for any longer.
const UNFINISHED: Duration = Duration::from_secs(10);
/// Why the connection of one who may not follow any more is closed: 401 among the codes that are free to use.
const CREDENTIAL_ENDED: CloseCode = CloseCode::Other(4401);

/// A connection under way.
struct Socket {
    credential: KeptCredential,
    follower: Follower,
    frames: Frames,
    output: Output,
    ticks: Interval,
    /// Of the handshake.
    trace: Option<String>,
    /// When the client was asked last whether it is there.
    pinged: Instant,
    /// When it was asked first since it was heard last.
    unanswered: Option<Instant>,
    /// Since the last look at it.
    messages: u32,
    frames_taken: u32,
    is_over: bool,
}

impl Socket {
    /// `trace` is that of the handshake.
    fn new(credential: KeptCredential, follower: Follower, trace: Option<String>) -> Self {
        Self {
            credential,
            follower,
            frames: Frames::default(),
            output: Output::default(),
            ticks: stay::ticks(),
            trace,
            pinged: Instant::now(),
            unanswered: None,
            messages: 0,
            frames_taken: 0,
            is_over: false,
        }
    }

    /// Goes on until the client or we have had enough.
    async fn run(mut self, upgraded: Upgraded) {
        let Upgraded {
            mut stream,
            input,
            output,
        } = upgraded;
        if let Err(error) = self.converse(&mut stream, input, output).await {
            // Clients go at any time.
            let connection = self.follower.open().connection();
            tracing::debug!(error = &error as &dyn std::error::Error, connection.id = %connection.id, "a connection broke");
            return;
        }
        drop(self);
        hang_up(stream).await;
    }

    async fn converse(&mut self, stream: &mut TcpStream, input: BytesMut, head: BytesMut) -> io::Result<()> {
        self.send(stream, head.freeze()).await?;
        self.frames.push(&input);
        drop(input);
        self.take().await;
        loop {
            while self.output.is_empty() && !self.is_over {
                if self.follower.is_behind() {
                    self.catch_up(stream).await;
                } else {
                    self.wait(stream).await;
                }
            }
            if self.output.is_empty() {
                return Ok(());
            }
            self.follower.leave_queue();
            let (bytes, events) = self.output.take();
            self.follower.open().note_sent(events, bytes.len());
            self.send(stream, bytes).await?;
        }
    }

    /// Sends all of it. Who takes nothing for long is left, and so is who may not follow any more meanwhile.
    async fn send(&mut self, stream: &mut TcpStream, mut bytes: impl Buf) -> io::Result<()> {
        let mut taken = Instant::now();
        while bytes.has_remaining() {
            select! {
                biased;
                // There is but one chunk, which is cheaper to send alone than as one of many.
                count = stream.write(bytes.chunk()) => {
                    match count? {
                        0 => return Err(ErrorKind::WriteZero.into()),
                        count => bytes.advance(count),
                    }
                    taken = Instant::now();
                }
                _ = self.ticks.tick() => {
                    if taken.elapsed() > self.follower.services().settings.socket_silence {
                        return Err(ErrorKind::TimedOut.into());
                    }
                    // In the middle of a frame nothing can be said, so it is all the same whether it may not or nobody knows.
                    if self.standing().await != Standing::May {
                        return Err(ErrorKind::PermissionDenied.into());
                    }
                }
                () = self.follower.is_to_leave() => {
                    return timeout(LINGER, stream.write_all_buf(&mut bytes)).await?;
                }
            }
        }
        Ok(())
    }

    /// Reads a stretch of the log to its end, once it may, and hears what is said until then.
    async fn catch_up(&mut self, stream: &TcpStream) {
        while !self.is_over && self.hear(stream).await {}
        if self.is_over || !self.output.is_empty() || !self.follower.is_behind() {
            return;
        }
        let due = self.output.batch_due();
        select! {
            biased;
            _ = self.ticks.tick() => return self.check().await,
            _ = stream.readable() => return,
            () = until(due) => return self.output.send_batch(),
            () = self.follower.ready() => {}
        }
        let step = self
            .follower
            .step(|event, shown| self.output.tell(event, shown))
            .await;
        self.heed(step);
        self.output.send_batch_if_due();
    }

    async fn wait(&mut self, stream: &TcpStream) {
        let due = self.output.batch_due();
        let step = select! {
            biased;
            // Before the look: what came while there was no room to ask is heard first.
            _ = stream.readable() => {
                self.hear(stream).await;
                return;
            }
            _ = self.ticks.tick() => return self.check().await,
            () = until(due) => return self.output.send_batch(),
            step = self.follower.step(|event, shown| self.output.tell(event, shown)) => step,
        };
        self.heed(step);
    }

    fn heed(&mut self, step: Result<Step, StoreError>) {
        match step {
            Ok(Step::GoesOn) => {}
            Ok(Step::Closing) => self.send_away("the server stops", CloseCode::Restart),
            Ok(Step::Ended) => self.send_away("an operator has closed the connection", CloseCode::Again),
            Ok(Step::Dropped) => self.send_away("the events that come next are gone", CloseCode::Again),
            Err(error) => {
                self.log(&error, "a client cannot be told of events");
                self.send_away("the events cannot be read just now", CloseCode::Again);
            }
        }
    }

    fn log(&self, error: &(dyn std::error::Error + 'static), message: &'static str) {
        let connection = self.follower.open().connection();
        tracing::warn!(error, trace_id = self.trace, connection.id = %connection.id, message);
    }

    /// Has the client come back later, and tells it from where to go on.
    fn send_away(&mut self, reason: &'static str, code: CloseCode) {
        self.output.send_batch();
        let cursor = self.follower.cursor();
        let retry_ms = stay::retry_ms();
        self.output
            .say(&Told::Closing { reason, retry_ms }, cursor.as_deref());
        self.close(code, reason);
    }

    fn close(&mut self, code: CloseCode, reason: &str) {
        if !self.is_over {
            self.output.close(code, reason);
            self.is_over = true;
        }
    }

    /// Ends the connection of one who is gone or may not follow any more, and asks others whether they are there.
    async fn check(&mut self) {
        if self.is_over {
            return;
        }
        (self.messages, self.frames_taken) = (0, 0);
        let settings = &self.follower.services().settings;
        let (ping, silence) = (settings.socket_ping, settings.socket_silence);
        let is_older = |since: Option<Instant>, limit| since.is_some_and(|since| since.elapsed() > limit);
        let standing = select! {
            biased;
            // Whoever is sent away does not wait for a database that does not answer: the next step tells why.
            () = self.follower.is_to_leave() => return,
            standing = self.standing() => standing,
        };
        if standing == Standing::MayNot {
            self.close(
                CREDENTIAL_ENDED,
                "the credential has expired or was revoked, or may not do this any more",
            );
        } else if standing == Standing::Unknown {
            self.send_away(
                "whether the credential counts cannot be found out just now",
                CloseCode::Again,
            );
        } else if is_older(self.unanswered, silence) {
            self.close(
                CloseCode::Policy,
                "nothing was heard for long: pings must be answered",
            );
        } else if is_older(self.frames.unfinished_since(), UNFINISHED) {
            self.close(CloseCode::Policy, "the rest of a message did not come for 10 s");
        } else if self.pinged.elapsed() + stay::CHECK_EVERY > ping {
            self.pinged = Instant::now();
            self.unanswered.get_or_insert(self.pinged);
            self.output.ping();
            // Whoever wants few events need not be given the others again to see that they are none.
            if let Some(cursor) = self.follower.new_cursor() {
                self.output.send_batch();
                self.output.say(&Told::Cursor {}, Some(&cursor));
            }
        }
    }

    async fn standing(&self) -> Standing {
        // In a box, for as long as it takes.
        Box::pin(stay::still_may(&self.credential, self.follower.services())).await
    }

    /// Takes what has come from the client; `false`: nothing has.
    async fn hear(&mut self, stream: &TcpStream) -> bool {
        match self.frames.read(stream) {
            Err(error) if error.kind() == ErrorKind::WouldBlock => return false,
            Ok(0) | Err(_) => self.is_over = true,
            Ok(_) => self.take().await,
        }
        true
    }

    async fn take(&mut self) {
        self.follower.open().note_heard();
        self.unanswered = None;
        while !self.is_over {
            match self.frames.next() {
                Ok(Some(received)) => Box::pin(self.answer(received)).await,
                Ok(None) => return,
                Err(fault) => self.close(fault.code, fault.reason),
            }
        }
    }

    async fn answer(&mut self, received: Received) {
        self.frames_taken += 1;
        self.messages += u32::from(matches!(received, Received::Text(_)));
        if self.messages > MOST_MESSAGES || self.frames_taken > MOST_FRAMES {
            return self.close(CloseCode::Policy, "too many messages at once");
        }
        match received {
            Received::Ping(payload) => self.output.pong(payload),
            Received::Part | Received::Pong => {}
            Received::Close => self.close(CloseCode::Normal, ""),
            Received::Text(text) => {
                self.follower.open().note_received();
                if let Err(problem) = self.heed_said(&text).await {
                    if let Some(cause) = problem.cause() {
                        self.log(cause, "what a client said cannot be done");
                    }
                    let mut view = problem.view();
                    view.instance = self.trace.as_ref().map(|trace| format!("urn:trace:{trace}"));
                    self.output.say(&Told::Error(view), None);
                }
            }
        }
    }

    async fn heed_said(&mut self, text: &str) -> Result<(), Problem> {
        let max_depth = self.follower.services().settings.max_json_depth;
        let said = message::read(text, max_depth)?;
        if said.asks_the_database()
            && let Some(limits) = &self.follower.services().rate_limits
        {
            limits.take_of_tenant(self.follower.permit().scope())?;
        }
        match said {
            Said::Subscribe(said) => {
                let subscription = said.parse()?;
                let from = subscription.cursor.as_deref();
                let from = from.map(|cursor| self.follower.open_cursor(cursor)).transpose()?;
                self.output.send_batch();
                let told = Told::Subscribed {
                    events: subscription.wanted.types.clone(),
                };
                self.follower.subscribe(subscription.wanted, from).await?;
                self.output.set_batches(subscription.batch);
                let cursor = self.follower.cursor();
                self.output.say(&told, cursor.as_deref());
            }
            Said::Unsubscribe => {
                self.output.send_batch();
                let cursor = self.follower.cursor();
                self.follower.unsubscribe();
                self.output.say(&Told::Unsubscribed {}, cursor.as_deref());
            }
            Said::Authenticate { token } => {
                self.renew(&token).await?;
                self.output.say(&Told::Authenticated {}, None);
            }
            Said::Ping => self.output.say(&Told::Pong {}, None),
        }
        Ok(())
    }

    /// Goes on with another access token of the same user.
    async fn renew(&mut self, token: &str) -> Result<(), Problem> {
        let credential = KeptCredential::Token(token.into());
        let caller = credential.caller(self.follower.services()).await?;
        let permit = caller.permit::<ViewEvents>()?;
        let ours = self.follower.permit();
        if permit.scope().tenant() != ours.scope().tenant() || permit.actor() != ours.actor() {
            return Err(Problem::client(
                Kind::NotPermitted,
                "the token is of somebody else; open another connection for them",
            ));
        }
        self.credential = credential;
        Ok(())
    }
}

async fn until(moment: Option<Instant>) {
    match moment {
        Some(moment) => sleep_until(moment).await,
        None => pending().await,
    }
}

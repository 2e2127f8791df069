//! Requests that would rather speak another protocol (RFC 9110, section 7.8).
//!
//! One that opens a WebSocket is answered by the same services as any other. Where the answer is 101, what its handler
//! has made takes the connection over, and the server's buffers with it: they are most of what a connection takes that
//! only waits.

use std::cell::OnceCell;
use std::future::poll_fn;
use std::io;
use std::pin::pin;
use std::rc::Rc;
use std::time::Duration;

use actix_codec::{Encoder as _, Framed, FramedParts};
use actix_http::h1::{Codec, Message};
use actix_http::{ConnectionType, Request, Response};
use actix_service::{IntoServiceFactory, Service, ServiceFactory, fn_factory, fn_service};
use actix_web::body::{BodySize, BoxBody, MessageBody};
use actix_web::dev::{AppConfig, RequestHead};
use actix_web::http::header;
use actix_web::rt::net::TcpStream;
use actix_web::web::BytesMut;
use actix_web::{HttpResponse, HttpResponseBuilder};
use futures_util::FutureExt as _;
use futures_util::future::LocalBoxFuture;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::time::timeout;

/// How long a connection that we have closed waits for its client to close it too.
pub(crate) const LINGER: Duration = Duration::from_secs(1);

/// A connection after its handshake.
#[derive(Debug)]
pub(crate) struct Upgraded {
    pub(crate) stream: TcpStream,
    /// What the client has sent already.
    pub(crate) input: BytesMut,
    /// The answer to the handshake, which is to be sent first.
    pub(crate) output: BytesMut,
}

/// What goes on with a connection; a part of the answer to its handshake.
struct Successor(Box<dyn FnOnce(Upgraded) -> LocalBoxFuture<'static, ()>>);

/// Whether it opens a WebSocket. Whoever offers anything else, such as `h2c`, is answered as if it had not.
pub(crate) fn is_web_socket(head: &RequestHead) -> bool {
    let upgrade = head.headers().get(header::UPGRADE);
    upgrade.is_some_and(|value| value.as_bytes().eq_ignore_ascii_case(b"websocket"))
}

/// Ends a handshake: `run` goes on with the connection.
pub(crate) fn switch_protocols<F>(
    mut response: HttpResponseBuilder,
    run: impl FnOnce(Upgraded) -> F + 'static,
) -> HttpResponse
where
    F: Future<Output = ()> + 'static,
{
    let mut response = response.finish();
    let successor = Successor(Box::new(move |upgraded| Box::pin(run(upgraded))));
    response.extensions_mut().insert(successor);
    response
}

/// The services of a thread, once they are made.
pub(crate) struct Made<S>(Rc<OnceCell<Rc<S>>>);

/// Has an application answer requests, and keeps what it makes for those that open a WebSocket.
pub(crate) fn keep<A, S>(
    app: impl IntoServiceFactory<A, Request>,
    Made(made): Made<S>,
) -> impl ServiceFactory<Request, Config = (), Response = S::Response, Error = S::Error, InitError = A::InitError>
where
    A: ServiceFactory<Request, Config = AppConfig, Response = S::Response, Error = S::Error, Service = S>
        + 'static,
    S: Service<Request> + 'static,
{
    let app = app.into_factory();
    fn_factory(move || {
        let service = app.new_service(AppConfig::default());
        let made = Rc::clone(&made);
        async move {
            let service = Rc::new(service.await?);
            Ok(Rc::clone(made.get_or_init(|| service)))
        }
    })
}

/// Answers requests that open a WebSocket.
pub(crate) fn upgrades<S>(
    Made(made): Made<S>,
) -> impl ServiceFactory<
    (Request, Framed<TcpStream, Codec>),
    Config = (),
    Response = (),
    Error = actix_http::Error,
    InitError = (),
>
where
    S: Service<Request> + 'static,
    S::Response: Into<Response<BoxBody>>,
    S::Error: Into<Response<BoxBody>>,
{
    fn_service(move |(request, framed)| {
        let service = made
            .get()
            .expect("services are made before connections are taken");
        // In boxes: each connection would have room for them, also those that speak nothing but HTTP.
        let answer = Box::pin(answer(Rc::clone(service), request, framed));
        async {
            if let Some(next) = answer.await {
                next.await;
            }
            Ok(())
        }
        .boxed_local()
    })
}

/// Answers a request, and returns what goes on with its connection.
async fn answer<S>(
    service: Rc<S>,
    request: Request,
    framed: Framed<TcpStream, Codec>,
) -> Option<LocalBoxFuture<'static, ()>>
where
    S: Service<Request>,
    S::Response: Into<Response<BoxBody>>,
    S::Error: Into<Response<BoxBody>>,
{
    let mut response = match service.call(request).await {
        Ok(response) => response.into(),
        Err(error) => error.into(),
    };
    let successor = response.extensions_mut().remove::<Successor>();
    let FramedParts {
        io: mut stream,
        mut codec,
        read_buf: input,
        write_buf: mut output,
        ..
    } = framed.into_parts();
    if let Some(Successor(run)) = successor {
        let head = Message::Item((response.drop_body(), BodySize::None));
        codec
            .encode(head, &mut output)
            .expect("an answer without a body can be written down");
        return Some(run(Upgraded {
            stream,
            input,
            output,
        }));
    }
    match refuse(&mut stream, response, codec, output).await {
        Ok(()) => hang_up(stream).await,
        // Clients go at any time.
        Err(error) => tracing::debug!(
            error = &error as &dyn std::error::Error,
            "an answer could not be sent"
        ),
    }
    None
}

/// Answers that the protocol stays as it is. What comes behind such a request cannot be told from another protocol, so
/// it is the last of its connection.
async fn refuse(
    stream: &mut TcpStream,
    mut response: Response<BoxBody>,
    mut codec: Codec,
    mut output: BytesMut,
) -> io::Result<()> {
    response.head_mut().set_connection_type(ConnectionType::Close);
    let (response, body) = response.into_parts();
    let mut body = pin!(body);
    codec.encode(Message::Item((response, body.size())), &mut output)?;
    let has_body = !matches!(body.size(), BodySize::None);
    while has_body && let Some(chunk) = poll_fn(|context| body.as_mut().poll_next(context)).await {
        let chunk = chunk.map_err(|error| io::Error::other(error.to_string()))?;
        codec.encode(Message::Chunk(Some(chunk)), &mut output)?;
        stream.write_all_buf(&mut output).await?;
    }
    if has_body {
        codec.encode(Message::Chunk(None), &mut output)?;
    }
    stream.write_all_buf(&mut output).await
}

/// Closes a connection, and takes what still comes on it for a moment: the client would lose what it was sent last.
pub(crate) async fn hang_up(mut stream: TcpStream) {
    let mut ignored = [0; 512];
    let closed = async {
        stream.shutdown().await?;
        while stream.read(&mut ignored).await? > 0 {}
        io::Result::Ok(())
    };
    // A client that does not close is left, and one that is gone cannot be told.
    let _ = timeout(LINGER, closed).await;
}

impl<S> Default for Made<S> {
    fn default() -> Self {
        Self(Rc::default())
    }
}

impl<S> Clone for Made<S> {
    fn clone(&self) -> Self {
        Self(Rc::clone(&self.0))
    }
}

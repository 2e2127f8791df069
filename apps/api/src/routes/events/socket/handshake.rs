//! How a connection becomes a WebSocket (RFC 6455, 4.2).

use actix_http::ws::{HandshakeError, hash_key, verify_handshake};
use actix_web::http::header;
use actix_web::{HttpRequest, HttpResponse, get, guard, web};
use fairlead_domain::access::ViewEvents;
use fairlead_domain::events::FollowError;
use fairlead_telemetry::request;
use utoipa_actix_web::service_config::ServiceConfig;

use super::Socket;
use super::origin::{self, OtherOrigin};
use crate::Services;
use crate::authentication::{KeptCredential, Permitted};
use crate::problem::{Kind, Problem};
use crate::realtime::{ConnectionKind, Follower};
use crate::spec::{Problematic, Problems};
use crate::upgrade;

/// What the client and we speak, when it offers more than one.
const PROTOCOL: &str = "fairlead.v1";

pub(in crate::routes::events) fn configure(config: &mut ServiceConfig) {
    // Where clients look for it that know the log by its path; the specification has the other.
    let upgrade = guard::fn_guard(|context| upgrade::is_web_socket(context.head()));
    config
        .service(web_socket)
        .route("/events", web::get().guard(upgrade).to(open));
}

/// Follow the log by WebSocket.
///
/// The client says `{"type": "subscribe", "events": ["lead_created"], "cursor": "…"}`, and is told each event as
/// `{"type", "data", "cursor"}`, the data in the envelope of the log. What a client may say and is told stands in
/// `docs/events.md`. One that comes back with the last cursor misses nothing. Pages give their access token as a
/// subprotocol, `bearer.<token>`, beside `fairlead.v1`.
#[utoipa::path(
    tag = "events",
    operation_id = "openWebSocket",
    responses(
        (status = 101, description = "The connection speaks WebSocket from here on."),
        Problems<NoHandshake>,
        Problems<OtherOrigin>,
        Problems<FollowError>,
    ),
    extensions(("x-permit" = json!("ViewEvents"))),
)]
#[get("/ws")]
async fn web_socket(
    request: HttpRequest,
    services: web::Data<Services>,
    permit: Permitted<ViewEvents>,
) -> Result<HttpResponse, Problem> {
    open(request, services, permit).await
}

async fn open(
    request: HttpRequest,
    services: web::Data<Services>,
    permit: Permitted<ViewEvents>,
) -> Result<HttpResponse, Problem> {
    verify_handshake(request.head()).map_err(NoHandshake)?;
    if !upgrade::is_web_socket(request.head()) {
        return Err(NoHandshake(HandshakeError::NoWebsocketUpgrade).into());
    }
    origin::check(&request, &services.settings.allowed_origins)?;
    let credential = KeptCredential::of(&request)?;
    let follower = Follower::join(services, permit.into_inner(), ConnectionKind::WebSocket).await?;
    let trace = request::current().map(|context| context.trace_id().to_string());
    let socket = Socket::new(credential, follower, trace);
    let key = request.headers().get(header::SEC_WEBSOCKET_KEY);
    let key = key.expect("the handshake was verified");
    let mut response = HttpResponse::SwitchingProtocols();
    response
        .upgrade("websocket")
        .insert_header((header::SEC_WEBSOCKET_ACCEPT, hash_key(key.as_bytes()).to_vec()));
    if offers_protocol(&request) {
        response.insert_header((header::SEC_WEBSOCKET_PROTOCOL, PROTOCOL));
    }
    Ok(upgrade::switch_protocols(response, |upgraded| {
        socket.run(upgraded)
    }))
}

/// The request opens no WebSocket.
#[derive(Clone, Copy, Debug)]
struct NoHandshake(HandshakeError);

impl From<NoHandshake> for Problem {
    fn from(NoHandshake(error): NoHandshake) -> Self {
        match error {
            HandshakeError::BadWebsocketKey => Self::client(
                Kind::MalformedRequest,
                "Sec-WebSocket-Key must be there: 16 random bytes in base64",
            ),
            HandshakeError::GetMethodRequired
            | HandshakeError::NoWebsocketUpgrade
            | HandshakeError::NoConnectionUpgrade
            | HandshakeError::NoVersionHeader
            | HandshakeError::UnsupportedVersion => Self::client(Kind::UpgradeRequired, error.to_string()),
        }
    }
}

impl Problematic for NoHandshake {
    const KINDS: &'static [Kind] = &[Kind::MalformedRequest, Kind::UpgradeRequired];
}

fn offers_protocol(request: &HttpRequest) -> bool {
    let offers = request.headers().get_all(header::SEC_WEBSOCKET_PROTOCOL);
    let mut offered = offers
        .filter_map(|offer| offer.to_str().ok())
        .flat_map(|offer| offer.split(','));
    offered.any(|protocol| protocol.trim() == PROTOCOL)
}

//! Clients that stay with this process: WebSockets and streams of events.

use std::sync::Arc;
use std::time::Duration;

use actix_web::{HttpResponse, delete, get, post, web};
use fairlead_domain::identity::TenantId;
use fairlead_domain::paging::{DEFAULT_LIMIT, MAX_LIMIT};
use serde::Serialize;
use time::OffsetDateTime;
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use crate::Services;
use crate::authentication::Operator;
use crate::path::PathId;
use crate::problem::Problem;
use crate::query::{FromQuery, QueryOf, QueryReader};
use crate::realtime::{Connection, OfTenant, Traffic};

/// Tenants that are counted one by one: those with the most connections.
const MOST_TENANTS: usize = 20;
/// How long after it was asked a client that is there is heard of, also where the way is long.
const ANSWERED_WITHIN: Duration = Duration::from_secs(5);
/// A stream is sent something as often, whatever happens.
const MOST_QUIET: Duration = Duration::from_secs(20);

/// What a [`ListQuery`] is read from, for the specification.
#[derive(IntoParams)]
#[into_params(parameter_in = Query, rename_all = "camelCase")]
#[expect(dead_code, reason = "documents parameters")]
struct ListParameters {
    /// Connections of this tenant.
    #[param(nullable = false)]
    tenant_id: Option<Uuid>,
    /// How many are answered at the most.
    #[param(minimum = 1, maximum = 200, default = 50, nullable = false)]
    limit: Option<u32>,
    /// `nextCursor` of the page before.
    #[param(nullable = false)]
    cursor: Option<Uuid>,
}

#[derive(Debug)]
struct ListQuery {
    tenant: Option<Uuid>,
    after: Option<Uuid>,
    limit: u32,
}

impl FromQuery for ListQuery {
    fn read(query: &mut QueryReader) -> Self {
        Self {
            tenant: query.uuid("tenantId"),
            after: query.uuid("cursor"),
            limit: query.integer("limit", 1..=MAX_LIMIT).unwrap_or(DEFAULT_LIMIT),
        }
    }
}

/// The clients that stay with this process, the oldest first.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Connections)]
struct ConnectionsView {
    /// Open WebSockets, of all tenants.
    web_sockets: u64,
    /// Open streams, of all tenants.
    streams: u64,
    /// Events that were sent since the process began.
    sent_events: u64,
    /// Bytes that were sent since the process began.
    sent_bytes: u64,
    /// Messages of clients since the process began.
    received_messages: u64,
    /// The tenants with the most connections, 20 at the most.
    tenants: Vec<TenantConnectionsView>,
    items: Vec<ConnectionView>,
    /// Where the next page begins; `null` on the last one.
    #[schema(required = true)]
    next_cursor: Option<Uuid>,
    has_more: bool,
}

#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = TenantConnections)]
struct TenantConnectionsView {
    tenant_id: Uuid,
    web_sockets: u64,
    streams: u64,
}

/// One client that stays.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Connection)]
struct ConnectionView {
    id: Uuid,
    /// `websocket` or `stream`.
    kind: &'static str,
    tenant_id: Uuid,
    /// Who follows: `user:<id>` or `api-key:<id>`.
    actor: String,
    #[serde(with = "time::serde::rfc3339")]
    since: OffsetDateTime,
    /// How long nothing was heard of a WebSocket's client; of a stream, how long there was no room to send more.
    silent_for_seconds: f64,
    sent_events: u64,
    sent_bytes: u64,
    received_messages: u64,
    /// Events that were left for later when it was told some last; of one that takes nothing this stands still.
    waiting: u64,
    /// Whether it goes through the log to catch up.
    is_behind: bool,
    /// The types of events that it wants, of which none means all; `null`: it has not said.
    #[schema(required = true)]
    events: Option<Vec<String>>,
    /// The kind of things that it wants events about; `null`: all kinds, or it has not said.
    #[schema(required = true)]
    aggregate_type: Option<&'static str>,
    /// The thing that it wants events about; `null`: all of the kind.
    #[schema(required = true)]
    aggregate_id: Option<Uuid>,
}

/// What a cleanup has done.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = CleanedConnections, example = json!({"ended": 3}))]
struct CleanedView {
    /// Connections that were told to end.
    ended: usize,
}

impl From<&Connection> for ConnectionView {
    fn from(connection: &Connection) -> Self {
        let wanted = connection.subscribed();
        let aggregate = wanted.as_ref().and_then(|wanted| wanted.aggregate);
        Self {
            id: connection.id,
            kind: connection.kind.as_str(),
            tenant_id: connection.tenant.as_uuid(),
            actor: connection.actor.to_string(),
            since: connection.since,
            silent_for_seconds: connection.silent_for().as_secs_f64(),
            sent_events: connection.sent_events(),
            sent_bytes: connection.sent_bytes(),
            received_messages: connection.received(),
            waiting: connection.waiting(),
            is_behind: connection.is_behind(),
            events: wanted.map(|wanted| wanted.types),
            aggregate_type: aggregate.map(|about| about.aggregate.as_str()),
            aggregate_id: aggregate.and_then(|about| about.id),
        }
    }
}

/// List the clients that stay with this process.
///
/// WebSockets and streams of events, the oldest first, with what was sent to them and whether they keep up. Each
/// process knows its own.
#[utoipa::path(
    tag = "platform",
    operation_id = "listConnections",
    params(ListParameters),
    responses((status = 200, description = "Who follows.", body = ConnectionsView, example = json!({
        "webSockets": 1, "streams": 0, "sentEvents": 1204, "sentBytes": 774_112, "receivedMessages": 1,
        "tenants": [{"tenantId": "01934f6e-7b1a-7cc3-98a4-0242ac120001", "webSockets": 1, "streams": 0}],
        "items": [{
            "id": "01934f6e-7b1a-7cc3-98a4-0242ac120031", "kind": "websocket",
            "tenantId": "01934f6e-7b1a-7cc3-98a4-0242ac120001",
            "actor": "user:01934f6e-7b1a-7cc3-98a4-0242ac120003", "since": "2026-11-21T10:00:00Z",
            "silentForSeconds": 12.4, "sentEvents": 1204, "sentBytes": 774_112, "receivedMessages": 1,
            "waiting": 0, "isBehind": false, "events": ["lead_created"],
            "aggregateType": "lead", "aggregateId": null,
        }],
        "nextCursor": null, "hasMore": false,
    }))),
    extensions(("x-permit" = json!("Operator"))),
)]
#[get("/performance/websocket/connections")]
pub(super) async fn list(
    services: web::Data<Services>,
    _operator: Operator,
    query: QueryOf<ListQuery>,
) -> HttpResponse {
    let ListQuery { tenant, after, limit } = query.0;
    let by_tenant = services.connections.by_tenant();
    let Traffic {
        events,
        bytes,
        received,
    } = services.connections.traffic();
    let wanted = |connection: &Arc<Connection>| {
        tenant.is_none_or(|tenant| connection.tenant.as_uuid() == tenant)
            && after.is_none_or(|after| connection.id > after)
    };
    let limit = limit as usize;
    let mut found: Vec<_> = services.connections.list();
    found.retain(wanted);
    let has_more = found.len() > limit;
    found.truncate(limit);
    HttpResponse::Ok().json(ConnectionsView {
        web_sockets: by_tenant.iter().map(|of| of.sockets).sum(),
        streams: by_tenant.iter().map(|of| of.streams).sum(),
        sent_events: events,
        sent_bytes: bytes,
        received_messages: received,
        tenants: by_tenant.iter().take(MOST_TENANTS).map(of_tenant).collect(),
        next_cursor: found.last().map(|last| last.id).filter(|_| has_more),
        items: found
            .iter()
            .map(|connection| ConnectionView::from(&**connection))
            .collect(),
        has_more,
    })
}

fn of_tenant(of: &OfTenant) -> TenantConnectionsView {
    TenantConnectionsView {
        tenant_id: TenantId::as_uuid(of.tenant),
        web_sockets: of.sockets,
        streams: of.streams,
    }
}

/// What a [`CleanupQuery`] is read from, for the specification.
#[derive(IntoParams)]
#[into_params(parameter_in = Query, rename_all = "camelCase")]
#[expect(dead_code, reason = "documents parameters")]
struct CleanupParameters {
    /// End those of which nothing was heard for so long; without it five seconds longer than `events.stream.ping_ms`, which
    /// is 30.
    #[param(minimum = 1, maximum = 3600, nullable = false)]
    silent_for_seconds: Option<u64>,
}

#[derive(Debug)]
struct CleanupQuery {
    silent_for: Option<Duration>,
}

impl FromQuery for CleanupQuery {
    fn read(query: &mut QueryReader) -> Self {
        let seconds = query.integer("silentForSeconds", 1..=3600);
        Self {
            silent_for: seconds.map(Duration::from_secs),
        }
    }
}

/// Of a client that is there something is heard within so long, be it a WebSocket's or a stream's.
fn usual_silence(ping: Duration) -> Duration {
    ping.max(MOST_QUIET) + ANSWERED_WITHIN
}

/// End connections whose clients are silent.
///
/// Those of this process. A client that is still there comes back with its cursor, and misses nothing. One that takes
/// nothing cannot be told; a WebSocket is let go after `events.stream.silence_ms`, and a stream after
/// `http.unread_timeout_ms`.
#[utoipa::path(
    tag = "platform",
    operation_id = "cleanUpConnections",
    params(CleanupParameters),
    responses((status = 200, description = "How many were told to end.", body = CleanedView)),
    extensions(("x-permit" = json!("Operator"))),
)]
#[post("/performance/websocket/cleanup")]
pub(super) async fn clean_up(
    services: web::Data<Services>,
    operator: Operator,
    query: QueryOf<CleanupQuery>,
) -> HttpResponse {
    let all = services.connections.list();
    let usual = usual_silence(services.settings.socket_ping);
    let silent_for = query.0.silent_for.unwrap_or(usual);
    let silent = all
        .iter()
        .filter(|connection| connection.silent_for() >= silent_for);
    let ended = silent.filter(|connection| connection.ask_to_end()).count();
    tracing::info!(
        operator = operator.0.operator(),
        ended,
        "silent connections were told to end"
    );
    HttpResponse::Ok().json(CleanedView { ended })
}

/// End one connection, whichever process has it.
///
/// The client is told to come back; with its cursor it misses nothing. Where this process does not have it the others are
/// asked to end it, and the answer is 202: none of them says whether it had it.
#[utoipa::path(
    tag = "platform",
    operation_id = "endConnection",
    params(("id" = Uuid, Path, description = "The connection's id.")),
    responses(
        (status = 204, description = "It was told to end."),
        (status = 202, description = "It is none of this process; the others were asked to end it."),
    ),
    extensions(("x-permit" = json!("Operator"))),
)]
#[delete("/performance/websocket/connection/{id}")]
pub(super) async fn end(
    services: web::Data<Services>,
    operator: Operator,
    id: PathId<Connection>,
) -> Result<HttpResponse, Problem> {
    let connection = id.0.as_uuid();
    let is_here = services.connections.end(connection);
    if !is_here {
        services.others.end_connection(connection).await?;
    }
    tracing::info!(operator = operator.0.operator(), connection.id = %id.0, is_here, "a connection was told to end");
    Ok(if is_here {
        HttpResponse::NoContent().finish()
    } else {
        HttpResponse::Accepted().finish()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whoever_answers_each_ping_is_not_taken_for_silent() {
        let silence = |ping| usual_silence(Duration::from_secs(ping)).as_secs();

        assert_eq!(
            (silence(1), silence(25), silence(60), silence(600)),
            (25, 30, 65, 605)
        );
    }
}

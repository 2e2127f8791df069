use actix_web::{HttpResponse, get, web};
use fairlead_domain::database::{Holder, NodeReport, NodeRole, PoolReport, WaitTimes};
use serde::Serialize;
use utoipa::ToSchema;

use crate::Services;
use crate::authentication::Operator;
use crate::problem::Problem;
use crate::units::milliseconds;

/// The servers of the database, and the pools of connections to them.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = ConnectionPools, example = json!({"nodes": [{
    "name": "replica-1", "role": "replica", "inRotation": true, "standing": "serves", "position": "1/16/B374D848",
    "lagBytes": 0, "lagMs": 0.0, "unappliedBytes": 0, "latencyMs": 0.4,
    "pools": [{
        "role": "app", "min": 2, "max": 20, "open": 6, "idle": 4, "active": 2, "waiting": 0, "utilisation": 0.1,
        "acquireTimeoutMs": 3000, "lent": 912_000, "timeouts": 0, "waits": {"count": 91_500, "p50Ms": 0.003, "p95Ms": 0.008, "p99Ms": 0.05},
        "holders": [{"name": "GET /api/v1/leads", "requestId": "b7c1", "heldMs": 0.7, "statement": "SELECT \"leads\".\"id\""}],
    }],
}]}))]
struct ConnectionPoolsView {
    /// The primary first.
    nodes: Vec<NodeView>,
}

/// One server, as it was seen last.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = DatabaseNode)]
struct NodeView {
    name: String,
    role: RoleView,
    /// Whether it gets work.
    in_rotation: bool,
    /// How it stands, in words that follow its name.
    standing: &'static str,
    /// Timeline and log position: of the primary as of the last look, of a replica as far as it has replayed.
    position: String,
    /// How many bytes of the log a replica is behind; `null` of the primary, and when it is not known: while either of the
    /// two is out of sight.
    #[schema(required = true, minimum = 0)]
    lag_bytes: Option<u64>,
    /// How long a replica is behind at the most; `null` of the primary, and when it is not known.
    #[schema(required = true, minimum = 0)]
    lag_ms: Option<f64>,
    /// Received by a replica and not replayed yet; `null` of the primary, and while the replica is out of sight.
    #[schema(required = true, minimum = 0)]
    unapplied_bytes: Option<u64>,
    /// How long the last look took; `null` when it had no answer.
    #[schema(required = true, minimum = 0)]
    latency_ms: Option<f64>,
    pools: Vec<PoolView>,
}

#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
#[schema(as = DatabaseNodeRole)]
enum RoleView {
    Primary,
    Replica,
    Analytics,
}

/// The connections to one server as one role.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = ConnectionPool)]
struct PoolView {
    /// `app` serves requests, `system` what is cross-tenant: logins, API keys, operators.
    role: &'static str,
    min: u32,
    max: u32,
    open: u32,
    idle: u32,
    active: u32,
    /// Requests that wait for a connection.
    waiting: u32,
    /// Active connections, as a part of the most that there may be.
    utilisation: f64,
    /// How long a request waits at the most.
    acquire_timeout_ms: u64,
    /// Connections lent, since the start.
    lent: u64,
    /// Waits that ended without a connection, since the start.
    timeouts: u64,
    /// Of the last one to two minutes; `null` when nobody took a connection.
    #[schema(required = true)]
    waits: Option<WaitsView>,
    /// Who has a connection, the longest first.
    holders: Vec<HolderView>,
}

/// Upper bounds of the waits for a connection.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = ConnectionWaits)]
struct WaitsView {
    count: u64,
    p50_ms: f64,
    p95_ms: f64,
    p99_ms: f64,
}

/// Who has a connection.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = ConnectionHolder)]
struct HolderView {
    /// What it works on; `null` outside requests.
    #[schema(required = true)]
    name: Option<String>,
    #[schema(required = true)]
    request_id: Option<String>,
    held_ms: f64,
    /// The beginning of its last statement, without values.
    statement: String,
}

impl From<NodeReport> for NodeView {
    fn from(node: NodeReport) -> Self {
        Self {
            name: node.name.to_string(),
            role: match node.role {
                NodeRole::Primary => RoleView::Primary,
                NodeRole::Replica => RoleView::Replica,
                NodeRole::Analytics => RoleView::Analytics,
            },
            in_rotation: node.is_serving,
            standing: node.standing,
            position: node.position.to_string(),
            lag_bytes: node.lag.map(|lag| lag.bytes),
            lag_ms: node.lag.map(|lag| milliseconds(lag.time)),
            unapplied_bytes: node.unapplied_bytes,
            latency_ms: node.latency.map(milliseconds),
            pools: node.pools.into_iter().map(PoolView::from).collect(),
        }
    }
}

impl From<PoolReport> for PoolView {
    fn from(pool: PoolReport) -> Self {
        Self {
            role: pool.role,
            min: pool.min,
            max: pool.max,
            open: pool.open,
            idle: pool.idle,
            active: pool.active,
            waiting: pool.waiting,
            utilisation: f64::from(pool.active) / f64::from(pool.max.max(1)),
            acquire_timeout_ms: u64::try_from(pool.acquire_timeout.as_millis()).unwrap_or(u64::MAX),
            lent: pool.lent,
            timeouts: pool.timeouts,
            waits: pool.waits.map(WaitsView::from),
            holders: pool.holders.into_iter().map(HolderView::from).collect(),
        }
    }
}

impl From<WaitTimes> for WaitsView {
    fn from(waits: WaitTimes) -> Self {
        Self {
            count: waits.count,
            p50_ms: milliseconds(waits.p50),
            p95_ms: milliseconds(waits.p95),
            p99_ms: milliseconds(waits.p99),
        }
    }
}

impl From<Holder> for HolderView {
    fn from(holder: Holder) -> Self {
        Self {
            name: holder.name,
            request_id: holder.request_id,
            held_ms: milliseconds(holder.held_for),
            statement: holder.statement,
        }
    }
}

/// Measure the connections to the database.
///
/// Per server and role: how many connections are open, idle, lent and waited for, how long the waits are, and who holds
/// what; per replica: how far behind it is, and whether it gets reads or why not. Told from what is known: no
/// connection of the pools that serve tenants is needed.
#[utoipa::path(
    tag = "platform",
    operation_id = "getConnectionPools",
    responses((status = 200, description = "Of this process, now.", body = ConnectionPoolsView)),
    extensions(("x-permit" = json!("Operator"))),
)]
#[get("/performance/database/connection-pool")]
pub(super) async fn connection_pool(
    services: web::Data<Services>,
    _operator: Operator,
) -> Result<HttpResponse, Problem> {
    let nodes = services.nodes.nodes().into_iter().map(NodeView::from).collect();
    Ok(HttpResponse::Ok().json(ConnectionPoolsView { nodes }))
}

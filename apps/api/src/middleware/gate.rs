use std::sync::Arc;

use actix_web::body::MessageBody;
use actix_web::dev::ServiceRequest;
use actix_web::http::{Method, StatusCode};
use actix_web::middleware::Next;
use actix_web::{HttpMessage as _, HttpResponse};
use fairlead_domain::admission::{Arrival, Class, Done, Outcome, Party, Room};
use fairlead_telemetry::request;
use xxhash_rust::xxh3::xxh3_64_with_seed;

use super::admission::HEALTH;
use super::edge::Handled;
use crate::admission::{Extent, handling};
use crate::authentication::Presented;
use crate::problem::Problem;
use crate::read::shortcut;
use crate::state::Services;

/// Has a request handled once there is room for it behind the gate; what needs no room is handled at once.
pub(super) async fn pass<B: MessageBody + 'static>(
    request: ServiceRequest,
    next: Next<B>,
    services: &Services,
) -> Result<Handled, actix_web::Error> {
    let comes = services.gatekeeper.as_ref().zip(Comes::of(&request));
    let Some((keeper, comes)) = comes else {
        return Ok(next.call(request).await?.map_into_boxed_body().into());
    };
    if keeper.is_shedding()
        && let Some((response, route)) = kept(&request, services)
    {
        keeper.note_stand_in();
        return Ok(Handled {
            response: request.into_response(response),
            route: Some(route),
        });
    }
    let inside = match keeper.admit(comes.arrival).await {
        Ok(inside) => inside,
        Err(refusal) => return Ok(request.error_response(Problem::from(refusal)).into()),
    };
    if comes.extent == Extent::Entry {
        inside.make_room();
        return Ok(next.call(request).await?.map_into_boxed_body().into());
    }
    if let Some(context) = request::current() {
        context.take_up(&inside.place());
    }
    let method = request.method().clone();
    match next.call(request).await {
        Ok(response) => {
            let route: Option<Arc<str>> = response.request().match_pattern().map(Arc::from);
            inside.leave(done(&method, route.as_deref(), response.status()));
            Ok(Handled {
                response: response.map_into_boxed_body(),
                route,
            })
        }
        Err(error) => {
            inside.leave(done(&method, None, error.as_response_error().status_code()));
            Err(error)
        }
    }
}

/// Who comes to the gate, and how.
struct Comes {
    arrival: Arrival,
    extent: Extent,
}

impl Comes {
    /// `None`: nobody needs room for it. Pages and health are answered from memory, or must be whatever is going on; whoever
    /// has not said who it is will be asked to.
    fn of(request: &ServiceRequest) -> Option<Self> {
        // As the router sees the path.
        let path = request.match_info().as_str();
        if !path.starts_with("/api/v1/") || HEALTH.contains(&path) {
            return None;
        }
        let usual = handling(request.method(), path);
        let (party, class) = match request.extensions().get::<Presented>() {
            Some(Presented::Caller(caller)) => (Party::Tenant(caller.scope().tenant()), usual.class),
            Some(Presented::Operator(_)) => (Party::Strangers, Class::Operator),
            Some(Presented::Nothing | Presented::Refused(_)) => return None,
            None => (Party::Strangers, usual.class),
        };
        // What is included is asked for by itself.
        let is_shared = usual.extent == Extent::Shared && !request.query_string().contains("include");
        let room = if is_shared { Room::Shared } else { Room::Own };
        Some(Self {
            arrival: Arrival { party, class, room },
            extent: usual.extent,
        })
    }
}

/// What the memory has kept beyond its time is better than another failure.
fn kept(request: &ServiceRequest, services: &Services) -> Option<(HttpResponse, Arc<str>)> {
    let presented = request.extensions().get::<Presented>().cloned();
    match presented {
        Some(Presented::Caller(caller)) => shortcut::take_kept(request, &caller, services),
        _ => None,
    }
}

fn done(method: &Method, route: Option<&str>, status: StatusCode) -> Done {
    let work = request::current().map(|context| context.database_work());
    // Told apart by both: the same pattern reads and writes.
    let seed = u64::from(method.as_str().as_bytes().first().copied().unwrap_or_default());
    Done {
        operation: xxh3_64_with_seed(route.unwrap_or_default().as_bytes(), seed),
        outcome: match status {
            status if status.is_server_error() => Outcome::Failed,
            status if status.is_client_error() => Outcome::Declined,
            _ => Outcome::Succeeded,
        },
        database: work.filter(|work| work.round_trips > 0).map(|work| work.time),
    }
}

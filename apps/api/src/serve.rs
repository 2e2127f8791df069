use std::io;
use std::net::TcpListener;
use std::time::Duration;

use actix_web::dev::{Server, ServerHandle};
use actix_web::middleware::from_fn;
use actix_web::{App, HttpServer, web};
use utoipa_actix_web::AppExt as _;

use crate::fallback::{fallback, unserved};
use crate::middleware::edge;
use crate::routes;
use crate::state::Services;

/// How long a connection that we have closed waits for its client to close it too.
const LINGER: Duration = Duration::from_secs(1);

/// What a server answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Offer {
    /// All that the specification describes.
    Api,
    /// How the process fares: for one that does other work.
    Health,
}

/// Builds the server on sockets that listen already. Each thread that serves requests first calls `on_thread`.
///
/// It serves once the returned [`Server`] is awaited, and stops by the handle: with `stop(true)`, requests in flight
/// finish within `settings.shutdown`.
pub fn serve(
    services: Services,
    offer: Offer,
    listeners: Vec<TcpListener>,
    on_thread: impl Fn() + Clone + Send + 'static,
) -> io::Result<(Server, ServerHandle)> {
    let settings = services.settings.clone();
    let services = web::Data::new(services);
    let mut server = HttpServer::new(move || {
        on_thread();
        let (app, _) = App::new()
            .into_utoipa_app()
            .configure(|config| match offer {
                Offer::Api => routes::configure(config),
                Offer::Health => routes::configure_health(config),
            })
            .split_for_parts();
        app.app_data(services.clone())
            .configure(|config| match offer {
                Offer::Api => routes::configure_pages(config),
                Offer::Health => {}
            })
            .default_service(match offer {
                Offer::Api => web::to(fallback),
                Offer::Health => web::to(unserved),
            })
            .wrap(from_fn(edge))
    })
    .workers(match offer {
        Offer::Api => settings.workers,
        Offer::Health => 1,
    })
    .keep_alive(settings.keep_alive)
    .client_request_timeout(settings.client_timeout)
    .client_disconnect_timeout(LINGER)
    // A client that closes is gone, also by halves, as behind nginx. Otherwise a stream finds out when it has been silent for long, and then the second
    // thing it says is not taken.
    .h1_allow_half_closed(false)
    .shutdown_timeout(settings.shutdown.as_secs())
    // The process decides what signals mean; it stops more than the server.
    .disable_signals();
    for listener in listeners {
        server = server.listen(listener)?;
    }
    let server = server.run();
    let handle = server.handle();
    Ok((server, handle))
}

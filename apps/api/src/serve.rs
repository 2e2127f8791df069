use std::io;
use std::net::TcpListener;
use std::time::Duration;

use actix_web::dev::{Server, ServerHandle};
use actix_web::middleware::from_fn;
use actix_web::{App, HttpServer, web};
use utoipa_actix_web::AppExt as _;

use crate::fallback::fallback;
use crate::middleware::edge;
use crate::routes;
use crate::state::Services;

/// How long a connection that we have closed waits for its client to close it too.
const LINGER: Duration = Duration::from_secs(1);

/// Builds the server on sockets that listen already. Each thread that serves requests first calls `on_thread`.
///
/// It serves once the returned [`Server`] is awaited, and stops by the handle: with `stop(true)`, requests in flight
/// finish within `settings.shutdown`.
pub fn serve(
    services: Services,
    listeners: Vec<TcpListener>,
    on_thread: impl Fn() + Clone + Send + 'static,
) -> io::Result<(Server, ServerHandle)> {
    let settings = services.settings.clone();
    let services = web::Data::new(services);
    let mut server = HttpServer::new(move || {
        on_thread();
        let (app, _) = App::new()
            .into_utoipa_app()
            .configure(routes::configure)
            .split_for_parts();
        app.app_data(services.clone())
            .configure(routes::configure_pages)
            .default_service(web::to(fallback))
            .wrap(from_fn(edge))
    })
    .workers(settings.workers)
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

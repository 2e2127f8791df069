use std::io;
use std::net::TcpListener;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use actix_http::HttpService;
use actix_web::dev::{Server, ServerHandle, ServiceFactory, ServiceRequest, ServiceResponse};
use actix_web::middleware::from_fn;
use actix_web::rt::net::TcpStream;
use actix_web::{App, Error, web};
use tokio::time::{sleep, timeout};
use utoipa_actix_web::AppExt as _;

use crate::fallback::{fallback, unserved};
use crate::middleware::edge;
use crate::routes;
use crate::seats::{Seats, seated};
use crate::state::Services;
use crate::upgrade::{self, LINGER};

/// So often it is looked whether clients that are sent away are gone.
const LOOK_EVERY: Duration = Duration::from_millis(10);

/// What a server answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Offer {
    /// All that the specification describes.
    Api,
    /// How the process fares: for one that does other work.
    Health,
}

/// Clients that are connected. All clones tell of the same.
#[derive(Clone, Debug, Default)]
pub struct OpenConnections(Arc<Clients>);

#[derive(Debug, Default)]
struct Clients {
    count: AtomicU64,
    are_sent_away: AtomicBool,
}

/// A connection for as long as it is open.
struct OpenConnection(OpenConnections);

impl OpenConnections {
    pub(crate) fn count(&self) -> u64 {
        self.0.count.load(Ordering::Relaxed)
    }

    /// Whether each is to be closed with its next answer.
    pub(crate) fn are_sent_away(&self) -> bool {
        self.0.are_sent_away.load(Ordering::Relaxed)
    }

    /// Has each be closed with its next answer from now on, and returns when none is open, or after `limit`.
    ///
    /// A client that asks while its connection is closed cannot know whether it was heard. One that was told by an answer
    /// asks by another connection.
    pub async fn send_away(&self, limit: Duration) {
        self.0.are_sent_away.store(true, Ordering::Relaxed);
        let all_gone = async {
            while self.count() > 0 {
                sleep(LOOK_EVERY).await;
            }
        };
        if timeout(limit, all_gone).await.is_err() {
            let connections = self.count();
            tracing::debug!(
                connections,
                "what has asked nothing meanwhile is closed with the server"
            );
        }
    }

    fn open(&self) -> OpenConnection {
        self.0.count.fetch_add(1, Ordering::Relaxed);
        OpenConnection(self.clone())
    }
}

impl Drop for OpenConnection {
    fn drop(&mut self) {
        self.0.0.count.fetch_sub(1, Ordering::Relaxed);
    }
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
    let mut server = Server::build()
        .workers(match offer {
            Offer::Api => settings.workers,
            Offer::Health => 1,
        })
        .shutdown_timeout(settings.shutdown.as_secs())
        // The process decides what signals mean; it stops more than the server.
        .disable_signals();
    let stops = server.graceful_shutdown_signal();
    let seats = Seats::new(
        settings.max_connections_of_address,
        Arc::clone(&settings.proxies.networks),
    );
    for listener in listeners {
        let (services, on_thread, stops) = (services.clone(), on_thread.clone(), stops.clone());
        let seats = seats.clone();
        let address = listener.local_addr()?;
        server = server.listen("http", listener, move || {
            on_thread();
            let settings = &services.settings;
            let made = upgrade::Made::default();
            let requests = upgrade::keep(application(services.clone(), offer), made.clone());
            let stops = stops.clone();
            let connections = services.open_connections.clone();
            let http = HttpService::build()
                .on_connect_ext(move |_: &TcpStream, kept| {
                    kept.insert(connections.open());
                })
                .graceful_shutdown_signal(move || {
                    let stops = stops.clone();
                    async move { stops.notified().await }
                })
                .keep_alive(settings.keep_alive)
                .client_request_timeout(settings.client_timeout)
                .client_disconnect_timeout(LINGER)
                // A client that closes is gone, also by halves, as behind nginx. Otherwise a stream finds out when it
                // has been silent for long.
                .h1_allow_half_closed(false)
                .local_addr(address)
                .upgrade(upgrade::upgrades(made))
                .finish(requests)
                .tcp();
            seated(seats.clone(), http)
        })?;
    }
    let server = server.run();
    let handle = server.handle();
    Ok((server, handle))
}

fn application(
    services: web::Data<Services>,
    offer: Offer,
) -> App<
    impl ServiceFactory<ServiceRequest, Config = (), Response = ServiceResponse, Error = Error, InitError = ()>,
> {
    let (app, _) = App::new()
        .into_utoipa_app()
        .configure(|config| match offer {
            Offer::Api => routes::configure(config),
            Offer::Health => routes::configure_health(config),
        })
        .split_for_parts();
    app.app_data(services)
        .configure(|config| match offer {
            Offer::Api => routes::configure_pages(config),
            Offer::Health => {}
        })
        .default_service(match offer {
            Offer::Api => web::to(fallback),
            Offer::Health => web::to(unserved),
        })
        // In a box: the connection would have room for it as long as it is open.
        .wrap(from_fn(|request, next| Box::pin(edge(request, next))))
}

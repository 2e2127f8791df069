//! How many connections one address may have.
//!
//! One that takes its time with each of many is held up by time-outs alone, and until then each takes a place. So an address
//! has a bounded number; who comes through a trusted proxy shares the proxy's address, which has no bound.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use actix_service::{Service, ServiceFactory, fn_factory};
use actix_web::rt::net::TcpStream;
use fairlead_domain::network::Network;
use fairlead_domain::rate_limits::LimitKey;
use futures_util::future::{LocalBoxFuture, ready};
use tokio::io::AsyncWriteExt as _;
use tokio::time::timeout;

/// For a client that has as many connections as it may have; it is closed behind that.
const FULL: &[u8] = b"HTTP/1.1 429 Too Many Requests\r\ncontent-type: application/problem+json\r\nretry-after: 5\r\n\
    connection: close\r\ncontent-length: 262\r\n\r\n{\"type\":\"https://fairlead.dev/problems/rate-limited\",\
    \"title\":\"Rate limited\",\"status\":429,\"detail\":\"this address has as many connections open as it may have: close \
    some, or keep them open and send more requests by each; http.connections_per_address is the limit\"}";
/// How long it may take to take that.
const GOODBYE: Duration = Duration::from_secs(1);

/// Who has how many connections, of all threads.
#[derive(Clone, Debug)]
pub(crate) struct Seats(Arc<Room>);

#[derive(Debug)]
struct Room {
    /// 0: any number.
    most: usize,
    /// Proxies of our own, each of which comes for many.
    unbounded: Arc<[Network]>,
    taken: Mutex<HashMap<LimitKey, usize>>,
}

/// A connection that counts until it is dropped.
#[derive(Debug)]
struct Seat {
    room: Arc<Room>,
    key: Option<LimitKey>,
}

impl Seats {
    pub(crate) fn new(most: usize, unbounded: Arc<[Network]>) -> Self {
        Self(Arc::new(Room {
            most,
            unbounded,
            taken: Mutex::default(),
        }))
    }

    /// `None`: it has as many as it may have.
    fn take(&self, address: IpAddr) -> Option<Seat> {
        let room = Arc::clone(&self.0);
        let address = address.to_canonical();
        if room.most == 0 || room.unbounded.iter().any(|network| network.contains(address)) {
            return Some(Seat { room, key: None });
        }
        let key = LimitKey::address(address);
        let mut taken = room.taken();
        let count = taken.entry(key).or_default();
        if *count >= room.most {
            return None;
        }
        *count += 1;
        drop(taken);
        Some(Seat { room, key: Some(key) })
    }
}

impl Room {
    fn taken(&self) -> MutexGuard<'_, HashMap<LimitKey, usize>> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let Some(key) = self.key else { return };
        let mut taken = self.room.taken();
        if let Some(count) = taken.get_mut(&key) {
            *count -= 1;
            if *count == 0 {
                taken.remove(&key);
            }
        }
    }
}

/// Has `http` serve connections for as long as their address has a seat for each.
pub(crate) fn seated<F>(
    seats: Seats,
    http: F,
) -> impl ServiceFactory<TcpStream, Config = (), Response = (), Error = F::Error, InitError = F::InitError>
where
    F: ServiceFactory<TcpStream, Config = (), Response = ()> + 'static,
    F::Error: 'static,
    <F::Service as Service<TcpStream>>::Future: 'static,
{
    fn_factory(move || {
        let (seats, http) = (seats.clone(), http.new_service(()));
        async move {
            let http = http.await?;
            Ok(Seated { seats, http })
        }
    })
}

struct Seated<S> {
    seats: Seats,
    http: S,
}

impl<S> Service<TcpStream> for Seated<S>
where
    S: Service<TcpStream, Response = ()>,
    S::Future: 'static,
    S::Error: 'static,
{
    type Response = ();
    type Error = S::Error;
    type Future = LocalBoxFuture<'static, Result<(), S::Error>>;

    actix_service::forward_ready!(http);

    fn call(&self, stream: TcpStream) -> Self::Future {
        let peer = stream.peer_addr().ok();
        let seat = match peer {
            // It is gone already.
            None => return Box::pin(ready(Ok(()))),
            Some(peer) => self.seats.take(peer.ip()),
        };
        let Some(seat) = seat else {
            return Box::pin(async move {
                refuse(stream).await;
                Ok(())
            });
        };
        let serving = self.http.call(stream);
        Box::pin(async move {
            let _seat = seat;
            serving.await
        })
    }
}

async fn refuse(mut stream: TcpStream) {
    let goodbye = async {
        stream.write_all(FULL).await?;
        stream.shutdown().await
    };
    // Whether it has heard is for it to know.
    timeout(GOODBYE, goodbye).await.ok();
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn an_address_has_so_many_and_others_have_their_own() {
        let seats = Seats::new(2, Arc::default());
        let (one, two) = (seats.take(address("192.0.2.1")), seats.take(address("192.0.2.1")));

        assert!(one.is_some() && two.is_some());
        assert!(seats.take(address("192.0.2.1")).is_none());
        assert!(seats.take(address("192.0.2.2")).is_some());
        drop(one);
        assert!(seats.take(address("192.0.2.1")).is_some());
        drop(two);
        assert!(seats.0.taken().is_empty());
    }

    #[test]
    fn a_network_of_ipv6_is_one_client_and_an_address_in_two_forms_too() {
        let seats = Seats::new(1, Arc::default());
        let _held = [
            seats.take(address("2001:db8::1")),
            seats.take(address("192.0.2.1")),
        ];

        assert!(seats.take(address("2001:db8::2")).is_none());
        assert!(seats.take(address("2001:db8:0:1::2")).is_some());
        assert!(seats.take(address("::ffff:192.0.2.1")).is_none());
    }

    #[test]
    fn trusted_proxies_have_no_bound_and_nobody_has_where_there_is_none() {
        let proxies: Arc<[Network]> = Network::parse_list("10.0.0.0/8").unwrap().into();
        let bounded = Seats::new(1, proxies);
        let unbounded = Seats::new(0, Arc::default());

        let held: Vec<_> = (0..3).map(|_| bounded.take(address("10.1.2.3"))).collect();
        let more: Vec<_> = (0..3).map(|_| unbounded.take(address("192.0.2.1"))).collect();

        assert!(held.iter().chain(&more).all(Option::is_some));
    }

    #[test]
    fn whoever_is_refused_is_told_so_in_whole() {
        let text = str::from_utf8(FULL).unwrap();
        let (head, body) = text.split_once("\r\n\r\n").unwrap();

        assert!(
            head.contains(&format!("content-length: {}", body.len())),
            "{}",
            body.len()
        );
        let problem: serde_json::Value = serde_json::from_str(body).unwrap();
        assert_eq!(problem["status"], 429);
    }
}

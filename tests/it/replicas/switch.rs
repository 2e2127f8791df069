use std::net::Ipv4Addr;
use std::sync::Arc;

use fairlead_telemetry::spawn;
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// One address with one server behind it, now this one and now that: what a restored, moved or restarted server looks
/// like from outside.
#[derive(Debug)]
pub(super) struct Switch {
    port: u16,
    upstream: Arc<watch::Sender<u16>>,
    listening: JoinHandle<()>,
}

impl Switch {
    /// Begins with the server at `upstream`.
    pub(super) async fn to(upstream: u16) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let (sender, receiver) = watch::channel(upstream);
        let listening = spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                spawn(forward(client, receiver.clone()));
            }
        });
        Self {
            port,
            upstream: Arc::new(sender),
            listening,
        }
    }

    pub(super) fn port(&self) -> u16 {
        self.port
    }

    /// Cuts all connections; new ones lead to the server at `upstream`.
    pub(super) fn turn_to(&self, upstream: u16) {
        self.upstream.send_replace(upstream);
    }
}

impl Drop for Switch {
    fn drop(&mut self) {
        self.listening.abort();
    }
}

/// Copies both ways until one side goes, or the switch is turned.
async fn forward(mut client: TcpStream, mut upstream: watch::Receiver<u16>) {
    let port = *upstream.borrow_and_update();
    let Ok(mut server) = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await else {
        return;
    };
    tokio::select! {
        _ = copy_bidirectional(&mut client, &mut server) => {}
        _ = upstream.changed() => {}
    }
}

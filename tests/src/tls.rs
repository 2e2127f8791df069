use std::net::Ipv4Addr;
use std::sync::Arc;

use fairlead_telemetry::spawn;
use rcgen::{BasicConstraints, Certificate, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::pki_types::PrivateKeyDer;

/// Who signs certificates, and is trusted by nobody who does not name it.
#[derive(Debug)]
pub struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
}

/// A certificate for this machine, and its key, both as PEM.
#[derive(Debug)]
pub struct Signed {
    pub certificate: String,
    pub key: String,
}

impl Authority {
    pub fn create() -> Self {
        let mut params = CertificateParams::new(Vec::new()).expect("there is no name that could be wrong");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().expect("a key is generated");
        let issuer = CertifiedIssuer::self_signed(params, key).expect("it signs for itself");
        Self { issuer }
    }

    /// Its certificate, as PEM.
    pub fn pem(&self) -> String {
        self.issuer.pem()
    }

    pub fn sign(&self) -> Signed {
        let (certificate, key) = self.pair();
        Signed {
            certificate: certificate.pem(),
            key: key.serialize_pem(),
        }
    }

    fn pair(&self) -> (Certificate, KeyPair) {
        let key = KeyPair::generate().expect("a key is generated");
        let names = ["localhost".to_owned(), "127.0.0.1".to_owned()];
        let params = CertificateParams::new(names).expect("these are names");
        (params.signed_by(&key, &self.issuer).expect("it signs"), key)
    }

    fn acceptor(&self) -> TlsAcceptor {
        let (certificate, key) = self.pair();
        let key = PrivateKeyDer::try_from(key.serialize_der()).expect("it is a key");
        let config = ServerConfig::builder()
            .with_no_client_auth()
            .with_single_cert(vec![certificate.der().clone()], key)
            .expect("the key is that of the certificate");
        TlsAcceptor::from(Arc::new(config))
    }
}

/// Speaks TLS in front of a server that does not, as a load balancer does.
#[derive(Debug)]
pub struct TlsFront {
    port: u16,
    listening: JoinHandle<()>,
}

impl TlsFront {
    /// Forwards to `address`, a host and a port.
    pub async fn start(address: &str, authority: &Authority) -> Self {
        let (address, acceptor) = (address.to_owned(), authority.acceptor());
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
            .await
            .expect("a port is free");
        let port = listener.local_addr().expect("it listens").port();
        let listening = spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let (address, acceptor) = (address.clone(), acceptor.clone());
                spawn(async move {
                    // A client that does not trust us ends the handshake.
                    if let Ok(mut client) = acceptor.accept(client).await
                        && let Ok(mut server) = TcpStream::connect(&address).await
                    {
                        copy_bidirectional(&mut client, &mut server).await.ok();
                    }
                });
            }
        });
        Self { port, listening }
    }

    pub fn port(&self) -> u16 {
        self.port
    }
}

impl Drop for TlsFront {
    fn drop(&mut self) {
        self.listening.abort();
    }
}

use std::error::Error as StdError;
use std::io;

use lapin::runtime::default_runtime;
use lapin::tcp::OwnedTLSConfig;
use lapin::{Connection, ConnectionProperties, Error};

use crate::settings::RabbitMqSettings;

/// Why there is no connection.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    #[error(
        "the certificate of RabbitMQ is not trusted: name the file of the authority that has signed it in \
         events.amqp.ca_file"
    )]
    Untrusted(#[source] Error),
    #[error("RabbitMQ refuses the link, or is away")]
    Refused(#[source] Error),
}

/// Connects; `name` is how RabbitMQ lists the connection.
pub(crate) async fn connect(
    settings: &RabbitMqSettings,
    name: &'static str,
) -> Result<Connection, ConnectError> {
    let properties = ConnectionProperties::default().with_connection_name(name.into());
    let tls = OwnedTLSConfig {
        identity: None,
        cert_chain: settings.authorities.clone(),
    };
    let runtime = default_runtime().map_err(ConnectError::Refused)?;
    Connection::connect_uri_with_config(settings.uri.clone(), properties, tls, runtime)
        .await
        .map_err(|error| {
            if is_untrusted(&error) {
                ConnectError::Untrusted(error)
            } else {
                ConnectError::Refused(error)
            }
        })
}

/// Whether somebody answered whose certificate nobody we trust has signed, or that is another's.
fn is_untrusted(error: &Error) -> bool {
    let mut next: Option<&(dyn StdError + 'static)> = Some(error);
    while let Some(error) = next {
        if let Some(rustls::Error::InvalidCertificate(_)) = error.downcast_ref() {
            return true;
        }
        // An error of I/O that holds another does not tell that it is its source, but the other's.
        let held = error.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
        next = match held {
            Some(held) => Some(held),
            None => error.source(),
        };
    }
    false
}

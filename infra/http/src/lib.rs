//! Calls over HTTP: to others, and from a terminal to a server of our own (`api`). Redirects are not followed, and no proxy
//! of the environment is used: both would be given what is for one server alone.
//!
//! Where tenants say who is called, they must not reach what only this installation can: its own network, its own
//! machine, the addresses where clouds tell machines their credentials. So a URL is looked at before it is used
//! (`guard`), a name is resolved here, and the connection goes to one of the addresses that were found fit (`resolver`):
//! a name that leads elsewhere the next time it is asked leads nowhere (`client`).

mod ai;
mod api;
mod client;
mod collector;
mod guard;
mod kit;
mod network;
mod places;
mod resolver;
mod retry_after;
mod stripe;
mod tls;
mod upstream;
mod webhooks;
mod witness;

pub use ai::{AiWire, HttpLanguageModel, Listener};
pub use api::{
    ApiAnswer, ApiCall, ApiClient, ApiCredential, ApiDownload, ApiError, ApiEvent, ApiEvents, ApiFault,
    ApiProblem, ApiSocket, ApiUpload,
};
pub use client::{BadClient, GuardedClient, GuardedClientSettings};
pub use collector::{BadCollector, collector};
pub use kit::KitMailingList;
pub use stripe::StripeProvider;
pub use tls::BadTls;
pub use upstream::{
    BadUpstream, BreakerSettings, HttpUpstreams, Upstream, UpstreamCredential, UpstreamSettings,
};
pub use webhooks::HttpWebhookSender;

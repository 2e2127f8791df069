//! Leads who have consented to be written to, and the list of a marketing service that they are put on.
//!
//! That somebody consented, and to what, is a row (`model`), written with the job that tells the service
//! (`subscribe_lead`). The service knows a subscriber by the e-mail address, so to tell it twice changes nothing.

mod model;
mod port;
mod subscribe;
mod subscribe_lead;

pub use model::{LeadSubscription, LeadSubscriptionId, LeadSubscriptionState, Tags};
pub use port::{LeadSubscriptions, MailingFault, MailingList, NewSubscriber};
pub use subscribe::{SubscribeLeadError, SubscriptionDraft, subscribe};
pub use subscribe_lead::SubscribeLead;

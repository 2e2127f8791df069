//! What tenants pay for, with a Stripe of this machine.

mod bench;
mod calls;
mod checkout;
mod doctor;
mod events;
mod faults;
mod interrupted;
mod limits;
mod refunds;
mod usage;

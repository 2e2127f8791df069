//! Who may do what, to the rows of which tenant.
//!
//! Tenant and permission are values one must hold, not checks one must remember: a unit of work opens only with a
//! [`TenantScope`], and a use case that needs permission takes a [`Permit`]. Both come from a verified [`Caller`].

mod caller;
mod permit;
mod policy;
mod scope;

pub use caller::{Actor, ApiScope, Caller, Role, VerifiedIdentity};
pub use permit::{Denied, Permit, Reach};
pub use policy::*;
pub use scope::{OperatorPermit, SystemScope, TenantScope};

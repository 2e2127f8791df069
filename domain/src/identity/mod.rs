//! Tenants, their users, and how a user or a machine proves who it is.
//!
//! A person signs up (a tenant and its owner come into being together), logs in, and holds two tokens: an access
//! token, checked without asking the database, and a refresh token that can be used once. A session is the family of
//! refresh tokens that follow from one login; a token that comes back after its use was stolen, and ends the family.
//! Machines use API keys. Operators have a credential of their own and see no tenant's rows.

mod accept_invitation;
mod api_keys;
mod authenticate;
mod invite;
mod login;
mod model;
mod port;
mod refresh;
mod session;
mod sign_up;
mod snapshot;
mod tenant;
mod usage_by_day;
mod users;

pub use accept_invitation::{AcceptInvitationError, accept_invitation};
pub use api_keys::{
    CreateApiKey, CreateApiKeyError, MAX_API_KEYS, NewApiKey, RevokeApiKeyError, create_api_key,
    revoke_api_key,
};
pub use authenticate::{
    AuthenticateError, Verified, authenticate_access_token, authenticate_api_key, authenticate_operator,
};
pub use invite::{Invitation, InviteError, InviteUser, MAX_USERS, invite};
pub use login::{LoginError, LoginPolicy, LoginRequest, login};
pub use model::*;
pub use port::*;
pub use refresh::{LogoutError, RefreshError, logout, refresh};
pub use session::Issuer;
pub use sign_up::{SignUp, SignUpError, create_tenant, sign_up};
pub use tenant::{RenameTenant, RenameTenantError, rename_tenant};
pub use usage_by_day::{CountUsageByDay, DayUsage, UsageByDay};
pub use users::{UpdateUser, UpdateUserError, deactivate_user, update_user};

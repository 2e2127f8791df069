//! What the server would do, asked on connections of their own: nothing that is asked here can be left behind on one that
//! somebody else is lent.

mod analysis;
mod conditions;
mod functions;
mod known;
mod screen;
mod session;
mod shapes;
mod tree;
mod turns;
mod verify;

pub use analysis::PgQueryPlans;
pub(crate) use conditions::predicate;
pub(crate) use session::Session;
pub(crate) use shapes::{Ran, shapes};
pub(crate) use turns::Turns;

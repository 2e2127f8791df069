//! Answers that are kept so that the database need not be asked again.
//!
//! An answer is kept under a [`CacheKey`] and depends on [`Tag`]s. A commit bumps the tags of what it changed: they are
//! derived from its events by [`tags_of`], so no use case can forget one. An answer is valid while none of its tags has
//! been bumped since before its load began; nothing is ever searched for or deleted to invalidate it.
//!
//! A tag also remembers the log position of the commit that bumped it. The next load reads at least that position, so
//! neither a slow loader nor a lagging replica brings an old answer back.

mod control;
mod entry;
mod key;
mod namespace;
mod port;
mod table;
mod tag;
mod warming;

#[cfg(test)]
mod tests;

pub use control::*;
pub use entry::{Encoding, Entry, Loaded};
pub use key::CacheKey;
pub use namespace::{Namespace, Policy, Strategy};
pub use port::{CacheRead, Changes, Found, Freshness, LoadFailure, Loader, ReadCache, Source};
pub use table::{EVENT_TYPES, UnknownEventType, parse_event_type, tags_of, tags_of_event};
pub use tag::{InvalidTag, Tag};
pub use warming::*;

//! Whose trouble it is that a name cannot be looked up.

use std::hash::{BuildHasher as _, RandomState};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Mutex;
use tokio::time::{Instant, timeout};

use crate::resolver::{Lookup, LookupError};

/// Kept for examples for ever (RFC 6761, section 6.5), and so is what stands there. There are none of the names that are
/// asked for, each for the first time: so it is said by servers of this domain, and not by what somebody has kept.
const DOMAIN: &str = "example.com";
/// What was found is believed for so long.
const BELIEVED_FOR: Duration = Duration::from_secs(10);

/// Finds out whether names of others can be looked up while one cannot.
#[derive(Debug)]
pub(crate) struct Witness {
    lookup: Arc<dyn Lookup>,
    within: Duration,
    /// When it was asked last, and whether somebody answered.
    found: Mutex<Option<(Instant, bool)>>,
}

impl Witness {
    pub(crate) fn new(lookup: Arc<dyn Lookup>, within: Duration) -> Self {
        Self {
            lookup,
            within,
            found: Mutex::default(),
        }
    }

    /// Whether somebody says of another name what there is of it, be it nothing: then names can be looked up, and it is the
    /// servers of the one that cannot who do not answer.
    pub(crate) async fn answers(&self) -> bool {
        // One asks on behalf of all who wait here.
        let mut found = self.found.lock().await;
        if let Some((at, answers)) = *found
            && at.elapsed() < BELIEVED_FOR
        {
            return answers;
        }
        let number = RandomState::new().hash_one(());
        let name = format!("fairlead-{number:016x}.{DOMAIN}.");
        let asked = timeout(self.within, self.lookup.addresses(&name)).await;
        let answers = matches!(asked, Ok(Ok(_) | Err(LookupError::Unknown(_))));
        *found = Some((Instant::now(), answers));
        answers
    }
}

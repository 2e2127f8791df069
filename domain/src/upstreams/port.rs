use std::fmt::Debug;

use super::{BreakerNews, Hold, ProbeTurn, UpstreamReport};

/// What operators see of the services that are called, and do about them: in this process.
pub trait Upstreams: Debug + Send + Sync {
    /// All that are configured.
    fn report(&self) -> Vec<UpstreamReport>;

    /// Lets no call through until `hold` ends, whatever becomes of the service; `None`: there is none of this name.
    fn open(&self, name: &str, hold: Hold) -> Option<UpstreamReport>;

    /// Lets calls through again, whoever had opened the breaker; `None`: there is none of this name.
    fn close(&self, name: &str) -> Option<UpstreamReport>;

    /// Has a breaker follow what another process has found out, or an operator decided there.
    fn learn(&self, name: &str, news: BreakerNews);

    /// Says whose turn it is to find out whether a service is back. What was said counts for two seconds: who hears no more
    /// finds out for itself.
    fn give_turn(&self, name: &str, turn: ProbeTurn);
}

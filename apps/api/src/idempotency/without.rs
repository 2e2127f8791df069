//! The operations with an unsafe method that take no idempotency key, each with the reason, which the specification tells.

/// Why an operation takes no key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reason {
    NobodyIsKnown,
    EndsItself,
    NamesItself,
    SetsState,
    WritesNothing,
    CountsAmongMany,
}

impl Reason {
    #[cfg(test)]
    const ALL: [Self; 6] = [
        Self::NobodyIsKnown,
        Self::EndsItself,
        Self::NamesItself,
        Self::SetsState,
        Self::CountsAmongMany,
        Self::WritesNothing,
    ];

    pub(crate) const fn text(self) -> &'static str {
        match self {
            Self::NobodyIsKnown => "nobody is known yet whose it could be",
            Self::EndsItself => "who has asked is nobody any more afterwards",
            Self::NamesItself => "the body names what is done, and the same again is done once",
            Self::SetsState => "repeated, it leaves all as it is",
            Self::WritesNothing => "it changes no row",
            Self::CountsAmongMany => "it is counted among many, where one more shows nothing",
        }
    }
}

/// By their ids. A test holds that each other operation with an unsafe method takes a key.
pub(crate) const WITHOUT: &[(&str, Reason)] = &[
    ("acceptInvitation", Reason::NobodyIsKnown),
    ("acknowledgeAlert", Reason::SetsState),
    ("analyzeQuery", Reason::WritesNothing),
    ("archiveEvents", Reason::NamesItself),
    ("buildIndex", Reason::NamesItself),
    ("cancelAct", Reason::SetsState),
    ("changeAlertRule", Reason::SetsState),
    ("changeObjective", Reason::SetsState),
    ("cleanUpConnections", Reason::SetsState),
    ("cleanUpMemory", Reason::WritesNothing),
    ("clearCache", Reason::SetsState),
    ("clearTenantCache", Reason::SetsState),
    ("closeCircuitBreaker", Reason::SetsState),
    ("createAlertRule", Reason::NamesItself),
    ("deleteAlertRule", Reason::SetsState),
    ("deleteJobSchedule", Reason::SetsState),
    ("drainQueue", Reason::SetsState),
    ("editDeadJob", Reason::SetsState),
    ("endAlertSilence", Reason::SetsState),
    ("endConnection", Reason::SetsState),
    ("initializePerformance", Reason::SetsState),
    ("invalidateCache", Reason::SetsState),
    ("login", Reason::NobodyIsKnown),
    ("logout", Reason::EndsItself),
    ("openCircuitBreaker", Reason::SetsState),
    ("optimize", Reason::NamesItself),
    ("optimizeTable", Reason::NamesItself),
    ("pauseQueue", Reason::SetsState),
    ("receiveStripeEvent", Reason::NamesItself),
    ("recordWebVitals", Reason::CountsAmongMany),
    ("refresh", Reason::NobodyIsKnown),
    ("releaseMemory", Reason::WritesNothing),
    ("requestRefund", Reason::NamesItself),
    ("resetPerformance", Reason::SetsState),
    ("resumeQueue", Reason::SetsState),
    ("retryFailedJobs", Reason::SetsState),
    ("scheduleJob", Reason::NamesItself),
    ("signUp", Reason::NobodyIsKnown),
    ("silenceAlert", Reason::SetsState),
    ("silenceAlertRule", Reason::SetsState),
    ("startCheckout", Reason::NamesItself),
    ("summarizeActivities", Reason::WritesNothing),
    ("warmCache", Reason::WritesNothing),
    ("writeIndexMigration", Reason::WritesNothing),
];

/// Why this operation takes none; `None`: it does.
pub(crate) fn reason(operation: &str) -> Option<Reason> {
    let found = WITHOUT.iter().find(|(id, _)| *id == operation);
    found.map(|(_, reason)| *reason)
}

#[cfg(test)]
mod tests {
    use super::*;

    const GUIDE: &str = include_str!("../../../../docs/idempotency.md");

    #[test]
    fn the_guide_names_the_operations_without_a_key_and_no_others() {
        let row = |reason: Reason| {
            let of_it = WITHOUT.iter().filter(|(_, why)| *why == reason);
            let ids: Vec<String> = of_it.map(|(id, _)| format!("`{id}`")).collect();
            format!("| {} | {} |", reason.text(), ids.join(", "))
        };
        let expected: Vec<String> = Reason::ALL.map(row).into();

        let table = GUIDE
            .lines()
            .skip_while(|line| *line != "| because | operations |");
        let told: Vec<&str> = table.skip(2).take_while(|line| line.starts_with('|')).collect();

        assert_eq!(told, expected, "docs/idempotency.md");
    }
}

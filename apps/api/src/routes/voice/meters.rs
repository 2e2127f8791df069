use fairlead_domain::identity::TenantId;
use fairlead_domain::voice::{CommandType, VoiceStatus};

use crate::tenant_counters::TenantCounters;

const TYPES: usize = CommandType::ALL.len() + 1;
const STATUSES: usize = VoiceStatus::ALL.len();

/// How many counters a tenant has: by type, those that were not understood last, and by status.
pub(crate) const VOICE_COUNTERS: usize = TYPES * STATUSES;

/// Counts how often which kind of command came to what.
#[derive(Clone, Debug, Default)]
pub struct VoiceMeters(TenantCounters<VOICE_COUNTERS>);

impl VoiceMeters {
    pub(super) fn note(&self, tenant: TenantId, command: Option<CommandType>, status: VoiceStatus) {
        let kind = command.map_or(CommandType::ALL.len(), |command| command as usize);
        let mut counters = [0; VOICE_COUNTERS];
        counters[kind * STATUSES + status as usize] = 1;
        self.0.add(tenant, counters);
    }

    pub(crate) fn counters(&self) -> &TenantCounters<VOICE_COUNTERS> {
        &self.0
    }

    /// What each of the counters counts: type and status.
    pub(crate) fn names() -> impl Iterator<Item = (&'static str, &'static str)> {
        let types = CommandType::ALL.map(Some).into_iter().chain([None]);
        types.flat_map(|kind| VoiceStatus::ALL.map(|status| (CommandType::name(kind), status.as_str())))
    }
}

#[cfg(test)]
mod tests {
    use fairlead_domain::Id;
    use uuid::Uuid;

    use super::*;

    #[test]
    fn what_was_not_understood_is_counted_last() {
        let meters = VoiceMeters::default();
        let tenant = Id::from_uuid(Uuid::from_u128(1));
        meters.note(tenant, None, VoiceStatus::Error);

        let (tenants, _) = meters.counters().read();

        let counted: Vec<_> = VoiceMeters::names()
            .zip(tenants[0].1)
            .filter(|(_, count)| *count > 0)
            .collect();
        assert_eq!(counted, [(("unknown", "error"), 1)]);
    }
}

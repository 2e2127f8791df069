//! What people say is to be done.

use fairlead_telemetry::metrics::Page;

use super::OTHERS;
use super::tenants::Listing;
use crate::routes::{VoiceCounters, VoiceMeters};

/// The series of voice commands, from one look to the next.
#[derive(Debug)]
pub(super) struct VoiceSeries(Listing<{ size_of::<VoiceCounters>() / size_of::<u64>() }>);

impl VoiceSeries {
    /// Gives so many tenants series of their own.
    pub(super) fn new(tenants: usize) -> Self {
        Self(Listing::new(tenants))
    }

    pub(super) fn write(&mut self, page: &mut Page, meters: &VoiceMeters) {
        let (tenants, rest) = meters.read();
        let (listed, others) = self.0.look(&tenants, rest);
        let mut family = page.counter(
            "voice_commands_total",
            "Voice commands, by what they were understood as and how they fared; unconfirmed: the caller was asked.",
        );
        let mut write = |tenant: &str, counters: VoiceCounters| {
            for ((command, status), count) in VoiceMeters::names().zip(counters) {
                let labels = [
                    ("command_type", command),
                    ("status", status),
                    ("tenant_id", tenant),
                ];
                family.sample(&labels, count);
            }
        };
        for (tenant, counters) in &tenants[..listed] {
            write(&tenant.to_string(), *counters);
        }
        write(OTHERS, others);
    }
}

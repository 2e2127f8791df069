//! What people say is to be done.

use fairlead_telemetry::metrics::Page;

use super::tenants::Listing;
use crate::routes::{VOICE_COUNTERS, VoiceMeters};

pub(super) type VoiceSeries = Listing<VOICE_COUNTERS>;

pub(super) fn write(page: &mut Page, series: &mut VoiceSeries, meters: &VoiceMeters) {
    let mut family = page.counter(
        "voice_commands_total",
        "Voice commands, by what they were understood as and how they fared; unconfirmed: the caller was asked.",
    );
    series.each(meters.counters(), |tenant, counters| {
        for ((command, status), count) in VoiceMeters::names().zip(counters) {
            let labels = [
                ("command_type", command),
                ("status", status),
                ("tenant_id", tenant),
            ];
            family.sample(&labels, count);
        }
    });
}

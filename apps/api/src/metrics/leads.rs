//! What becomes of leads.

use fairlead_telemetry::metrics::Page;

use super::tenants::Listing;
use crate::lead_meters::{LEAD_COUNTERS, LeadMeters};

pub(super) type LeadSeries = Listing<LEAD_COUNTERS>;

pub(super) fn write(page: &mut Page, series: &mut LeadSeries, meters: &LeadMeters) {
    let mut family = page.counter(
        "leads_processed_total",
        "Leads created, updated and deleted by commits of this process, by where the change came from.",
    );
    series.each(meters.counters(), |tenant, counters| {
        for ((operation, source), count) in LeadMeters::names().zip(counters) {
            let labels = [
                ("operation", operation),
                ("source", source),
                ("tenant_id", tenant),
            ];
            family.sample(&labels, count);
        }
    });
}

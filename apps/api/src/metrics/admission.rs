//! Who may work at once.

use fairlead_domain::admission::{Class, GateReport, Reason};
use fairlead_telemetry::metrics::Page;

use crate::admission::Gatekeeper;

pub(super) fn write(page: &mut Page, keeper: &Gatekeeper) {
    let report = keeper.report();
    page.gauge(
        "admission_limit",
        "How many requests may work at once, besides those of operators.",
    )
    .sample(&[], u64::from(report.limit));
    page.gauge(
        "admission_taken",
        "How much of the limit is taken; reads by id take room together.",
    )
    .sample(&[], u64::from(report.taken));
    page.gauge(
        "admission_slowdown",
        "How many times longer than usual the database has lately taken.",
    )
    .sample(&[], report.slowdown);
    classes(page, &report);
    page.gauge(
        "admission_shedding",
        "Whether so many requests fail that bulk work is refused.",
    )
    .sample(&[], report.shedding_for.is_some());
    page.counter("admission_shed_spells_total", "How often that has begun.")
        .sample(&[], report.shed_spells);
    page.gauge(
        "admission_error_rate",
        "The part of the requests of late that failed, of 1.",
    )
    .sample(&[], report.error_rate);
    page.counter(
        "admission_stand_ins_total",
        "Answers kept beyond their time, given because many requests failed.",
    )
    .sample(&[], keeper.stand_ins());
}

fn classes(page: &mut Page, report: &GateReport) {
    let mut in_flight = page.gauge(
        "admission_in_flight",
        "Requests that were let in and are not answered.",
    );
    for class in Class::ALL {
        in_flight.sample(
            &[("class", class.as_str())],
            u64::from(report.in_flight[class.index()]),
        );
    }
    let mut waiting = page.gauge("admission_waiting", "Requests that wait to be let in.");
    for class in Class::ALL {
        waiting.sample(&[("class", class.as_str())], count(report.waiting[class.index()]));
    }
    let mut admitted = page.counter("admission_admitted_total", "Requests that were let in.");
    for class in Class::ALL {
        admitted.sample(&[("class", class.as_str())], report.admitted[class.index()]);
    }
    let mut waited = page.counter("admission_waited_total", "Those of them that had to wait.");
    for class in Class::ALL {
        waited.sample(&[("class", class.as_str())], report.waited[class.index()]);
    }
    let mut refused = page.counter(
        "admission_refused_total",
        "Requests that were not let in, by why.",
    );
    for class in Class::ALL {
        for reason in Reason::ALL {
            let labels = [("class", class.as_str()), ("reason", reason.as_str())];
            refused.sample(&labels, report.refused[class.index()][reason.index()]);
        }
    }
}

fn count(number: usize) -> u64 {
    u64::try_from(number).unwrap_or(u64::MAX)
}

//! The jobs that this process does.

use fairlead_domain::jobs::{JobsReport, QueueReport, Waits};
use fairlead_telemetry::metrics::Page;

type Count = fn(&QueueReport) -> u64;

pub(super) fn write(page: &mut Page, report: &JobsReport) {
    let mut active = page.gauge("jobs_active", "Jobs that this process is doing.");
    for (queue, of_queue) in &report.queues {
        active.sample(&[("queue", queue.as_str())], of_queue.active);
    }
    let counters: [(&str, &str, Count); 4] = [
        (
            "jobs_completed_total",
            "Jobs that this process has done.",
            |queue| queue.completed,
        ),
        (
            "jobs_retried_total",
            "Attempts of this process that failed, or were put off; the jobs come again.",
            |queue| queue.retried,
        ),
        (
            "jobs_dead_total",
            "Jobs that this process has given up after their last attempt.",
            |queue| queue.dead,
        ),
        (
            "jobs_lost_total",
            "Attempts of this process whose claim was lost: somebody else has the job.",
            |queue| queue.lost,
        ),
    ];
    for (name, help, count) in counters {
        let mut counter = page.counter(name, help);
        for (queue, of_queue) in &report.queues {
            counter.sample(&[("queue", queue.as_str())], count(of_queue));
        }
    }
    let mut busy = page.counter(
        "jobs_busy_seconds_total",
        "How long the attempts of this process took that have ended, together.",
    );
    for (queue, of_queue) in &report.queues {
        busy.sample(&[("queue", queue.as_str())], of_queue.busy);
    }
    let mut waits = page.histogram(
        "jobs_wait_seconds",
        "How long jobs had been due when this process began them.",
    );
    for (queue, of_queue) in &report.queues {
        let Waits { counts, sum } = of_queue.waits;
        waits.distribution(&[("queue", queue.as_str())], &Waits::BOUNDS, &counts, sum);
    }
    page.counter(
        "jobs_rescued_total",
        "Jobs that this process has put back because their workers were gone.",
    )
    .sample(&[], report.rescued);
}

//! The process itself, by the names that Prometheus' own clients use.

use fairlead_telemetry::background_panics;
use fairlead_telemetry::metrics::Page;
use fairlead_telemetry::process::usage;
use fairlead_telemetry::spans;

/// What this system does not tell is left out.
pub(super) fn write(page: &mut Page, version: &str) {
    page.gauge("fairlead_build_info", "1, for the version that runs.")
        .sample(&[("version", version)], true);

    let usage = usage();
    let gauges = [
        (
            "process_resident_memory_bytes",
            "Memory that is in RAM.",
            usage.resident_bytes,
        ),
        ("process_open_fds", "Open file descriptors.", usage.open_files),
        (
            "process_max_fds",
            "File descriptors that may be open.",
            usage.max_open_files,
        ),
    ];
    for (name, help, figure) in gauges {
        if let Some(figure) = figure {
            page.gauge(name, help).sample(&[], figure);
        }
    }
    if let Some(time) = usage.cpu_time {
        page.counter("process_cpu_seconds_total", "Processor time of all threads.")
            .sample(&[], time);
    }
    page.counter(
        "background_panics_total",
        "Panics of tasks that are there for as long as the process, each of which began again.",
    )
    .sample(&[], background_panics());
    page.counter(
        "trace_spans_lost_total",
        "Spans that came to no collector, because it is away or slow.",
    )
    .sample(&[], spans::lost());
}

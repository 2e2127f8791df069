//! Progress bars on standard error where that is a terminal, and nothing otherwise.

use std::time::Duration;

use indicatif::{HumanDuration, ProgressBar, ProgressStyle};

use super::Operation;
use crate::output;

/// A file on its way; `None`: nobody knows how large it is.
pub(crate) fn bytes_bar(bytes: Option<u64>, what: &'static str) -> ProgressBar {
    match bytes {
        Some(bytes) => ProgressBar::new(bytes).with_style(style(
            "{msg:12} {wide_bar} {binary_bytes} of {binary_total_bytes}, {binary_bytes_per_sec}, {eta} left",
        )),
        None => ProgressBar::new_spinner()
            .with_style(style("{msg:12} {spinner} {binary_bytes}, {binary_bytes_per_sec}")),
    }
    .with_message(what)
}

/// The rows of an operation.
#[derive(Debug)]
pub(super) struct RowsBar(ProgressBar);

impl RowsBar {
    pub(super) fn new() -> Self {
        Self(ProgressBar::no_length().with_style(style("{prefix:12} {spinner} {msg}")))
    }

    /// Shows what the server says: how fast it is, and how long the rest takes, are the server's to know.
    pub(super) fn show(&self, operation: &Operation) {
        let view = &operation.view;
        self.0.set_prefix(match view.kind.split('-').next() {
            Some("export") => "exporting".to_owned(),
            Some("import") => "importing".to_owned(),
            _ => view.kind.clone(),
        });
        if let Some(total) = view.progress.total {
            if self.0.length() != Some(total) {
                self.0.set_length(total);
            }
            self.0.set_style(style(
                "{prefix:12} {wide_bar} {human_pos} of {human_len} rows{msg}",
            ));
        }
        self.0.set_position(view.progress.done);
        let rate = view.rate_per_second.map(|rate| format!(", {rate:.0}/s"));
        let left = view
            .eta_seconds
            .and_then(|seconds| Duration::try_from_secs_f64(seconds.ceil()).ok());
        let left = left.map(|left| format!(", {} left", HumanDuration(left)));
        let said = match (&*view.state, rate) {
            ("queued", _) => ", waits for its turn".to_owned(),
            (_, rate) => format!("{}{}", rate.unwrap_or_default(), left.unwrap_or_default()),
        };
        self.0.set_message(said);
        self.0.tick();
    }

    /// Says something above the bar.
    pub(super) fn say(&self, text: &str) {
        self.0.suspend(|| output::progress(text));
    }
}

impl Drop for RowsBar {
    fn drop(&mut self) {
        self.0.finish_and_clear();
    }
}

fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template).expect("the template is well-formed")
}

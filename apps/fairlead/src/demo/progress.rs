use indicatif::{ProgressBar, ProgressStyle};

/// A progress bar on standard error when that is a terminal, and nothing otherwise.
#[derive(Debug)]
pub struct Progress(ProgressBar);

impl Default for Progress {
    fn default() -> Self {
        let style = ProgressStyle::with_template(
            "{wide_bar} {human_pos} of {human_len} leads, {per_sec}, {eta} left",
        )
        .expect("the template is well-formed");
        Self(ProgressBar::new(0).with_style(style))
    }
}

impl Progress {
    pub fn show(&mut self, done: u64, total: u64) {
        if self.0.length() != Some(total) {
            self.0.set_length(total);
            // What was there before says nothing about the speed.
            self.0.set_position(done);
            self.0.reset_eta();
        }
        self.0.set_position(done);
    }

    pub fn finish(&self) {
        self.0.finish_and_clear();
    }
}

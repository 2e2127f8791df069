//! Figures in the text format of Prometheus, version 0.0.4
//! (<https://prometheus.io/docs/instrumenting/exposition_formats/#text-based-format>).
//!
//! Nothing is counted here: whoever keeps figures writes them down when it is asked, so that they cost nothing between.

use std::fmt::{self, Write as _};
use std::time::Duration;

/// The content type of a page.
pub const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// A page of figures, taken at one moment.
#[derive(Debug, Default)]
pub struct Page {
    text: String,
    families: Vec<&'static str>,
}

/// Samples of one name, which differ by their labels.
#[derive(Debug)]
pub struct Family<'a> {
    page: &'a mut Page,
    name: &'static str,
    kind: &'static str,
    help: &'static str,
    is_begun: bool,
}

/// A figure as it is written; times are in seconds.
#[derive(Clone, Copy, Debug)]
pub enum Figure {
    Whole(u64),
    Real(f64),
}

impl Page {
    /// Begins figures that only grow while the process lives; their name ends in `_total`.
    pub fn counter(&mut self, name: &'static str, help: &'static str) -> Family<'_> {
        debug_assert!(name.ends_with("_total"), "{name}");
        self.family(name, "counter", help)
    }

    /// Begins figures that go up and down.
    pub fn gauge(&mut self, name: &'static str, help: &'static str) -> Family<'_> {
        self.family(name, "gauge", help)
    }

    /// Begins figures that tell how many took how long.
    pub fn histogram(&mut self, name: &'static str, help: &'static str) -> Family<'_> {
        self.family(name, "histogram", help)
    }

    pub fn into_text(self) -> String {
        self.text
    }

    /// Invariant: the samples of a name stand together, below one description.
    fn family(&mut self, name: &'static str, kind: &'static str, help: &'static str) -> Family<'_> {
        debug_assert!(!self.families.contains(&name), "{name} was written before");
        self.families.push(name);
        Family {
            page: self,
            name,
            kind,
            help,
            is_begun: false,
        }
    }
}

impl Family<'_> {
    /// Writes one sample. A family without any is left out.
    pub fn sample(&mut self, labels: &[(&str, &str)], figure: impl Into<Figure>) {
        self.line("", labels.iter().copied(), figure.into());
    }

    /// Writes the samples of one histogram: `counts` has how many took no longer than each of `bounds`, none of them
    /// twice, and at its end how many took longer.
    pub fn distribution(
        &mut self,
        labels: &[(&str, &str)],
        bounds: &[Duration],
        counts: &[u64],
        sum: Duration,
    ) {
        let labels = labels.iter().copied();
        let bounds = bounds.iter().map(|bound| bound.as_secs_f64().to_string());
        let mut total = 0;
        for (bound, count) in bounds.chain(["+Inf".to_owned()]).zip(counts) {
            total += count;
            self.line(
                "_bucket",
                labels.clone().chain([("le", bound.as_str())]),
                total.into(),
            );
        }
        self.line("_sum", labels.clone(), sum.into());
        self.line("_count", labels, total.into());
    }

    fn line<'l>(&mut self, suffix: &str, labels: impl Iterator<Item = (&'l str, &'l str)>, figure: Figure) {
        let text = &mut self.page.text;
        let name = self.name;
        if !self.is_begun {
            let kind = self.kind;
            let help = Escaped(self.help, &['\\', '\n']);
            // Writing to a string cannot fail; so too below.
            let _ = write!(text, "# HELP {name} {help}\n# TYPE {name} {kind}\n");
            self.is_begun = true;
        }
        text.push_str(name);
        text.push_str(suffix);
        let mut end = "";
        for (name, value) in labels {
            let before = if end.is_empty() { '{' } else { ',' };
            let value = Escaped(value, &['\\', '\n', '"']);
            let _ = write!(text, "{before}{name}=\"{value}\"");
            end = "}";
        }
        let _ = writeln!(text, "{end} {figure}");
    }
}

impl From<u64> for Figure {
    fn from(figure: u64) -> Self {
        Self::Whole(figure)
    }
}

impl From<u32> for Figure {
    fn from(figure: u32) -> Self {
        Self::Whole(figure.into())
    }
}

/// 1 or 0.
impl From<bool> for Figure {
    fn from(figure: bool) -> Self {
        Self::Whole(figure.into())
    }
}

impl From<f64> for Figure {
    fn from(figure: f64) -> Self {
        Self::Real(figure)
    }
}

impl From<Duration> for Figure {
    fn from(figure: Duration) -> Self {
        Self::Real(figure.as_secs_f64())
    }
}

impl fmt::Display for Figure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Whole(figure) => figure.fmt(f),
            Self::Real(figure) => figure.fmt(f),
        }
    }
}

/// A text with a backslash before each of these characters.
struct Escaped<'a>(&'a str, &'a [char]);

impl fmt::Display for Escaped<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for character in self.0.chars() {
            match character {
                '\n' => f.write_str("\\n")?,
                _ if self.1.contains(&character) => write!(f, "\\{character}")?,
                _ => f.write_char(character)?,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_family_is_described_once_and_left_out_when_it_is_empty() {
        let mut page = Page::default();
        let mut hits = page.counter("hits_total", "Answers found.");
        hits.sample(&[("level", "l1"), ("key_type", "leads.list")], 3_u64);
        hits.sample(&[("level", "l2"), ("key_type", "leads.list")], 0_u64);
        page.gauge("lag_seconds", "How far behind.");
        page.gauge("age_seconds", "How old.")
            .sample(&[], Duration::from_micros(1_500));

        assert_eq!(
            page.into_text(),
            "# HELP hits_total Answers found.\n\
             # TYPE hits_total counter\n\
             hits_total{level=\"l1\",key_type=\"leads.list\"} 3\n\
             hits_total{level=\"l2\",key_type=\"leads.list\"} 0\n\
             # HELP age_seconds How old.\n\
             # TYPE age_seconds gauge\n\
             age_seconds 0.0015\n"
        );
    }

    #[test]
    fn a_histogram_counts_all_up_to_each_bound() {
        let mut page = Page::default();
        let bounds = [1, 300].map(Duration::from_millis);
        page.histogram("took_seconds", "How long.").distribution(
            &[("method", "GET")],
            &bounds,
            &[2, 0, 1],
            Duration::from_millis(2_500),
        );

        assert_eq!(
            page.into_text(),
            "# HELP took_seconds How long.\n\
             # TYPE took_seconds histogram\n\
             took_seconds_bucket{method=\"GET\",le=\"0.001\"} 2\n\
             took_seconds_bucket{method=\"GET\",le=\"0.3\"} 2\n\
             took_seconds_bucket{method=\"GET\",le=\"+Inf\"} 3\n\
             took_seconds_sum{method=\"GET\"} 2.5\n\
             took_seconds_count{method=\"GET\"} 3\n"
        );
    }

    #[test]
    fn labels_and_descriptions_cannot_end_their_line() {
        let mut page = Page::default();
        page.gauge("up", "a \"b\" \\\nc")
            .sample(&[("name", "a \"b\" \\\nc")], true);

        assert_eq!(
            page.into_text(),
            "# HELP up a \"b\" \\\\\\nc\n# TYPE up gauge\nup{name=\"a \\\"b\\\" \\\\\\nc\"} 1\n"
        );
    }
}

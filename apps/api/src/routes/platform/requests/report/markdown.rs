use std::fmt::Write as _;

use time::OffsetDateTime;

use super::ReportView;
use crate::routes::platform::requests::changes::ChangeView;
use crate::routes::platform::requests::trends::SummaryView;

impl ReportView {
    pub(super) fn markdown(&self) -> String {
        let mut text = format!(
            "# Performance of the last {}\n\nFrom {} to {}.\n\n| | now | before | |\n|---|---|---|---|\n",
            self.period,
            moment(self.since),
            moment(self.until)
        );
        let before = |of: fn(&SummaryView) -> String| self.before.as_ref().map_or_else(nothing, of);
        let mut row = |name: &str, of: fn(&SummaryView) -> String, change: &str| {
            let (now, before) = (of(&self.now), before(of));
            let _ = writeln!(text, "| {name} | {now} | {before} | {change} |");
        };
        let verdict = |change: &ChangeView| change.verdict();
        row(
            "requests",
            |of| of.requests.to_string(),
            verdict(&self.changes.requests),
        );
        row(
            "failed",
            |of| percent(of.error_ratio),
            verdict(&self.changes.error_ratio),
        );
        row("P50", |of| told_ms(of.p50_ms), "");
        row("P95", |of| told_ms(of.p95_ms), verdict(&self.changes.p95_ms));
        row("P99", |of| told_ms(of.p99_ms), "");
        let hits = percent(self.cache_hit_ratio);
        let _ = writeln!(text, "| answers that were kept | {hits} | | |");

        text.push_str("\n## Routes\n\n| | requests | P95 | failed | of all time |\n|---|---|---|---|---|\n");
        for of in &self.routes {
            let route = of.route.as_deref().unwrap_or("nowhere");
            let (p95, failed, time) = (
                told_ms(of.p95_ms),
                percent(of.error_ratio),
                percent(of.time_ratio),
            );
            let _ = writeln!(
                text,
                "| `{} {route}` | {} | {p95} | {failed} | {time} |",
                of.method, of.requests
            );
        }
        text.push_str("\n## Tenants\n\n| | requests | database | of all |\n|---|---|---|---|\n");
        for of in &self.tenants {
            let (time, share) = (told_ms(Some(of.database_ms)), percent(of.database_ratio));
            let name = cell(&of.name);
            let _ = writeln!(text, "| {name} | {} | {time} | {share} |", of.requests);
        }
        text
    }
}

fn moment(moment: OffsetDateTime) -> String {
    let (date, time) = (moment.date(), moment.time());
    format!("{date} {:02}:{:02} UTC", time.hour(), time.minute())
}

/// What is not known.
fn nothing() -> String {
    "–".to_owned()
}

fn told_ms(value: Option<f64>) -> String {
    value.map_or_else(nothing, |value| format!("{value:.1} ms"))
}

fn percent(ratio: Option<f64>) -> String {
    ratio.map_or_else(nothing, |ratio| format!("{:.2} %", ratio * 100.0))
}

/// A name that tenants choose, so that it ends no cell and begins no markup.
fn cell(name: &str) -> String {
    let plain = |character: char| character.is_alphanumeric() || " .,&'+()".contains(character);
    name.chars()
        .map(|character| if plain(character) { character } else { '·' })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_begin_no_markup() {
        assert_eq!(cell("Müller & Co. (West)"), "Müller & Co. (West)");
        assert_eq!(cell("a|b\n<i>`c`[d](e)"), "a·b··i··c··d·(e)");
    }
}

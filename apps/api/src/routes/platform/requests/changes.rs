use fairlead_domain::performance::trends::{
    Change, Direction, Period as Values, Share, TrendVerdict, compare_all, compare_shares,
};
use serde::Serialize;
use utoipa::ToSchema;

use super::history::History;
use super::sum::Sum;

/// What became of a figure from one period to the next.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = TrendsChange)]
pub(super) struct ChangeView {
    /// `better`, `worse`, `changed` where neither is the case, `unchanged` where it is nothing that would not be so by
    /// chance or that matters, and `unknown` where too little is known of either period.
    verdict: &'static str,
    /// The median of the points, or the ratio.
    #[schema(required = true)]
    before: Option<f64>,
    #[schema(required = true)]
    after: Option<f64>,
    /// By how much of what it was it is another.
    #[schema(required = true)]
    relative: Option<f64>,
    /// How likely it is to seem so by chance.
    #[schema(required = true, minimum = 0, maximum = 1)]
    p_value: Option<f64>,
}

/// Figures that are compared with those of the period before.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = TrendsChanges)]
pub(super) struct ChangesView {
    pub(super) p95_ms: ChangeView,
    pub(super) error_ratio: ChangeView,
    pub(super) requests: ChangeView,
}

impl ChangeView {
    pub(super) fn verdict(&self) -> &'static str {
        self.verdict
    }
}

impl From<Change> for ChangeView {
    fn from(change: Change) -> Self {
        Self {
            verdict: match change.verdict {
                TrendVerdict::Better => "better",
                TrendVerdict::Worse => "worse",
                TrendVerdict::Changed => "changed",
                TrendVerdict::Unchanged => "unchanged",
                TrendVerdict::TooFew { .. } => "unknown",
            },
            before: change.before,
            after: change.after,
            relative: change.relative,
            p_value: change.p_value,
        }
    }
}

impl ChangesView {
    pub(super) fn new(before: &History<Sum>, now: &History<Sum>) -> Self {
        let p95 = |history: &History<Sum>| Values {
            values: history.sums().filter_map(Sum::p95_ms).collect(),
        };
        let requests = |history: &History<Sum>| Values {
            values: history.sums().map(|sum| real(sum.requests.count())).collect(),
        };
        let figures = [
            (p95(before), p95(now), Direction::HigherIsWorse),
            (requests(before), requests(now), Direction::Neutral),
        ];
        let share = |history: &History<Sum>| {
            let whole = Sum::of(history);
            Share {
                part: whole.failed,
                total: whole.requests.count(),
            }
        };
        let errors = compare_shares(share(before), share(now), Direction::HigherIsWorse);
        let mut changes = compare_all(&figures).into_iter().map(ChangeView::from);
        let mut next = || changes.next().expect("each figure is compared");
        Self {
            p95_ms: next(),
            error_ratio: errors.into(),
            requests: next(),
        }
    }
}

#[expect(clippy::cast_precision_loss, reason = "counts that are compared")]
fn real(count: u64) -> f64 {
    count as f64
}

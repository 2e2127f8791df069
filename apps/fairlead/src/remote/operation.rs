use serde::Deserialize;
use serde_json::Value;

/// An operation as the server tells it.
#[derive(Clone, Debug, Deserialize)]
#[serde(try_from = "Value")]
pub(crate) struct Operation {
    /// All that was told.
    pub(crate) told: Value,
    pub(crate) view: OperationView,
}

/// What of it matters here.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct OperationView {
    pub(crate) id: String,
    pub(crate) kind: String,
    pub(crate) state: String,
    pub(crate) progress: Progress,
    pub(crate) rate_per_second: Option<f64>,
    pub(crate) eta_seconds: Option<f64>,
    pub(crate) result: Tally,
    pub(crate) download: Option<Download>,
    pub(crate) error: Option<String>,
    pub(crate) created_by: String,
    pub(crate) created_at: String,
    pub(crate) finished_at: Option<String>,
    /// Told where one is asked for by itself.
    #[serde(default)]
    pub(crate) errors: Vec<RowFault>,
    #[serde(default)]
    pub(crate) errors_truncated: bool,
    #[serde(default)]
    pub(crate) log: Vec<LogLine>,
}

#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Progress {
    pub(crate) done: u64,
    pub(crate) total: Option<u64>,
    pub(crate) percent: Option<f64>,
}

#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Tally {
    pub(crate) successful: u64,
    pub(crate) skipped: u64,
    pub(crate) failed: u64,
}

#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Download {
    pub(crate) url: String,
}

#[derive(Clone, Debug, Deserialize)]
pub(crate) struct RowFault {
    pub(crate) line: u64,
    pub(crate) field: String,
    pub(crate) reason: String,
}

#[derive(Clone, Debug, Deserialize)]
pub(crate) struct LogLine {
    pub(crate) at: String,
    pub(crate) text: String,
}

impl TryFrom<Value> for Operation {
    type Error = serde_json::Error;

    fn try_from(told: Value) -> Result<Self, serde_json::Error> {
        let view = OperationView::deserialize(&told)?;
        Ok(Self { told, view })
    }
}

impl Operation {
    pub(crate) fn has_ended(&self) -> bool {
        self.view.finished_at.is_some()
    }
}

/// Where an operation is; an id is put there whatever it is.
pub(crate) fn operation_path(id: &str) -> String {
    format!("/api/v1/operations/{}", encoded(id))
}

/// A query of those that are given.
pub(crate) fn parameters(given: &[(&str, Option<&str>)]) -> String {
    let mut query = String::new();
    for (name, value) in given {
        if let Some(value) = value {
            query.push(if query.is_empty() { '?' } else { '&' });
            query.push_str(name);
            query.push('=');
            query.push_str(&encoded(value));
        }
    }
    query
}

/// As it is written in a query.
pub(crate) fn encoded(text: &str) -> String {
    url::form_urlencoded::byte_serialize(text.as_bytes()).collect()
}

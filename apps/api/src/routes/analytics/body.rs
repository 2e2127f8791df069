use fairlead_domain::invalid::{Faults, Invalid};
use fairlead_domain::performance::vitals::{Observation, Page, Vital};
use fairlead_telemetry::request::RequestId;
use serde::Deserialize;
use utoipa::ToSchema;

/// As many are taken at once: six figures of each of a few pages.
pub(super) const MOST: usize = 50;
/// The most characters of an address.
const LONGEST_PAGE: usize = 2_048;

/// How page views were, as browsers have measured it.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
#[schema(as = WebVitalReports, example = json!({"items": [
    {"name": "LCP", "value": 1_830.5, "page": "/leads/42", "requestId": "b7c1"},
    {"name": "CLS", "value": 0.04, "page": "/leads/42"},
]}))]
pub(super) struct VitalsBody {
    #[schema(min_items = 1, max_items = 50)]
    items: Vec<VitalBody>,
}

/// One figure of a page view.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
#[schema(as = WebVitalReport)]
struct VitalBody {
    #[schema(value_type = VitalName)]
    name: String,
    /// Milliseconds, 600,000 at the most; of CLS a number, 100 at the most.
    #[schema(minimum = 0, maximum = 600_000)]
    value: f64,
    /// The path of the page, or its address. What follows a `?` or `#` is not kept, and ids are not told apart.
    #[schema(min_length = 1, max_length = 2_048)]
    page: String,
    /// The `x-request-id` of the answer that the view was loaded with, by which it is joined with what the server knows of
    /// that request.
    #[schema(min_length = 1, max_length = 128)]
    request_id: Option<String>,
}

#[derive(ToSchema)]
#[schema(as = WebVitalName, rename_all = "UPPERCASE")]
#[expect(dead_code, reason = "documents what `Vital` is read from")]
pub(super) enum VitalName {
    Lcp,
    Inp,
    Cls,
    Fcp,
    Ttfb,
    Fid,
}

impl VitalsBody {
    pub(super) fn parse(self) -> Result<Vec<Observation>, Invalid> {
        if !(1..=MOST).contains(&self.items.len()) {
            let detail = format!("must be from 1 to {MOST}: send less at a time");
            return Err(Invalid::field("items", detail));
        }
        let mut faults = Faults::default();
        let mut observations = Vec::with_capacity(self.items.len());
        for (place, item) in self.items.into_iter().enumerate() {
            let mut wrong =
                |field: &str, detail: String| faults.add(format!("items.{place}.{field}"), detail);
            let vital = Vital::parse(&item.name);
            if vital.is_none() {
                let names = Vital::ALL.map(Vital::as_str).join(", ");
                wrong("name", format!("must be one of {names}"));
            }
            let value = vital.and_then(|vital| vital.measured(item.value));
            if let (Some(vital), None) = (vital, value) {
                wrong("value", format!("must be from 0 to {}", vital.most()));
            }
            let page = Page::parse(&item.page)
                .ok()
                .filter(|_| item.page.len() <= LONGEST_PAGE);
            if page.is_none() {
                wrong(
                    "page",
                    "must be the path of a page, as /leads/42, or its address".to_owned(),
                );
            }
            let request_id = item.request_id.as_deref();
            if request_id.is_some_and(|id| RequestId::parse(id).is_none()) {
                wrong("requestId", "must be as x-request-id of the answer".to_owned());
            }
            if let (Some(vital), Some(value), Some(page)) = (vital, value, page) {
                observations.push(Observation {
                    page,
                    vital,
                    value,
                    request_id: item.request_id.map(Into::into),
                });
            }
        }
        faults.finish()?;
        Ok(observations)
    }
}

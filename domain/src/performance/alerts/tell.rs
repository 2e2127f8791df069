use std::sync::Arc;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use serde_json::json;
use serde_json::value::RawValue;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use uuid::Uuid;

use super::{Metric, ToTell};
use crate::clock::Clock;
use crate::events::Envelope;
use crate::identity::Secret;
use crate::invalid::Invalid;
use crate::jobs::{Done, Job, JobError, JobHandler, NewJob, Queue};
use crate::webhooks::{Message, SigningSecrets, WebhookSender};

/// Where what is to be told goes, beside the log and what is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Channel {
    /// The receiver that the configuration names.
    Webhook,
}

impl Channel {
    /// The job that tells it, once.
    pub(super) fn job(self, to_tell: &ToTell) -> NewJob {
        match self {
            Self::Webhook => {
                let id = to_tell.notice.id;
                let body = body(to_tell);
                let telling = Telling { id, body };
                NewJob::new(Queue::Webhooks, TellAlert::KIND, &telling).unique(format!("alert {id}"))
            }
        }
    }
}

/// What a job knows: all that is to be told, as it was then.
#[derive(Debug, Serialize, Deserialize)]
struct Telling {
    id: Uuid,
    body: Box<RawValue>,
}

/// What it takes to tell the receiver.
#[derive(Clone, Debug)]
pub struct TellAlertParts {
    pub sender: Arc<dyn WebhookSender>,
    pub signing: Arc<dyn SigningSecrets>,
    pub clock: Arc<dyn Clock>,
    /// Of the receiver, and the secret that it knows.
    pub url: String,
    pub secret: Secret,
}

/// Tells the receiver of the operators: signed, and again until it was taken or the attempts of the queue are over. At
/// least once, under the same id.
#[derive(Clone, Debug)]
pub struct TellAlert {
    parts: TellAlertParts,
}

/// Why it was not told.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct NotTaken(String);

impl TellAlert {
    const KIND: &'static str = "tell-alert";

    pub fn new(parts: TellAlertParts) -> Self {
        Self { parts }
    }
}

#[async_trait]
impl JobHandler for TellAlert {
    fn kind(&self) -> &'static str {
        Self::KIND
    }

    fn is_of_platform(&self) -> bool {
        true
    }

    fn accepts(&self, _: &RawValue) -> Result<(), Invalid> {
        Err(Invalid::field("", "jobs of this kind come of alerts alone"))
    }

    async fn run(&self, job: &Job) -> Result<Done, JobError> {
        let telling: Telling =
            serde_json::from_str(job.payload.get()).map_err(|error| JobError::Reject(error.into()))?;
        let parts = &self.parts;
        let message = Message::of(
            telling.id.to_string(),
            telling.body.get().to_owned(),
            parts.clock.now(),
            &*parts.signing,
            std::slice::from_ref(&parts.secret),
        );
        let fault = match parts.sender.send(&parts.url, &message).await {
            Ok(answer) => answer.fault(),
            Err(fault) => Some(fault.to_string()),
        };
        match fault {
            None => Ok(Done::Now),
            Some(fault) => Err(JobError::Retry(NotTaken(fault).into())),
        }
    }
}

/// In the envelope that events of tenants are sent in.
fn body(ToTell { alert, notice }: &ToTell) -> Box<RawValue> {
    let told = |moment: OffsetDateTime| moment.format(&Rfc3339).unwrap_or_else(|_| moment.to_string());
    let incident = &alert.incident;
    let body = json!({
        "specversion": "1.0",
        "id": notice.id,
        "source": format!("{}alerts", Envelope::SOURCE),
        "type": format!("alert_{}", notice.kind.as_str()),
        "subject": alert.rule,
        "time": told(notice.at),
        "datacontenttype": "application/json",
        "data": {
            "alertId": alert.id.as_uuid(),
            "rule": alert.rule,
            "metric": alert.metric.map(Metric::as_str),
            "severity": notice.severity.as_str(),
            "value": notice.value,
            "worst": incident.worst,
            "since": told(incident.since),
            "openedAt": told(incident.opened),
            "resolvedAt": alert.resolved.map(told),
            "why": notice.why.map(super::Escalation::as_str),
            "acknowledgedBy": alert.acknowledged_by,
            "text": notice.text(alert),
        },
    });
    serde_json::value::to_raw_value(&body).expect("JSON can be written as JSON")
}

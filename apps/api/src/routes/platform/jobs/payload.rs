//! Payloads that operators write.

use fairlead_domain::invalid::{FieldError, Invalid};
use fairlead_domain::jobs::JobHandler;
use serde_json::value::RawValue;

/// What is wrong with a payload, as fields of the body.
pub(super) fn payload_faults(handler: &dyn JobHandler, payload: &RawValue) -> Vec<FieldError> {
    let Err(Invalid(faults)) = handler.accepts(payload) else {
        return Vec::new();
    };
    let within = |fault: FieldError| match &*fault.field {
        "" => FieldError::new("payload", fault.detail),
        field => FieldError::new(format!("payload.{field}"), fault.detail),
    };
    faults.into_iter().map(within).collect()
}

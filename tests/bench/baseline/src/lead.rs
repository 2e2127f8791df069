use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use sqlx::FromRow;
use sqlx::types::Json;
use time::OffsetDateTime;
use uuid::Uuid;

use crate::error::AppError;

/// The columns of a [`Lead`], as a literal.
macro_rules! lead_columns {
    () => {
        "id, name, email, phone, company, status, close_reason, source, insurance_type, zip_code, quality_score, \
         assigned_to, custom_fields, version, created_at, updated_at"
    };
}
pub(crate) use lead_columns;

#[derive(FromRow, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Lead {
    pub id: Uuid,
    pub name: String,
    pub email: Option<String>,
    pub phone: Option<String>,
    pub company: Option<String>,
    pub status: String,
    pub close_reason: Option<String>,
    pub source: Option<String>,
    pub insurance_type: Option<String>,
    pub zip_code: Option<String>,
    pub quality_score: i32,
    pub assigned_to: Option<Uuid>,
    pub custom_fields: Json<Map<String, Value>>,
    pub version: i64,
    #[serde(with = "time::serde::rfc3339")]
    pub created_at: OffsetDateTime,
    #[serde(with = "time::serde::rfc3339")]
    pub updated_at: OffsetDateTime,
    #[sqlx(skip)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub activities: Option<Vec<Activity>>,
}

#[derive(FromRow, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Activity {
    pub id: Uuid,
    pub lead_id: Uuid,
    pub r#type: String,
    pub subject: Option<String>,
    pub body: Option<String>,
    pub actor_id: Option<Uuid>,
    #[serde(with = "time::serde::rfc3339")]
    pub occurred_at: OffsetDateTime,
    pub version: i64,
    #[serde(with = "time::serde::rfc3339")]
    pub created_at: OffsetDateTime,
}

/// What a client says of a new lead.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct NewLead {
    pub name: String,
    pub email: Option<String>,
    pub phone: Option<String>,
    pub company: Option<String>,
    pub source: Option<String>,
    pub insurance_type: Option<String>,
    pub zip_code: Option<String>,
    #[serde(default)]
    pub custom_fields: Map<String, Value>,
}

impl NewLead {
    pub fn validate(&self) -> Result<(), AppError> {
        let fault = |text: &str| Err(AppError::Invalid(text.to_owned()));
        if self.name.is_empty() || self.name.chars().count() > 200 {
            return fault("name must have 1 to 200 characters");
        }
        if self.email.as_ref().is_some_and(|email| !is_email(email)) {
            return fault("email must be an e-mail address");
        }
        if self
            .phone
            .as_ref()
            .is_some_and(|phone| !phone.chars().any(|c| c.is_ascii_digit()))
        {
            return fault("phone must have digits");
        }
        Ok(())
    }

    pub fn into_lead(self, now: OffsetDateTime) -> Lead {
        Lead {
            id: Uuid::now_v7(),
            name: self.name,
            email: self.email,
            phone: self.phone,
            company: self.company,
            status: "NEW".to_owned(),
            close_reason: None,
            source: self.source,
            insurance_type: self.insurance_type,
            zip_code: self.zip_code,
            quality_score: 0,
            assigned_to: None,
            custom_fields: Json(self.custom_fields),
            version: 1,
            created_at: now,
            updated_at: now,
            activities: None,
        }
    }
}

fn is_email(text: &str) -> bool {
    text.len() <= 254
        && text
            .split_once('@')
            .is_some_and(|(local, domain)| !local.is_empty() && domain.contains('.'))
}

use std::collections::BTreeMap;

use time::OffsetDateTime;

use super::{CustomFields, Status, StatusName};
use crate::identity::UserId;
use crate::text::{Email, Phone};
use crate::{Id, Revision};

/// A person or company that may become a customer.
#[derive(Clone, Debug, PartialEq)]
pub struct Lead {
    pub id: LeadId,
    pub name: String,
    pub email: Option<Email>,
    pub phone: Option<Phone>,
    pub company: Option<String>,
    pub status: Status,
    /// Where the lead came from: `website`, `referral`, a campaign.
    pub source: Option<String>,
    pub insurance_type: Option<String>,
    pub zip_code: Option<String>,
    /// 0 to 100; 0 until the lead is scored.
    pub quality_score: i32,
    pub assigned_to: Option<UserId>,
    pub custom_fields: CustomFields,
    /// One more with each change.
    pub version: i64,
    pub created_at: OffsetDateTime,
    pub updated_at: OffsetDateTime,
}

pub type LeadId = Id<Lead>;

impl Lead {
    pub fn revision(&self) -> Revision {
        Revision::made_at(self.version, self.updated_at)
    }

    /// The agent whose load this lead counts towards: the assignee of an open lead.
    pub fn load_on(&self) -> Option<UserId> {
        self.assigned_to.filter(|_| self.status.is_open())
    }
}

/// How many leads a tenant has by status, and how old they are on average.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Statistics {
    pub by_status: BTreeMap<StatusName, StatusCount>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StatusCount {
    pub count: u64,
    /// Whole days from creation to now.
    pub avg_age_days: u64,
}

impl Statistics {
    pub fn total(&self) -> u64 {
        self.by_status.values().map(|status| status.count).sum()
    }
}

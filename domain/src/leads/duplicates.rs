use std::collections::HashSet;

use super::{Lead, LeadId};
use crate::store::{StoreError, UnitOfWork};
use crate::text::{Email, Phone};

/// What becomes of a lead whose normalised e-mail address or phone number another has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Duplicates {
    Keep,
    Skip,
}

/// Tells which of many new leads repeat a stored one or one that is created before them.
#[derive(Debug)]
pub(super) enum Repeats {
    Kept,
    Skipped {
        /// Those that repeat no stored lead.
        new: HashSet<LeadId>,
        emails: HashSet<String>,
        phones: HashSet<String>,
    },
}

impl Repeats {
    pub(super) async fn look_up(
        uow: &mut dyn UnitOfWork,
        leads: &[Lead],
        duplicates: Duplicates,
    ) -> Result<Self, StoreError> {
        Ok(match duplicates {
            Duplicates::Keep => Self::Kept,
            Duplicates::Skip => Self::of_new(uow.leads().find_new(leads).await?),
        })
    }

    fn of_new(new: HashSet<LeadId>) -> Self {
        Self::Skipped {
            new,
            emails: HashSet::new(),
            phones: HashSet::new(),
        }
    }

    pub(super) fn include(&self, lead: &Lead) -> bool {
        match self {
            Self::Kept => false,
            Self::Skipped { new, emails, phones } => {
                let (email, phone) = normalized(lead);
                !new.contains(&lead.id)
                    || email.is_some_and(|email| emails.contains(&email))
                    || phone.is_some_and(|phone| phones.contains(&phone))
            }
        }
    }

    /// From now on, a lead with the same address or number repeats this one.
    pub(super) fn note_created(&mut self, lead: &Lead) {
        if let Self::Skipped { emails, phones, .. } = self {
            let (email, phone) = normalized(lead);
            emails.extend(email);
            phones.extend(phone);
        }
    }
}

fn normalized(lead: &Lead) -> (Option<String>, Option<String>) {
    let email = lead.email.as_ref().map(Email::normalized);
    (email, lead.phone.as_ref().map(Phone::normalized))
}

#[cfg(test)]
mod tests {
    use time::OffsetDateTime;
    use uuid::Uuid;

    use super::*;
    use crate::Id;
    use crate::leads::{CustomFields, Status};

    fn lead(number: u128, email: &str, phone: &str) -> Lead {
        Lead {
            id: Id::from_uuid(Uuid::from_u128(number)),
            name: "Ann".to_owned(),
            email: Email::parse(email).ok(),
            phone: Phone::parse(phone).ok(),
            company: None,
            status: Status::New,
            source: None,
            insurance_type: None,
            zip_code: None,
            quality_score: 0,
            assigned_to: None,
            custom_fields: CustomFields::default(),
            version: 1,
            created_at: OffsetDateTime::UNIX_EPOCH,
            updated_at: OffsetDateTime::UNIX_EPOCH,
        }
    }

    #[test]
    fn a_repeated_address_or_number_is_told_and_a_missing_one_repeats_nothing() {
        let leads = [
            lead(1, "ann@example.com", "555 010 0123"),
            lead(2, "ANN@example.com", ""),
            lead(3, "", "(555) 010-0123"),
            lead(4, "", ""),
            lead(5, "", ""),
            lead(6, "bob@example.com", "555 010 0124"),
            lead(7, "known@example.com", ""),
        ];
        let new = leads[..6].iter().map(|lead| lead.id).collect();
        let mut repeats = Repeats::of_new(new);

        let mut kept = Vec::new();
        for lead in &leads {
            if !repeats.include(lead) {
                repeats.note_created(lead);
                kept.push(lead.id.as_uuid().as_u128());
            }
        }

        assert_eq!(kept, [1, 4, 5, 6]);
    }

    #[test]
    fn a_lead_that_was_not_created_is_repeated_by_none() {
        let repeats = Repeats::of_new(HashSet::from([Id::from_uuid(Uuid::from_u128(1))]));

        assert!(!repeats.include(&lead(1, "ann@example.com", "")));
        assert!(!repeats.include(&lead(1, "ann@example.com", "")));
    }
}

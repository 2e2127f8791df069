use std::collections::HashSet;

use fairlead_domain::leads::{Duplicates, Lead, LeadId};
use fairlead_domain::store::StoreError;
use sqlx::Row as _;

use crate::connection::Sql;
use crate::error::SqlError;
use crate::store::PgUnitOfWork;

const INSERT: &str = "
    INSERT INTO leads (tenant_id, id, name, email, phone, company, status, close_reason, source, insurance_type,
                       zip_code, quality_score, assigned_to, custom_fields, version, updated_at, created_at)
    SELECT $1, n.id, n.name, n.email, n.phone, n.company, n.status, n.close_reason, n.source, n.insurance_type,
           n.zip_code, n.quality_score, n.assigned_to, n.custom_fields::jsonb, n.version, n.updated_at, n.created_at
    FROM unnest($2::uuid[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[], $8::text[], $9::text[],
                $10::text[], $11::text[], $12::int[], $13::uuid[], $14::text[], $15::bigint[], $16::timestamptz[],
                $17::timestamptz[])
         AS n (id, name, email, phone, company, status, close_reason, source, insurance_type, zip_code,
               quality_score, assigned_to, custom_fields, version, updated_at, created_at)";

const UPDATE: &str = "
    UPDATE leads AS l
    SET name = n.name, email = n.email, phone = n.phone, company = n.company, status = n.status,
        close_reason = n.close_reason, source = n.source, insurance_type = n.insurance_type, zip_code = n.zip_code,
        quality_score = n.quality_score, assigned_to = n.assigned_to, custom_fields = n.custom_fields::jsonb,
        version = n.version + 1, updated_at = n.updated_at
    FROM unnest($2::uuid[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[], $8::text[], $9::text[],
                $10::text[], $11::text[], $12::int[], $13::uuid[], $14::text[], $15::bigint[], $16::timestamptz[])
         AS n (id, name, email, phone, company, status, close_reason, source, insurance_type, zip_code,
               quality_score, assigned_to, custom_fields, version, updated_at)
    WHERE l.tenant_id = $1 AND l.id = n.id AND l.version = n.version";

// Until the transaction ends, no other looks for duplicates in this tenant: what it does not find, nobody adds.
const LOCK_DUPLICATES: &str =
    "SELECT pg_advisory_xact_lock(hashtextextended('leads.duplicates', 0) # hashtextextended($1::text, 0))";

// Normalised by the same functions as the generated columns.
const FIND_NEW: &str = "
    SELECT n.number
    FROM unnest($2::text[], $3::text[]) WITH ORDINALITY AS n (email, phone, number)
    WHERE NOT EXISTS (
              SELECT FROM leads WHERE tenant_id = $1 AND email_normalized = lower(n.email)
          )
      AND NOT EXISTS (
              SELECT FROM leads
              WHERE tenant_id = $1 AND phone_normalized = regexp_replace(n.phone, '[^0-9]', '', 'g')
          )
    ORDER BY n.number";

impl PgUnitOfWork {
    pub(super) async fn insert_leads(
        &self,
        leads: &[Lead],
        duplicates: Duplicates,
    ) -> Result<Vec<LeadId>, StoreError> {
        let leads: Vec<&Lead> = match duplicates {
            Duplicates::Keep => leads.iter().collect(),
            Duplicates::Skip => {
                self.connection
                    .sql(LOCK_DUPLICATES)
                    .bind(self.tenant_id())
                    .execute()
                    .await?;
                self.new_leads(leads).await?
            }
        };
        if !leads.is_empty() {
            let sql = bind_columns(self.connection.sql(INSERT).bind(self.tenant_id()), &leads);
            sql.bind(column(&leads, |lead| lead.created_at)).execute().await?;
        }
        Ok(leads.iter().map(|lead| lead.id).collect())
    }

    /// Keeps those of `leads` that neither stand earlier in `leads` nor are known.
    pub(super) async fn new_leads<'l>(&self, leads: &'l [Lead]) -> Result<Vec<&'l Lead>, StoreError> {
        let leads = without_repeats(leads);
        if leads.is_empty() {
            return Ok(leads);
        }
        let rows = self
            .connection
            .sql(FIND_NEW)
            .bind(self.tenant_id())
            .bind(column(&leads, |lead| {
                lead.email.as_ref().map(fairlead_domain::text::Email::as_str)
            }))
            .bind(column(&leads, |lead| {
                lead.phone.as_ref().map(fairlead_domain::text::Phone::as_str)
            }))
            .fetch_all()
            .await?;
        let mut new = Vec::with_capacity(rows.len());
        for row in rows {
            let number: i64 = row.try_get(0).map_err(SqlError::from)?;
            // Counted from 1.
            new.extend(
                usize::try_from(number - 1)
                    .ok()
                    .and_then(|index| leads.get(index).copied()),
            );
        }
        Ok(new)
    }

    pub(super) async fn update_leads(&self, leads: &[Lead]) -> Result<(), StoreError> {
        if leads.is_empty() {
            return Ok(());
        }
        let rows: Vec<&Lead> = leads.iter().collect();
        let written = bind_columns(self.connection.sql(UPDATE).bind(self.tenant_id()), &rows)
            .execute()
            .await?;
        if written == rows.len() as u64 {
            Ok(())
        } else {
            Err(StoreError::Contended)
        }
    }
}

/// Binds the columns that INSERT and UPDATE have in common, one array each.
fn bind_columns<'c>(sql: Sql<'c>, leads: &[&Lead]) -> Sql<'c> {
    sql.bind(column(leads, |lead| lead.id.as_uuid()))
        .bind(column(leads, |lead| lead.name.as_str()))
        .bind(column(leads, |lead| {
            lead.email.as_ref().map(fairlead_domain::text::Email::as_str)
        }))
        .bind(column(leads, |lead| {
            lead.phone.as_ref().map(fairlead_domain::text::Phone::as_str)
        }))
        .bind(column(leads, |lead| lead.company.as_deref()))
        .bind(column(leads, |lead| lead.status.name().as_str()))
        .bind(column(leads, |lead| {
            lead.status
                .close_reason()
                .map(fairlead_domain::leads::CloseReason::as_str)
        }))
        .bind(column(leads, |lead| lead.source.as_deref()))
        .bind(column(leads, |lead| lead.insurance_type.as_deref()))
        .bind(column(leads, |lead| lead.zip_code.as_deref()))
        .bind(column(leads, |lead| lead.quality_score))
        .bind(column(leads, |lead| {
            lead.assigned_to.map(fairlead_domain::Id::as_uuid)
        }))
        .bind(column(leads, |lead| lead.custom_fields.to_json()))
        .bind(column(leads, |lead| lead.version))
        .bind(column(leads, |lead| lead.updated_at))
}

fn column<'l, T>(leads: &[&'l Lead], value: impl Fn(&'l Lead) -> T) -> Vec<T> {
    leads.iter().map(|lead| value(lead)).collect()
}

/// Leaves out each lead whose e-mail address or phone number stands earlier.
fn without_repeats(leads: &[Lead]) -> Vec<&Lead> {
    let mut emails = HashSet::new();
    let mut phones = HashSet::new();
    let mut kept = Vec::with_capacity(leads.len());
    for lead in leads {
        let email = lead.email.as_ref().map(fairlead_domain::text::Email::normalized);
        let phone = lead.phone.as_ref().map(fairlead_domain::text::Phone::normalized);
        let repeats = email.as_ref().is_some_and(|email| emails.contains(email))
            || phone.as_ref().is_some_and(|phone| phones.contains(phone));
        if !repeats {
            emails.extend(email);
            phones.extend(phone);
            kept.push(lead);
        }
    }
    kept
}

#[cfg(test)]
mod tests {
    use fairlead_domain::Id;
    use fairlead_domain::leads::{CustomFields, Status};
    use fairlead_domain::text::{Email, Phone};
    use time::OffsetDateTime;
    use uuid::Uuid;

    use super::*;

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
    fn a_repeated_address_or_number_is_left_out_and_a_missing_one_repeats_nothing() {
        let leads = [
            lead(1, "ann@example.com", "555 010 0123"),
            lead(2, "ANN@example.com", ""),
            lead(3, "", "(555) 010-0123"),
            lead(4, "", ""),
            lead(5, "", ""),
            lead(6, "bob@example.com", "555 010 0124"),
        ];

        let kept: Vec<u128> = without_repeats(&leads)
            .iter()
            .map(|lead| lead.id.as_uuid().as_u128())
            .collect();

        assert_eq!(kept, [1, 4, 5, 6]);
    }
}

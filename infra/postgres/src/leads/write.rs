use std::collections::HashSet;

use crate::wire::Row;
use fairlead_domain::Id;
use fairlead_domain::leads::{CloseReason, Lead, LeadId};
use fairlead_domain::store::StoreError;
use fairlead_domain::text::{Email, Phone};

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
    SELECT n.id
    FROM unnest($2::uuid[], $3::text[], $4::text[]) AS n (id, email, phone)
    WHERE NOT EXISTS (
              SELECT FROM leads WHERE tenant_id = $1 AND email_normalized = lower(n.email)
          )
      AND NOT EXISTS (
              SELECT FROM leads
              WHERE tenant_id = $1 AND phone_normalized = regexp_replace(n.phone, '[^0-9]', '', 'g')
          )";

impl PgUnitOfWork {
    pub(super) async fn new_leads(&self, leads: &[Lead]) -> Result<HashSet<LeadId>, StoreError> {
        if leads.is_empty() {
            return Ok(HashSet::new());
        }
        self.connection
            .sql(LOCK_DUPLICATES)
            .bind(self.tenant_id())
            .execute()
            .await?;
        let rows = self
            .connection
            .sql(FIND_NEW)
            .bind(self.tenant_id())
            .bind(column(leads, |lead| lead.id.as_uuid()))
            .bind(column(leads, |lead| lead.email.as_ref().map(Email::as_str)))
            .bind(column(leads, |lead| lead.phone.as_ref().map(Phone::as_str)))
            .fetch_all()
            .await?;
        let id = |row: &Row| Ok(Id::from_uuid(row.try_get(0).map_err(SqlError::from)?));
        rows.iter().map(id).collect()
    }

    pub(super) async fn insert_leads(&self, leads: &[Lead]) -> Result<(), StoreError> {
        if !leads.is_empty() {
            let sql = bind_columns(self.connection.sql(INSERT).bind(self.tenant_id()), leads);
            sql.bind(column(leads, |lead| lead.created_at)).enqueue().await?;
        }
        Ok(())
    }

    pub(super) async fn update_leads(&self, leads: &[Lead]) -> Result<(), StoreError> {
        if leads.is_empty() {
            return Ok(());
        }
        let written = bind_columns(self.connection.sql(UPDATE).bind(self.tenant_id()), leads)
            .execute()
            .await?;
        if written == leads.len() as u64 {
            Ok(())
        } else {
            Err(StoreError::Contended)
        }
    }
}

/// Binds the columns that INSERT and UPDATE have in common, one array each.
fn bind_columns<'c>(sql: Sql<'c>, leads: &[Lead]) -> Sql<'c> {
    sql.bind(column(leads, |lead| lead.id.as_uuid()))
        .bind(column(leads, |lead| lead.name.as_str()))
        .bind(column(leads, |lead| lead.email.as_ref().map(Email::as_str)))
        .bind(column(leads, |lead| lead.phone.as_ref().map(Phone::as_str)))
        .bind(column(leads, |lead| lead.company.as_deref()))
        .bind(column(leads, |lead| lead.status.name().as_str()))
        .bind(column(leads, |lead| {
            lead.status.close_reason().map(CloseReason::as_str)
        }))
        .bind(column(leads, |lead| lead.source.as_deref()))
        .bind(column(leads, |lead| lead.insurance_type.as_deref()))
        .bind(column(leads, |lead| lead.zip_code.as_deref()))
        .bind(column(leads, |lead| lead.quality_score))
        .bind(column(leads, |lead| lead.assigned_to.map(Id::as_uuid)))
        .bind(column(leads, |lead| lead.custom_fields.as_json()))
        .bind(column(leads, |lead| lead.version))
        .bind(column(leads, |lead| lead.updated_at))
}

fn column<'l, T>(leads: &'l [Lead], value: impl Fn(&'l Lead) -> T) -> Vec<T> {
    leads.iter().map(value).collect()
}

//! What rows become.

use tokio_postgres::types::FromSql;
use tokio_postgres::{Error, Row};

use crate::entity::{activity, api_key, carrier, lead, tenant, user};

/// What a row of a select becomes. Columns are told by their place: those of a model stand in the order of its fields.
pub(crate) trait FromRow: Sized {
    fn from_row(row: &Row) -> Result<Self, Error> {
        Self::from_columns(row, 0)
    }

    /// From the columns that begin at `first`.
    fn from_columns(row: &Row, first: usize) -> Result<Self, Error>;
}

macro_rules! models {
    ($($module:ident { $($field:ident),* $(,)? })*) => {$(
        impl FromRow for $module::Model {
            fn from_columns(row: &Row, first: usize) -> Result<Self, Error> {
                let mut places = first..;
                let mut next = || places.next().unwrap_or_default();
                $(let $field = row.try_get(next())?;)*
                Ok(Self { $($field),* })
            }
        }
    )*};
}

models! {
    lead {
        tenant_id, id, name, email, phone, company, status, close_reason, source, insurance_type, zip_code,
        quality_score, assigned_to, custom_fields, version, created_at, updated_at,
    }
    activity {
        tenant_id, id, lead_id, kind, subject, body, actor_id, occurred_at, version, created_at,
    }
    user {
        tenant_id, id, email, name, role, active, is_agent, state, city, specializations, rating, max_open_leads,
        open_leads, version, created_at, updated_at,
    }
    carrier {
        tenant_id, id, name, active, partnership_status, partnership_tier, performance_score, version, created_at,
        updated_at,
    }
    tenant { tenant_id, id, slug, name, version, created_at, updated_at }
    api_key {
        tenant_id, id, name, prefix, scopes, created_by, created_at, expires_at, last_used_at, revoked_at,
    }
}

macro_rules! tuples {
    ($(($($name:ident $place:tt),*))*) => {$(
        impl<$($name),*> FromRow for ($($name,)*)
        where
            $($name: for<'r> FromSql<'r>),*
        {
            fn from_columns(row: &Row, first: usize) -> Result<Self, Error> {
                Ok(($(row.try_get(first + $place)?,)*))
            }
        }
    )*};
}

tuples! {
    (A 0)
    (A 0, B 1)
    (A 0, B 1, C 2)
}

//! Rows as they lie in the tables that are read through the query builder, and how each becomes what the domain knows.
//! Generated columns are left out: they serve indexes alone.

pub(crate) mod activity;
pub(crate) mod api_key;
mod by_id;
pub(crate) mod carrier;
mod json_text;
pub(crate) mod lead;
pub(crate) mod tenant;
pub(crate) mod user;
pub(crate) mod webhook;
pub(crate) mod webhook_delivery;

pub(crate) use by_id::ById;
pub(crate) use json_text::JsonText;

//! A statement on its way to the server: its text and the values bound to it, encoded.

mod arguments;
mod bind;
mod xid;

use std::borrow::Cow;

use fairlead_domain::store::StoreError;

pub(crate) use arguments::Arguments;
pub(crate) use bind::Bind;
pub(crate) use xid::Xid;

/// A text and what is bound to it. It borrows nothing, so it may be kept and sent later, or sent again.
#[derive(Debug)]
pub(crate) struct Statement {
    text: Cow<'static, str>,
    arguments: Arguments,
}

impl Statement {
    /// Fails when a value cannot be encoded.
    pub(crate) fn new(text: impl Into<Cow<'static, str>>, arguments: Arguments) -> Result<Self, StoreError> {
        Ok(Self {
            text: text.into(),
            arguments: arguments.checked().map_err(StoreError::Unexpected)?,
        })
    }

    /// One without arguments.
    pub(crate) fn bare(text: &'static str) -> Self {
        Self {
            text: text.into(),
            arguments: Arguments::default(),
        }
    }

    /// What the query builder has built.
    pub(crate) fn built(built: sea_orm::Statement) -> Result<Self, StoreError> {
        let values = built.values.into_iter().flat_map(|values| values.0);
        Self::new(built.sql, Arguments::of(values))
    }

    pub(crate) fn text(&self) -> &str {
        &self.text
    }

    pub(crate) fn arguments(&self) -> &Arguments {
        &self.arguments
    }
}

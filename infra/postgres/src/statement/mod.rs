//! A statement on its way to the server: its text and the values bound to it, encoded.

mod arguments;
mod bind;
mod xid;

use std::borrow::Cow;

use fairlead_domain::store::StoreError;

pub(crate) use arguments::Arguments;
pub(crate) use bind::{Bind, milliseconds};
pub(crate) use xid::Xid;

/// A text and what is bound to it. It borrows nothing, so it may be kept and sent later, or sent again.
#[derive(Debug)]
pub(crate) struct Statement {
    text: Cow<'static, str>,
    arguments: Arguments,
    keeps_plan: bool,
}

impl Statement {
    /// Fails when a value cannot be encoded.
    pub(crate) fn new(text: impl Into<Cow<'static, str>>, arguments: Arguments) -> Result<Self, StoreError> {
        Ok(Self {
            text: text.into(),
            arguments: arguments.checked().map_err(StoreError::Unexpected)?,
            keeps_plan: false,
        })
    }

    /// One without arguments.
    pub(crate) fn bare(text: &'static str) -> Self {
        Self {
            text: text.into(),
            arguments: Arguments::default(),
            keeps_plan: false,
        }
    }

    /// What the query builder has built.
    pub(crate) fn built(built: sea_orm::Statement) -> Result<Self, StoreError> {
        let values = built.values.into_iter().flat_map(|values| values.0);
        Self::new(built.sql, Arguments::of(values))
    }

    /// Has it planned once, whatever is bound to it: for one that an index answers as it stands. The server would plan it
    /// each time that it thinks to know better for these values, which takes longer than to run it.
    #[must_use]
    pub(crate) fn keeping_plan(self) -> Self {
        Self {
            keeps_plan: true,
            ..self
        }
    }

    pub(crate) fn keeps_plan(&self) -> bool {
        self.keeps_plan
    }

    pub(crate) fn text(&self) -> &str {
        &self.text
    }

    pub(crate) fn arguments(&self) -> &Arguments {
        &self.arguments
    }
}

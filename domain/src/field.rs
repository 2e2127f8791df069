/// What a partial update says about one field: nothing, or a new value.
///
/// A field that may be empty is a `Change<Option<T>>`: absent is `Keep`, `null` is `Set(None)`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Change<T> {
    #[default]
    Keep,
    Set(T),
}

impl<T> Change<T> {
    /// Writes the new value, if there is one.
    pub fn apply(self, field: &mut T) {
        if let Self::Set(value) = self {
            *field = value;
        }
    }

    pub fn map<U>(self, convert: impl FnOnce(T) -> U) -> Change<U> {
        match self {
            Self::Keep => Change::Keep,
            Self::Set(value) => Change::Set(convert(value)),
        }
    }

    /// Parses the new value, if there is one.
    pub fn try_map<U, E>(self, parse: impl FnOnce(T) -> Result<U, E>) -> Result<Change<U>, E> {
        match self {
            Self::Keep => Ok(Change::Keep),
            Self::Set(value) => parse(value).map(Change::Set),
        }
    }
}

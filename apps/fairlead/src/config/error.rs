use std::fmt;

/// Everything that is wrong with the configuration; never empty.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub struct ConfigError(pub Vec<Fault>);

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, fault) in self.0.iter().enumerate() {
            let separator = if index == 0 { "" } else { "\n" };
            write!(f, "{separator}{fault}")?;
        }
        Ok(())
    }
}

/// One thing that stops the start.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    #[error(
        "unknown key `{key}` ({origin}){}; `fairlead config explain` lists all keys",
        did_you_mean(suggestion.as_deref())
    )]
    UnknownKey {
        key: String,
        origin: String,
        suggestion: Option<String>,
    },

    #[error("`{key}` ({origin}) {fault}; allowed: {allowed}{}", did_you_mean(suggestion.as_deref()))]
    BadValue {
        key: &'static str,
        origin: String,
        fault: String,
        allowed: String,
        suggestion: Option<String>,
    },

    #[error("`{key}` is set twice, differently: by {first} and by {second}; keep one of the two")]
    SetTwice {
        key: &'static str,
        first: String,
        second: String,
    },

    /// Each value is fine by itself, but not together with the others.
    #[error("{0}")]
    Conflict(String),

    #[error("cannot read the configuration file {path}: {reason}")]
    File { path: String, reason: String },
}

fn did_you_mean(suggestion: Option<&str>) -> String {
    suggestion
        .map(|suggestion| format!("; did you mean `{suggestion}`?"))
        .unwrap_or_default()
}

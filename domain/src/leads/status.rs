use std::fmt;

/// Where a lead is in the pipeline. Only a closed lead has a reason for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Status {
    New,
    Contacted,
    Qualified,
    Closed(CloseReason),
}

/// A status without what it holds: what filters and counts go by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum StatusName {
    New,
    Contacted,
    Qualified,
    Closed,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum CloseReason {
    Won,
    Lost,
    Disqualified,
    Duplicate,
}

/// A move the pipeline does not allow.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub struct InvalidTransition {
    pub from: Status,
    pub to: Status,
}

impl fmt::Display for InvalidTransition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { from, to } = self;
        write!(
            f,
            "a lead that is {from} cannot become {to}; from {} it can become {}",
            from.name(),
            from.next()
        )
    }
}

impl Status {
    /// Moves to `to`. Staying is a move too, and so is correcting a close reason.
    ///
    /// Open leads close for any reason but `WON`, which only a qualified lead can be.
    pub fn transition(self, to: Self) -> Result<Self, InvalidTransition> {
        use CloseReason::Won;
        match (self, to) {
            (from, to) if from == to => Ok(to),
            (Self::New | Self::Closed(_), Self::Contacted)
            | (Self::Contacted, Self::Qualified)
            | (Self::Qualified, Self::Closed(_)) => Ok(to),
            (Self::New | Self::Contacted | Self::Closed(_), Self::Closed(reason)) if reason != Won => Ok(to),
            (from, to) => Err(InvalidTransition { from, to }),
        }
    }

    fn next(self) -> &'static str {
        match self {
            Self::New => "CONTACTED or CLOSED (LOST, DISQUALIFIED, DUPLICATE)",
            Self::Contacted => "QUALIFIED or CLOSED (LOST, DISQUALIFIED, DUPLICATE)",
            Self::Qualified => "CLOSED",
            Self::Closed(_) => "CONTACTED",
        }
    }

    pub fn name(self) -> StatusName {
        match self {
            Self::New => StatusName::New,
            Self::Contacted => StatusName::Contacted,
            Self::Qualified => StatusName::Qualified,
            Self::Closed(_) => StatusName::Closed,
        }
    }

    pub fn close_reason(self) -> Option<CloseReason> {
        match self {
            Self::Closed(reason) => Some(reason),
            Self::New | Self::Contacted | Self::Qualified => None,
        }
    }

    pub fn is_open(self) -> bool {
        !matches!(self, Self::Closed(_))
    }

    /// Puts a name and a reason together; `None` when a closed lead has no reason or an open one has.
    pub fn from_parts(name: StatusName, reason: Option<CloseReason>) -> Option<Self> {
        match (name, reason) {
            (StatusName::New, None) => Some(Self::New),
            (StatusName::Contacted, None) => Some(Self::Contacted),
            (StatusName::Qualified, None) => Some(Self::Qualified),
            (StatusName::Closed, Some(reason)) => Some(Self::Closed(reason)),
            _ => None,
        }
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Closed(reason) => write!(f, "CLOSED ({})", reason.as_str()),
            open => open.name().fmt(f),
        }
    }
}

impl StatusName {
    pub const ALL: [Self; 4] = [Self::New, Self::Contacted, Self::Qualified, Self::Closed];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::New => "NEW",
            Self::Contacted => "CONTACTED",
            Self::Qualified => "QUALIFIED",
            Self::Closed => "CLOSED",
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|name| name.as_str() == text)
    }
}

impl fmt::Display for StatusName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl CloseReason {
    pub const ALL: [Self; 4] = [Self::Won, Self::Lost, Self::Disqualified, Self::Duplicate];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Won => "WON",
            Self::Lost => "LOST",
            Self::Disqualified => "DISQUALIFIED",
            Self::Duplicate => "DUPLICATE",
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|reason| reason.as_str() == text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_deal_is_not_won_by_correcting_its_close_reason() {
        let lost = Status::Closed(CloseReason::Lost);

        assert!(lost.transition(Status::Closed(CloseReason::Duplicate)).is_ok());
        assert!(lost.transition(Status::Closed(CloseReason::Won)).is_err());
    }

    #[test]
    fn the_pipeline_is_walked_in_order_and_reopened_to_contacted() {
        let all = [Status::New, Status::Contacted, Status::Qualified]
            .into_iter()
            .chain(CloseReason::ALL.map(Status::Closed));
        let allowed: Vec<String> = all
            .clone()
            .flat_map(|from| all.clone().map(move |to| (from, to)))
            .filter(|(from, to)| from.name() != to.name() && from.transition(*to).is_ok())
            .map(|(from, to)| format!("{from} > {to}"))
            .collect();

        assert_eq!(
            allowed,
            [
                "NEW > CONTACTED",
                "NEW > CLOSED (LOST)",
                "NEW > CLOSED (DISQUALIFIED)",
                "NEW > CLOSED (DUPLICATE)",
                "CONTACTED > QUALIFIED",
                "CONTACTED > CLOSED (LOST)",
                "CONTACTED > CLOSED (DISQUALIFIED)",
                "CONTACTED > CLOSED (DUPLICATE)",
                "QUALIFIED > CLOSED (WON)",
                "QUALIFIED > CLOSED (LOST)",
                "QUALIFIED > CLOSED (DISQUALIFIED)",
                "QUALIFIED > CLOSED (DUPLICATE)",
                "CLOSED (WON) > CONTACTED",
                "CLOSED (LOST) > CONTACTED",
                "CLOSED (DISQUALIFIED) > CONTACTED",
                "CLOSED (DUPLICATE) > CONTACTED",
            ]
        );
    }
}

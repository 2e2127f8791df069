use std::time::Duration;

use utoipa::{IntoParams, ToSchema};

use crate::query::{FromQuery, QueryReader};

/// How far something looks back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::routes) enum Period {
    Hour,
    Day,
    Week,
    Month,
}

/// What a [`PeriodQuery`] is read from, for the specification.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "documents parameters")]
pub(super) struct PeriodParameters {
    /// How far to look back: at what all processes have written down. Without it, what this process has counted since it
    /// started, or was reset, is told, up to this moment.
    #[param(nullable = false, inline)]
    period: Option<PeriodName>,
}

#[derive(ToSchema)]
#[schema(rename_all = "lowercase")]
#[expect(dead_code, reason = "documents what `Period` is read from")]
pub(in crate::routes) enum PeriodName {
    Hour,
    Day,
    Week,
    Month,
}

#[derive(Debug)]
pub(super) struct PeriodQuery(pub(super) Option<Period>);

impl FromQuery for PeriodQuery {
    fn read(query: &mut QueryReader) -> Self {
        Self(Period::read(query))
    }
}

impl Period {
    const ALL: [Self; 4] = [Self::Hour, Self::Day, Self::Week, Self::Month];

    pub(in crate::routes) fn read(query: &mut QueryReader) -> Option<Self> {
        query.choice("period", Self::parse, Self::ALL.map(Self::as_str))
    }

    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Hour => "hour",
            Self::Day => "day",
            Self::Week => "week",
            Self::Month => "month",
        }
    }

    fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|period| period.as_str() == text)
    }

    pub(in crate::routes) fn span(self) -> Duration {
        match self {
            Self::Hour => Duration::from_hours(1),
            Self::Day => Duration::from_hours(24),
            Self::Week => Duration::from_hours(7 * 24),
            Self::Month => Duration::from_hours(30 * 24),
        }
    }

    /// Between two points of what is told over time. After two days, nothing is known by less than the hour.
    pub(super) fn step(self) -> Duration {
        match self {
            Self::Hour => Duration::from_mins(2),
            Self::Day => Duration::from_mins(30),
            Self::Week => Duration::from_hours(3),
            Self::Month => Duration::from_hours(24),
        }
    }
}

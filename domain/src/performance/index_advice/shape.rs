use std::fmt;

/// A table, by what matters to an index.
#[derive(Clone, Debug, PartialEq)]
pub struct Table {
    pub name: String,
    pub rows: f64,
    /// How many rows were inserted, or updated so that indexes had to be, in the period in which statements were measured.
    pub writes: f64,
    /// The column that every statement compares, because rows of other tenants do not exist.
    pub tenant: Option<String>,
    pub columns: Vec<Column>,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Column {
    pub name: String,
    /// How many values it has.
    pub distinct: f64,
    pub bytes: f64,
}

/// What an index can be on.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Key {
    Column(String),
    /// An expression, as PostgreSQL writes it.
    Expression(String),
}

/// A key that is compared.
#[derive(Clone, Debug, PartialEq)]
pub struct Term {
    pub key: Key,
    /// Which share of rows passes; `None`: not known.
    pub selectivity: Option<f64>,
}

/// A condition without a parameter, as PostgreSQL writes it: it can be that of a partial index.
#[derive(Clone, Debug, PartialEq)]
pub struct Fixed {
    pub sql: String,
    pub selectivity: f64,
}

/// A key that is sorted by.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Sorted {
    pub key: Key,
    pub is_descending: bool,
}

/// What no B-tree finds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Search {
    /// Words of a `tsvector` expression.
    Words(Key),
    /// What a JSON document or an array contains.
    Contains(Key),
    /// A part of a text.
    Part(Key),
}

/// A statement on one table, and how often and for how long it was run.
#[derive(Clone, Debug, PartialEq)]
pub struct Shape {
    pub fingerprint: String,
    pub table: String,
    pub calls: f64,
    pub mean_ms: f64,
    /// What is compared with one value,
    pub equals: Vec<Term>,
    /// with one of several,
    pub any_of: Vec<Term>,
    /// by less and greater,
    pub ranges: Vec<Term>,
    /// and with nothing that varies.
    pub fixed: Vec<Fixed>,
    /// What is searched for, and which share of rows that finds.
    pub search: Option<(Search, f64)>,
    pub order: Vec<Sorted>,
    pub limit: Option<f64>,
    /// The columns that are read, whatever for; `None`: all.
    pub reads: Option<Vec<String>>,
}

/// Of rows that are compared by less and greater this share passes, if nothing else is known: PostgreSQL's
/// `DEFAULT_INEQ_SEL`.
const RANGE: f64 = 1.0 / 3.0;
/// So many values are given to choose from, if it is not known how many.
const SEVERAL: f64 = 3.0;

impl Table {
    pub(super) fn column(&self, key: &Key) -> Option<&Column> {
        match key {
            Key::Column(name) => self.columns.iter().find(|column| column.name == *name),
            Key::Expression(_) => None,
        }
    }

    pub(super) fn is_tenant(&self, key: &Key) -> bool {
        matches!((key, &self.tenant), (Key::Column(name), Some(tenant)) if name == tenant)
    }

    /// Which share of rows has a value.
    fn of_a_value(&self, key: &Key) -> f64 {
        // An expression is taken to tell rows apart as well as most columns that are filtered by do.
        self.column(key)
            .map_or(0.01, |column| 1.0 / column.distinct.max(1.0))
    }

    pub(super) fn equal(&self, term: &Term) -> f64 {
        term.selectivity.unwrap_or_else(|| self.of_a_value(&term.key))
    }

    pub(super) fn any(&self, term: &Term) -> f64 {
        term.selectivity
            .unwrap_or_else(|| (SEVERAL * self.of_a_value(&term.key)).min(1.0))
    }
}

impl Shape {
    /// Whether one of these columns is compared or sorted by.
    pub(super) fn asks_for(&self, columns: &[&str]) -> bool {
        let compared = self.equals.iter().chain(&self.any_of).chain(&self.ranges);
        let keys = compared
            .map(|term| &term.key)
            .chain(self.order.iter().map(|sorted| &sorted.key));
        let mut named = keys.filter_map(Key::column);
        named.any(|name| columns.contains(&name))
    }

    pub(super) fn total_ms(&self) -> f64 {
        self.calls * self.mean_ms
    }

    /// Which share of rows lies within what a key is compared with.
    pub(super) fn within(&self, key: &Key) -> f64 {
        let terms = self.ranges.iter().filter(|term| term.key == *key);
        terms.map(|term| term.selectivity.unwrap_or(RANGE)).product()
    }

    /// Which share of rows passes everything.
    pub(super) fn passing(&self, table: &Table) -> f64 {
        let equal: f64 = self.equals.iter().map(|term| table.equal(term)).product();
        let any: f64 = self.any_of.iter().map(|term| table.any(term)).product();
        let ranges: f64 = self
            .ranges
            .iter()
            .map(|term| term.selectivity.unwrap_or(RANGE))
            .product();
        let fixed: f64 = self.fixed.iter().map(|fixed| fixed.selectivity).product();
        let found = self.search.as_ref().map_or(1.0, |(_, share)| *share);
        equal * any * ranges * fixed * found
    }
}

impl Key {
    pub(super) fn column(&self) -> Option<&str> {
        match self {
            Self::Column(name) => Some(name),
            Self::Expression(_) => None,
        }
    }
}

impl fmt::Display for Key {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Column(name) => super::index::write_name(formatter, name),
            Self::Expression(sql) => write!(formatter, "({sql})"),
        }
    }
}

impl fmt::Display for Sorted {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let direction = if self.is_descending { " DESC" } else { "" };
        write!(formatter, "{}{direction}", self.key)
    }
}

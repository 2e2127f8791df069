use std::fmt;
use std::fmt::Write as _;

use super::{Key, Sorted, Table};

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Method {
    Btree,
    Gin,
    /// GIN over the trigrams of a text, which the extension `pg_trgm` has.
    Trigram,
}

/// An index, without its name. It is written as what follows `CREATE INDEX … ON`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Index {
    pub table: String,
    pub method: Method,
    pub keys: Vec<Sorted>,
    /// Columns that are only read.
    pub include: Vec<String>,
    /// The conditions of the rows that it has, in order; none: it has all.
    pub only: Vec<String>,
}

/// What an entry takes beside its keys: its header, its pointer, and what a page leaves free.
const ENTRY_BYTES: f64 = 20.0;
/// What an expression is taken to be as wide as.
const EXPRESSION_BYTES: f64 = 32.0;
/// How long it takes to keep one entry up to date: a B-tree's, and one of the many of a document.
const BTREE_WRITE_MS: f64 = 0.01;
const GIN_WRITE_MS: f64 = 0.1;

/// PostgreSQL cuts off names behind 63 bytes, and nine of them are a hash (FNV-1a, 32 bits).
const MOST_NAMED: usize = 54;
const FNV_OFFSET: u32 = 0x811c_9dc5;
const FNV_PRIME: u32 = 0x0100_0193;

impl Index {
    /// How large it would be, when it has this share of rows.
    pub(super) fn bytes(&self, table: &Table, part: f64) -> f64 {
        let width = |key: &Key| table.column(key).map_or(EXPRESSION_BYTES, |column| column.bytes);
        let keys: f64 = self.keys.iter().map(|sorted| width(&sorted.key)).sum();
        let read: f64 = self
            .include
            .iter()
            .map(|name| width(&Key::Column(name.clone())))
            .sum();
        // A document has many entries, but each of them is there once for many rows.
        table.rows * part * (ENTRY_BYTES + keys + read)
    }

    /// How long it takes to keep it up to date for as many writes as there were.
    pub(super) fn write_ms(&self, table: &Table, part: f64) -> f64 {
        let each = match self.method {
            Method::Btree => BTREE_WRITE_MS,
            Method::Gin | Method::Trigram => GIN_WRITE_MS,
        };
        table.writes * part * each
    }

    /// Whether whoever uses the other one could use this one as well.
    pub(super) fn replaces(&self, other: &Self) -> bool {
        self.table == other.table
            && self.method == other.method
            && self.only == other.only
            && self.keys.starts_with(&other.keys)
            && other.include.iter().all(|column| self.has(column))
            // Of others than B-trees each key stands for itself, and in any order.
            && (self.method == Method::Btree || self.keys.len() == other.keys.len())
    }

    /// A name for it: of its table and its keys, and of all that it is.
    pub fn name(&self) -> String {
        let whole = self.to_string();
        let hash = whole.bytes().fold(FNV_OFFSET, |hash, byte| {
            (hash ^ u32::from(byte)).wrapping_mul(FNV_PRIME)
        });
        let mut name = format!("idx_{}", self.table);
        for key in self.keys.iter().filter_map(|sorted| sorted.key.column()) {
            name.push('_');
            name.push_str(key);
        }
        let plain = name.chars().map(|letter| match letter {
            'a'..='z' | '0'..='9' | '_' => letter,
            _ => '_',
        });
        let mut name: String = plain.take(MOST_NAMED).collect();
        let _ = write!(name, "_{hash:08x}");
        name
    }

    /// Whether it is a B-tree of columns, whose comparisons are leakproof.
    pub(super) fn is_plain(&self) -> bool {
        self.method == Method::Btree && self.keys.iter().all(|sorted| sorted.key.column().is_some())
    }

    /// Whether a column can be read from it.
    pub(super) fn has(&self, column: &str) -> bool {
        let is_key = self.keys.iter().any(|sorted| sorted.key.column() == Some(column));
        is_key || self.include.iter().any(|name| name == column)
    }
}

impl fmt::Display for Index {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_name(formatter, &self.table)?;
        if self.method != Method::Btree {
            formatter.write_str(" USING gin")?;
        }
        formatter.write_str(" (")?;
        for (at, key) in self.keys.iter().enumerate() {
            let comma = if at > 0 { ", " } else { "" };
            let class = if self.method == Method::Trigram {
                " gin_trgm_ops"
            } else {
                ""
            };
            write!(formatter, "{comma}{key}{class}")?;
        }
        formatter.write_str(")")?;
        for (at, column) in self.include.iter().enumerate() {
            formatter.write_str(if at > 0 { ", " } else { " INCLUDE (" })?;
            write_name(formatter, column)?;
        }
        if !self.include.is_empty() {
            formatter.write_str(")")?;
        }
        for (at, condition) in self.only.iter().enumerate() {
            let word = if at > 0 { "AND" } else { "WHERE" };
            write!(formatter, " {word} ({condition})")?;
        }
        Ok(())
    }
}

/// Writes a name as SQL does: in quotes, unless it is as plain as our own are.
pub(super) fn write_name(formatter: &mut fmt::Formatter<'_>, name: &str) -> fmt::Result {
    let is_plain = name.starts_with(|first: char| first.is_ascii_lowercase() || first == '_')
        && name
            .chars()
            .all(|letter| letter.is_ascii_lowercase() || letter.is_ascii_digit() || letter == '_')
        && !RESERVED.contains(&name);
    if is_plain {
        formatter.write_str(name)
    } else {
        write!(formatter, "\"{}\"", name.replace('"', "\"\""))
    }
}

/// Words that PostgreSQL does not take for a column's name (its manual, appendix C), as far as anybody would name one so.
const RESERVED: [&str; 24] = [
    "all",
    "analyse",
    "analyze",
    "any",
    "as",
    "asc",
    "case",
    "check",
    "column",
    "default",
    "desc",
    "do",
    "end",
    "from",
    "group",
    "limit",
    "offset",
    "order",
    "primary",
    "references",
    "table",
    "to",
    "user",
    "when",
];

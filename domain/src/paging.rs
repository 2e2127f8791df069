//! Pages of a list: by keyset cursor, or by number.

use time::OffsetDateTime;
use uuid::Uuid;

/// How many items a page has when the caller does not say.
pub const DEFAULT_LIMIT: u32 = 50;
/// The most items a page can have.
pub const MAX_LIMIT: u32 = 200;
/// The deepest row a numbered page may reach; beyond it a cursor is the only way that stays fast.
pub const MAX_OFFSET: u64 = 10_000;

/// Where in a list a page starts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Start {
    /// Behind a position, or at the beginning.
    After(Option<Position>),
    /// At page `number`, counted from 0; the page also counts the whole list.
    Page(u32),
}

/// Which part of a list is wanted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Paging {
    pub start: Start,
    /// 1 to [`MAX_LIMIT`].
    pub limit: u32,
}

impl Paging {
    pub fn first(limit: u32) -> Self {
        Self {
            start: Start::After(None),
            limit,
        }
    }
}

/// The place of one item in its list: the value it is sorted by and, for items that share it, its id.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Position {
    pub key: SortKey,
    pub id: Uuid,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SortKey {
    Time(OffsetDateTime),
    Number(i64),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    Ascending,
    Descending,
}

/// One page of a list.
#[derive(Clone, Debug)]
pub struct Page<T> {
    pub items: Vec<T>,
    /// Where the next page starts; `None` on the last one.
    pub next: Option<Position>,
    /// How many items the whole list has; known for numbered pages alone.
    pub total: Option<u64>,
}

impl<T> Page<T> {
    /// Makes a page of rows read one beyond `limit`, which tells whether there are more.
    pub fn from_rows(mut rows: Vec<T>, limit: u32, position: impl Fn(&T) -> Position) -> Self {
        let limit = limit as usize;
        let more = rows.len() > limit;
        rows.truncate(limit);
        let next = if more { rows.last().map(position) } else { None };
        Self {
            items: rows,
            next,
            total: None,
        }
    }

    pub fn map<U>(self, view: impl FnMut(T) -> U) -> Page<U> {
        Page {
            items: self.items.into_iter().map(view).collect(),
            next: self.next,
            total: self.total,
        }
    }
}

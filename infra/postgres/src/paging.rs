//! Pages by keyset, in the order of an index: `(key, id)` beyond the last row seen, both in the same direction, so that
//! one row comparison is one index condition.

use fairlead_domain::paging::{Direction, Page, Paging, Position, SortKey, Start};
use fairlead_domain::store::StoreError;
use sea_orm::sea_query::{Expr, ExprTrait as _};
use sea_orm::{
    ColumnTrait, EntityTrait, Order, QueryFilter as _, QueryOrder as _, QuerySelect as _, Select, Value,
};

use crate::connection::Connection;
use crate::error::unexpected;
use crate::rows::FromRow;

/// The order of a list: by `key`, and by `id` where keys are equal.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Keyset<C> {
    pub(crate) key: C,
    pub(crate) id: C,
    pub(crate) direction: Direction,
    /// Whether an index has the rows of the list in this order, and no others: then no values make another plan better.
    pub(crate) is_indexed: bool,
}

/// Reads one page of `select`; a numbered page also counts the whole list. `position` tells the place of an item.
pub(crate) async fn page<E, T>(
    connection: &Connection,
    select: Select<E>,
    keyset: &Keyset<E::Column>,
    paging: &Paging,
    position: impl Fn(&T) -> Position,
) -> Result<Page<T>, StoreError>
where
    E: EntityTrait,
    T: FromRow,
{
    let total = match paging.start {
        Start::After(_) => None,
        Start::Page(_) => Some(count(connection, select.clone()).await?),
    };
    page_of(connection, select, keyset, paging, total, position).await
}

/// Reads one page of `select`, of which somebody else knows how long the whole list is.
pub(crate) async fn page_of<E, T>(
    connection: &Connection,
    select: Select<E>,
    keyset: &Keyset<E::Column>,
    paging: &Paging,
    total: Option<u64>,
    position: impl Fn(&T) -> Position,
) -> Result<Page<T>, StoreError>
where
    E: EntityTrait,
    T: FromRow,
{
    let select = match paging.start {
        Start::After(None) => select,
        Start::After(Some(position)) => select.filter(keyset.beyond(position)?),
        Start::Page(number) => select.offset(u64::from(number) * u64::from(paging.limit)),
    };
    let select = select
        .order_by(keyset.key, keyset.order())
        .order_by(keyset.id, keyset.order())
        // One more than wanted tells whether there are more.
        .limit(u64::from(paging.limit) + 1);
    let rows = if keyset.is_indexed {
        connection.select_keeping_plan(&select).await?
    } else {
        connection.select(&select).await?
    };
    let mut page = Page::from_rows(rows, paging.limit, position);
    page.total = total;
    Ok(page)
}

/// Counts the rows of a select.
pub(crate) async fn count<E: EntityTrait>(
    connection: &Connection,
    select: Select<E>,
) -> Result<u64, StoreError> {
    let select = select.select_only().expr_as(Expr::cust("COUNT(*)"), "total");
    let total: Option<(i64,)> = connection.select_one(&select).await?;
    Ok(total
        .and_then(|(total,)| u64::try_from(total).ok())
        .unwrap_or_default())
}

impl<C: ColumnTrait> Keyset<C> {
    pub(crate) fn newest_first(key: C, id: C) -> Self {
        Self {
            key,
            id,
            direction: Direction::Descending,
            is_indexed: false,
        }
    }

    fn order(&self) -> Order {
        match self.direction {
            Direction::Ascending => Order::Asc,
            Direction::Descending => Order::Desc,
        }
    }

    fn beyond(&self, position: Position) -> Result<Expr, StoreError> {
        let key = match position.key {
            SortKey::Time(time) => Value::from(time),
            SortKey::Number(number) => Value::from(
                i32::try_from(number).map_err(|_| unexpected("a sort key beyond the range of its column"))?,
            ),
        };
        let here = Expr::tuple([
            Expr::col(self.key.as_column_ref()),
            Expr::col(self.id.as_column_ref()),
        ]);
        let there = Expr::tuple([Expr::val(key), Expr::val(position.id)]);
        Ok(match self.direction {
            Direction::Ascending => here.gt(there),
            Direction::Descending => here.lt(there),
        })
    }
}

/// `column = text`. PostgreSQL refuses U+0000 in a text, so nothing equals one that has it.
pub(crate) fn equals(column: impl ColumnTrait, text: &str) -> Expr {
    if text.contains('\0') {
        Expr::Constant(false.into())
    } else {
        column.eq(text)
    }
}

use super::{Index, Key, Method, Search, Shape, Sorted, Table};
use crate::performance::statistics::whole;

/// What it takes to go through one row of a table from its beginning to its end: the unit of all costs here.
const SCANNED: f64 = 1.0;
/// To find a row by an index and fetch it from wherever it lies; to read it from the index alone; to compare it while sorting.
/// A table of which a tenth is fetched is better gone through.
const FETCHED: f64 = 10.0;
const READ: f64 = 0.7;
const COMPARED: f64 = 0.2;
/// What a GIN index does for each row before it is fetched: its pages are not in the order of rows.
const LISTED: f64 = 1.0;

/// What a statement costs without any index.
pub(super) fn scan_cost(shape: &Shape, table: &Table) -> f64 {
    let rows = table.rows * shape.passing(table);
    let scanned = match shape.limit {
        // Without an order it ends when it has enough.
        Some(limit) if shape.order.is_empty() => table.rows * (limit / rows.max(1e-9)).min(1.0),
        _ => table.rows,
    };
    SCANNED * scanned + sort_cost(shape, rows)
}

/// What a statement costs with an index; `None`: it is of no use.
pub(super) fn index_cost(shape: &Shape, table: &Table, index: &Index) -> Option<f64> {
    if index.table != shape.table || !index.only.iter().all(|condition| is_fixed(shape, condition)) {
        return None;
    }
    let part = part(shape, index);
    let passing = shape.passing(table);
    let (found, is_sorted) = match index.method {
        Method::Btree => {
            let walk = Walk::along(index, shape, table);
            let is_of_use = walk.found < 1.0 || part < 1.0 || (walk.is_sorted && shape.limit.is_some());
            is_of_use.then_some((part * walk.found, walk.is_sorted))?
        }
        Method::Gin | Method::Trigram => (searched(shape, index)?, false),
    };
    let rows = table.rows * found;
    // In order, it ends when it has enough.
    let fetched = match shape.limit {
        Some(limit) if is_sorted || shape.order.is_empty() => rows.min(limit * found / passing.max(1e-12)),
        _ => rows,
    };
    let is_covered = index.method == Method::Btree
        && shape
            .reads
            .as_ref()
            .is_some_and(|columns| columns.iter().all(|column| index.has(column)));
    let each = match (index.method, is_covered) {
        (Method::Btree, true) => READ,
        (Method::Btree, false) => FETCHED,
        (Method::Gin | Method::Trigram, _) => FETCHED + LISTED,
    };
    let descent = table.rows.max(2.0).log2();
    let sort = if is_sorted {
        0.0
    } else {
        sort_cost(shape, table.rows * passing)
    };
    Some(descent + each * fetched + sort)
}

/// Which share of rows an index has, by what is known of its conditions.
pub(super) fn part(shape: &Shape, index: &Index) -> f64 {
    let fixed = shape.fixed.iter().filter(|fixed| index.only.contains(&fixed.sql));
    fixed.map(|fixed| fixed.selectivity).product()
}

fn is_fixed(shape: &Shape, condition: &str) -> bool {
    shape.fixed.iter().any(|fixed| fixed.sql == condition)
}

fn sort_cost(shape: &Shape, rows: f64) -> f64 {
    if shape.order.is_empty() || rows <= 1.0 {
        return 0.0;
    }
    // With a limit only so many are kept while going through the rest.
    let kept = shape.limit.unwrap_or(rows).clamp(2.0, rows.max(2.0));
    COMPARED * rows * kept.log2()
}

/// How far a B-tree helps.
struct Walk {
    /// Which share of its rows is looked at,
    found: f64,
    /// and whether they come in the order that is asked for.
    is_sorted: bool,
}

impl Walk {
    fn along(index: &Index, shape: &Shape, table: &Table) -> Self {
        let mut found = 1.0;
        let mut keys = index.keys.iter().peekable();
        let mut jumps = false;
        let mut passed: Vec<&Key> = Vec::new();
        while let Some(sorted) = keys.peek() {
            let key = &sorted.key;
            if let Some(term) = shape.equals.iter().find(|term| term.key == *key) {
                found *= table.equal(term);
            } else if let Some(term) = shape.any_of.iter().find(|term| term.key == *key) {
                // Each of the values is looked up by itself, so what follows is sorted for each of them alone.
                found *= table.any(term);
                jumps = true;
            } else {
                break;
            }
            passed.push(key);
            keys.next();
        }
        let rest: Vec<&Sorted> = keys.collect();
        if let Some(first) = rest.first()
            && shape.ranges.iter().any(|term| term.key == first.key)
        {
            found *= shape.within(&first.key);
        }
        Self {
            found,
            is_sorted: !shape.order.is_empty() && !jumps && is_sorted(&rest, &passed, shape),
        }
    }
}

/// Whether the rest of an index has the order that is asked for, forwards or backwards. What is equal to one value needs no
/// order.
fn is_sorted(rest: &[&Sorted], passed: &[&Key], shape: &Shape) -> bool {
    let asked: Vec<&Sorted> = shape
        .order
        .iter()
        .filter(|sorted| {
            !passed.contains(&&sorted.key) && !shape.equals.iter().any(|term| term.key == sorted.key)
        })
        .collect();
    let same = |turned: bool| {
        asked.len() <= rest.len()
            && asked.iter().zip(rest).all(|(asked, has)| {
                asked.key == has.key && (asked.is_descending != has.is_descending) == turned
            })
    };
    same(false) || same(true)
}

/// Which share of rows a GIN index finds; `None`: it is not what is searched.
fn searched(shape: &Shape, index: &Index) -> Option<f64> {
    let (wanted, part) = shape.search.as_ref()?;
    let (method, key) = match wanted {
        Search::Words(key) | Search::Contains(key) => (Method::Gin, key),
        Search::Part(key) => (Method::Trigram, key),
    };
    let is_it = index.method == method && index.keys.iter().any(|sorted| sorted.key == *key);
    is_it.then_some(*part)
}

/// Whether so few rows are gone through anyhow that no index is worth it.
pub(super) fn is_small(table: &Table) -> bool {
    whole(table.rows) < SMALL
}

/// A table of a few dozen pages is read sooner than it is decided how.
const SMALL: usize = 2_000;

/// What a statement takes whatever it reads, in rows that are gone through.
pub(super) const OVERHEAD: f64 = 1_000.0;

/// Which share of a statement's time one cost saves of another.
pub(super) fn saved(before: f64, after: f64) -> f64 {
    (1.0 - (OVERHEAD + after) / (OVERHEAD + before)).max(0.0)
}

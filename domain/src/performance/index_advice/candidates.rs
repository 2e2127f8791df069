use std::collections::BTreeSet;

use super::{Index, Key, Method, Search, Shape, Sorted, Table};

/// No index is advised that has more keys, or holds more columns only to be read.
const MOST_KEYS: usize = 5;
const MOST_READ: usize = 4;
/// A condition that more rows than this meet leaves out too few.
const PARTIAL: f64 = 0.5;

/// The indexes that could help statements on a table.
pub(super) fn candidates(table: &Table, shapes: &[&Shape]) -> BTreeSet<Index> {
    let mut all = BTreeSet::new();
    for shape in shapes {
        all.extend(searching(table, shape));
        let equal = equal_keys(table, shape, shapes);
        all.extend(sorting(table, shape, &equal));
        // An index of two statements has first what both compare, then what the one does besides.
        for other in shapes {
            let common = |key: &Key| other.equals.iter().any(|term| term.key == *key);
            let (first, then): (Vec<Key>, Vec<Key>) = equal.iter().cloned().partition(common);
            if !first.is_empty() && !then.is_empty() {
                all.extend(sorting(table, shape, &[first, then].concat()));
            }
        }
    }
    all
}

/// What a statement compares with one value: the tenant first, because every statement does; then what most statements
/// compare, so that indexes can be shared; then what tells most rows apart.
fn equal_keys(table: &Table, shape: &Shape, shapes: &[&Shape]) -> Vec<Key> {
    let shared = |key: &Key| {
        let compare = |shape: &&&Shape| shape.equals.iter().any(|term| term.key == *key);
        shapes.iter().filter(compare).count()
    };
    let mut terms: Vec<_> = shape.equals.iter().collect();
    terms.sort_by(|left, right| {
        let rank = |key: &Key| (table.is_tenant(key), shared(key));
        rank(&right.key)
            .cmp(&rank(&left.key))
            .then(table.equal(left).total_cmp(&table.equal(right)))
            .then(left.key.cmp(&right.key))
    });
    let mut keys: Vec<Key> = terms.into_iter().map(|term| term.key.clone()).collect();
    keys.dedup();
    keys
}

/// B-trees that begin with what is equal. What follows is the order, or what is compared by less and greater, or both; and
/// what is one of several, before or instead.
fn sorting(table: &Table, shape: &Shape, equal: &[Key]) -> Vec<Index> {
    let up = |key: &Key| Sorted {
        key: key.clone(),
        is_descending: false,
    };
    let equal: Vec<Sorted> = equal.iter().map(up).collect();
    let any: Vec<Sorted> = shape.any_of.iter().map(|term| up(&term.key)).collect();
    let is_equal = |sorted: &&Sorted| !shape.equals.iter().any(|term| term.key == sorted.key);
    let order: Vec<Sorted> = shape.order.iter().filter(is_equal).cloned().collect();
    let mut tails = vec![Vec::new(), order.clone()];
    for range in &shape.ranges {
        tails.push(vec![up(&range.key)]);
        // What is compared is looked at before it is fetched, if it is there at all.
        if !order.iter().any(|sorted| sorted.key == range.key) {
            tails.push([order.clone(), vec![up(&range.key)]].concat());
        }
    }
    let mut indexes = Vec::new();
    for any in [Vec::new(), any] {
        for tail in &tails {
            let tail = tail
                .iter()
                .filter(|sorted| !any.iter().any(|any| any.key == sorted.key));
            let keys: Vec<Sorted> = equal.iter().chain(&any).chain(tail).cloned().collect();
            if keys.is_empty() || keys.len() > MOST_KEYS || is_tenant_alone(table, &keys) {
                continue;
            }
            indexes.extend(variants(shape, &keys));
        }
    }
    indexes
}

/// An index on the tenant alone is what every other one begins with.
fn is_tenant_alone(table: &Table, keys: &[Sorted]) -> bool {
    matches!(keys, [only] if table.is_tenant(&only.key))
}

/// The same keys: of all rows or of those that meet what never varies, and with or without what is read besides.
fn variants(shape: &Shape, keys: &[Sorted]) -> Vec<Index> {
    let plain = Index {
        table: shape.table.clone(),
        method: Method::Btree,
        keys: keys.to_vec(),
        include: Vec::new(),
        only: Vec::new(),
    };
    let mut variants = vec![plain.clone()];
    let mut only: Vec<String> = shape
        .fixed
        .iter()
        .filter(|fixed| fixed.selectivity <= PARTIAL)
        .map(|fixed| fixed.sql.clone())
        .collect();
    only.sort();
    if !only.is_empty() {
        variants.push(Index {
            only,
            ..plain.clone()
        });
    }
    if let Some(columns) = &shape.reads {
        let mut include: Vec<String> = columns
            .iter()
            .filter(|column| !plain.has(column))
            .cloned()
            .collect();
        include.sort();
        if (1..=MOST_READ).contains(&include.len()) {
            let covering = variants.iter().map(|index| Index {
                include: include.clone(),
                ..index.clone()
            });
            variants.extend(covering.collect::<Vec<_>>());
        }
    }
    variants
}

fn searching(table: &Table, shape: &Shape) -> Option<Index> {
    let (search, _) = shape.search.as_ref()?;
    let (method, key) = match search {
        Search::Words(key) | Search::Contains(key) => (Method::Gin, key),
        Search::Part(key) => (Method::Trigram, key),
    };
    Some(Index {
        table: table.name.clone(),
        method,
        keys: vec![Sorted {
            key: key.clone(),
            is_descending: false,
        }],
        include: Vec::new(),
        only: Vec::new(),
    })
}

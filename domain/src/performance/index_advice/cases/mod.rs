//! Statements that need an index, and statements that do not, with the index that a database administrator would add.

mod needed;
mod not_needed;
mod shared;

pub(super) use needed::needed;
pub(super) use not_needed::not_needed;
pub(super) use shared::shared;

use super::{Column, ExistingIndex, Fixed, Index, Key, Method, Search, Shape, Sorted, Table, Term, Workload};

/// What is measured, what is there, and what is to be advised: any of the forms of each line.
pub(super) struct Case {
    pub(super) name: &'static str,
    pub(super) workload: Workload,
    pub(super) expected: Vec<Vec<&'static str>>,
}

const CREATED: &str = "created_at desc";

fn key(text: &str) -> Key {
    if text.contains(['(', '>']) {
        Key::Expression(text.to_owned())
    } else {
        Key::Column(text.to_owned())
    }
}

fn keys(text: &str) -> impl Iterator<Item = Key> {
    text.split(", ").filter(|part| !part.is_empty()).map(key)
}

fn sorted(text: &str) -> Vec<Sorted> {
    let parts = text.split(", ").filter(|part| !part.is_empty());
    parts
        .map(|part| {
            let ascending = part.strip_suffix(" desc");
            Sorted {
                key: key(ascending.unwrap_or(part)),
                is_descending: ascending.is_some(),
            }
        })
        .collect()
}

/// A statement that is run ten thousand times, and takes 50 ms each.
fn on(table: &str) -> Shape {
    Shape {
        fingerprint: "q".to_owned(),
        table: table.to_owned(),
        calls: 10_000.0,
        mean_ms: 50.0,
        equals: Vec::new(),
        any_of: Vec::new(),
        ranges: Vec::new(),
        fixed: Vec::new(),
        search: None,
        order: Vec::new(),
        limit: None,
        reads: None,
    }
}

/// A statement on the leads of a tenant.
fn leads() -> Shape {
    on("leads").equal("tenant_id")
}

fn activities() -> Shape {
    on("activities").equal("tenant_id")
}

impl Shape {
    fn equal(mut self, text: &str) -> Self {
        self.equals.extend(keys(text).map(|key| Term {
            key,
            selectivity: None,
        }));
        self
    }

    fn equal_of(mut self, text: &str, share: f64) -> Self {
        let selectivity = Some(share);
        self.equals
            .extend(keys(text).map(|key| Term { key, selectivity }));
        self
    }

    fn any(mut self, text: &str, share: f64) -> Self {
        let selectivity = Some(share);
        self.any_of
            .extend(keys(text).map(|key| Term { key, selectivity }));
        self
    }

    fn range(mut self, text: &str, share: f64) -> Self {
        let selectivity = Some(share);
        self.ranges
            .extend(keys(text).map(|key| Term { key, selectivity }));
        self
    }

    fn fixed(mut self, sql: &str, selectivity: f64) -> Self {
        let sql = sql.to_owned();
        self.fixed.push(Fixed { sql, selectivity });
        self
    }

    fn by(mut self, text: &str, limit: f64) -> Self {
        self.order = sorted(text);
        self.limit = (limit > 0.0).then_some(limit);
        self
    }

    fn searched(mut self, search: fn(Key) -> Search, text: &str, share: f64) -> Self {
        self.search = Some((search(key(text)), share));
        self
    }

    fn reads(mut self, text: &str) -> Self {
        self.reads = Some(text.split(", ").map(str::to_owned).collect());
        self
    }

    fn takes(mut self, calls: f64, mean_ms: f64) -> Self {
        (self.calls, self.mean_ms) = (calls, mean_ms);
        self
    }

    fn named(mut self, fingerprint: &str) -> Self {
        fingerprint.clone_into(&mut self.fingerprint);
        self
    }
}

fn table(name: &str, rows: f64, writes: f64, tenants: f64, columns: &[(&str, f64, f64)]) -> Table {
    let column = |(name, distinct, bytes): &(&str, f64, f64)| Column {
        name: (*name).to_owned(),
        distinct: *distinct,
        bytes: *bytes,
    };
    let tenant = (tenants > 0.0).then(|| "tenant_id".to_owned());
    let mut columns: Vec<Column> = columns.iter().map(column).collect();
    columns.push(column(&("tenant_id", tenants.max(1.0), 16.0)));
    Table {
        name: name.to_owned(),
        rows,
        writes,
        tenant,
        columns,
    }
}

/// Two hundred tenants with five thousand leads each, and the tables around them.
pub(super) fn tables() -> Vec<Table> {
    let lead = [
        ("id", 1e6, 16.0),
        ("status", 4.0, 8.0),
        ("assigned_to", 2_000.0, 16.0),
        ("source", 20.0, 8.0),
        ("insurance_type", 6.0, 8.0),
        ("zip_code", 30_000.0, 6.0),
        ("quality_score", 101.0, 4.0),
        ("created_at", 1e6, 8.0),
        ("updated_at", 1e6, 8.0),
        ("email", 9e5, 24.0),
        ("phone", 9e5, 14.0),
        ("name", 5e5, 20.0),
        ("company", 1e5, 20.0),
    ];
    let activity = [
        ("id", 5e6, 16.0),
        ("lead_id", 1e5, 16.0),
        ("user_id", 2_000.0, 16.0),
        ("kind", 8.0, 8.0),
        ("occurred_at", 5e6, 8.0),
    ];
    vec![
        table("leads", 1e6, 1e5, 200.0, &lead),
        table("activities", 5e6, 5e5, 200.0, &activity),
        table("plans", 1_500.0, 10.0, 200.0, &[("name", 1_500.0, 16.0)]),
        table(
            "sessions",
            3e5,
            1e5,
            0.0,
            &[("token_hash", 3e5, 32.0), ("user_id", 2e4, 16.0)],
        ),
        table("outbox", 2e6, 1e6, 0.0, &[("id", 2e6, 8.0), ("kind", 20.0, 8.0)]),
        table(
            "jobs",
            1e6,
            1e6,
            0.0,
            &[("id", 1e6, 16.0), ("queue", 5.0, 8.0), ("run_at", 1e6, 8.0)],
        ),
        table(
            "audit",
            2e7,
            1e6,
            0.0,
            &[("occurred_at", 2e7, 8.0), ("action", 50.0, 8.0)],
        ),
        table("log", 1e7, 1e9, 0.0, &[("level", 5.0, 4.0), ("trace", 1e7, 16.0)]),
        table(
            "virtual_numbers",
            5e5,
            1e4,
            0.0,
            &[
                ("country_code", 50.0, 4.0),
                ("area_code", 300.0, 4.0),
                ("owner_id", 1e4, 16.0),
            ],
        ),
        table(
            "usage_records",
            1e7,
            1e6,
            0.0,
            &[("number_id", 1e5, 16.0), ("timestamp", 1e7, 8.0)],
        ),
        table(
            "tickets",
            1e6,
            1e5,
            0.0,
            &[
                ("id", 1e6, 16.0),
                ("organization_id", 500.0, 16.0),
                ("status_id", 6.0, 4.0),
                ("priority_id", 4.0, 4.0),
                ("created_at", 1e6, 8.0),
                ("title", 9e5, 40.0),
            ],
        ),
    ]
}

pub(super) fn btree(table: &str, text: &str) -> Index {
    Index {
        table: table.to_owned(),
        method: Method::Btree,
        keys: sorted(text),
        include: Vec::new(),
        only: Vec::new(),
    }
}

pub(super) fn there(name: &str, index: Index) -> ExistingIndex {
    ExistingIndex {
        name: name.to_owned(),
        index,
        is_constraint: name.ends_with("_key"),
        is_invalid: false,
        scans: Some(100),
        bytes: 1_000_000,
    }
}

fn workload(shapes: Vec<Shape>, mut existing: Vec<ExistingIndex>) -> Workload {
    for name in ["leads", "activities", "plans"] {
        existing.push(there(&format!("{name}_key"), btree(name, "tenant_id, id")));
    }
    Workload {
        tables: tables(),
        shapes,
        existing,
    }
}

fn case(name: &'static str, shape: Shape, expected: &'static str) -> Case {
    Case {
        name,
        workload: workload(vec![shape], Vec::new()),
        expected: vec![expected.split(" | ").collect()],
    }
}

fn no_case(name: &'static str, shape: Shape, existing: Vec<Index>) -> Case {
    let existing = existing.into_iter().map(|index| there("i", index)).collect();
    Case {
        name,
        workload: workload(vec![shape], existing),
        expected: Vec::new(),
    }
}

use crate::performance::statistics::{real_u64, share};

/// What `pg_stat_user_tables` and `pg_class` say of a table.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TableState {
    pub name: String,
    pub live_rows: u64,
    pub dead_rows: u64,
    /// How many rows were changed since it was analysed.
    pub changed_rows: u64,
    /// It was analysed, by whomever.
    pub is_analysed: bool,
    /// Of how many transactions its oldest row is.
    pub age: u64,
    pub bytes: u64,
}

/// What a table needs.
#[derive(Clone, Debug, PartialEq)]
pub struct Maintenance {
    pub table: String,
    pub needs: Vec<Need>,
    /// The bytes of rows that are dead, as far as rows are alike.
    pub dead_bytes: f64,
}

/// Why a table is due.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Need {
    /// Its rows must be frozen before transactions run out of numbers.
    Freeze { age: u64 },
    /// This share of its rows is dead: they are read and thrown away.
    Vacuum { dead: f64 },
    /// So much of it has changed since it was analysed that plans are made for another table; `None`: it never was.
    Analyse { changed: Option<f64> },
}

/// From when on a table is due.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Due {
    pub dead: f64,
    pub changed: f64,
    pub age: u64,
    /// Of a table that has fewer than these dead or changed nothing is noticed.
    pub fewest_rows: u64,
    /// How many tables at a time.
    pub most: usize,
}

impl Default for Due {
    /// Half of what PostgreSQL itself waits for: 20 % dead, 10 % changed, 200 million transactions.
    fn default() -> Self {
        Self {
            dead: 0.10,
            changed: 0.05,
            age: 100_000_000,
            fewest_rows: 1_000,
            most: 5,
        }
    }
}

impl Maintenance {
    /// Says why it is due.
    pub fn why(&self) -> String {
        let needs = self.needs.iter().map(|need| match need {
            Need::Freeze { age } => format!("its oldest rows are {age} transactions old"),
            Need::Vacuum { dead } => format!("{:.0} % of its rows are dead", dead * 100.0),
            Need::Analyse {
                changed: Some(changed),
            } => {
                format!("{:.0} % of it has changed since it was analyzed", changed * 100.0)
            }
            Need::Analyse { changed: None } => "it was never analyzed".to_owned(),
        });
        needs.collect::<Vec<_>>().join(", ")
    }

    pub fn is_vacuum(&self) -> bool {
        let vacuums = |need: &Need| matches!(need, Need::Freeze { .. } | Need::Vacuum { .. });
        self.needs.iter().any(vacuums)
    }

    pub fn is_analyse(&self) -> bool {
        self.needs.iter().any(|need| matches!(need, Need::Analyse { .. }))
    }
}

/// Returns the tables that are due: first those that must be, then those with the most that is dead, then those that have
/// changed most.
pub fn due(tables: &[TableState], due: &Due) -> Vec<Maintenance> {
    let mut found: Vec<(&TableState, Maintenance)> = tables
        .iter()
        .filter_map(|table| {
            let needs = needs(table, due);
            let dead = share(real_u64(table.dead_rows), rows(table)).unwrap_or_default();
            (!needs.is_empty()).then(|| {
                let maintenance = Maintenance {
                    table: table.name.clone(),
                    needs,
                    dead_bytes: dead * real_u64(table.bytes),
                };
                (table, maintenance)
            })
        })
        .collect();
    let must = |maintenance: &Maintenance| matches!(maintenance.needs[..], [Need::Freeze { .. }, ..]);
    found.sort_by(|(left, one), (right, other)| {
        must(other)
            .cmp(&must(one))
            .then(other.dead_bytes.total_cmp(&one.dead_bytes))
            .then(right.changed_rows.cmp(&left.changed_rows))
            .then(left.name.cmp(&right.name))
    });
    let found = found.into_iter().map(|(_, maintenance)| maintenance);
    found.take(due.most).collect()
}

fn needs(table: &TableState, due: &Due) -> Vec<Need> {
    let mut needs = Vec::new();
    if table.age >= due.age {
        needs.push(Need::Freeze { age: table.age });
    }
    let dead = share(real_u64(table.dead_rows), rows(table)).unwrap_or_default();
    if table.dead_rows >= due.fewest_rows && dead >= due.dead {
        needs.push(Need::Vacuum { dead });
    }
    let changed = share(real_u64(table.changed_rows), real_u64(table.live_rows.max(1))).unwrap_or_default();
    if !table.is_analysed && table.live_rows >= due.fewest_rows {
        needs.push(Need::Analyse { changed: None });
    } else if table.changed_rows >= due.fewest_rows && changed >= due.changed {
        let changed = Some(changed);
        needs.push(Need::Analyse { changed });
    }
    needs
}

fn rows(table: &TableState) -> f64 {
    real_u64(table.live_rows.saturating_add(table.dead_rows))
}

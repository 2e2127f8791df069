use super::candidates::candidates;
use super::cost::{OVERHEAD, index_cost, is_small, part, saved, scan_cost};
use super::{ExistingIndex, Index, Shape, Table};

/// What was measured, and what is there.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Workload {
    pub tables: Vec<Table>,
    pub shapes: Vec<Shape>,
    pub existing: Vec<ExistingIndex>,
}

/// An index that would pay.
#[derive(Clone, Debug, PartialEq)]
pub struct IndexAdvice {
    pub index: Index,
    /// What statements would save, and writes would cost, in the period that was measured.
    pub saved_ms: f64,
    pub write_ms: f64,
    pub bytes: f64,
    /// The statement that saves most first.
    pub serves: Vec<Served>,
    /// Those that are there and not needed beside it.
    pub replaces: Vec<String>,
    pub risks: Vec<Risk>,
}

impl Workload {
    /// The statements that read a table, by what names them, those that take most time of it first: of those that compare
    /// or sort by one of these columns, unless there are none.
    pub fn busiest(&self, table: &str, columns: &[&str], most: usize) -> Vec<&str> {
        let mut shapes: Vec<&Shape> = self.shapes.iter().filter(|shape| shape.table == table).collect();
        if shapes.iter().any(|shape| shape.asks_for(columns)) {
            shapes.retain(|shape| shape.asks_for(columns));
        }
        shapes.sort_by(|left, right| right.total_ms().total_cmp(&left.total_ms()));
        let mut busiest: Vec<&str> = Vec::new();
        for shape in shapes {
            if busiest.len() < most && !busiest.contains(&shape.fingerprint.as_str()) {
                busiest.push(&shape.fingerprint);
            }
        }
        busiest
    }
}

impl IndexAdvice {
    /// What makes the index while others write.
    pub fn statement(&self) -> String {
        format!(
            "CREATE INDEX CONCURRENTLY IF NOT EXISTS {} ON {}",
            self.index.name(),
            self.index
        )
    }
}

/// Why an index that would pay might not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Risk {
    /// Row-level security keeps what is not leakproof out of an index, and so are functions, and the operators of documents
    /// and texts: it is of use to a function alone that owns the table and compares the tenant itself.
    RowSecurity,
    /// Writes would cost a good part of what is saved.
    Writes,
    /// It is large: to build it takes long, and it needs its place on the disk.
    Large,
}

/// What a statement would save by an index.
#[derive(Clone, Debug, PartialEq)]
pub struct Served {
    pub fingerprint: String,
    pub saved_ms: f64,
    /// How much of its time that is.
    pub share: f64,
}

/// An index has to save this much of a statement's time to be said to serve it.
const SERVES: f64 = 0.3;
/// A statement that is this fast need not be faster,
const FAST_MS: f64 = 1.0;
/// and an index that saves less than this in all is not worth its place.
const WORTH_MS: f64 = 1_000.0;
/// One that saves nearly as much and is smaller is better, unless what is left takes that many times as long.
const NEARLY: f64 = 0.95;
const SLOWER: f64 = 1.25;
/// From which share of what it saves the writes of an index are a risk, and from which size the index is.
const RISKY_WRITES: f64 = 0.25;
const LARGE_BYTES: f64 = 1_073_741_824.0;
/// Of a table no more are advised at once: the next ones when these are there and were measured.
const MOST: usize = 5;

/// Advises indexes, the one that pays most first.
pub fn advise(workload: &Workload) -> Vec<IndexAdvice> {
    let mut advice: Vec<IndexAdvice> = workload
        .tables
        .iter()
        .filter(|table| !is_small(table))
        .flat_map(|table| Choice::of(workload, table).made())
        .collect();
    let pays = |advice: &IndexAdvice| advice.saved_ms - advice.write_ms;
    advice.sort_by(|left, right| pays(right).total_cmp(&pays(left)));
    advice
}

/// The choice of a table's indexes.
struct Choice<'a> {
    workload: &'a Workload,
    table: &'a Table,
    shapes: Vec<&'a Shape>,
    /// What each statement costs with what there is.
    costs: Vec<f64>,
}

impl<'a> Choice<'a> {
    fn of(workload: &'a Workload, table: &'a Table) -> Self {
        let shapes: Vec<&Shape> = workload
            .shapes
            .iter()
            .filter(|shape| shape.table == table.name)
            .collect();
        let existing = || workload.existing.iter().filter(|existing| !existing.is_invalid);
        let cost = |shape: &&Shape| {
            let costs = existing().filter_map(|existing| index_cost(shape, table, &existing.index));
            costs.fold(scan_cost(shape, table), f64::min)
        };
        let costs = shapes.iter().map(cost).collect();
        Self {
            workload,
            table,
            shapes,
            costs,
        }
    }

    fn made(self) -> Vec<IndexAdvice> {
        let slow: Vec<&Shape> = self
            .shapes
            .iter()
            .copied()
            .filter(|shape| shape.mean_ms >= FAST_MS)
            .collect();
        let mut candidates: Vec<Index> = candidates(self.table, &slow).into_iter().collect();
        candidates.retain(|index| {
            !self
                .workload
                .existing
                .iter()
                .any(|there| there.index == *index && !there.is_invalid)
        });
        let mut chosen: Vec<Index> = Vec::new();
        while chosen.len() < MOST {
            let costs = self.costs_with(&chosen);
            let Some(best) = self.best(&candidates, &costs) else {
                break;
            };
            chosen.push(best);
        }
        // A later one may do what an earlier one was chosen for.
        let mut at = 0;
        while at < chosen.len() {
            let mut others = chosen.clone();
            let index = others.remove(at);
            if self.pays(&index, &self.costs_with(&others)).is_none() {
                chosen = others;
            } else {
                at += 1;
            }
        }
        (0..chosen.len()).map(|at| self.advice(&chosen, at)).collect()
    }

    fn costs_with(&self, indexes: &[Index]) -> Vec<f64> {
        let with = |(shape, cost): (&&Shape, &f64)| {
            let costs = indexes
                .iter()
                .filter_map(|index| index_cost(shape, self.table, index));
            costs.fold(*cost, f64::min)
        };
        self.shapes.iter().zip(&self.costs).map(with).collect()
    }

    /// The smallest of those that pay nearly as much as the one that pays most, and leave nearly as little.
    fn best(&self, candidates: &[Index], costs: &[f64]) -> Option<Index> {
        let mut paying: Vec<(&Index, f64)> = candidates
            .iter()
            .filter_map(|index| Some((index, self.pays(index, costs)?)))
            .collect();
        let most = paying.iter().map(|(_, pays)| *pays).fold(0.0, f64::max);
        paying.retain(|(_, pays)| *pays >= NEARLY * most);
        let leaves: Vec<f64> = paying
            .iter()
            .map(|(index, _)| self.leaves(index, costs))
            .collect();
        let least = leaves.iter().copied().fold(f64::INFINITY, f64::min);
        let size = |index: &Index| index.bytes(self.table, self.part(index));
        paying
            .into_iter()
            .zip(leaves)
            .filter(|(_, leaves)| *leaves <= SLOWER * least)
            .map(|((index, _), _)| index)
            .min_by(|left, right| size(left).total_cmp(&size(right)).then_with(|| left.cmp(right)))
            .cloned()
    }

    /// What all statements cost with an index.
    fn leaves(&self, index: &Index, costs: &[f64]) -> f64 {
        let left = self.shapes.iter().zip(costs).map(|(shape, cost)| {
            let with = index_cost(shape, self.table, index).unwrap_or(f64::INFINITY);
            shape.calls * (OVERHEAD + cost.min(with))
        });
        left.sum()
    }

    /// What an index saves beyond what statements cost anyhow, less what it costs to keep; `None`: it does not pay.
    fn pays(&self, index: &Index, costs: &[f64]) -> Option<f64> {
        let saved: f64 = self
            .serves(index, costs)
            .iter()
            .map(|served| served.saved_ms)
            .sum();
        let pays = saved - index.write_ms(self.table, self.part(index));
        (pays >= WORTH_MS).then_some(pays)
    }

    fn serves(&self, index: &Index, costs: &[f64]) -> Vec<Served> {
        let mut serves: Vec<Served> = self
            .shapes
            .iter()
            .zip(&self.costs)
            .zip(costs)
            .filter(|((shape, _), _)| shape.mean_ms >= FAST_MS)
            .filter_map(|((shape, now), before)| {
                let after = index_cost(shape, self.table, index)?;
                // Of what it takes now, what others have saved already is not saved again.
                let share = saved(*now, after) - saved(*now, *before);
                (saved(*before, after) >= SERVES).then(|| Served {
                    fingerprint: shape.fingerprint.clone(),
                    saved_ms: shape.total_ms() * share,
                    share,
                })
            })
            .collect();
        serves.sort_by(|left, right| right.saved_ms.total_cmp(&left.saved_ms));
        serves
    }

    /// Which share of rows an index has, as the first statement that could use it says.
    fn part(&self, index: &Index) -> f64 {
        let uses = |shape: &&&Shape| index_cost(shape, self.table, index).is_some();
        self.shapes
            .iter()
            .find(uses)
            .map_or(1.0, |shape| part(shape, index))
    }

    fn advice(&self, chosen: &[Index], at: usize) -> IndexAdvice {
        let mut others = chosen.to_vec();
        let index = others.remove(at);
        let serves = self.serves(&index, &self.costs_with(&others));
        let replaces = self.workload.existing.iter().filter(|existing| {
            !existing.is_constraint && !existing.is_invalid && index.replaces(&existing.index)
        });
        let part = self.part(&index);
        let saved_ms: f64 = serves.iter().map(|served| served.saved_ms).sum();
        let (write_ms, bytes) = (index.write_ms(self.table, part), index.bytes(self.table, part));
        let risks = [
            (
                self.table.tenant.is_some() && !index.is_plain(),
                Risk::RowSecurity,
            ),
            (write_ms >= RISKY_WRITES * saved_ms, Risk::Writes),
            (bytes >= LARGE_BYTES, Risk::Large),
        ];
        IndexAdvice {
            saved_ms,
            write_ms,
            bytes,
            replaces: replaces.map(|existing| existing.name.clone()).collect(),
            risks: risks
                .into_iter()
                .filter_map(|(is_so, risk)| is_so.then_some(risk))
                .collect(),
            serves,
            index,
        }
    }
}

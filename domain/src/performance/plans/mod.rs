//! How the server would run a statement that somebody has thought of, and what is wrong with that.

mod findings;
mod model;
mod port;

pub use findings::{CostClass, Finding, TableFacts, findings};
pub use model::{Actual, Plan, PlanNode, Sorting};
pub use port::{AnalyseError, AnalyseQuery, Analysed, MOST_SQL_BYTES, QueryPlans, Run};

#[cfg(test)]
mod tests;

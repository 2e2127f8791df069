//! What the database's own catalog and statistics say of the tables of the product.

mod indexing;
mod port;
mod table;

pub use indexing::{IndexFacts, Indexing, Measured};
pub use port::{Catalog, SeenLock};
pub use table::{Bloat, Changes, IndexUse, Scans, TableReport, Upkeep};

#[cfg(test)]
mod tests;

//! How pages are for those who look at them, as their browsers have measured it.
//!
//! Browsers tell a few figures for each page view. They are kept as sketches by page and figure, and judged at the 75th
//! percentile: three of four views are as good, or better.

mod meters;
mod model;
mod page;

pub use meters::{MOST_PAGES, MOST_SERIES, VitalMeters};
pub use model::{Observation, PageVital, SlowestView, Standing, TenantVitals, Vital, VitalKey, WebVitals};
pub use page::{InvalidPage, Page};

//! What a resource will need, and how far that can be trusted.
//!
//! A [`History`] is forecast by the model that would have forecast it best so far. All models see it without its daily or
//! weekly pattern and without its spikes, and have the pattern added again, as in `stlf` (Hyndman and Athanasopoulos,
//! *Forecasting: Principles and Practice*, 13.4). The forecast is made again from many moments of the past, each time with
//! what was known then alone: the model is chosen among those that had done best *by then*, and its interval is as wide as
//! its errors *by then* say. What became of these forecasts is the [`BackTest`], so its error and its coverage are those of
//! the whole procedure, choosing included, and stand beside each forecast.
//!
//! Intervals are conformal: quantiles of the model's own errors at that distance, with the level adapted to how often they
//! have failed (Gibbs and Candès, *Adaptive Conformal Inference Under Distribution Shift*, 2021), so they assume no
//! distribution. Past the distance that could be tested they go on widening, and [`Forecast::tested_until`] says from when.
//!
//! There is no crate for it: `augurs`, the one that is kept, has no seasonal exponential smoothing, and intervals that
//! assume normal errors.

mod back_test;
mod history;
mod interval;
mod limit;
mod model;
mod predict;
mod season;
mod smoothing;

pub use back_test::BackTest;
pub use history::{History, Lack, Observation, Step, TooLittle};
pub use limit::{Limit, Reach, Reached};
pub use model::Model;
pub use predict::{Band, Forecast, Growth, Months, Point, forecast};

#[cfg(test)]
mod series;
#[cfg(test)]
mod tests;

//! Interleavings forced by hand: a loader stops where the test says until the test lets it go.

mod heard;
mod memory;
mod model;
mod operators;
mod origin;
mod races;
mod stand_in;
mod timeline;

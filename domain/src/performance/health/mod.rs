//! How well this installation is, from 0 to 100, and what that is made of.
//!
//! Each [`Component`] is read by one figure, which is worth 100 points up to one bound, none from another, and in between
//! what lies between. The score is the weighted mean of what is known, and a component without which nothing works holds it
//! down to its own points. What could not be read is *missing*: it counts neither as good nor as bad, and the score says
//! between which bounds it would lie if it were known.

mod component;
mod score;

pub use component::{Component, Finding, Reading};
pub use score::{Health, Part, Verdict, health};

#[cfg(test)]
mod tests;

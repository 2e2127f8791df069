//! What language models are asked, and what that costs.
//!
//! A model answers in words of its own: nothing that it says is taken for more than a proposal of the form that was asked
//! for. Whoever asks has an answer without it, for when there is none, it does not answer, or the tenant has used up what
//! it may spend in a month.

mod asker;
mod ledger;
mod model;

pub use asker::{Asker, Degraded, Prepared, Said};
pub use ledger::{AiCall, AiLedger, Budget, Prices, Reserved, Spent};
pub use model::{AudioType, LanguageModel, ModelAnswer, Question, Recording, Tokens};

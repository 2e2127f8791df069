//! All integration tests: one binary, because each would link everything again.

mod activities;
mod architecture;
mod assignment;
mod audit;
mod carriers;
mod demo;
mod identity;
mod import;
mod interleaving;
mod isolation;
mod leads;
mod leads_in_bulk;
mod plans;
mod problems;
mod schema;
mod serve;
mod tenancy;

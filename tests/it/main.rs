//! All integration tests: one binary, because each would link everything again.

#![expect(
    clippy::unwrap_used,
    reason = "what a test cannot go on without, it fails for"
)]

mod activities;
mod admission;
mod architecture;
mod assignment;
mod audit;
mod batches;
mod billing;
mod browsers;
mod cache;
mod cached_faults;
mod cached_figures;
mod cached_orders;
mod cached_reads;
mod cached_soon;
mod cached_together;
mod cached_untold;
mod carriers;
mod chart;
mod chore_plans;
mod commits;
mod demo;
mod drill;
mod ended_connections;
mod events;
mod hardening;
mod hostile;
mod identity;
mod import;
mod interleaving;
mod isolation;
mod jobs;
mod leads;
mod leads_in_bulk;
mod loadtest;
mod mailing_list;
mod metrics;
mod migrating;
mod operations;
mod performance;
mod plans;
mod pools;
mod problems;
mod rate_limits;
mod remote;
mod remote_api;
mod remote_faults;
mod repeats;
mod replicas;
mod responses;
mod rolling;
mod round_trips;
mod schema;
mod serve;
mod serve_roles;
mod statistics;
mod tenancy;
mod tls;
mod traces;
mod transactions;
mod upstreams;
mod voice;
mod webhooks;

//! How the database does what it is asked, and what would have it do better.

mod analyze_query;
mod archive;
mod build_index;
mod growth;
mod index_suggestions;
mod indexing_strategy;
mod optimize_table;
mod plan_view;
mod suggestion;
mod table_stats;

use std::future::{Ready, ready};

use actix_web::dev::Payload;
use actix_web::{FromRequest, HttpRequest};
use fairlead_domain::performance::Fingerprint;
use fairlead_domain::performance::acts::StatementText;
use utoipa_actix_web::service_config::ServiceConfig;

pub(super) use index_suggestions::{Advised, to_build};

use crate::Services;
use crate::problem::{Kind, Problem};
use crate::spec::Problematic;

/// PostgreSQL cuts off names that are longer.
const MOST_LETTERS: usize = 63;

pub(super) fn configure(config: &mut ServiceConfig) {
    config
        .service(table_stats::table_stats)
        .service(indexing_strategy::indexing_strategy)
        .service(analyze_query::analyze_query)
        .service(index_suggestions::index_suggestions)
        .service(index_suggestions::index_migration)
        .service(archive::archive)
        .service(build_index::build_index)
        .service(optimize_table::optimize_table);
}

/// Statements by what names them, as far as their texts are known.
fn statement_texts<'f>(
    fingerprints: impl IntoIterator<Item = &'f str>,
    services: &Services,
) -> Vec<StatementText> {
    let known = fingerprints.into_iter().filter_map(|fingerprint| {
        let text = services.statements.text(Fingerprint::parse(fingerprint)?)?;
        Some(StatementText {
            fingerprint: fingerprint.to_owned(),
            text: text.into_string(),
        })
    });
    known.collect()
}

/// The `{tableName}` of a path: one that a table could have, and no more is known of it.
#[derive(Debug)]
struct PathTable(String);

impl FromRequest for PathTable {
    type Error = Problem;
    type Future = Ready<Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let name = request.match_info().get("tableName").unwrap_or_default();
        let could_be = (1..=MOST_LETTERS).contains(&name.len())
            && name
                .bytes()
                .all(|letter| letter.is_ascii_lowercase() || letter.is_ascii_digit() || letter == b'_');
        ready(if could_be {
            Ok(Self(name.to_owned()))
        } else {
            Err(NoSuchTable.into())
        })
    }
}

/// The product has no table of this name.
#[derive(Clone, Copy, Debug)]
struct NoSuchTable;

impl From<NoSuchTable> for Problem {
    fn from(_: NoSuchTable) -> Self {
        let detail =
            "the product has no table of this name; `GET /api/v1/performance/database/size` lists them";
        Self::client(Kind::NotFound, detail)
    }
}

impl Problematic for NoSuchTable {
    const KINDS: &'static [Kind] = &[Kind::NotFound];
}

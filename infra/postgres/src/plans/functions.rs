//! Which functions a statement may call: a list of those that are known to do no harm, so that one of which nobody has
//! thought is refused.
//!
//! They change nothing, tell nothing of the server, read no table but the statement's own, and what they return is no
//! longer than a few times what they are given: the planner computes what is constant, in memory, before any limit but the
//! one of time holds.

use std::collections::BTreeSet;

use super::screen::{Screened, TYPES};

/// Of each row, or of all rows one value that is no longer than they are each.
const ALLOWED: &[&str] = &[
    // The product's own.
    "current_tenant",
    "search_leads",
    // What is counted and ranked.
    "avg",
    "bit_and",
    "bit_or",
    "bool_and",
    "bool_or",
    "corr",
    "count",
    "covar_pop",
    "covar_samp",
    "cume_dist",
    "dense_rank",
    "every",
    "first_value",
    "lag",
    "last_value",
    "lead",
    "max",
    "min",
    "mode",
    "nth_value",
    "ntile",
    "percent_rank",
    "percentile_cont",
    "percentile_disc",
    "rank",
    "regr_slope",
    "row_number",
    "stddev",
    "stddev_pop",
    "stddev_samp",
    "sum",
    "var_pop",
    "var_samp",
    "variance",
    // Numbers.
    "abs",
    "ceil",
    "ceiling",
    "div",
    "exp",
    "floor",
    "ln",
    "log",
    "mod",
    "power",
    "round",
    "sign",
    "sqrt",
    "to_number",
    "trunc",
    "width_bucket",
    // Texts.
    "ascii",
    "bit_length",
    "btrim",
    "char_length",
    "character_length",
    "chr",
    "concat",
    "initcap",
    "left",
    "length",
    "lower",
    "ltrim",
    "md5",
    "octet_length",
    "position",
    "regexp_count",
    "regexp_like",
    "regexp_match",
    "regexp_substr",
    "reverse",
    "right",
    "rtrim",
    "split_part",
    "starts_with",
    "strpos",
    "substr",
    "substring",
    "to_char",
    "translate",
    "upper",
    // Moments.
    "age",
    "date_bin",
    "date_part",
    "date_trunc",
    "extract",
    "isfinite",
    "justify_days",
    "justify_hours",
    "justify_interval",
    "make_date",
    "make_interval",
    "make_time",
    "make_timestamp",
    "make_timestamptz",
    "now",
    "statement_timestamp",
    "timezone",
    "to_date",
    "to_timestamp",
    "transaction_timestamp",
    // Lists.
    "array_append",
    "array_cat",
    "array_length",
    "array_lower",
    "array_ndims",
    "array_position",
    "array_positions",
    "array_prepend",
    "array_remove",
    "array_upper",
    "cardinality",
    "string_to_array",
    "unnest",
    // JSON, which is taken apart and not put together: put together it is written with more and more backslashes.
    "json_array_elements",
    "json_array_elements_text",
    "json_array_length",
    "json_each",
    "json_each_text",
    "json_extract_path",
    "json_extract_path_text",
    "json_object_keys",
    "json_typeof",
    "jsonb_array_elements",
    "jsonb_array_elements_text",
    "jsonb_array_length",
    "jsonb_each",
    "jsonb_each_text",
    "jsonb_extract_path",
    "jsonb_extract_path_text",
    "jsonb_object_keys",
    "jsonb_strip_nulls",
    "jsonb_typeof",
    // Search.
    "numnode",
    "phraseto_tsquery",
    "plainto_tsquery",
    "querytree",
    "setweight",
    "strip",
    "to_tsquery",
    "to_tsvector",
    "ts_rank",
    "ts_rank_cd",
    "websearch_to_tsquery",
];

/// What makes one value of many rows, or many rows of one value: as long as time allows when it is run. The planner
/// computes none of it.
const GATHERING: &[&str] = &[
    "array",
    "array_agg",
    "generate_series",
    "generate_subscripts",
    "json_agg",
    "json_object_agg",
    "jsonb_agg",
    "jsonb_object_agg",
    "string_agg",
];

/// What looks like a function and is the grammar's own, so that the catalog has none of that name.
const GRAMMAR: &[&str] = &[
    "array",
    "coalesce",
    "current_date",
    "current_time",
    "current_timestamp",
    "greatest",
    "grouping",
    "least",
    "localtime",
    "localtimestamp",
    "nullif",
];

/// What no column of ours begins with.
const OWN_AFFAIRS: [&str; 4] = ["dblink", "lo_", "pg_", "txid_"];

/// Refuses what need not be looked up.
pub(super) fn refuse(screened: &Screened) -> Result<(), String> {
    if let Some(name) = screened.functions.iter().find(|name| !may_call(name)) {
        return Err(may_not_call(name));
    }
    let own = |word: &&String| OWN_AFFAIRS.iter().any(|beginning| word.starts_with(beginning));
    let mut words = screened.words.iter().filter(|word| *word != "pg_catalog");
    match words.find(own) {
        Some(word) => Err(format!("{word} is the server's own")),
        None => Ok(()),
    }
}

/// Refuses to run what may be planned.
pub(super) fn refuse_to_run(screened: &Screened) -> Result<(), String> {
    let mut gathering = screened.functions.iter().filter(|name| is_in(name, GATHERING));
    match gathering.next() {
        Some(name) => Err(format!(
            "{name} gathers as much as there is: one with it is planned and not run"
        )),
        None => Ok(()),
    }
}

/// Those of the functions that the server must know.
pub(super) fn known_to_server(screened: &Screened) -> BTreeSet<String> {
    let functions = screened.functions.iter();
    functions.filter(|name| !is_in(name, GRAMMAR)).cloned().collect()
}

/// Those of the words behind a dot that could call what may not be called: `row.function` is a call, too.
pub(super) fn doubtful(screened: &Screened) -> BTreeSet<String> {
    let behind_dots = screened.behind_dots.iter();
    behind_dots
        .filter(|name| !may_call(name) && !is_in(name, &TYPES))
        .cloned()
        .collect()
}

pub(super) fn may_not_call(name: &str) -> String {
    format!(
        "{name} is no function that may be called here: those may that change nothing, tell nothing of the server, and make nothing large"
    )
}

fn may_call(name: &str) -> bool {
    is_in(name, ALLOWED) || is_in(name, GATHERING) || is_in(name, GRAMMAR)
}

fn is_in(name: &str, list: &[&str]) -> bool {
    list.contains(&name)
}

#[cfg(test)]
mod tests {
    use super::super::screen::screen;
    use super::*;

    #[test]
    fn what_is_on_no_list_is_refused() {
        for name in [
            "pg_sleep",
            "pg_read_file",
            "lo_import",
            "dblink_exec",
            "table_to_xml",
            "repeat",
            "xmlparse",
            "concat_ws",
            "array_to_string",
            "to_jsonb",
            "quote_literal",
            "ts_headline",
            "jsonb_pretty",
            "current_user",
            "version",
            "plan_of",
        ] {
            assert!(!may_call(name), "{name}");
        }
        for name in ["count", "lower", "now", "date_trunc", "coalesce", "string_agg"] {
            assert!(may_call(name), "{name}");
        }
    }

    #[test]
    fn what_gathers_is_planned_and_not_run() {
        let gathering = screen("SELECT string_agg(name, ',') FROM leads").unwrap();

        assert_eq!(refuse(&gathering), Ok(()));
        assert!(refuse_to_run(&gathering).is_err());
        assert_eq!(
            refuse_to_run(&screen("SELECT count(*) FROM leads").unwrap()),
            Ok(())
        );
    }

    #[test]
    fn a_call_behind_a_dot_is_a_call() {
        let dotted =
            screen("SELECT ('x').quote_literal, l.name, ('x').upper, l.date FROM public.leads l").unwrap();

        assert_eq!(
            doubtful(&dotted),
            ["leads".to_owned(), "name".to_owned(), "quote_literal".to_owned()].into()
        );
    }
}

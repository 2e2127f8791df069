//! Which names of a statement the server knows, and as what.

use std::collections::{BTreeMap, BTreeSet};

use fairlead_domain::performance::plans::TableFacts;

use super::Session;
use super::functions::{self, may_not_call};
use super::screen::Screened;
use crate::wire::Error;

/// Looks up what a statement names: tables with what matters of them, or what is wrong with a name.
pub(super) async fn look_up(
    session: &mut Session,
    screened: &Screened,
) -> Result<Result<BTreeMap<String, TableFacts>, String>, Error> {
    let called = functions::known_to_server(screened);
    if let Some(name) = unknown_function(session, &called).await? {
        return Ok(Err(may_not_call(&name)));
    }
    if let Some(name) = function_as_column(session, &functions::doubtful(screened)).await? {
        return Ok(Err(may_not_call(&name)));
    }
    // And wherever else it may stand.
    if let Some(name) = volatile_function(session, &screened.words).await? {
        return Ok(Err(may_not_call(&name)));
    }
    let known = tables(session, &screened.tables).await?;
    let missing = screened.tables.iter().find(|table| !known.contains_key(*table));
    Ok(match missing {
        Some(table) => Err(format!("{table} is no table of the product that requests read")),
        None => Ok(known),
    })
}

/// The first function of which one by that name may change something, or is none of the server's and the product's own.
async fn unknown_function(session: &mut Session, names: &BTreeSet<String>) -> Result<Option<String>, Error> {
    let text = format!(
        "SELECT n.name FROM unnest({}) AS n (name)
         LEFT JOIN pg_proc AS p ON p.proname = n.name
         GROUP BY n.name
         HAVING NOT COALESCE(bool_and(p.provolatile <> 'v' AND p.prokind IN ('f', 'a', 'w')
                                      AND p.pronamespace IN ('pg_catalog'::regnamespace, 'public'::regnamespace)), false)
         ORDER BY n.name LIMIT 1",
        array(names)
    );
    first(session, &text).await
}

/// The first name that is a function's, and no column's of the product.
async fn function_as_column(
    session: &mut Session,
    names: &BTreeSet<String>,
) -> Result<Option<String>, Error> {
    let text = format!(
        "SELECT p.proname::text FROM pg_proc AS p
         WHERE p.proname = ANY ({}) AND p.pronargs > 0
           AND NOT EXISTS (SELECT FROM pg_attribute AS a JOIN pg_class AS c ON c.oid = a.attrelid
                           WHERE a.attname = p.proname AND c.relnamespace = 'public'::regnamespace AND a.attnum > 0)
         ORDER BY p.proname LIMIT 1",
        array(names)
    );
    first(session, &text).await
}

/// The first word that names a function which may change something, and no column of the product.
async fn volatile_function(session: &mut Session, words: &BTreeSet<String>) -> Result<Option<String>, Error> {
    let text = format!(
        "SELECT p.proname::text FROM pg_proc AS p
         WHERE p.proname = ANY ({}) AND p.provolatile = 'v'
           AND NOT EXISTS (SELECT FROM pg_attribute AS a JOIN pg_class AS c ON c.oid = a.attrelid
                           WHERE a.attname = p.proname AND c.relnamespace = 'public'::regnamespace AND a.attnum > 0)
         ORDER BY p.proname LIMIT 1",
        array(words)
    );
    first(session, &text).await
}

async fn first(session: &mut Session, text: &str) -> Result<Option<String>, Error> {
    let rows = session.ask(text).await?;
    rows.first().map(|row| row.try_get(0)).transpose()
}

async fn tables(
    session: &mut Session,
    names: &BTreeSet<String>,
) -> Result<BTreeMap<String, TableFacts>, Error> {
    let text = format!(
        "SELECT c.relname::text, CASE WHEN bool_and(part.reltuples >= 0) THEN SUM(part.reltuples)::bigint END,
                EXISTS (SELECT FROM pg_attribute AS a WHERE a.attrelid = c.oid AND a.attname = 'tenant_id')
         FROM pg_class AS c
         LEFT JOIN pg_class AS part ON part.relkind = 'r' AND COALESCE(pg_partition_root(part.oid), part.oid) = c.oid
         WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p') AND c.relname = ANY ({})
           AND has_any_column_privilege(c.oid, 'SELECT')
         GROUP BY c.oid, c.relname",
        array(names)
    );
    let rows = session.ask(&text).await?;
    let facts = rows.iter().map(|row| {
        let rows: Option<i64> = row.try_get(1)?;
        let facts = TableFacts {
            rows: rows.map(|rows| u64::try_from(rows).unwrap_or_default()),
            is_of_tenants: row.try_get(2)?,
        };
        Ok((row.try_get(0)?, facts))
    });
    facts.collect()
}

/// Names are made of letters, digits and underscores alone by now.
fn array(names: &BTreeSet<String>) -> String {
    let quoted: Vec<String> = names.iter().map(|name| format!("'{name}'")).collect();
    format!("ARRAY[{}]::text[]", quoted.join(", "))
}

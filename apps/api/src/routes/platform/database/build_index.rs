use actix_web::{HttpResponse, post, web};
use fairlead_domain::invalid::Invalid;
use fairlead_domain::performance::acts::{Deed, NewIndex};
use fairlead_domain::performance::index_advice::{Index, Key, Method, Sorted, Table};
use serde::Deserialize;
use utoipa::ToSchema;

use super::index_suggestions::{Advised, to_build};
use super::indexing_strategy::measured;
use super::statement_texts;
use crate::Services;
use crate::authentication::Operator;
use crate::json::JsonBody;
use crate::problem::{Kind, Problem};
use crate::routes::platform::acts::{self, ActView};
use crate::spec::{Problematic, Problems};

/// PostgreSQL allows no more columns in an index.
const MOST_COLUMNS: usize = 32;
/// By so many statements an index that nobody has suggested is judged: those that take most time of its table.
const MOST_SERVED: usize = 5;

/// An index that is suggested, by its name; or one on columns of a table.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
#[schema(as = NewIndex, example = json!({"table": "leads", "columns": ["tenant_id", "company", "-created_at"]}))]
struct IndexBody {
    /// Of `index-suggestions`.
    #[serde(default)]
    #[schema(nullable = false)]
    name: Option<String>,
    #[serde(default)]
    #[schema(nullable = false)]
    table: Option<String>,
    /// In their order; with `-` in front of those that are descending.
    #[serde(default)]
    #[schema(nullable = false, min_items = 1, max_items = 32)]
    columns: Option<Vec<String>>,
}

/// Nothing could tell whether an index pays.
#[derive(Clone, Copy, Debug)]
enum NotMeasured {
    Table,
    Statements,
}

impl From<NotMeasured> for Problem {
    fn from(what: NotMeasured) -> Self {
        let detail = match what {
            NotMeasured::Table => {
                "the table was never analyzed, which `optimize-table` does, or it has partitions, whose indexes are not built \
                 while others write"
            }
            NotMeasured::Statements => {
                "no statement that reads the table was measured by this process, so nothing could tell whether an index pays"
            }
        };
        Self::client(Kind::NotMeasured, detail)
    }
}

impl Problematic for NotMeasured {
    const KINDS: &'static [Kind] = &[Kind::NotMeasured];
}

/// Build an index while others write, and keep it if it pays.
///
/// What its statements cost is measured before and after. It is dropped again where the planner does not take it, where they
/// are not measured to be faster, or where writes lose more than they gain; what was sent too seldom to be measured is left
/// to the planner. An index that is kept belongs into the schema: `index-suggestions/migration` writes the step.
#[utoipa::path(
    tag = "platform",
    operation_id = "buildIndex",
    request_body = IndexBody,
    responses(
        (status = 202, description = "It will be built; `Location` tells how far it has come.", body = ActView,
            headers(("Location" = String, description = "The act."))),
        Problems<NotMeasured>,
    ),
    extensions(("x-permit" = json!("Operator"))),
)]
#[post("/performance/database/indexes")]
pub(super) async fn build_index(
    services: web::Data<Services>,
    operator: Operator,
    body: JsonBody<IndexBody>,
) -> Result<HttpResponse, Problem> {
    let (index, why) = match body.value {
        IndexBody {
            name: Some(name),
            table: None,
            columns: None,
        } => {
            let advised = Advised::of(&services).await?;
            let advice = advised.named(&name)?;
            (to_build(advice, &services), "it is suggested".to_owned())
        }
        IndexBody {
            name: None,
            table: Some(table),
            columns: Some(columns),
        } => (
            own(&services, table, &columns).await?,
            "an operator wants it".to_owned(),
        ),
        IndexBody {
            name: None,
            table: Some(_),
            columns: None,
        } => return Err(Invalid::field("columns", "must be given with `table`").into()),
        IndexBody {
            name: None,
            table: None,
            columns: Some(_),
        } => return Err(Invalid::field("table", "must be given with `columns`").into()),
        _ => {
            let fault = "must be given alone, or left out for `table` and `columns` together";
            return Err(Invalid::field("name", fault).into());
        }
    };
    acts::ask(&services, &operator, Deed::BuildIndex(index), why).await
}

/// One that nobody has suggested.
async fn own(services: &Services, table: String, columns: &[String]) -> Result<NewIndex, Problem> {
    let workload = services
        .performance
        .catalog
        .indexing(measured(services))
        .await?
        .workload;
    let Some(known) = workload.tables.iter().find(|known| known.name == table) else {
        if services.performance.catalog.table(&table).await?.is_some() {
            return Err(NotMeasured::Table.into());
        }
        let fault = "must be a table of the product; `GET /api/v1/performance/database/size` lists them";
        return Err(Invalid::field("table", fault).into());
    };
    let keys = keys(known, columns)?;
    // That of the tenant is compared by all.
    let own = keys.iter().filter_map(|sorted| match &sorted.key {
        Key::Column(name) if Some(name) != known.tenant.as_ref() => Some(name.as_str()),
        _ => None,
    });
    let own: Vec<&str> = own.collect();
    let serves = statement_texts(workload.busiest(&table, &own, MOST_SERVED), services);
    if serves.is_empty() {
        return Err(NotMeasured::Statements.into());
    }
    let index = Index {
        table,
        method: Method::Btree,
        keys,
        include: Vec::new(),
        only: Vec::new(),
    };
    Ok(NewIndex::of(&index, serves))
}

fn keys(known: &Table, columns: &[String]) -> Result<Vec<Sorted>, Invalid> {
    let wrong = |fault: String| Invalid::field("columns", fault);
    if !(1..=MOST_COLUMNS).contains(&columns.len()) {
        return Err(wrong(format!("must have from 1 to {MOST_COLUMNS}")));
    }
    let mut keys: Vec<Sorted> = Vec::with_capacity(columns.len());
    for column in columns {
        let (name, is_descending) = column
            .strip_prefix('-')
            .map_or((column.as_str(), false), |name| (name, true));
        let key = Key::Column(name.to_owned());
        if !known.columns.iter().any(|column| column.name == name) {
            let names: Vec<&str> = known.columns.iter().map(|column| column.name.as_str()).collect();
            let names = names.join(", ");
            return Err(wrong(format!(
                "must be of {names}, with - in front of descending ones"
            )));
        }
        if keys.iter().any(|sorted| sorted.key == key) {
            return Err(wrong(format!(
                "must have each column once; {name} is there twice"
            )));
        }
        keys.push(Sorted { key, is_descending });
    }
    Ok(keys)
}

use actix_web::{HttpResponse, get, web};
use fairlead_domain::access::SystemScope;
use fairlead_domain::identity::{DatabaseSize, TableSize};
use serde::Serialize;
use utoipa::ToSchema;

use crate::Services;
use crate::authentication::Operator;
use crate::problem::Problem;

/// How large the database is.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = DatabaseSize, example = json!({"totalBytes": 97_000_000, "tables": [
    {"name": "leads", "tableBytes": 41_000_000, "indexBytes": 38_000_000, "totalBytes": 79_000_000, "estimatedRows": 200_000},
]}))]
struct DatabaseSizeView {
    #[schema(minimum = 0)]
    total_bytes: u64,
    /// The largest first.
    tables: Vec<TableSizeView>,
}

/// How large a table is.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = TableSize)]
struct TableSizeView {
    name: String,
    #[schema(minimum = 0)]
    table_bytes: u64,
    #[schema(minimum = 0)]
    index_bytes: u64,
    #[schema(minimum = 0)]
    total_bytes: u64,
    /// As of the last ANALYZE; `null` before the first.
    #[schema(required = true, minimum = 0)]
    estimated_rows: Option<u64>,
}

impl From<DatabaseSize> for DatabaseSizeView {
    fn from(size: DatabaseSize) -> Self {
        Self {
            total_bytes: size.total_bytes,
            tables: size.tables.into_iter().map(TableSizeView::from).collect(),
        }
    }
}

impl From<TableSize> for TableSizeView {
    fn from(table: TableSize) -> Self {
        Self {
            total_bytes: table.table_bytes + table.index_bytes,
            name: table.name,
            table_bytes: table.table_bytes,
            index_bytes: table.index_bytes,
            estimated_rows: table.estimated_rows,
        }
    }
}

/// Measure the database.
#[utoipa::path(
    tag = "platform",
    operation_id = "getDatabaseSize",
    responses((status = 200, description = "Bytes on disk, now.", body = DatabaseSizeView)),
    extensions(("x-permit" = json!("Operator"))),
)]
#[get("/performance/database/size")]
#[expect(
    clippy::disallowed_methods,
    reason = "operators see the platform across tenants"
)]
pub(super) async fn database_size(
    services: web::Data<Services>,
    _operator: Operator,
) -> Result<HttpResponse, Problem> {
    let mut uow = services
        .system
        .begin(&SystemScope::new("operator: database size"))
        .await?;
    let size = uow.platform().database_size().await?;
    Ok(HttpResponse::Ok().json(DatabaseSizeView::from(size)))
}

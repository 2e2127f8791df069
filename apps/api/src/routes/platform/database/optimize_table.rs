use actix_web::{HttpResponse, post, web};
use fairlead_domain::performance::acts::Deed;
use fairlead_domain::performance::maintenance::{Due, Maintenance, due};

use super::{NoSuchTable, PathTable};
use crate::Services;
use crate::authentication::Operator;
use crate::problem::Problem;
use crate::routes::platform::acts::{self, ActView};
use crate::spec::Problems;

/// Have a table vacuumed and analyzed.
///
/// As gently as autovacuum does, by the role that owns it, beside those who read and write. Pages that become free stay the
/// table's: to give them back it would have to be locked. Where the same is waiting or under way, that is told of.
#[utoipa::path(
    tag = "platform",
    operation_id = "optimizeTable",
    params(("tableName" = String, Path, description = "A table of the product.")),
    responses(
        (status = 202, description = "It will be done; `Location` tells how far it has come.", body = ActView,
            headers(("Location" = String, description = "The act."))),
        Problems<NoSuchTable>,
    ),
    extensions(("x-permit" = json!("Operator"))),
)]
#[post("/performance/database/optimize-table/{tableName}")]
pub(super) async fn optimize_table(
    services: web::Data<Services>,
    operator: Operator,
    name: PathTable,
) -> Result<HttpResponse, Problem> {
    let report = services
        .performance
        .catalog
        .table(&name.0)
        .await?
        .ok_or(NoSuchTable)?;
    let due = due(std::slice::from_ref(&report.state), &Due::default());
    let why = due.first().map_or_else(
        || "an operator wants it; it was not due".to_owned(),
        Maintenance::why,
    );
    acts::ask(&services, &operator, Deed::Vacuum { table: name.0 }, why).await
}

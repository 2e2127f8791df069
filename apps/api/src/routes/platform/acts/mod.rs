//! What is done to have the database fast: the ledger, and what is asked for by operators.

mod cancel;
mod get;
mod list;
mod optimize;
mod view;

use actix_web::HttpResponse;
use actix_web::http::header::LOCATION;
use fairlead_domain::access::SystemScope;
use fairlead_domain::performance::acts::{self, ActError, Asked, Deed};
use fairlead_domain::store::{StoreError, SystemUnitOfWork};
use utoipa_actix_web::service_config::ServiceConfig;

pub(super) use view::ActView;

use crate::Services;
use crate::authentication::Operator;
use crate::problem::{Kind, Problem};
use crate::spec::Problematic;

pub(super) fn configure(config: &mut ServiceConfig) {
    config
        .service(list::list)
        .service(get::get)
        .service(cancel::cancel)
        .service(optimize::optimize);
}

/// How often the same is asked for that others ask for at that moment.
const TRIES: u32 = 3;

#[expect(
    clippy::disallowed_methods,
    reason = "what is done to the database concerns no tenant"
)]
async fn begin(services: &Services) -> Result<Box<dyn SystemUnitOfWork>, StoreError> {
    services.system.begin(&SystemScope::new("operator: acts")).await
}

/// Has something done, and tells where it is followed. What is waiting or under way already is told of as if it were new.
pub(super) async fn ask(
    services: &Services,
    operator: &Operator,
    deed: Deed,
    why: String,
) -> Result<HttpResponse, Problem> {
    let mut tries = 1;
    let asked = loop {
        match once(services, operator, &deed, &why).await {
            // Whoever was first at the same moment is seen the next time.
            Err(StoreError::Contended) if tries < TRIES => tries += 1,
            asked => break asked?,
        }
    };
    let act = match asked {
        Asked::New(act) => {
            tracing::info!(
                operator = act.asked_by,
                act = %act.id,
                kind = act.deed.kind(),
                subject = act.deed.subject(),
                "an act was asked for"
            );
            act
        }
        Asked::Before(act) => act,
    };
    Ok(HttpResponse::Accepted()
        .insert_header((LOCATION, format!("/api/v1/performance/acts/{}", act.id)))
        .json(ActView::from(act)))
}

async fn once(services: &Services, operator: &Operator, deed: &Deed, why: &str) -> Result<Asked, StoreError> {
    let mut uow = begin(services).await?;
    let asked = acts::ask(&mut *uow, deed.clone(), why.to_owned(), operator.0.operator()).await?;
    uow.commit().await?;
    Ok(asked)
}

impl From<ActError> for Problem {
    fn from(error: ActError) -> Self {
        match error {
            ActError::Missing => Self::client(Kind::NotFound, error.to_string()),
            ActError::Over => Self::client(
                Kind::Conflict,
                format!("{error}; what was done is taken back by another one, or by a migration"),
            ),
            ActError::Store(error) => error.into(),
        }
    }
}

impl Problematic for ActError {
    const KINDS: &'static [Kind] = &[Kind::NotFound, Kind::Conflict];
}

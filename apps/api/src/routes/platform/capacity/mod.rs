//! How much there is of what there is only so much of, and for how long it will do.

mod bottlenecks;
mod dashboard;
mod forecast;
mod view;

use std::borrow::Cow;
use std::future::{Ready, ready};

use actix_web::dev::Payload;
use actix_web::{FromRequest, HttpRequest};
use fairlead_domain::performance::bottlenecks::Resource;
use utoipa::openapi::{RefOr, Schema};
use utoipa::{PartialSchema, ToSchema};
use utoipa_actix_web::service_config::ServiceConfig;

use crate::performance::capacity::RESOURCES;
use crate::problem::{Kind, Problem};
use crate::spec::Problematic;
use crate::text;

pub(super) fn configure(config: &mut ServiceConfig) {
    config
        .service(dashboard::dashboard)
        .service(forecast::capacity_forecast)
        .service(bottlenecks::bottlenecks);
}

/// The `{resourceType}` of a path.
#[derive(Debug)]
struct PathResource(Resource);

impl FromRequest for PathResource {
    type Error = Problem;
    type Future = Ready<Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let name = request.match_info().get("resourceType");
        let resource = RESOURCES
            .into_iter()
            .find(|resource| Some(resource.as_str()) == name);
        ready(resource.map(Self).ok_or_else(|| NoSuchResource.into()))
    }
}

/// There is no resource of this name.
#[derive(Clone, Copy, Debug)]
struct NoSuchResource;

impl From<NoSuchResource> for Problem {
    fn from(_: NoSuchResource) -> Self {
        let names = RESOURCES.map(Resource::as_str).join(", ");
        Self::client(Kind::NotFound, format!("the resources are {names}"))
    }
}

impl Problematic for NoSuchResource {
    const KINDS: &'static [Kind] = &[Kind::NotFound];
}

/// The names of the resources, for the specification.
#[derive(Debug)]
struct ResourceName;

impl PartialSchema for ResourceName {
    fn schema() -> RefOr<Schema> {
        text::one_of(RESOURCES.map(Resource::as_str)).into()
    }
}

impl ToSchema for ResourceName {
    fn name() -> Cow<'static, str> {
        Cow::Borrowed("ResourceType")
    }
}

/// What a resource is counted in.
fn unit(resource: Resource) -> &'static str {
    match resource {
        Resource::Cpu => "processors",
        Resource::Memory | Resource::Storage | Resource::CacheMemory => "bytes",
        Resource::Bandwidth => "bytes per second",
        Resource::DatabaseConnections | Resource::Sockets => "connections",
        Resource::Queue => "jobs",
    }
}

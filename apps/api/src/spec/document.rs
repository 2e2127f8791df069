use serde_json::{Map, Value, json};
use utoipa::OpenApi;
use utoipa_actix_web::AppExt as _;

use super::{examples, operation, responses};
use crate::problem::{InvalidValueView, ProblemView};
use crate::routes;

const DESCRIPTION: &str = "\
Leads, the people who work on them, and what they do about it, for many tenants.

Authenticate with `Authorization: Bearer <access token>` (people) or `x-tenant-key: <API key>` (machines). \
Times are RFC 3339 in UTC. Lists are pages of `{items, nextCursor, hasMore}`. \
Every failure is a problem by RFC 9457; its types are described at `/docs/problems`.";

#[derive(OpenApi)]
#[openapi(
    components(schemas(ProblemView, InvalidValueView)),
    tags(
        (name = "auth", description = "Signing up, logging in, and who one is."),
        (name = "tenant", description = "The tenant, its API keys, limits and usage."),
        (name = "users", description = "The people of a tenant, and those among them who take leads."),
        (name = "leads", description = "People and companies that may become customers."),
        (name = "activities", description = "What was done about a lead, and what happened to it."),
        (name = "carriers", description = "The insurance companies a tenant works with."),
        (name = "events", description = "What happened in the tenant, to be followed."),
        (name = "operations", description = "Long work: how far it has come, and a way to stop it."),
        (name = "voice", description = "What people say is to be done."),
        (name = "webhooks", description = "URLs that the tenant's events are sent to."),
        (name = "health", description = "How the process and what it depends on are doing."),
        (name = "platform", description = "The platform as its operators see it."),
    ),
)]
struct Frame;

/// Collects the handlers' own statements and adds what follows from them.
pub(super) fn build() -> Value {
    let app = actix_web::App::new().into_utoipa_app().openapi(Frame::openapi());
    let (_, collected) = app.configure(routes::configure).split_for_parts();
    let mut document = serde_json::to_value(collected).expect("a specification serialises");

    document["info"] = json!({
        "title": "Fairlead",
        "version": env!("CARGO_PKG_VERSION"),
        "description": DESCRIPTION,
        "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
    });
    document["servers"] = json!([{"url": "/", "description": "This server."}]);
    document["components"]["securitySchemes"] = json!({
        "bearerAuth": {
            "type": "http",
            "scheme": "bearer",
            "bearerFormat": "JWT",
            "description": "The access token of a user: from sign-up, login or refresh.",
        },
        "tenantKey": {
            "type": "apiKey",
            "in": "header",
            "name": "x-tenant-key",
            "description": "An API key of a tenant: `tk_…`.",
        },
        "operatorAuth": {
            "type": "http",
            "scheme": "bearer",
            "description": "The credential of an operator of the platform: `op_…`.",
        },
    });
    complete(&mut document);
    document
}

fn complete(document: &mut Value) {
    let mut partial = Map::new();
    refer_to_items(&mut document["components"]["schemas"]);
    let schemas = document["components"]["schemas"].clone();
    if let Some(paths) = document["paths"].as_object_mut() {
        for (path, item) in paths {
            for (method, operation) in item.as_object_mut().into_iter().flatten() {
                operation::complete(path, method, operation);
                examples::complete(operation, &schemas);
                partial.extend(operation::admit_fields(operation, &schemas));
            }
        }
    }
    if let Some(schemas) = document["components"]["schemas"].as_object_mut() {
        schemas.extend(partial);
    }
    responses::share(document);
}

/// Lets pages of lists refer to the schema of their items, which the collector has copied into each.
fn refer_to_items(schemas: &mut Value) {
    let Some(schemas) = schemas.as_object_mut() else {
        return;
    };
    let known: Vec<String> = schemas.keys().cloned().collect();
    for (name, schema) in schemas {
        let item = name
            .strip_prefix("Listing_")
            .filter(|item| known.iter().any(|known| known == item));
        if let (Some(item), Some(items)) = (item, schema.pointer_mut("/properties/items/items")) {
            *items = json!({"$ref": format!("{}{item}", operation::REFERENCE)});
        }
    }
}

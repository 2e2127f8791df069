//! The specification and the pages about it. They come out of the binary and load nothing from elsewhere.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::sync::{Arc, LazyLock, Mutex, PoisonError};

use actix_web::http::header::{self, HeaderValue};
use actix_web::web::Bytes;
use actix_web::{HttpRequest, HttpResponse, get, web};
use fairlead_domain::cache::Entry;
use fairlead_domain::consistency::LogPosition;
use utoipa_swagger_ui::Config;

use crate::Services;
use crate::conditional::EntityTag;
use crate::problem::{Kind, Problem};
use crate::representation::{self, Representation};
use crate::spec;

static SPECIFICATION: LazyLock<Entry> = LazyLock::new(|| page("application/json", spec::openapi_json()));

static VIEWER: LazyLock<Arc<Config<'static>>> = LazyLock::new(|| {
    Arc::new(
        Config::from("/openapi.json")
            .display_operation_id(true)
            .filter(true)
            .validator_url("none"),
    )
});

/// The files of the viewer that were asked for, each with the forms in which it was sent: none is encoded twice.
static FILES: LazyLock<Mutex<HashMap<String, Arc<Entry>>>> = LazyLock::new(Mutex::default);

/// Under an address that names its bytes a file is never another one.
const FOR_EVER: HeaderValue = HeaderValue::from_static("public, max-age=31536000, immutable");
/// Whoever has it asks whether it is still the same, and is told so without it.
const ASK_AGAIN: HeaderValue = HeaderValue::from_static("public, no-cache");

static PROBLEMS: LazyLock<Entry> = LazyLock::new(|| page("text/html; charset=utf-8", problems_page()));

fn page(media_type: &'static str, text: String) -> Entry {
    entry(media_type, Bytes::from(text))
}

fn entry(media_type: &'static str, bytes: Bytes) -> Entry {
    let representation = Representation::of_bytes(media_type, EntityTag::digest(&bytes), bytes);
    Entry::new(representation.loaded(LogPosition::UNKNOWN))
}

pub(crate) fn configure(config: &mut web::ServiceConfig) {
    config
        .service(specification)
        .service(docs)
        .service(problem_types)
        .service(viewer);
}

#[get("/openapi.json")]
async fn specification(request: HttpRequest) -> HttpResponse {
    kept(show(&SPECIFICATION, &request), ASK_AGAIN)
}

#[get("/docs")]
async fn docs() -> HttpResponse {
    HttpResponse::PermanentRedirect()
        .insert_header((header::LOCATION, "/docs/"))
        .finish()
}

#[get("/docs/problems")]
async fn problem_types(request: HttpRequest) -> HttpResponse {
    kept(show(&PROBLEMS, &request), ASK_AGAIN)
}

fn kept(mut response: HttpResponse, how: HeaderValue) -> HttpResponse {
    response.headers_mut().insert(header::CACHE_CONTROL, how);
    response
}

fn show(page: &Entry, request: &HttpRequest) -> HttpResponse {
    let services = Services::of(request);
    representation::show(
        page,
        request,
        &services.settings.compression,
        services.clock.now(),
    )
}

#[get("/docs/{file:.*}")]
async fn viewer(request: HttpRequest, name: web::Path<String>) -> Result<HttpResponse, Problem> {
    let file = file(&name)?;
    let is_named = request.query_string().strip_prefix("v=") == Some(file.entity_tag());
    let how = if is_named { FOR_EVER } else { ASK_AGAIN };
    Ok(kept(show(&file, &request), how))
}

/// Makes a file of the viewer ready, when it is first asked for.
fn file(name: &str) -> Result<Arc<Entry>, Problem> {
    let files = || FILES.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(file) = files().get(name) {
        return Ok(Arc::clone(file));
    }
    let made = match utoipa_swagger_ui::serve(name, Arc::clone(&VIEWER)) {
        Ok(Some(made)) => made,
        Ok(None) => return Err(Problem::client(Kind::NoSuchRoute, "there is no such page")),
        Err(error) => return Err(Problem::server(Kind::Internal, PageFailed(error.to_string()))),
    };
    if made.gzpipped {
        // The build embeds them as they are: another one would have to say so to browsers that take no gzip.
        return Err(Problem::server(
            Kind::Internal,
            PageFailed("it is compressed already".to_owned()),
        ));
    }
    let bytes = match str::from_utf8(&made.bytes) {
        Ok(page) if made.content_type.starts_with("text/html") => with_names(page)?.into(),
        _ => made.bytes.into_owned().into(),
    };
    let file = Arc::new(entry(media_type(&made.content_type), bytes));
    // Only those that there are come this far, so there are few.
    files().insert(name.to_owned(), Arc::clone(&file));
    Ok(file)
}

/// Has a page ask for its files under addresses that name their bytes.
fn with_names(page: &str) -> Result<String, Problem> {
    const PARTS: [&str; 7] = [
        "swagger-ui.css",
        "index.css",
        "swagger-ui-bundle.js",
        "swagger-ui-standalone-preset.js",
        "swagger-initializer.js",
        "favicon-16x16.png",
        "favicon-32x32.png",
    ];
    let mut page = page.to_owned();
    for part in PARTS {
        if !page.contains(part) {
            continue;
        }
        let tag = file(part)?.entity_tag().to_owned();
        page = page.replace(&format!("{part}\""), &format!("{part}?v={tag}\""));
    }
    Ok(page)
}

/// The types of what the viewer has; [`Entry`] keeps those of its own program.
fn media_type(told: &str) -> &'static str {
    match told {
        "text/html" => "text/html; charset=utf-8",
        "text/css" => "text/css; charset=utf-8",
        "text/javascript" | "application/javascript" => "text/javascript; charset=utf-8",
        "image/png" => "image/png",
        "application/json" => "application/json",
        _ => "application/octet-stream",
    }
}

#[derive(Debug, thiserror::Error)]
#[error("the page could not be made: {0}")]
struct PageFailed(String);

fn problems_page() -> String {
    let mut page = String::from(
        "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><title>Problem types</title>\
         <style>body{font:16px/1.5 sans-serif;max-width:50rem;margin:2rem auto;padding:0 1rem}\
         code{background:#eee;padding:0 .2rem}</style><h1>Problem types</h1>",
    );
    for kind in Kind::ALL {
        let row = kind.row();
        write!(
            page,
            "<section id=\"{slug}\"><h2>{status} {title}</h2><p><code>{uri}</code></p><p>{when}</p>\
             <p><em>What to do:</em> {mend}</p></section>",
            slug = row.slug,
            status = row.status.as_u16(),
            title = row.title,
            uri = kind.uri(),
            when = marked_up(row.when),
            mend = marked_up(row.mend),
        )
        .expect("writing to a text cannot fail");
    }
    page.push_str("</html>");
    page
}

/// Escapes text for HTML, and makes code of what stands in backticks.
fn marked_up(text: &str) -> String {
    let escaped = text
        .replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;");
    let mut html = String::new();
    for (place, part) in escaped.split('`').enumerate() {
        if place % 2 == 1 {
            write!(html, "<code>{part}</code>").expect("writing to a text cannot fail");
        } else {
            html.push_str(part);
        }
    }
    html
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_escaped_and_code_marked() {
        assert_eq!(
            marked_up("Send `Bearer <token>` & wait."),
            "Send <code>Bearer &lt;token&gt;</code> &amp; wait."
        );
    }

    #[test]
    fn every_problem_type_has_its_place_on_the_page() {
        let page = problems_page();

        for kind in Kind::ALL {
            assert!(page.contains(&format!("id=\"{}\"", kind.slug())), "{kind:?}");
        }
    }
}

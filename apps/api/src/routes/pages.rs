//! The specification and the pages about it. They come out of the binary and load nothing from elsewhere.

use std::fmt::Write as _;
use std::sync::{Arc, LazyLock};

use actix_web::http::header;
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

static PROBLEMS: LazyLock<Entry> = LazyLock::new(|| page("text/html; charset=utf-8", problems_page()));

fn page(media_type: &'static str, text: String) -> Entry {
    let bytes = Bytes::from(text);
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
    let mut response = show(&SPECIFICATION, &request);
    response.headers_mut().insert(
        header::CACHE_CONTROL,
        header::HeaderValue::from_static("no-cache"),
    );
    response
}

#[get("/docs")]
async fn docs() -> HttpResponse {
    HttpResponse::PermanentRedirect()
        .insert_header((header::LOCATION, "/docs/"))
        .finish()
}

#[get("/docs/problems")]
async fn problem_types(request: HttpRequest) -> HttpResponse {
    show(&PROBLEMS, &request)
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
async fn viewer(file: web::Path<String>) -> Result<HttpResponse, Problem> {
    match utoipa_swagger_ui::serve(&file, Arc::clone(&VIEWER)) {
        Ok(Some(file)) => {
            let mut response = HttpResponse::Ok();
            response.content_type(file.content_type);
            if file.gzpipped {
                response.insert_header((header::CONTENT_ENCODING, "gzip"));
            }
            Ok(response.body(file.bytes.into_owned()))
        }
        Ok(None) => Err(Problem::client(Kind::NoSuchRoute, "there is no such page")),
        Err(error) => Err(Problem::server(Kind::Internal, PageFailed(error.to_string()))),
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

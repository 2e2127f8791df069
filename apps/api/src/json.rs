//! JSON bodies: of the right media type, bounded in size and depth, strict about fields.

use std::time::Duration;

use actix_web::dev::Payload;
use actix_web::http::header;
use actix_web::{FromRequest, HttpRequest, web};
use fairlead_telemetry::request::current;
use futures_util::StreamExt as _;
use futures_util::future::LocalBoxFuture;
use serde::de::DeserializeOwned;
use serde_json::Value;
use serde_json::error::Category;
use serde_path_to_error::Segment;
use sha2::{Digest as _, Sha256};
use tokio::time::timeout;

use crate::problem::{InvalidValueView, Kind, Problem, pointer};
use crate::scan::{self, Unfit};
use crate::state::{ApiSettings, Services};

/// Characters that are said of a value that cannot be accepted.
const MOST_DETAIL: usize = 300;

/// The body of a request, read as `T`.
#[derive(Debug)]
pub struct JsonBody<T> {
    pub value: T,
    /// SHA-256 over method, path and body: what an idempotency key stands for.
    pub request_hash: [u8; 32],
}

impl<T: DeserializeOwned + 'static> FromRequest for JsonBody<T> {
    type Error = Problem;
    type Future = LocalBoxFuture<'static, Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let max_bytes = |settings: &ApiSettings| settings.max_body_bytes;
        Box::pin(read(request.clone(), payload.take(), Shape::Object, max_bytes))
    }
}

/// The body of a bulk operation, which may be larger.
#[derive(Debug)]
pub struct BulkJsonBody<T> {
    pub value: T,
    /// As [`JsonBody::request_hash`].
    pub request_hash: [u8; 32],
}

impl<T: DeserializeOwned + 'static> FromRequest for BulkJsonBody<T> {
    type Error = Problem;
    type Future = LocalBoxFuture<'static, Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let max_bytes = |settings: &ApiSettings| settings.max_bulk_body_bytes;
        let body = read(request.clone(), payload.take(), Shape::Object, max_bytes);
        Box::pin(async {
            let JsonBody { value, request_hash } = body.await?;
            Ok(Self { value, request_hash })
        })
    }
}

/// The rows of a bulk operation whose body is a list.
#[derive(Debug)]
pub struct BulkJsonList {
    pub rows: Vec<Value>,
    /// As [`JsonBody::request_hash`].
    pub request_hash: [u8; 32],
}

impl FromRequest for BulkJsonList {
    type Error = Problem;
    type Future = LocalBoxFuture<'static, Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let max_bytes = |settings: &ApiSettings| settings.max_bulk_body_bytes;
        let body = read(request.clone(), payload.take(), Shape::List, max_bytes);
        Box::pin(async {
            let JsonBody {
                value: rows,
                request_hash,
            } = body.await?;
            Ok(Self { rows, request_hash })
        })
    }
}

/// What a body is at its top. Said apart from its type, because a list would be read as an object field by field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Shape {
    Object,
    List,
}

impl Shape {
    fn check(self, body: &[u8]) -> Result<(), Problem> {
        let first = body.iter().find(|byte| !byte.is_ascii_whitespace());
        let (wanted, name) = match self {
            Self::Object => (b'{', "an object"),
            Self::List => (b'[', "a list"),
        };
        match first {
            // A list is told apart by its first byte, so that a large one is not read twice.
            Some(first) if *first != wanted && (matches!(first, b'{' | b'[') || is_json(body)) => {
                let detail = format!("must be {name}");
                Err(Problem::invalid_values(vec![InvalidValueView::at(
                    String::new(),
                    detail,
                )]))
            }
            _ => Ok(()),
        }
    }
}

async fn read<T: DeserializeOwned>(
    request: HttpRequest,
    mut payload: Payload,
    shape: Shape,
    max_bytes: fn(&ApiSettings) -> usize,
) -> Result<JsonBody<T>, Problem> {
    let services = request
        .app_data::<web::Data<Services>>()
        .expect("the server registers the services");
    let settings = &services.settings;
    check_media_type(&request)?;
    let body = collect(&request, &mut payload, max_bytes(settings)).await?;
    shape.check(&body)?;
    let value = parse(&body, settings.max_json_depth)?;
    Ok(JsonBody {
        value,
        request_hash: request_hash(&request, &body),
    })
}

/// Reads `T` from an object that did not come as a body, with the same faults as a body has.
pub(crate) fn parse_object<T: DeserializeOwned>(text: &[u8], max_depth: usize) -> Result<T, Problem> {
    Shape::Object.check(text)?;
    parse(text, max_depth)
}

/// Reads `T` from bytes.
fn parse<T: DeserializeOwned>(body: &[u8], max_depth: usize) -> Result<T, Problem> {
    if body.is_empty() {
        return Err(Problem::client(Kind::MalformedJson, "the body is empty"));
    }
    match scan::check(body, max_depth) {
        Ok(()) => {}
        Err(Unfit::TooDeep) => {
            return Err(Problem::client(
                Kind::MalformedJson,
                format!("the body is nested deeper than {max_depth}"),
            ));
        }
        Err(Unfit::Nul) => {
            let detail = "a text must not contain the character U+0000";
            return Err(Problem::invalid_values(vec![InvalidValueView::at(
                String::new(),
                detail,
            )]));
        }
    }
    let mut deserializer = serde_json::Deserializer::from_slice(body);
    let value = serde_path_to_error::deserialize(&mut deserializer).map_err(|error| {
        let path = error.path().clone();
        explain(&path, error.inner(), body)
    })?;
    deserializer.end().map_err(|error| malformed(&error))?;
    Ok(value)
}

fn check_media_type(request: &HttpRequest) -> Result<(), Problem> {
    let given = request
        .headers()
        .get(header::CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default();
    let essence = given.split(';').next().unwrap_or_default().trim();
    if essence.eq_ignore_ascii_case("application/json") {
        Ok(())
    } else {
        Err(Problem::client(
            Kind::UnsupportedMediaType,
            "the body must be of the media type application/json",
        ))
    }
}

/// Collects a whole body of at most `max` bytes.
pub(crate) async fn collect(
    request: &HttpRequest,
    payload: &mut Payload,
    max: usize,
) -> Result<web::BytesMut, Problem> {
    let too_large = || {
        Problem::client(
            Kind::BodyTooLarge,
            format!("the body must have at most {max} bytes"),
        )
    };
    let announced = request
        .headers()
        .get(header::CONTENT_LENGTH)
        .and_then(|length| length.to_str().ok());
    let announced = announced
        .and_then(|length| length.parse::<usize>().ok())
        .unwrap_or(0);
    if announced > max {
        return Err(too_large());
    }
    let mut body = web::BytesMut::with_capacity(announced);
    let reading = async {
        while let Some(chunk) = payload.next().await {
            let chunk = chunk.map_err(|_| Problem::client(Kind::MalformedRequest, "the body broke off"))?;
            if body.len() + chunk.len() > max {
                return Err(too_large());
            }
            body.extend_from_slice(&chunk);
        }
        Ok(())
    };
    match time_for_bodies() {
        Some(limit) => timeout(limit, reading).await.map_err(|_| too_slow(limit))?,
        None => reading.await,
    }?;
    Ok(body)
}

/// What a client may take of the time that its request has: an end of it is left to tell it so.
fn time_for_bodies() -> Option<Duration> {
    let left = current()?.time_left()?;
    Some(left.mul_f64(0.9))
}

fn too_slow(limit: Duration) -> Problem {
    let seconds = limit.as_secs_f64();
    Problem::client(
        Kind::BodyTooSlow,
        format!("the body was not here within {seconds:.1} s"),
    )
}

fn request_hash(request: &HttpRequest, body: &[u8]) -> [u8; 32] {
    request_digest(request).chain_update(body).finalize().into()
}

/// The digest of a request, to be gone on with over its body.
pub(crate) fn request_digest(request: &HttpRequest) -> Sha256 {
    let mut hash = Sha256::new();
    hash.update(request.method().as_str());
    hash.update([0]);
    hash.update(request.path());
    hash.update([0]);
    hash.update(request.query_string());
    hash.update([0]);
    hash
}

fn explain(path: &serde_path_to_error::Path, error: &serde_json::Error, body: &[u8]) -> Problem {
    match error.classify() {
        // Where a word is expected, the parser takes any other value for a fault of syntax.
        Category::Syntax if is_json(body) => Problem::invalid_values(vec![InvalidValueView::at(
            to_pointer(path),
            "is not of the right type",
        )]),
        Category::Syntax | Category::Eof | Category::Io => malformed(error),
        Category::Data => {
            let detail = without_place(error);
            let mut place = to_pointer(path);
            if let Some(field) = detail
                .strip_prefix("missing field `")
                .and_then(|rest| rest.split('`').next())
            {
                let at = pointer(&place, field);
                return Problem::invalid_values(vec![InvalidValueView::at(at, "is required")]);
            }
            if let Some(field) = detail
                .strip_prefix("unknown field `")
                .and_then(|rest| rest.split('`').next())
                && !place.ends_with(&format!("/{field}"))
            {
                place = pointer(&place, field);
            }
            // It may repeat what was sent.
            let detail: String = detail.chars().take(MOST_DETAIL).collect();
            Problem::invalid_values(vec![InvalidValueView::at(place, detail)])
        }
    }
}

fn is_json(body: &[u8]) -> bool {
    // Not `IgnoredAny`, which also skips over texts that are none.
    serde_json::from_slice::<serde_json::Value>(body).is_ok()
}

fn malformed(error: &serde_json::Error) -> Problem {
    Problem::client(Kind::MalformedJson, error.to_string())
}

/// The message alone: where it happened is said by the pointer.
fn without_place(error: &serde_json::Error) -> String {
    let message = error.to_string();
    let place = format!(" at line {} column {}", error.line(), error.column());
    message.strip_suffix(&place).map(str::to_owned).unwrap_or(message)
}

fn to_pointer(path: &serde_path_to_error::Path) -> String {
    path.iter()
        .map(|segment| match segment {
            Segment::Seq { index } => format!("/{index}"),
            Segment::Map { key } | Segment::Enum { variant: key } => {
                format!("/{}", key.replace('~', "~0").replace('/', "~1"))
            }
            Segment::Unknown => String::new(),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields, rename_all = "camelCase")]
    #[expect(dead_code, reason = "only the faults matter here")]
    struct Body {
        name: String,
        agent: Option<Agent>,
        role: Option<Role>,
    }

    #[derive(Debug, Deserialize)]
    enum Role {
        Owner,
    }

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields, rename_all = "camelCase")]
    #[expect(dead_code, reason = "only the faults matter here")]
    struct Agent {
        max_open_leads: Option<i64>,
    }

    fn fault(body: &str) -> (Kind, String) {
        let problem = parse::<Body>(body.as_bytes(), 8).unwrap_err();
        (problem.kind(), problem.to_string())
    }

    #[test]
    fn what_is_not_json_is_malformed() {
        for body in [
            "",
            "{",
            "{\"name\":}",
            "{\"name\":\"a\"} x",
            "\u{0}",
            "{\"name\":\"\\ud800\"}",
        ] {
            assert_eq!(fault(body).0, Kind::MalformedJson, "{body}");
        }
        assert!(fault("{\"name\": nul}").1.contains("line 1 column"));
    }

    #[test]
    fn a_wrong_value_is_named_by_its_pointer() {
        let (kind, text) = fault(r#"{"name": "a", "agent": {"maxOpenLeads": "many"}}"#);

        assert_eq!(kind, Kind::InvalidInput);
        assert!(
            text.contains("/agent/maxOpenLeads: invalid type: string \"many\", expected i64"),
            "{text}"
        );
    }

    #[test]
    fn a_value_that_is_no_word_is_a_wrong_value_and_not_a_fault_of_syntax() {
        for body in [
            r#"{"name": "a", "role": 1}"#,
            r#"{"name": "a", "role": []}"#,
            r#"{"name": "a", "role": true}"#,
        ] {
            let (kind, text) = fault(body);
            assert_eq!(kind, Kind::InvalidInput, "{body}");
            assert!(text.contains("/role: "), "{text}");
        }
    }

    #[test]
    fn a_missing_and_an_unknown_field_are_named() {
        assert!(fault("{}").1.contains("/name: is required"));
        assert!(
            fault(r#"{"name": "a", "agent": {"x": 1}}"#)
                .1
                .contains("/agent/x: unknown field `x`")
        );
        assert!(fault(r#"{"nam": "a"}"#).1.contains("/nam: unknown field `nam`"));
    }

    #[test]
    fn what_is_no_object_is_told_so() {
        for body in ["5", "\"a\"", "null", "[]"] {
            let problem = parse_object::<Body>(body.as_bytes(), 8).unwrap_err();

            assert_eq!(problem.to_string(), "invalid-input: must be an object", "{body}");
        }
        let problem = parse_object::<Body>(b"nonsense", 8).unwrap_err();
        assert_eq!(problem.kind(), Kind::MalformedJson);
    }

    #[test]
    fn what_was_sent_is_not_repeated_at_any_length() {
        let (_, text) = fault(&format!(r#"{{"name": "a", "agent": "{}"}}"#, "x".repeat(5_000)));

        assert!(
            text.contains("/agent: invalid type") && text.len() < 400,
            "{text}"
        );
    }

    #[test]
    fn depth_and_the_null_character_are_refused() {
        assert_eq!(fault(&"[".repeat(9)).0, Kind::MalformedJson);
        assert_eq!(fault(r#"{"name": "a\u0000b"}"#).0, Kind::InvalidInput);
    }
}

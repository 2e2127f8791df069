//! Leads from a file: read as it arrives, judged row by row, written batch by batch.

mod file;
mod kept;
mod pace;
mod places;
mod report;
mod run;
mod upload;

pub use self::places::ImportPlaces;
pub(in crate::routes) use self::upload::MAX_UPLOAD_BYTES;
use self::upload::Upload;

use actix_web::http::header::{self, HeaderValue};
use actix_web::web::{self, Bytes, Payload};
use actix_web::{HttpRequest, HttpResponse, post};
use fairlead_domain::access::ImportLeads;
use fairlead_domain::leads::Duplicates;
use fairlead_domain::leads::import::BeginImportError;
use tokio::sync::mpsc;
use utoipa::IntoParams;

use self::file::FileFormat;
use self::pace::{Pace, TooSlow};
use self::places::Place;
use self::report::{ImportEvent, ImportReport};
use self::run::{Import, Listener, Options, Stop};
use crate::Services;
use crate::authentication::Permitted;
use crate::idempotency::{IdempotencyKey, WriteAnswer};
use crate::prefer::{self, Prefer};
use crate::problem::{Kind, Problem};
use crate::query::{FromQuery, QueryOf, QueryReader};
use crate::routes::operations::OperationView;
use crate::spec::Problems;

/// How many lines of a streamed report wait for a client that reads slowly; the import waits with it.
const LINES_AHEAD: usize = 256;

/// What [`ImportQuery`] reads, for the specification.
#[derive(IntoParams)]
#[into_params(parameter_in = Query, rename_all = "camelCase")]
#[expect(dead_code, reason = "documents parameters")]
struct ImportParameters {
    /// Judge every row, and write nothing.
    #[param(default = false, nullable = false)]
    dry_run: Option<bool>,
    /// Leave out leads whose e-mail address or phone number is known.
    #[param(default = false, nullable = false)]
    skip_duplicates: Option<bool>,
}

#[derive(Debug)]
struct ImportQuery {
    dry_run: bool,
    duplicates: Duplicates,
}

impl FromQuery for ImportQuery {
    fn read(query: &mut QueryReader) -> Self {
        let skip_duplicates = query.boolean("skipDuplicates").unwrap_or(false);
        Self {
            dry_run: query.boolean("dryRun").unwrap_or(false),
            duplicates: if skip_duplicates {
                Duplicates::Skip
            } else {
                Duplicates::Keep
            },
        }
    }
}

/// Import leads from a CSV or NDJSON file of any size.
///
/// The columns of HubSpot, Salesforce, Pipedrive and Zoho exports are recognised by their headers, like our own; a column
/// that is none becomes a custom field. Each row is judged by itself: bad ones are told with line, field and reason, the
/// others are written, 1,000 in a transaction. With `Accept: application/x-ndjson` the report is streamed while the file
/// is read: `columns`, then `rejected` rows and `progress`, at last `done` or `stopped`.
///
/// With `Prefer: respond-async` the file is only read and kept, and the answer is an operation that imports it in the
/// background: it goes on when the client is gone and when a process ends, and can be watched and cancelled. A dry run is
/// always answered directly. An `Idempotency-Key` goes with that preference alone, and is refused without it: the same
/// file under the same key is the same operation.
///
/// Directly, two files of a tenant are taken at once, and four altogether in a process. A file may come slowly, but not
/// at less than 16 KiB in a second once a minute was waited for it in all.
///
/// In a dry run, repeats further than 1,000 rows apart are not seen as duplicates of each other.
#[utoipa::path(
    tag = "leads",
    operation_id = "importLeads",
    params(ImportParameters, Prefer, IdempotencyKey),
    request_body(
        description = "The file. The first row of a CSV file names the columns.",
        content(
            (String = "text/csv", example = "Name,Email,Zip Code\nAnn Ferris,ann@ferris.example,94107\n"),
            (String = "application/x-ndjson", example = "{\"name\": \"Ann Ferris\", \"email\": \"ann@ferris.example\"}\n"),
        ),
    ),
    responses((status = 200, description = "The whole file was read.", content(
        (ImportReport = "application/json", example = json!({
            "total": 2, "successful": 1, "skipped": 0, "failed": 1, "dryRun": false, "format": "fairlead",
            "columns": [
                {"header": "Name", "field": "name", "customField": null},
                {"header": "Email", "field": "email", "customField": null},
            ],
            "errors": [{"line": 3, "field": "email", "reason": "must be an e-mail address such as ann@example.com"}],
            "errorsTruncated": false,
        })),
        (String = "application/x-ndjson", example = "{\"type\":\"done\",\"total\":2,\"successful\":2,\"skipped\":0,\"failed\":0,\"dryRun\":false}\n"),
    )), (status = 202, description = "The whole file was read, and is imported by this operation.", body = OperationView,
        headers(
            ("Location" = String, description = "The operation."),
            ("Preference-Applied" = String, description = "`respond-async`."),
        ),
    ), Problems<BeginImportError>, Problems<TooSlow>),
    extensions(("x-permit" = json!("ImportLeads"))),
)]
#[post("/leads/import")]
pub(super) async fn import(
    request: HttpRequest,
    services: web::Data<Services>,
    permit: Permitted<ImportLeads>,
    key: IdempotencyKey,
    query: QueryOf<ImportQuery>,
    payload: Payload,
) -> Result<HttpResponse, Problem> {
    let ImportQuery { dry_run, duplicates } = query.0;
    let options = Options {
        format: format(&request)?,
        duplicates,
        dry_run,
    };
    let store = services.store.clone();
    let permit = permit.into_inner();
    if !dry_run && prefer::respond_async(request.headers()) {
        let upload = Upload {
            store,
            permit: &permit,
            key: &key,
            options,
        };
        let answer = upload.take(&request, payload).await?;
        return Ok(accepted(answer));
    }
    if !dry_run && key.is_given() {
        return Err(Problem::client(
            Kind::MalformedRequest,
            "an Idempotency-Key goes with `Prefer: respond-async` here: a file that is imported directly is written \
             1,000 rows at a time, and so not once or never",
        ));
    }
    let place = services.import_places.take(permit.scope().tenant())?;
    if wants_stream(&request) {
        let (lines, receiver) = mpsc::channel(LINES_AHEAD);
        let work = Import::new(store, permit, options, Stream::new(lines));
        // On this thread, because the payload is bound to it; with the request, whose trace the events carry.
        match fairlead_telemetry::request::current() {
            Some(context) => actix_web::rt::spawn(fairlead_telemetry::request::scope(
                context,
                stream(work, payload, place),
            )),
            None => actix_web::rt::spawn(stream(work, payload, place)),
        };
        let body = futures_util::stream::unfold(receiver, |mut receiver| async {
            receiver
                .recv()
                .await
                .map(|line| (Ok::<_, std::convert::Infallible>(line), receiver))
        });
        return Ok(HttpResponse::Ok()
            .content_type("application/x-ndjson")
            .streaming(body));
    }

    let (progress, Collected(mut report), result) =
        Import::new(store, permit, options, Collected(ImportReport::new()))
            .run(payload)
            .await;
    drop(place);
    match result {
        Ok(()) | Err(Stop::NobodyListens) => {
            report.note(ImportEvent::Done(progress));
            Ok(HttpResponse::Ok().json(report))
        }
        Err(Stop::Problem(problem)) => Err(problem),
    }
}

/// Says where to look how far it has come.
fn accepted(answer: WriteAnswer) -> HttpResponse {
    let mut response = answer.respond();
    let applied = HeaderValue::from_static(prefer::RESPOND_ASYNC);
    response.headers_mut().insert(prefer::PREFERENCE_APPLIED, applied);
    response
}

/// Runs an import whose report is streamed. The answer has begun, so a problem is its last line.
async fn stream(work: Import<Stream>, payload: Payload, _place: Place) {
    let (progress, mut listener, result) = work.run(payload).await;
    let last = match result {
        Ok(()) => ImportEvent::Done(progress),
        Err(Stop::Problem(problem)) => {
            if let Some(cause) = problem.cause() {
                tracing::error!(
                    error = cause as &(dyn std::error::Error + 'static),
                    "an import stopped"
                );
            }
            ImportEvent::Stopped {
                progress,
                detail: problem.to_string(),
            }
        }
        Err(Stop::NobodyListens) => return,
    };
    listener.tell(last).await;
}

fn format(request: &HttpRequest) -> Result<FileFormat, Problem> {
    let given = request
        .headers()
        .get(header::CONTENT_TYPE)
        .and_then(|value| value.to_str().ok());
    match given
        .unwrap_or_default()
        .split(';')
        .next()
        .unwrap_or_default()
        .trim()
    {
        "text/csv" => Ok(FileFormat::Csv),
        "application/x-ndjson" | "application/jsonl" => Ok(FileFormat::Ndjson),
        _ => Err(Problem::client(
            Kind::UnsupportedMediaType,
            "the file must be of the media type text/csv or application/x-ndjson",
        )),
    }
}

fn wants_stream(request: &HttpRequest) -> bool {
    let accept = request
        .headers()
        .get(header::ACCEPT)
        .and_then(|value| value.to_str().ok());
    accept.is_some_and(|accept| accept.contains("application/x-ndjson"))
}

/// Keeps what is told for one report.
struct Collected(ImportReport);

impl Listener for Collected {
    async fn tell(&mut self, event: ImportEvent) -> bool {
        self.0.note(event);
        true
    }
}

/// Sends what is told line by line, to a client that reads as fast as it has to send.
struct Stream {
    lines: mpsc::Sender<Bytes>,
    pace: Pace,
}

impl Stream {
    fn new(lines: mpsc::Sender<Bytes>) -> Self {
        Self {
            lines,
            pace: Pace::OF_FILES,
        }
    }
}

impl Listener for Stream {
    async fn tell(&mut self, event: ImportEvent) -> bool {
        let mut line = serde_json::to_vec(&event).expect("events are plain data with string keys");
        line.push(b'\n');
        self.pace.note(line.len());
        matches!(self.pace.wait(self.lines.send(line.into())).await, Ok(Ok(())))
    }
}

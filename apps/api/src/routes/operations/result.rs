use std::sync::Arc;

use actix_web::body::SizedStream;
use actix_web::http::header;
use actix_web::web::{self, Bytes};
use actix_web::{HttpRequest, HttpResponse, get};
use fairlead_domain::access::{ExportLeads, Permit};
use fairlead_domain::consistency::{LogPosition, ReadIntent, Workload};
use fairlead_domain::leads::export::{BadExportRequest, ExportRequest};
use fairlead_domain::operations::{FindResultError, Operation, OperationId, ResultFile, find_result};
use fairlead_domain::store::Store;
use futures_util::stream::try_unfold;

use crate::Services;
use crate::authentication::Permitted;
use crate::compression::compressed;
use crate::path::PathId;
use crate::problem::{Kind, Problem};
use crate::routes::leads::described;
use crate::spec::Problems;

/// Fetch the file that an operation has written.
///
/// That of an export, from when it is completed, for a day. Its length is told unless it is compressed on the way.
#[utoipa::path(
    tag = "operations",
    operation_id = "getOperationResult",
    params(("id" = uuid::Uuid, Path, description = "The operation's id.")),
    responses(
        (status = 200, description = "The file, as it was asked for.", content(
            (String = "text/csv"),
            (String = "application/x-ndjson"),
        )),
        Problems<FindResultError>,
    ),
    extensions(("x-permit" = json!("ExportLeads"))),
)]
#[get("/operations/{id}/result")]
pub(super) async fn result(
    request: HttpRequest,
    services: web::Data<Services>,
    permit: Permitted<ExportLeads>,
    id: PathId<Operation>,
) -> Result<HttpResponse, Problem> {
    let permit = permit.into_inner();
    let intent = ReadIntent {
        consistency: services.consistency.asked(&request, permit.scope())?,
        workload: Workload::Interactive,
    };
    let (file, seen) = match find(&services, &permit, intent, id.0).await {
        // A node that lags behind may not know what a client was told that has watched it.
        Err(FindResultError::NotFound | FindResultError::NotEnded(_)) => {
            find(&services, &permit, ReadIntent::STRONG, id.0).await?
        }
        found => found?,
    };
    // Whichever node has a part then, has all that was seen here.
    let intent = intent.raised_to(seen);

    let (media_type, name) = described(asked_for(&file)?.format);
    let mut response = HttpResponse::Ok();
    response.content_type(media_type);
    response.insert_header((
        header::CONTENT_DISPOSITION,
        format!("attachment; filename=\"{name}\""),
    ));
    let bytes = file.size.bytes;
    let parts = Parts {
        store: Arc::clone(&services.store),
        permit,
        intent,
        file,
        next: 0,
    };
    let parts = Box::pin(try_unfold(parts, Parts::next));
    let compression = &services.settings.compression;
    Ok(match compression.choose_for_stream(request.headers()) {
        None => response.body(SizedStream::new(bytes, parts)),
        Some(coding) => {
            response.insert_header((header::CONTENT_ENCODING, coding.value()));
            response.streaming(compressed(parts, coding, compression))
        }
    })
}

/// Finds the file, and which position of the log was seen.
async fn find(
    services: &Services,
    permit: &Permit<ExportLeads>,
    intent: ReadIntent,
    id: OperationId,
) -> Result<(ResultFile, LogPosition), FindResultError> {
    let mut uow = services.store.read(permit.scope(), intent).await?;
    let file = find_result(&mut *uow, permit, id).await?;
    Ok((file, uow.sees()))
}

fn asked_for(file: &ResultFile) -> Result<ExportRequest, Problem> {
    let request = file.request.as_deref().ok_or(BadExportRequest::Missing);
    let request = request.and_then(ExportRequest::parse);
    request.map_err(|error| Problem::server(Kind::Internal, error))
}

/// A file on its way to a client.
struct Parts {
    store: Arc<dyn Store>,
    permit: Permit<ExportLeads>,
    intent: ReadIntent,
    file: ResultFile,
    next: u32,
}

/// A part is gone before it was sent.
#[derive(Debug, thiserror::Error)]
#[error("part {0} of the file is gone")]
struct PartMissing(u32);

impl Parts {
    /// Reads one part in a unit of work of its own, so that a slow client holds no transaction open.
    async fn next(mut self) -> Result<Option<(Bytes, Self)>, Problem> {
        // An empty chunk would end the body.
        while self.next < self.file.size.parts {
            let part = self.read(self.next).await.inspect_err(
                |problem| tracing::error!(problem = %problem, "the download of a result broke off"),
            )?;
            self.next += 1;
            if !part.is_empty() {
                return Ok(Some((part.into(), self)));
            }
        }
        Ok(None)
    }

    async fn read(&self, number: u32) -> Result<Vec<u8>, Problem> {
        let mut uow = self.store.read(self.permit.scope(), self.intent).await?;
        let part = uow.operation_outputs().find(self.file.operation, number).await?;
        part.ok_or_else(|| Problem::server(Kind::Internal, PartMissing(number)))
    }
}

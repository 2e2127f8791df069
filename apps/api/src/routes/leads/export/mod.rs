//! Leads as a file: streamed, or written in the background (`begin`).

pub(super) mod begin;
mod file;

use std::collections::VecDeque;
use std::sync::Arc;

use actix_web::http::header;
use actix_web::web::{self, Bytes};
use actix_web::{HttpResponse, get};
use fairlead_domain::access::{ExportLeads, Permit};
use fairlead_domain::consistency::{NodeName, ReadIntent, Workload};
use fairlead_domain::leads::LeadFilter;
use fairlead_domain::leads::export::{self as domain, ExportFormat, Part};
use fairlead_domain::paging::Position;
use fairlead_domain::store::Store;
use futures_util::stream::try_unfold;
use utoipa::IntoParams;

pub use self::file::LeadFileWriter;
pub(in crate::routes) use self::file::described;
use super::query::LeadFilterQuery;
use crate::Services;
use crate::compression::compressed;
use crate::consistency::READ_SOURCE;
use crate::problem::Problem;
use crate::query::{FromQuery, QueryOf, QueryReader};
use crate::read::{Read, node_name};

#[derive(Debug, utoipa::ToSchema)]
#[schema(rename_all = "lowercase")]
#[expect(dead_code, reason = "documents the values of `format`")]
enum FormatParameter {
    Csv,
    Ndjson,
}

/// What [`ExportQuery`] reads beside the filters, for the specification.
#[derive(IntoParams)]
#[into_params(parameter_in = Query, rename_all = "camelCase")]
#[expect(dead_code, reason = "documents parameters")]
struct ExportParameters {
    #[param(inline, value_type = FormatParameter, required = false, default = "csv")]
    format: Option<FormatParameter>,
}

#[derive(Debug)]
struct ExportQuery {
    format: ExportFormat,
    filter: LeadFilterQuery,
}

impl FromQuery for ExportQuery {
    fn read(query: &mut QueryReader) -> Self {
        let parse = |word: &str| match word {
            "csv" => Some(ExportFormat::Csv),
            "ndjson" => Some(ExportFormat::Ndjson),
            _ => None,
        };
        let format = query
            .choice("format", parse, ["csv", "ndjson"])
            .unwrap_or(ExportFormat::Csv);
        Self {
            format,
            filter: LeadFilterQuery::read(query),
        }
    }
}

/// Export leads as CSV or NDJSON, the newest first.
///
/// The file is streamed, and read in steps: a lead that is created meanwhile is not in it, and one that is changed meanwhile
/// is in it as it was or as it is, if it matches when its step is read.
#[utoipa::path(
    tag = "leads",
    operation_id = "exportLeads",
    params(ExportParameters, LeadFilterQuery),
    responses((status = 200, description = "The leads, one on each line; a CSV file begins with the names of the columns.", content(
        (String = "text/csv"),
        (String = "application/x-ndjson"),
    ))),
    extensions(("x-permit" = json!("ExportLeads"))),
)]
#[get("/leads/export")]
pub(super) async fn export(
    services: web::Data<Services>,
    read: Read<ExportLeads>,
    query: QueryOf<ExportQuery>,
) -> Result<HttpResponse, Problem> {
    let ExportQuery { format, filter } = query.0;
    let (media_type, name) = described(format);
    let intent = read.intent(Workload::Analytics)?;
    let coding = services
        .settings
        .compression
        .choose_for_stream(read.request().headers());
    let mut export = Export {
        store: services.store.clone(),
        intent,
        permit: read.into_permit(),
        filter: filter.0,
        format,
        next: Next::First,
        limit: domain::MAX_PART_LEADS,
        node: None,
        ready: VecDeque::new(),
    };
    // The first step is made before the answer begins: what fails here is still a problem with a status.
    export.step().await?;
    let mut response = HttpResponse::Ok();
    response.content_type(media_type);
    response.insert_header(("content-disposition", format!("attachment; filename=\"{name}\"")));
    if let Some(node) = &export.node {
        response.insert_header((READ_SOURCE, node_name(node)));
    }

    let chunks = Box::pin(try_unfold(export, Export::next_bytes));
    Ok(match coding {
        None => response.streaming(chunks),
        Some(coding) => {
            response.insert_header((header::CONTENT_ENCODING, coding.value()));
            response.streaming(compressed(chunks, coding, &services.settings.compression))
        }
    })
}

/// An export under way.
struct Export {
    store: Arc<dyn Store>,
    intent: ReadIntent,
    permit: Permit<ExportLeads>,
    filter: LeadFilter,
    format: ExportFormat,
    next: Next,
    /// How many leads are asked for next.
    limit: u32,
    /// Who was read first.
    node: Option<NodeName>,
    ready: VecDeque<Bytes>,
}

enum Next {
    First,
    Behind(Position),
    Done,
}

impl Export {
    async fn next_bytes(mut self) -> Result<Option<(Bytes, Self)>, Problem> {
        while self.ready.is_empty() {
            if matches!(self.next, Next::Done) {
                return Ok(None);
            }
            self.step()
                .await
                .inspect_err(|problem| tracing::error!(problem = %problem, "an export broke off"))?;
        }
        Ok(self.ready.pop_front().map(|bytes| (bytes, self)))
    }

    /// Reads the next leads in a unit of work of their own, so that a slow client holds no transaction open.
    async fn step(&mut self) -> Result<(), Problem> {
        let after = match self.next {
            Next::First => None,
            Next::Behind(position) => Some(position),
            Next::Done => return Ok(()),
        };
        let query = domain::query(&self.filter, after, self.limit);
        let mut uow = self.store.read(self.permit.scope(), self.intent).await?;
        let page = uow.leads().list(&query).await?;
        self.node.get_or_insert_with(|| uow.source());
        let part = Part::of(&LeadFileWriter, self.format, after, page, self.limit);
        self.limit = part.next_limit;
        self.next = part.next.map_or(Next::Done, Next::Behind);
        if !part.content.is_empty() {
            self.ready.push_back(part.content.into());
        }
        Ok(())
    }
}

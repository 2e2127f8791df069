use std::collections::VecDeque;
use std::fmt::Write as _;
use std::sync::Arc;

use actix_web::http::header;
use actix_web::web::{self, Bytes};
use actix_web::{HttpResponse, get};
use fairlead_domain::access::{ExportLeads, Permit};
use fairlead_domain::consistency::{NodeName, ReadIntent, Workload};
use fairlead_domain::leads::{Lead, LeadFilter, LeadQuery, LeadSort};
use fairlead_domain::paging::{Direction, Paging, Position, Start};
use fairlead_domain::store::Store;
use futures_util::stream::try_unfold;
use utoipa::IntoParams;

use super::query::LeadFilterQuery;
use super::view::LeadView;
use crate::Services;
use crate::compression::compressed;
use crate::consistency::READ_SOURCE;
use crate::problem::Problem;
use crate::query::{FromQuery, QueryOf, QueryReader};
use crate::read::{Read, node_name};
use crate::records::guarded;

/// How many leads are read at a time: more than a page, because nobody waits for the first.
const CHUNK: u32 = 1_000;
/// Our own names, so that what was exported can be imported again.
const HEADER: &str = "id,name,email,phone,company,status,closeReason,source,insuranceType,zipCode,qualityScore,assignedTo,\
customFields,createdAt,updatedAt\r\n";

#[derive(Clone, Copy, Debug, PartialEq, Eq, utoipa::ToSchema)]
#[schema(rename_all = "lowercase")]
enum ExportFormat {
    Csv,
    Ndjson,
}

/// What [`ExportQuery`] reads beside the filters, for the specification.
#[derive(IntoParams)]
#[into_params(parameter_in = Query, rename_all = "camelCase")]
#[expect(dead_code, reason = "documents parameters")]
struct ExportParameters {
    #[param(inline, value_type = ExportFormat, required = false, default = "csv")]
    format: Option<ExportFormat>,
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
/// is in it as it was or as it is.
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
    let (media_type, name) = match format {
        ExportFormat::Csv => ("text/csv; charset=utf-8", "leads.csv"),
        ExportFormat::Ndjson => ("application/x-ndjson", "leads.ndjson"),
    };
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
            Next::First if self.format == ExportFormat::Csv => {
                self.ready.push_back(Bytes::from_static(HEADER.as_bytes()));
                None
            }
            Next::First => None,
            Next::Behind(position) => Some(position),
            Next::Done => return Ok(()),
        };
        let query = LeadQuery {
            filter: self.filter.clone(),
            sort: LeadSort::CreatedAt,
            direction: Direction::Descending,
            paging: Paging {
                start: Start::After(after),
                limit: CHUNK,
            },
        };
        let mut uow = self.store.read(self.permit.scope(), self.intent).await?;
        let page = uow.leads().list(&query).await?;
        self.node.get_or_insert_with(|| uow.source());
        let mut text = String::new();
        for lead in page.items {
            match self.format {
                ExportFormat::Csv => write_row(&mut text, &lead),
                ExportFormat::Ndjson => {
                    let view = serde_json::to_string(&LeadView::from(lead));
                    text.push_str(&view.expect("views are plain data with string keys"));
                    text.push('\n');
                }
            }
        }
        self.next = page.next.map_or(Next::Done, Next::Behind);
        if !text.is_empty() {
            self.ready.push_back(text.into());
        }
        Ok(())
    }
}

fn write_row(text: &mut String, lead: &Lead) {
    let view =
        serde_json::to_value(LeadView::from(lead.clone())).expect("views are plain data with string keys");
    for (index, column) in HEADER.trim_end().split(',').enumerate() {
        if index > 0 {
            text.push(',');
        }
        match &view[column] {
            serde_json::Value::Null => {}
            serde_json::Value::String(cell) => write_cell(text, cell),
            serde_json::Value::Object(fields) if fields.is_empty() => {}
            other => write_cell(text, &other.to_string()),
        }
    }
    text.push_str("\r\n");
}

/// Writes one cell, quoted where it must be (RFC 4180, section 2), and made harmless for spreadsheets.
fn write_cell(text: &mut String, cell: &str) {
    let cell = &*guarded(cell);
    if cell.contains(['"', ',', '\r', '\n']) || cell.starts_with(' ') || cell.ends_with(' ') {
        let quoted = cell.replace('"', "\"\"");
        write!(text, "\"{quoted}\"").expect("a String takes any text");
    } else {
        text.push_str(cell);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cell_is_quoted_where_it_must_be() {
        let cell = |text| {
            let mut written = String::new();
            write_cell(&mut written, text);
            written
        };

        assert_eq!(cell("plain"), "plain");
        assert_eq!(cell("a,b"), "\"a,b\"");
        assert_eq!(cell("say \"hi\"\n"), "\"say \"\"hi\"\"\n\"");
    }
}

use std::borrow::Cow;

use actix_web::{HttpResponse, patch, post, web};
use fairlead_domain::access::ChangeLeads;
use fairlead_domain::events::Source;
use fairlead_domain::invalid::{FieldError, Invalid};
use fairlead_domain::leads::{
    self, BulkError, BulkOutcome, BulkUpdate, Duplicates, LeadDraft, LeadPatch, MAX_BULK, RejectedRow,
};
use fairlead_domain::{Expected, Id};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::openapi::schema::{AnyOfBuilder, ArrayBuilder, ObjectBuilder, SchemaType};
use utoipa::openapi::{Ref, RefOr, Schema};
use utoipa::{PartialSchema, ToSchema};
use uuid::Uuid;

use super::body::{LeadBody, LeadPatchBody};
use crate::Services;
use crate::authentication::Permitted;
use crate::idempotency::{IdempotencyKey, WriteAnswer};
use crate::json::{BulkJsonBody, BulkJsonList};
use crate::problem::{InvalidValueView, Problem, pointer};
use crate::spec::Problems;
use crate::whole::Whole;

/// Many new leads.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schema(as = NewLeads, example = json!({
    "leads": [{"name": "Ann Ferris", "email": "ann@ferris.example"}, {"name": "Bob Hull"}], "skipDuplicates": true,
}))]
struct NewLeadsBody {
    /// Each is judged by itself: a bad one does not keep the others out.
    #[schema(schema_with = judged_leads)]
    leads: Vec<Value>,
    /// Leave out leads whose e-mail address or phone number is known, or stands earlier in the list.
    #[serde(default)]
    #[schema(required = false, default = false)]
    skip_duplicates: bool,
    /// How many leads one transaction writes: what was written by the batches before stays when one fails.
    #[schema(value_type = i64, required = false, default = 100, minimum = 1, maximum = 1000)]
    batch_size: Option<Whole>,
}

/// How many leads one transaction writes when nobody says.
const DEFAULT_BATCH: usize = 100;

/// The items should be new leads, and whatever else they are is told in the answer.
fn judged_leads() -> RefOr<Schema> {
    judged(LeadBody::name().as_ref()).into()
}

fn judged(item: &str) -> ArrayBuilder {
    let whatever = ObjectBuilder::new().schema_type(SchemaType::AnyValue);
    let item = AnyOfBuilder::new()
        .item(Ref::from_schema_name(item))
        .item(whatever);
    ArrayBuilder::new()
        .items(item)
        .min_items(Some(1))
        .max_items(Some(MAX_BULK))
}

/// What became of many leads.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = BulkResult, example = json!({
    "successful": 1, "failed": 1, "skipped": 0, "ids": ["01934f6e-7b1a-7cc3-98a4-0242ac120002"],
    "errors": [{"index": 1, "batch": 1, "errors": [{
        "pointer": "/leads/1/email", "detail": "must be an e-mail address such as ann@example.com",
    }]}],
}))]
struct BulkResultView {
    #[schema(minimum = 0)]
    successful: usize,
    /// How many were rejected; each stands in `errors`.
    #[schema(minimum = 0)]
    failed: usize,
    /// How many were left out because they were known.
    #[schema(minimum = 0)]
    skipped: usize,
    /// The leads that were written, in the order of the request.
    ids: Vec<Uuid>,
    errors: Vec<BulkErrorView>,
}

/// Why one lead was rejected.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = BulkError)]
struct BulkErrorView {
    /// The place in the request's list, counted from 0.
    #[schema(minimum = 0)]
    index: usize,
    /// The batch it was in, counted from 1.
    #[schema(minimum = 1)]
    batch: usize,
    /// The lead, when the row named one.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    record_id: Option<Uuid>,
    /// JSON pointers into the request, with what is wrong there.
    errors: Vec<InvalidValueView>,
}

impl BulkResultView {
    fn new() -> Self {
        Self {
            successful: 0,
            failed: 0,
            skipped: 0,
            ids: Vec::new(),
            errors: Vec::new(),
        }
    }

    fn note(&mut self, list: &str, batch: usize, outcome: BulkOutcome) {
        self.skipped += outcome.skipped;
        self.ids.extend(outcome.successful.into_iter().map(Id::as_uuid));
        self.successful = self.ids.len();
        for RejectedRow {
            index,
            lead,
            reason: Invalid(faults),
        } in outcome.rejected
        {
            let errors = faults
                .into_iter()
                .map(|FieldError { field, detail }| {
                    InvalidValueView::at(pointer(&format!("{list}/{index}"), &field), detail)
                })
                .collect();
            self.reject(index, batch, lead.map(Id::as_uuid), errors);
        }
    }

    fn reject(&mut self, index: usize, batch: usize, record_id: Option<Uuid>, errors: Vec<InvalidValueView>) {
        self.failed += 1;
        self.errors.push(BulkErrorView {
            index,
            batch,
            record_id,
            errors,
        });
    }

    fn finish(mut self) -> Self {
        self.errors.sort_by_key(|error| error.index);
        self
    }
}

/// Create many leads.
///
/// Each lead is judged by itself, and all that are in order are written by set-based statements, a transaction per
/// batch. With an idempotency key all batches are one transaction.
#[utoipa::path(
    tag = "leads",
    operation_id = "createLeads",
    params(IdempotencyKey),
    request_body = NewLeadsBody,
    responses(
        (status = 200, description = "What became of each.", body = BulkResultView),
        Problems<BulkError>,
    ),
    extensions(("x-permit" = json!("ChangeLeads"))),
)]
#[post("/leads/bulk")]
pub(super) async fn create_many(
    services: web::Data<Services>,
    permit: Permitted<ChangeLeads>,
    key: IdempotencyKey,
    body: BulkJsonBody<NewLeadsBody>,
) -> Result<HttpResponse, Problem> {
    let NewLeadsBody {
        leads: rows,
        skip_duplicates,
        batch_size,
    } = body.value;
    check_count("/leads", rows.len())?;
    let batch_size = batch_size.map_or(Ok(DEFAULT_BATCH), |Whole(size)| usize::try_from(size));
    let Some(batch_size) = batch_size.ok().filter(|size| (1..=MAX_BULK).contains(size)) else {
        return Err(Problem::invalid(Invalid::field(
            "batchSize",
            format!("must be from 1 to {MAX_BULK}"),
        )));
    };
    let duplicates = if skip_duplicates {
        Duplicates::Skip
    } else {
        Duplicates::Keep
    };

    let mut uow = services.store.begin(permit.scope()).await?;
    if let Some(kept) = key.claim(&mut *uow, permit.actor(), &body.request_hash).await? {
        return Ok(kept.respond());
    }
    let mut result = BulkResultView::new();
    let mut rows = rows.into_iter().enumerate().peekable();
    let mut batch = 0;
    while rows.peek().is_some() {
        batch += 1;
        let mut drafts = Vec::with_capacity(batch_size);
        for (index, row) in rows.by_ref().take(batch_size) {
            match read::<LeadBody>("/leads", index, row).and_then(|body| {
                LeadDraft::parse(body.into()).map_err(|invalid| place("/leads", index, invalid))
            }) {
                Ok(draft) => drafts.push((index, draft)),
                Err(errors) => result.reject(index, batch, None, errors),
            }
        }
        let outcome = leads::create_many(&mut *uow, &*permit, drafts, duplicates, Source::Api).await?;
        result.note("/leads", batch, outcome);
        if rows.peek().is_some() && !key.is_given() {
            uow.commit().await?;
            uow = services.store.begin(permit.scope()).await?;
        }
    }
    let answer = WriteAnswer::done(&result.finish());
    key.keep(&mut *uow, permit.actor(), &answer).await?;
    uow.commit().await?;
    Ok(answer.respond())
}

/// One lead and what is to change of it.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schema(as = LeadUpdate)]
struct LeadUpdateBody {
    id: Uuid,
    data: LeadPatchBody,
    /// Change it only if this is still its version.
    #[schema(minimum = 1, nullable = false)]
    version: Option<i64>,
}

/// Change many leads.
///
/// Each change is judged by itself, and all that are in order are written in one transaction.
#[utoipa::path(
    tag = "leads",
    operation_id = "updateLeads",
    params(IdempotencyKey),
    request_body(content = LeadUpdatesBody, example = json!([
        {"id": "01934f6e-7b1a-7cc3-98a4-0242ac120002", "data": {"status": "CONTACTED"}},
    ])),
    responses(
        (status = 200, description = "What became of each.", body = BulkResultView),
        Problems<BulkError>,
    ),
    extensions(("x-permit" = json!("ChangeLeads"))),
)]
#[patch("/leads/bulk")]
pub(super) async fn update_many(
    services: web::Data<Services>,
    permit: Permitted<ChangeLeads>,
    key: IdempotencyKey,
    body: BulkJsonList,
) -> Result<HttpResponse, Problem> {
    let rows = body.rows;
    check_count("", rows.len())?;
    let mut result = BulkResultView::new();
    let mut updates = Vec::with_capacity(rows.len());
    for (index, row) in rows.into_iter().enumerate() {
        let id = row
            .get("id")
            .and_then(Value::as_str)
            .and_then(|id| id.parse().ok());
        match read::<LeadUpdateBody>("", index, row).and_then(|body| update(index, body)) {
            Ok(update) => updates.push(update),
            Err(errors) => result.reject(index, 1, id, errors),
        }
    }

    let mut uow = services.store.begin(permit.scope()).await?;
    if let Some(kept) = key.claim(&mut *uow, permit.actor(), &body.request_hash).await? {
        return Ok(kept.respond());
    }
    let outcome = leads::update_many(&mut *uow, &permit, updates).await?;
    result.note("", 1, outcome);
    let answer = WriteAnswer::done(&result.finish());
    key.keep(&mut *uow, permit.actor(), &answer).await?;
    uow.commit().await?;
    Ok(answer.respond())
}

/// Many changes, each of which is judged by itself.
#[derive(Debug)]
struct LeadUpdatesBody;

impl PartialSchema for LeadUpdatesBody {
    fn schema() -> RefOr<Schema> {
        judged(LeadUpdateBody::name().as_ref()).into()
    }
}

impl ToSchema for LeadUpdatesBody {
    fn name() -> Cow<'static, str> {
        Cow::Borrowed("LeadUpdates")
    }

    fn schemas(schemas: &mut Vec<(String, RefOr<Schema>)>) {
        schemas.push((LeadUpdateBody::name().into_owned(), LeadUpdateBody::schema()));
        LeadUpdateBody::schemas(schemas);
    }
}

fn update(index: usize, body: LeadUpdateBody) -> Result<BulkUpdate, Vec<InvalidValueView>> {
    let patch = LeadPatch::parse(body.data.into())
        .map_err(|invalid| place_under(&format!("/{index}/data"), invalid))?;
    let expected = body.version.map_or(Expected::Any, Expected::Version);
    Ok(BulkUpdate {
        index,
        lead: Id::from_uuid(body.id),
        expected,
        patch,
    })
}

fn check_count(at: &str, count: usize) -> Result<(), Problem> {
    if (1..=MAX_BULK).contains(&count) {
        return Ok(());
    }
    let detail = format!("must have 1 to {MAX_BULK} items, has {count}");
    Err(Problem::invalid_values(vec![InvalidValueView::at(
        at.to_owned(),
        detail,
    )]))
}

/// Reads one row; its faults carry pointers into the whole body.
fn read<T: DeserializeOwned>(list: &str, index: usize, row: Value) -> Result<T, Vec<InvalidValueView>> {
    if !row.is_object() {
        return Err(vec![InvalidValueView::at(
            format!("{list}/{index}"),
            "must be an object",
        )]);
    }
    serde_json::from_value(row)
        .map_err(|error| vec![InvalidValueView::at(format!("{list}/{index}"), error.to_string())])
}

fn place(list: &str, index: usize, invalid: Invalid) -> Vec<InvalidValueView> {
    place_under(&format!("{list}/{index}"), invalid)
}

fn place_under(parent: &str, Invalid(faults): Invalid) -> Vec<InvalidValueView> {
    faults
        .into_iter()
        .map(|FieldError { field, detail }| InvalidValueView::at(pointer(parent, &field), detail))
        .collect()
}

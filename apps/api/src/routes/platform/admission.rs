use std::collections::BTreeMap;

use actix_web::{HttpResponse, get, web};
use fairlead_domain::admission::{Class, GateReport, Party, Reason};
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::Services;
use crate::admission::Gatekeeper;
use crate::authentication::Operator;
use crate::units::milliseconds;

/// Parties that are told of one by one: those refused most often.
const MOST_PARTIES: usize = 20;

/// Who may work at once, as this process decides it. Counts are those since it began.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Admission, example = json!({
    "enabled": true, "limit": 14, "taken": 14, "minLimit": 8, "maxLimit": 20, "slowdown": 2.4, "stayMs": 6.2, "parties": 3,
    "classes": [
        {"class": "operator", "inFlight": 0, "waiting": 0, "admitted": 12, "waited": 0, "refused": {}},
        {"class": "interactive", "inFlight": 52, "waiting": 9, "admitted": 51_044, "waited": 20_007, "refused": {"over-share": 812}},
        {"class": "bulk", "inFlight": 0, "waiting": 2, "admitted": 40, "waited": 11, "refused": {"overloaded": 77}},
    ],
    "shedding": {"active": false, "forSeconds": null, "spells": 1, "errorRate": 0.004, "standIns": 96},
    "mostRefused": [{"tenantId": "0192d3a4-0000-7000-8000-000000000001", "refused": 889}],
}))]
struct AdmissionView {
    /// Whether requests are held up at all.
    enabled: bool,
    /// How many requests may work at once, besides those of operators; it follows how much slower the database gets.
    limit: u32,
    /// How much of it is taken: those who read by id are looked up together, and take room as their statements do.
    taken: u32,
    min_limit: u32,
    max_limit: u32,
    /// How many times longer than usual the database has lately taken.
    slowdown: f64,
    /// What a request lately took, once it was let in.
    stay_ms: f64,
    /// Tenants that have any request at work or waiting now; all who log in or sign up are one.
    parties: usize,
    /// The most urgent first.
    classes: Vec<ClassView>,
    shedding: SheddingView,
    /// Those refused most often, 20 at the most.
    most_refused: Vec<RefusedView>,
}

/// The requests of one class.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = AdmissionClass)]
struct ClassView {
    /// `operator`, `interactive` or `bulk`.
    class: &'static str,
    in_flight: u32,
    waiting: usize,
    admitted: u64,
    /// Those of the admitted that had to wait.
    waited: u64,
    /// By why; what did not happen is absent. `overloaded`: there was more to do than could be done. `over-share`: and the tenant
    /// had more than its share. `shed`: many requests failed, and this was bulk work.
    refused: BTreeMap<&'static str, u64>,
}

/// What is done about many requests that fail.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = AdmissionShedding)]
struct SheddingView {
    /// Whether bulk work is refused, and answers are given that were kept beyond their time.
    active: bool,
    /// Since how long; `null`: it is not.
    #[schema(required = true)]
    for_seconds: Option<u64>,
    /// How often it has begun.
    spells: u64,
    /// The part of the requests of late that failed, of 1.
    error_rate: f64,
    /// Answers that were kept beyond their time, and given because of this.
    stand_ins: u64,
}

/// How often a tenant was refused.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = AdmissionRefused)]
struct RefusedView {
    /// `null`: of all who log in or sign up.
    #[schema(required = true)]
    tenant_id: Option<Uuid>,
    /// May be too high by a little, where very many were refused.
    refused: u64,
}

/// Tell who may work at once, who waits, and who was refused.
#[utoipa::path(
    tag = "platform",
    operation_id = "getAdmission",
    responses((status = 200, description = "In this process, now.", body = AdmissionView)),
    extensions(("x-permit" = json!("Operator"))),
)]
#[get("/performance/admission")]
pub(super) async fn admission(services: web::Data<Services>, _operator: Operator) -> HttpResponse {
    let keeper = services.gatekeeper.as_ref();
    let view = match keeper {
        Some(keeper) => AdmissionView::of(keeper.report(), keeper),
        None => AdmissionView::off(),
    };
    HttpResponse::Ok().json(view)
}

impl AdmissionView {
    fn of(report: GateReport, keeper: &Gatekeeper) -> Self {
        let classes = Class::ALL.into_iter().map(|class| ClassView::of(class, &report));
        Self {
            enabled: true,
            limit: report.limit,
            taken: report.taken,
            min_limit: report.min_limit,
            max_limit: report.max_limit,
            slowdown: report.slowdown,
            stay_ms: milliseconds(report.stay),
            parties: report.parties,
            classes: classes.collect(),
            shedding: SheddingView {
                active: report.shedding_for.is_some(),
                for_seconds: report.shedding_for.map(|time| time.as_secs()),
                spells: report.shed_spells,
                error_rate: report.error_rate,
                stand_ins: keeper.stand_ins(),
            },
            most_refused: report
                .most_refused
                .into_iter()
                .take(MOST_PARTIES)
                .map(|(party, refused)| RefusedView {
                    tenant_id: match party {
                        Party::Tenant(tenant) => Some(tenant.as_uuid()),
                        Party::Strangers => None,
                    },
                    refused,
                })
                .collect(),
        }
    }

    fn off() -> Self {
        Self {
            enabled: false,
            limit: 0,
            taken: 0,
            min_limit: 0,
            max_limit: 0,
            slowdown: 1.0,
            stay_ms: 0.0,
            parties: 0,
            classes: Vec::new(),
            shedding: SheddingView {
                active: false,
                for_seconds: None,
                spells: 0,
                error_rate: 0.0,
                stand_ins: 0,
            },
            most_refused: Vec::new(),
        }
    }
}

impl ClassView {
    fn of(class: Class, report: &GateReport) -> Self {
        let index = class.index();
        let refused = Reason::ALL.map(|reason| (reason.as_str(), report.refused[index][reason.index()]));
        Self {
            class: class.as_str(),
            in_flight: report.in_flight[index],
            waiting: report.waiting[index],
            admitted: report.admitted[index],
            waited: report.waited[index],
            refused: refused.into_iter().filter(|(_, count)| *count > 0).collect(),
        }
    }
}

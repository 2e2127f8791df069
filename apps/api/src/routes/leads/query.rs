use fairlead_domain::Id;
use fairlead_domain::leads::{AssignedTo, LeadFilter, LeadSort, SearchText, StatusName};
use fairlead_domain::paging::Direction;
use utoipa::IntoParams;
use utoipa::openapi::path::{Parameter, ParameterIn};

use super::view::{LeadView, StatusView};
use crate::fields::{Fields, FieldsQuery};
use crate::paging::{ListName, PagingQuery};
use crate::query::{FromQuery, QueryReader, hyphenated};

/// The filters of a list of leads. All that are given must hold.
#[derive(Debug, IntoParams)]
#[into_params(parameter_in = Query, rename_all = "camelCase")]
#[expect(dead_code, reason = "documents what `LeadFilterQuery` reads")]
struct LeadFilterParameters {
    #[param(nullable = false)]
    status: Option<StatusView>,
    #[param(
        min_length = 1,
        max_length = 100,
        pattern = "^[^\\u0000-\\u001f\\u007f-\\u009f]+$",
        nullable = false
    )]
    source: Option<String>,
    /// The id of an agent, or `nobody`.
    #[param(
        nullable = false,
        pattern = "^(nobody|[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12})$",
        example = "nobody"
    )]
    assigned_to: Option<String>,
    #[param(
        min_length = 1,
        max_length = 100,
        pattern = "^[^\\u0000-\\u001f\\u007f-\\u009f]+$",
        nullable = false
    )]
    insurance_type: Option<String>,
    #[param(
        min_length = 1,
        max_length = 20,
        pattern = "^[^\\u0000-\\u001f\\u007f-\\u009f]+$",
        nullable = false
    )]
    zip_code: Option<String>,
    /// The least quality score.
    #[param(minimum = 0, maximum = 100, nullable = false)]
    min_score: Option<i32>,
    /// Created after this moment.
    #[param(value_type = String, format = DateTime, required = false)]
    created_after: Option<String>,
    /// Created before this moment.
    #[param(value_type = String, format = DateTime, required = false)]
    created_before: Option<String>,
    /// Words of the name and company, the last one perhaps unfinished; restricts to 1,000 of the leads that match.
    #[param(
        min_length = 1,
        max_length = 200,
        pattern = "^[^\\u0000-\\u001f]*[A-Za-z0-9][^\\u0000-\\u001f]*$",
        nullable = false,
        example = "ferris"
    )]
    q: Option<String>,
}

/// The filters of a list of leads.
#[derive(Clone, Debug)]
pub(super) struct LeadFilterQuery(pub(super) LeadFilter);

impl IntoParams for LeadFilterQuery {
    fn into_params(parameter_in: impl Fn() -> Option<ParameterIn>) -> Vec<Parameter> {
        LeadFilterParameters::into_params(parameter_in)
    }
}

impl FromQuery for LeadFilterQuery {
    fn read(query: &mut QueryReader) -> Self {
        let names = StatusName::ALL.map(StatusName::as_str);
        Self(LeadFilter {
            status: query.choice("status", StatusName::parse, names),
            source: query.text("source", 100),
            assigned_to: query.parsed("assignedTo", assigned_to),
            insurance_type: query.text("insuranceType", 100),
            zip_code: query.text("zipCode", 20),
            min_score: query.integer("minScore", 0..=100),
            created_after: query.moment("createdAfter"),
            created_before: query.moment("createdBefore"),
            text: query.parsed("q", SearchText::parse),
        })
    }
}

fn assigned_to(text: &str) -> Result<AssignedTo, &'static str> {
    if text == "nobody" {
        return Ok(AssignedTo::Nobody);
    }
    let id = hyphenated(text).ok_or("must be the id of an agent, or nobody")?;
    Ok(AssignedTo::Agent(Id::from_uuid(id)))
}

/// The order of a list of leads: its name in the query and in cursors, and what it means.
const ORDERS: [(&str, LeadSort, Direction); 6] = [
    ("-createdAt", LeadSort::CreatedAt, Direction::Descending),
    ("createdAt", LeadSort::CreatedAt, Direction::Ascending),
    ("-updatedAt", LeadSort::UpdatedAt, Direction::Descending),
    ("updatedAt", LeadSort::UpdatedAt, Direction::Ascending),
    ("-qualityScore", LeadSort::QualityScore, Direction::Descending),
    ("qualityScore", LeadSort::QualityScore, Direction::Ascending),
];

/// The order of a list of leads.
#[derive(Debug, IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "documents what `LeadListQuery` reads")]
struct LeadListParameters {
    /// A dash means: from the greatest to the least.
    #[param(inline, nullable = false, default = "-createdAt")]
    sort: Option<OrderParameter>,
}

#[derive(Debug, utoipa::ToSchema)]
#[expect(dead_code, reason = "documents the values of `sort`")]
enum OrderParameter {
    #[schema(rename = "-createdAt")]
    CreatedAtDescending,
    #[schema(rename = "createdAt")]
    CreatedAt,
    #[schema(rename = "-updatedAt")]
    UpdatedAtDescending,
    #[schema(rename = "updatedAt")]
    UpdatedAt,
    #[schema(rename = "-qualityScore")]
    QualityScoreDescending,
    #[schema(rename = "qualityScore")]
    QualityScore,
}

#[derive(Debug, utoipa::ToSchema)]
#[schema(rename_all = "camelCase")]
#[expect(dead_code, reason = "documents the value of `include`")]
enum IncludeParameter {
    Activities,
}

/// Which leads, in which order, and what of them.
#[derive(Debug)]
pub(crate) struct LeadListQuery {
    pub(super) paging: PagingQuery,
    pub(super) filter: LeadFilterQuery,
    pub(super) sort: LeadSort,
    pub(super) direction: Direction,
    pub(super) list: ListName,
    pub(super) show: LeadShowQuery,
}

impl IntoParams for LeadListQuery {
    fn into_params(parameter_in: impl Fn() -> Option<ParameterIn>) -> Vec<Parameter> {
        let mut parameters = PagingQuery::into_params(&parameter_in);
        parameters.extend(LeadFilterParameters::into_params(&parameter_in));
        parameters.extend(LeadListParameters::into_params(&parameter_in));
        parameters.extend(LeadShowQuery::into_params(&parameter_in));
        parameters
    }
}

impl FromQuery for LeadListQuery {
    fn read(query: &mut QueryReader) -> Self {
        let find = |name: &str| ORDERS.into_iter().find(|(order, ..)| *order == name);
        let order = query.choice("sort", find, ORDERS.map(|(order, ..)| order));
        let (order, sort, direction) = order.unwrap_or(ORDERS[0]);
        Self {
            paging: PagingQuery::read(query),
            filter: LeadFilterQuery::read(query),
            sort,
            direction,
            list: ListName {
                operation: "listLeads",
                order,
            },
            show: LeadShowQuery::read(query),
        }
    }
}

/// What of a lead is to be shown.
#[derive(Debug)]
pub(crate) struct LeadShowQuery {
    pub(super) fields: Fields<LeadView>,
    pub(super) with_activities: bool,
    /// The whole query in normal form.
    pub(super) normal: String,
}

/// The part of [`LeadShowQuery`] beside `fields`.
#[derive(Debug, IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "documents what `LeadShowQuery` reads")]
struct LeadShowParameters {
    /// `activities`: with the five newest activities of each lead.
    #[param(inline, nullable = false)]
    include: Option<IncludeParameter>,
}

impl IntoParams for LeadShowQuery {
    fn into_params(parameter_in: impl Fn() -> Option<ParameterIn>) -> Vec<Parameter> {
        let mut parameters = FieldsQuery::<LeadView>::into_params(&parameter_in);
        parameters.extend(LeadShowParameters::into_params(&parameter_in));
        parameters
    }
}

impl FromQuery for LeadShowQuery {
    fn read(query: &mut QueryReader) -> Self {
        let include = query.choice(
            "include",
            |word| (word == "activities").then_some(()),
            ["activities"],
        );
        Self {
            fields: Fields::read(query),
            with_activities: include.is_some(),
            normal: query.normal(),
        }
    }
}

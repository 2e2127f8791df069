use actix_web::http::Method;
use fairlead_domain::rate_limits::LimitedOperation;

/// Which operation with a limit of its own a request is for.
///
/// Asked with each request, long before its route is found. `path` is as the router sees it, so that nobody gets around
/// a limit by another way to write it.
pub(crate) fn limited_operation(method: &Method, path: &str) -> Option<LimitedOperation> {
    use LimitedOperation as Operation;

    let path = path.strip_prefix("/api/v1/")?;
    match *method {
        Method::GET => match path {
            "leads/export" => Some(Operation::ExportLeads),
            "leads/search" => Some(Operation::SearchLeads),
            _ => None,
        },
        Method::PATCH => (path == "leads/bulk").then_some(Operation::UpdateLeads),
        Method::POST => match path {
            "auth/accept-invitation" => Some(Operation::AcceptInvitation),
            "auth/login" => Some(Operation::LogIn),
            "auth/signup" => Some(Operation::SignUp),
            "leads/bulk" => Some(Operation::CreateLeads),
            "leads/export" => Some(Operation::BeginLeadExport),
            "leads/import" => Some(Operation::ImportLeads),
            "leads/score" => Some(Operation::BeginLeadScoring),
            "voice/commands" => Some(Operation::SayCommand),
            _ => of_one(path),
        },
        _ => None,
    }
}

/// One about something whose id stands in the path.
fn of_one(path: &str) -> Option<LimitedOperation> {
    let (kind, rest) = path.split_once('/')?;
    let (_, what) = rest.split_once('/')?;
    match (kind, what) {
        ("leads", "activities/summary") => Some(LimitedOperation::SummarizeActivities),
        ("leads", "score") => Some(LimitedOperation::ScoreLead),
        ("webhooks", "ping") => Some(LimitedOperation::PingWebhook),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::authentication::PUBLIC;
    use crate::spec::openapi;

    #[test]
    fn each_limited_operation_is_recognised_by_what_the_specification_says_of_it_and_no_other_is() {
        let mut recognised = Vec::new();
        for (path, operations) in openapi()["paths"].as_object().unwrap() {
            for (method, operation) in operations.as_object().unwrap() {
                let method = Method::from_bytes(method.to_uppercase().as_bytes()).unwrap();
                let id = operation["operationId"].as_str().unwrap();
                let path = path.replace("{id}", "0192d3a4-0000-7000-8000-000000000000");
                let limited = limited_operation(&method, &path);
                assert!(limited.is_none_or(|limited| limited.id() == id), "{id}");
                if let Some(limited) = limited {
                    assert_eq!(limited.is_for_strangers(), PUBLIC.contains(&&*path), "{id}");
                    recognised.push(limited.id());
                }
            }
        }
        recognised.sort_unstable();

        let mut all = LimitedOperation::ALL.map(LimitedOperation::id);
        all.sort_unstable();
        assert_eq!(recognised, all);
    }

    #[test]
    fn whatever_asks_a_model_has_a_limit_of_its_own() {
        for id in [
            "sayCommand",
            "beginLeadScoring",
            "scoreLead",
            "summarizeActivities",
        ] {
            assert!(
                LimitedOperation::ALL.iter().any(|limited| limited.id() == id),
                "{id}"
            );
        }
    }
}

use std::time::Duration;

use super::Reach;

/// What opens a transaction: BEGIN, and the settings that are local to it. It is sent as text, and holds nothing but
/// words of ours, a UUID and a number.
///
/// A connection reads only by default ([`Target`](crate::pool::Target)), so what writes says so.
pub(super) fn first_message(reach: Reach, statement_timeout: Duration) -> String {
    let milliseconds = statement_timeout.as_millis();
    match reach {
        Reach::Read(tenant) => format!(
            "BEGIN READ ONLY; SET LOCAL app.current_tenant = '{}'; SET LOCAL statement_timeout = {milliseconds}",
            tenant.as_uuid()
        ),
        Reach::Write(tenant) => format!(
            "BEGIN READ WRITE; SET LOCAL app.current_tenant = '{}'; SET LOCAL statement_timeout = {milliseconds}",
            tenant.as_uuid()
        ),
        Reach::System => format!("BEGIN READ WRITE; SET LOCAL statement_timeout = {milliseconds}"),
    }
}

#[cfg(test)]
mod tests {
    use fairlead_domain::Id;
    use uuid::Uuid;

    use super::*;

    #[test]
    fn the_first_message_opens_the_transaction_and_sets_tenant_and_time_limit() {
        let tenant = Id::from_uuid(Uuid::from_u128(7));
        let limit = Duration::from_millis(1500);

        assert_eq!(
            first_message(Reach::Read(tenant), limit),
            "BEGIN READ ONLY; SET LOCAL app.current_tenant = '00000000-0000-0000-0000-000000000007'; \
             SET LOCAL statement_timeout = 1500"
        );
        assert_eq!(
            first_message(Reach::Write(tenant), limit),
            "BEGIN READ WRITE; SET LOCAL app.current_tenant = '00000000-0000-0000-0000-000000000007'; \
             SET LOCAL statement_timeout = 1500"
        );
        assert_eq!(
            first_message(Reach::System, limit),
            "BEGIN READ WRITE; SET LOCAL statement_timeout = 1500"
        );
    }
}

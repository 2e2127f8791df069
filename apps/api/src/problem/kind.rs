use actix_web::http::StatusCode;

/// One row of the table of problem types.
#[derive(Clone, Copy, Debug)]
pub struct Row {
    /// The last part of the type's URI; never changes once published.
    pub slug: &'static str,
    pub title: &'static str,
    pub status: StatusCode,
    /// When it is given.
    pub when: &'static str,
    /// What the caller can do about it.
    pub mend: &'static str,
}

macro_rules! problem_types {
    ($($kind:ident: $status:ident, $slug:literal, $title:literal, $when:literal, $mend:literal;)*) => {
        /// What can go wrong, as callers see it.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Kind {
            $($kind,)*
        }

        impl Kind {
            /// Every problem type, sorted by status.
            pub const ALL: &[Self] = &[$(Self::$kind,)*];

            pub const fn row(self) -> Row {
                match self {
                    $(Self::$kind => Row {
                        slug: $slug,
                        title: $title,
                        status: StatusCode::$status,
                        when: $when,
                        mend: $mend,
                    },)*
                }
            }
        }
    };
}

problem_types! {
    MalformedRequest: BAD_REQUEST, "malformed-request", "Malformed request",
        "A path, a query or a header is not of the form that the operation takes.",
        "Correct the part that `detail` names.";
    MalformedJson: BAD_REQUEST, "malformed-json", "Malformed JSON",
        "The body is not JSON, or is nested too deep.",
        "Send one JSON value in UTF-8; `detail` says at which line and column reading stopped.";
    InvalidCursor: BAD_REQUEST, "invalid-cursor", "Invalid cursor",
        "The cursor was altered, or belongs to another list, sort order or tenant.",
        "Begin at the first page, and pass `nextCursor` on as it came.";

    NotAuthenticated: UNAUTHORIZED, "not-authenticated", "Not authenticated",
        "The request has no credential, or one that is unknown, expired or revoked.",
        "Send `Authorization: Bearer <access token>` or `x-tenant-key: <API key>`; refresh an expired token.";
    WrongCredentials: UNAUTHORIZED, "wrong-credentials", "Wrong credentials",
        "The e-mail address, the password, the tenant or the token presented is not right. Which one is not told.",
        "Check what was typed; log in again when a refresh token was refused.";

    NotPermitted: FORBIDDEN, "not-permitted", "Not permitted",
        "The caller is known, but its role or the scopes of its API key do not cover the action.",
        "Use a caller with one of the roles or scopes that `detail` names.";
    OriginNotAllowed: FORBIDDEN, "origin-not-allowed", "Origin not allowed",
        "A page of another site wants to call the API or to open a WebSocket, and is none of those that may.",
        "Add the origin that `detail` names to `http.allowed_origins`.";

    NotFound: NOT_FOUND, "not-found", "Not found",
        "There is nothing of this id in the caller's tenant.",
        "Check the id; it may have been deleted.";
    NoSuchRoute: NOT_FOUND, "no-such-route", "No such route",
        "The path is none of this API.",
        "Compare the path with `/openapi.json`.";

    MethodNotAllowed: METHOD_NOT_ALLOWED, "method-not-allowed", "Method not allowed",
        "The path exists, but not with this method.",
        "Use one of the methods in the `Allow` header.";

    BodyTooSlow: REQUEST_TIMEOUT, "body-too-slow", "Body too slow",
        "The body was not here when most of the time that a request has was over, or so little of a file to be imported came \
         in a minute that nobody else should wait for its place.",
        "Send it faster, or in parts; imports take files that come slowly, at 16 KiB in a second.";

    Conflict: CONFLICT, "conflict", "Conflict",
        "What the request asks for does not go with the present state.",
        "Read the current state and decide anew; `detail` says what stands in the way.";
    EmailTaken: CONFLICT, "email-taken", "E-mail address taken",
        "The tenant already has a user with this e-mail address.",
        "Use another address, or change the user that has it.";
    NameTaken: CONFLICT, "name-taken", "Name taken",
        "The tenant already has one of this name.",
        "Choose another name.";
    LastOwner: CONFLICT, "last-owner", "Last owner",
        "A tenant must keep at least one active owner.",
        "Make another user an owner first.";
    InvalidTransition: CONFLICT, "invalid-transition", "Invalid transition",
        "The pipeline does not allow this change of status.",
        "`detail` says what the lead can become from where it is.";
    AgentFull: CONFLICT, "agent-full", "Agent full",
        "The agent holds as many open leads as its profile allows.",
        "Assign the lead to somebody else, or raise the agent's `maxOpenLeads`.";
    NoAgentFree: CONFLICT, "no-agent-free", "No agent free",
        "No active agent has room for another open lead.",
        "Raise somebody's `maxOpenLeads`, or add an agent.";
    AutomaticActivity: CONFLICT, "automatic-activity", "Automatic activity",
        "Status changes, assignments and scores are written by the platform and stay as they are.",
        "Add a note that says what should be known.";
    OperationEnded: CONFLICT, "operation-ended", "Operation ended",
        "The operation has ended, so there is nothing to stop any more.",
        "Get it: `state` tells how it ended, and `result` what has come of it.";
    UploadExpired: CONFLICT, "upload-expired", "Upload expired",
        "The upload took so long that its first parts were cleared away.",
        "Send the file again.";
    LimitReached: CONFLICT, "limit-reached", "Limit reached",
        "The tenant has as many of these as it may have.",
        "Remove one that is not needed; `GET /api/v1/limits` tells all limits.";

    PlanLimitReached: CONFLICT, "plan-limit-reached", "Plan limit reached",
        "The plan of the tenant allows no more of these; `detail` says which, how many, and how many there are.",
        "Subscribe to another plan by `POST /api/v1/billing/checkout`, or remove some that are not needed.";
    NotForSale: CONFLICT, "not-for-sale", "Not for sale",
        "The installation takes no payments, or the plan has no price here.",
        "Choose a plan of `forSale` in `GET /api/v1/billing/subscription`; operators set `billing.stripe.api_key` and prices.";
    PaymentRefused: CONFLICT, "payment-refused", "Payment refused",
        "The payment provider refused what it was asked, for the reason in `detail`; nothing was charged.",
        "Tell whoever runs the installation, unless `detail` says that it was paid before.";
    NotMeasured: CONFLICT, "not-measured", "Not measured",
        "An index is asked for on a table of which too little is known: it was never analyzed, or this process has measured no \
         statement that reads it.",
        "Have the table analyzed and the requests sent that it is to make faster, then ask the same process again.";
    NotSubscribable: CONFLICT, "not-subscribable", "Not subscribable",
        "The lead has no e-mail address, or the installation has no mailing list.",
        "Give the lead an address; operators set `kit.api_key`.";
    NeverPaid: CONFLICT, "never-paid", "Never paid",
        "There is no such tenant, or it has never paid anything.",
        "Check the tenant's id.";

    ResultNotReady: CONFLICT, "result-not-ready", "Result not ready",
        "The operation has not ended, so its file is not whole.",
        "Follow `GET /api/v1/operations/{id}/stream` until it is `completed`, and fetch it then.";

    ResultGone: GONE, "result-gone", "Result gone",
        "The file of the operation is kept no longer, or never became whole, as the operation failed or was cancelled.",
        "Begin another export; its file can be fetched until `download.expiresAt`.";

    EventsDropped: GONE, "events-dropped", "Events dropped",
        "Events behind the cursor were older than events are kept, and are gone: who went on would miss them.",
        "Read anew what you keep of the tenant's data, and follow the log without a cursor from before that.";

    StaleVersion: PRECONDITION_FAILED, "stale-version", "Stale version",
        "The resource was changed since the version that `If-Match` names.",
        "Read it again, and repeat the change on what it is now.";

    BodyTooLarge: PAYLOAD_TOO_LARGE, "body-too-large", "Body too large",
        "The body has more bytes than the operation takes.",
        "Send less at a time; `GET /api/v1/limits` tells the limits.";
    QueryTooLong: URI_TOO_LONG, "query-too-long", "Query too long",
        "The query string has more bytes than are accepted.",
        "Use fewer or shorter parameters.";
    UnsupportedMediaType: UNSUPPORTED_MEDIA_TYPE, "unsupported-media-type", "Unsupported media type",
        "The `Content-Type` of the body is not one that the operation takes.",
        "Send the media type that `detail` names.";
    UnsupportedCoding: UNSUPPORTED_MEDIA_TYPE, "unsupported-coding", "Unsupported coding",
        "The body is compressed, or encoded in another way: what few bytes become many is not unpacked here.",
        "Send it as it is, without `Content-Encoding`.";

    InvalidInput: UNPROCESSABLE_ENTITY, "invalid-input", "Invalid input",
        "The request is well formed, but one or more of its values cannot be accepted.",
        "Correct each value listed in `errors`.";
    CommandNotUnderstood: UNPROCESSABLE_ENTITY, "command-not-understood", "Command not understood",
        "Nothing that can be done by voice was understood, or the caller said `me` and is an API key.",
        "Say it otherwise; `docs/voice.md` has what rules understand, and how.";
    InvalidConfirmation: UNPROCESSABLE_ENTITY, "invalid-confirmation", "Invalid confirmation",
        "The token was altered, is of another user or tenant, or is older than five minutes.",
        "Say the command once more, and confirm what is asked then.";
    NobodyListens: UNPROCESSABLE_ENTITY, "nobody-listens", "Nobody listens",
        "The body has a recording, and there is nobody who may write it down: no provider that can is configured, or the \
         tenant has used up its budget of the month.",
        "Send what was said as `transcript`.";
    IdempotencyKeyReused: UNPROCESSABLE_ENTITY, "idempotency-key-reused", "Idempotency key reused",
        "The idempotency key was used before, with another request.",
        "Make a new key for each new request; repeat a request unchanged under its old key.";

    UpgradeRequired: UPGRADE_REQUIRED, "upgrade-required", "Upgrade required",
        "The operation speaks WebSocket (RFC 6455), and the request is no opening handshake of one.",
        "Open it by a WebSocket client, through proxies that pass `Upgrade` on; `GET /api/v1/events/stream` goes without.";

    RateLimited: TOO_MANY_REQUESTS, "rate-limited", "Rate limited",
        "More requests came than may within a while: from one address, of one tenant, by one API key or for one operation.",
        "Wait as long as `Retry-After` says, and spread requests out: `RateLimit` says with each answer what is left, \
         `GET /api/v1/limits` tells all limits, and whoever runs the installation can raise them.";
    PlanCallsUsedUp: TOO_MANY_REQUESTS, "plan-calls-used-up", "Plan's calls used up",
        "The tenant has made as many calls of the API in this month as its plan allows.",
        "Subscribe to another plan by `POST /api/v1/billing/checkout`, which is seen within a minute, or wait for the next \
         month as long as `Retry-After` says. `/auth`, `/billing`, `/limits` and `/usage` answer meanwhile.";
    OverShare: TOO_MANY_REQUESTS, "over-share", "Over share",
        "More is asked than can be done at once, others ask too, and this tenant has more than its share under way.",
        "Wait as long as `Retry-After` says, and ask for less at a time.";
    TooManyAttempts: TOO_MANY_REQUESTS, "too-many-attempts", "Too many attempts",
        "Too many logins failed for this account or from this address.",
        "Wait as long as `Retry-After` says.";
    TooManyImports: TOO_MANY_REQUESTS, "too-many-imports", "Too many imports",
        "As many files are imported directly as may be at once: two of a tenant, and four altogether in a process.",
        "Send the file with `Prefer: respond-async`, or come back after `Retry-After` seconds.";
    TooManyStreams: TOO_MANY_REQUESTS, "too-many-streams", "Too many streams",
        "The tenant, or everybody together, follows events as often as is allowed at once.",
        "Close streams that are not needed, share one among several readers, or come back after `Retry-After` seconds.";

    HeadersTooLarge: REQUEST_HEADER_FIELDS_TOO_LARGE, "headers-too-large", "Headers too large",
        "The request's headers have more bytes than are accepted.",
        "Send fewer or shorter headers.";

    Internal: INTERNAL_SERVER_ERROR, "internal-error", "Internal error",
        "Something failed that is not the caller's fault.",
        "Report the trace id in `instance`; repeating the request is safe with an idempotency key.";

    Contended: SERVICE_UNAVAILABLE, "contended", "Contended",
        "The request lost a race with another one; nothing was changed.",
        "Repeat it after `Retry-After` seconds.";
    Overloaded: SERVICE_UNAVAILABLE, "overloaded", "Overloaded",
        "More is asked than can be done at once, or many requests fail and this one is bulk work, which can be done later. \
         Nothing was done.",
        "Repeat the request after `Retry-After` seconds.";
    Unavailable: SERVICE_UNAVAILABLE, "unavailable", "Unavailable",
        "Something that the operation cannot do without is out of reach for the moment.",
        "Repeat the request after `Retry-After` seconds; `/health/ready` tells what is out of reach.";
    NotTranscribed: SERVICE_UNAVAILABLE, "not-transcribed", "Not transcribed",
        "The provider that listens to recordings does not answer, or answers with no words.",
        "Send what was said as `transcript`, or repeat the request after `Retry-After` seconds.";
    DeadlineExceeded: SERVICE_UNAVAILABLE, "deadline-exceeded", "Deadline exceeded",
        "The work took longer than a request may take, and was given up.",
        "Ask for less at a time, or repeat the request after `Retry-After` seconds.";
}

impl Kind {
    /// Where all problem types are described; the types' URIs begin with it.
    pub const BASE_URI: &str = "https://fairlead.dev/problems/";

    pub const fn status(self) -> StatusCode {
        self.row().status
    }

    pub const fn slug(self) -> &'static str {
        self.row().slug
    }

    /// The URI that stands in `type`; stable.
    pub fn uri(self) -> String {
        format!("{}{}", Self::BASE_URI, self.slug())
    }

    /// How many seconds to wait before another try, when waiting helps.
    pub const fn retry_after_seconds(self) -> Option<u64> {
        match self {
            Self::Contended | Self::Overloaded | Self::OverShare | Self::RateLimited => Some(1),
            Self::TooManyImports
            | Self::TooManyStreams
            | Self::Unavailable
            | Self::NotTranscribed
            | Self::DeadlineExceeded => Some(5),
            Self::TooManyAttempts | Self::PlanCallsUsedUp => Some(60),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn each_problem_type_has_a_slug_of_its_own() {
        let slugs: HashSet<_> = Kind::ALL.iter().map(|kind| kind.slug()).collect();

        assert_eq!(slugs.len(), Kind::ALL.len());
    }

    #[test]
    fn the_table_is_sorted_by_status() {
        assert!(Kind::ALL.is_sorted_by_key(|kind| kind.status()));
    }

    #[test]
    fn whoever_is_told_to_come_back_is_told_when() {
        for kind in Kind::ALL {
            let told_to_wait = matches!(kind.status().as_u16(), 429 | 503);
            assert_eq!(kind.retry_after_seconds().is_some(), told_to_wait, "{kind:?}");
        }
    }
}

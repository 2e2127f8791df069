//! Stripe, as far as it is asked by this program, of this machine: <https://docs.stripe.com/api>.
//!
//! It is strict where the real one is: it knows a call again by its key, refuses the key with other words, and wants forms
//! and a version. What it was made to do is counted, so that a test sees what was done twice.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use hmac::{Hmac, KeyInit as _, Mac as _};
use serde_json::{Value, json};
use sha2::Sha256;

use crate::receiver::Received;
use crate::service::{Answers, Said, Service};

/// The keys and prices that it knows, and the secret with which it signs.
pub const KEY: &str = "sk_test_of_the_tests";
pub const TEAM: &str = "price_team";
pub const BUSINESS: &str = "price_business";
pub const SECRET: &str = "whsec_of_the_tests";
/// The event name of its meter.
pub const METER: &str = "api_calls";

pub type Stripe = Service<Account>;

#[derive(Debug, Default)]
pub struct Account {
    /// What was answered under a key, and to which words.
    keys: BTreeMap<String, (String, Said)>,
    next: usize,
    /// The keys under which customers were made.
    pub customers: Vec<String>,
    pub sessions: Vec<Session>,
    /// Whose payments there are.
    pub payments: BTreeMap<String, String>,
    /// What was paid back: the payment, and the key.
    pub refunds: Vec<(String, String)>,
    /// By customer.
    pub subscriptions: BTreeMap<String, Vec<Value>>,
    /// What was metered, by the identifiers of its events.
    pub metered: BTreeMap<String, Metered>,
    /// Whether the meter takes no events any more.
    pub is_archived: bool,
    /// Customers that were removed.
    pub removed: BTreeSet<String>,
    /// With what it refuses whatever it is asked.
    pub refuses: Option<u16>,
}

/// An event of the meter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Metered {
    pub customer: String,
    pub value: u64,
    /// In seconds since 1970.
    pub at: i64,
}

/// A page to pay on.
#[derive(Clone, Debug)]
pub struct Session {
    pub id: String,
    pub customer: String,
    pub price: String,
    pub status: &'static str,
    /// The key under which it was opened.
    pub key: String,
}

impl Service<Account> {
    pub async fn stripe() -> Self {
        Self::start(Account::default()).await
    }
}

impl Account {
    /// Has somebody pay on the page that is open; returns the subscription.
    pub fn pay(&mut self) -> Value {
        let mut open = self
            .sessions
            .iter_mut()
            .filter(|session| session.status == "open");
        let session = open.next().expect("a page is open");
        assert!(open.next().is_none(), "nobody can pay twice");
        session.status = "complete";
        let (customer, price) = (session.customer.clone(), session.price.clone());
        self.subscribe(&customer, &price)
    }

    pub fn subscribe(&mut self, customer: &str, price: &str) -> Value {
        self.next += 1;
        let id = format!("sub_{}", self.next);
        let subscription = subscription(&id, customer, price, "active", self.next);
        let all = self.subscriptions.entry(customer.to_owned()).or_default();
        all.push(subscription.clone());
        subscription
    }

    /// Changes a subscription of a customer, the newest.
    pub fn change(&mut self, customer: &str, change: impl FnOnce(&mut Value)) {
        let all = self.subscriptions.get_mut(customer).expect("it has one");
        change(all.last_mut().expect("it has one"));
    }

    /// How much a customer is billed for.
    pub fn used(&self, customer: &str) -> u64 {
        let events = self.metered.values();
        let of_it = events.filter(|event| event.customer == customer);
        of_it.map(|event| event.value).sum()
    }

    /// <https://docs.stripe.com/api/billing/meter-event/create>
    fn meter(&mut self, form: &BTreeMap<String, String>) -> Said {
        let field = |name: &str| form.get(name).cloned().unwrap_or_default();
        let (identifier, name, customer) = (
            field("identifier"),
            field("event_name"),
            field("payload[stripe_customer_id]"),
        );
        let numbers = (
            field("payload[value]").parse::<u64>(),
            field("timestamp").parse::<i64>(),
        );
        let (Ok(value), Ok(at)) = numbers else {
            return error(400, "invalid_request_error", "parameter_invalid_integer");
        };
        if name != METER || identifier.is_empty() || !customer.starts_with("cus_") {
            return error(400, "invalid_request_error", "parameter_missing");
        }
        if self.is_archived {
            return error(400, "invalid_request_error", "archived_meter");
        }
        if self.metered.contains_key(&identifier) {
            let message = format!("An event already exists with identifier {identifier}.");
            return (
                400,
                json!({"error": {"type": "invalid_request_error", "message": message}}),
            );
        }
        let shown = json!({
            "object": "billing.meter_event", "created": at, "event_name": name, "identifier": identifier,
            "livemode": false, "timestamp": at,
            "payload": {"stripe_customer_id": customer, "value": value.to_string()},
        });
        self.metered.insert(identifier, Metered { customer, value, at });
        (200, shown)
    }

    fn id(&mut self, prefix: &str) -> String {
        self.next += 1;
        format!("{prefix}_test_{}", self.next)
    }

    /// What is done once, however often it is asked for by a key.
    fn once(&mut self, asked: &Received) -> Said {
        let Some(key) = asked.headers.get("idempotency-key") else {
            return error(400, "invalid_request_error", "no_key");
        };
        if asked.headers.get("content-type").map(String::as_str) != Some("application/x-www-form-urlencoded")
        {
            return error(400, "invalid_request_error", "no_form");
        }
        let words = format!("{} {}", asked.path, asked.body);
        if let Some((before, said)) = self.keys.get(key) {
            return if *before == words {
                said.clone()
            } else {
                error(400, "idempotency_error", "other_words")
            };
        }
        let said = self.act(&asked.path, &form(&asked.body), key);
        self.keys.insert(key.clone(), (words, said.clone()));
        said
    }

    fn act(&mut self, path: &str, form: &BTreeMap<String, String>, key: &str) -> Said {
        let field = |name: &str| form.get(name).cloned().unwrap_or_default();
        if let Some(id) = path
            .strip_prefix("/v1/checkout/sessions/")
            .and_then(|rest| rest.strip_suffix("/expire"))
        {
            let mut sessions = self.sessions.iter_mut();
            return match sessions.find(|session| session.id == id) {
                Some(session) if session.status == "open" => {
                    session.status = "expired";
                    (200, session.shown())
                }
                _ => error(400, "invalid_request_error", "not_open"),
            };
        }
        match path {
            "/v1/billing/meter_events" => self.meter(form),
            "/v1/customers" => {
                let id = self.id("cus");
                self.customers.push(key.to_owned());
                (
                    200,
                    json!({"id": id, "object": "customer", "name": field("name")}),
                )
            }
            "/v1/checkout/sessions" if [TEAM, BUSINESS].contains(&field("line_items[0][price]").as_str()) => {
                let session = Session {
                    id: self.id("cs"),
                    customer: field("customer"),
                    price: field("line_items[0][price]"),
                    status: "open",
                    key: key.to_owned(),
                };
                let shown = session.shown();
                self.sessions.push(session);
                (200, shown)
            }
            "/v1/refunds" if self.payments.contains_key(&field("payment_intent")) => {
                let id = self.id("re");
                self.refunds.push((field("payment_intent"), key.to_owned()));
                (200, json!({"id": id, "object": "refund", "status": "succeeded"}))
            }
            _ => error(400, "invalid_request_error", "resource_missing"),
        }
    }

    fn look(&self, path: &str) -> Said {
        let (path, query) = path.split_once('?').unwrap_or((path, ""));
        if let Some(id) = path.strip_prefix("/v1/checkout/sessions/") {
            let found = self.sessions.iter().find(|session| session.id == id);
            return found.map_or_else(missing, |session| (200, session.shown()));
        }
        if let Some(id) = path.strip_prefix("/v1/payment_intents/") {
            let shown = |customer: &String| {
                (
                    200,
                    json!({"id": id, "object": "payment_intent", "customer": customer}),
                )
            };
            return self.payments.get(id).map_or_else(missing, shown);
        }
        if let Some(id) = path.strip_prefix("/v1/prices/") {
            let price =
                json!({"id": id, "object": "price", "active": true, "recurring": {"interval": "month"}});
            return if [TEAM, BUSINESS].contains(&id) {
                (200, price)
            } else {
                missing()
            };
        }
        let customer = form(query).remove("customer").unwrap_or_default();
        match path {
            "/v1/subscriptions" if self.removed.contains(&customer) => (
                400,
                json!({"error": {
                    "type": "invalid_request_error", "code": "resource_missing", "param": "customer",
                    "message": "No such customer.",
                }}),
            ),
            "/v1/subscriptions" => {
                let all = self.subscriptions.get(&customer).cloned().unwrap_or_default();
                (200, json!({"object": "list", "has_more": false, "data": all}))
            }
            _ => missing(),
        }
    }
}

impl Session {
    fn shown(&self) -> Value {
        let url = (self.status == "open").then(|| format!("https://checkout.stripe.test/c/pay/{}", self.id));
        json!({
            "id": self.id, "object": "checkout.session", "customer": self.customer, "status": self.status, "url": url,
            // In 2100.
            "expires_at": 4_102_444_800_i64,
        })
    }
}

impl Answers for Account {
    fn answer(&mut self, asked: &Received) -> Said {
        let header = |name: &str| asked.headers.get(name).map(String::as_str);
        if header("authorization") != Some(&format!("Bearer {KEY}")) {
            return error(401, "invalid_request_error", "api_key");
        }
        if header("stripe-version") != Some("2025-09-30.clover") {
            return error(400, "invalid_request_error", "version");
        }
        if let Some(status) = self.refuses {
            return error(status, "invalid_request_error", "refused");
        }
        match asked.method.as_str() {
            "POST" => self.once(asked),
            _ => self.look(&asked.path),
        }
    }

    fn failed(&self) -> Said {
        error(500, "api_error", "failed")
    }
}

fn missing() -> Said {
    error(404, "invalid_request_error", "resource_missing")
}

fn error(status: u16, kind: &str, code: &str) -> Said {
    (
        status,
        json!({"error": {"type": kind, "code": code, "message": "A message that tells much."}}),
    )
}

/// A subscription as it is shown, of this version.
pub fn subscription(id: &str, customer: &str, price: &str, status: &str, created: usize) -> Value {
    json!({
        "id": id, "object": "subscription", "customer": customer, "status": status, "created": 1_763_800_000 + created,
        "cancel_at_period_end": false,
        "items": {"object": "list", "data": [{
            "id": "si_1", "price": {"id": price}, "current_period_end": 4_102_444_800_i64,
        }]},
    })
}

/// An event as it is told.
pub fn event(id: &str, kind: &str, object: &Value) -> String {
    json!({
        "id": id, "object": "event", "type": kind, "api_version": "2025-09-30.clover", "created": 1_763_800_000,
        "livemode": false, "data": {"object": object},
    })
    .to_string()
}

/// What stands in `Stripe-Signature`.
pub fn signature(secret: &str, seconds: i64, body: &str) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).expect("HMAC takes a key of any length");
    mac.update(format!("{seconds}.{body}").as_bytes());
    let mut header = format!("t={seconds},v1=");
    for byte in mac.finalize().into_bytes() {
        write!(header, "{byte:02x}").expect("a String takes all that is written");
    }
    header
}

fn form(text: &str) -> BTreeMap<String, String> {
    let pairs = text.split('&').filter_map(|pair| pair.split_once('='));
    pairs
        .map(|(name, value)| (decoded(name), decoded(value)))
        .collect()
}

fn decoded(text: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'+' => b' ',
            b'%' => {
                let hex: Vec<u8> = rest.by_ref().take(2).collect();
                let hex = String::from_utf8(hex).expect("a form is ASCII");
                u8::from_str_radix(&hex, 16).expect("a byte in hexadecimal")
            }
            byte => byte,
        });
    }
    String::from_utf8(bytes).expect("a form is UTF-8")
}

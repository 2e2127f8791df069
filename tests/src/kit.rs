//! Kit, as far as it is asked by this program, of this machine: <https://developers.kit.com/v4>.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use crate::receiver::Received;
use crate::service::{Answers, Said, Service};

/// The key that it knows.
pub const KEY: &str = "kit_of_the_tests";

pub type Kit = Service<Lists>;

#[derive(Debug, Default)]
pub struct Lists {
    /// By address: what they are called, and their tags.
    pub subscribers: BTreeMap<String, (String, BTreeSet<String>)>,
    addresses: Vec<String>,
    tags: Vec<String>,
}

impl Service<Lists> {
    pub async fn kit() -> Self {
        Self::start(Lists::default()).await
    }
}

/// The place of a text in a list, which begins with one; and whether it was not there.
fn number(list: &mut Vec<String>, text: &str) -> (usize, bool) {
    if let Some(at) = list.iter().position(|known| known == text) {
        return (at + 1, false);
    }
    list.push(text.to_owned());
    (list.len(), true)
}

fn made(is_new: bool) -> u16 {
    if is_new { 201 } else { 200 }
}

impl Answers for Lists {
    fn answer(&mut self, asked: &Received) -> Said {
        if asked.headers.get("x-kit-api-key").map(String::as_str) != Some(KEY) {
            return (401, json!({"errors": ["The access token is invalid"]}));
        }
        let body: Value = serde_json::from_str(&asked.body).unwrap_or_default();
        let text = |name: &str| body[name].as_str().unwrap_or_default().to_owned();
        let parts: Vec<&str> = asked.path.trim_start_matches('/').split('/').collect();
        match (asked.method.as_str(), &parts[..]) {
            ("GET", ["v4", "account"]) => (
                200,
                json!({"user": {"email": "a@example.com"}, "account": {"id": 1, "name": "The list"}}),
            ),
            ("POST", ["v4", "subscribers"]) if text("email_address").ends_with("@refused.test") => {
                (422, json!({"errors": ["Email address is invalid"]}))
            }
            ("POST", ["v4", "subscribers"]) => {
                let email = text("email_address");
                let (id, is_new) = number(&mut self.addresses, &email);
                let known = self.subscribers.entry(email.clone()).or_default();
                known.0 = text("first_name");
                let shown =
                    json!({"id": id, "first_name": known.0, "email_address": email, "state": "active"});
                (made(is_new), json!({ "subscriber": shown }))
            }
            ("POST", ["v4", "tags"]) => {
                let (id, is_new) = number(&mut self.tags, &text("name"));
                (made(is_new), json!({"tag": {"id": id, "name": text("name")}}))
            }
            ("POST", ["v4", "tags", tag, "subscribers", subscriber]) => {
                let find = |list: &[String], id: &str| {
                    let at: usize = id.parse().ok()?;
                    list.get(at.checked_sub(1)?).cloned()
                };
                let (Some(tag), Some(email)) = (find(&self.tags, tag), find(&self.addresses, subscriber))
                else {
                    return (404, json!({"errors": ["Not Found"]}));
                };
                let known = self.subscribers.get_mut(&email).expect("it has an address");
                let is_new = known.1.insert(tag);
                let id: usize = subscriber.parse().expect("it was found");
                (
                    made(is_new),
                    json!({"subscriber": {"id": id, "email_address": email, "state": "active"}}),
                )
            }
            _ => (404, json!({"errors": ["Not Found"]})),
        }
    }

    fn failed(&self) -> Said {
        (500, json!({"errors": ["Something failed"]}))
    }
}

use serde_json::{Value, json};

use crate::Client;

/// What every user of a test tenant has chosen.
pub const PASSWORD: &str = "correct horse battery";

/// A tenant that signed up over HTTP, with its owner logged in.
#[derive(Clone, Debug)]
pub struct TestTenant {
    pub id: String,
    pub slug: String,
    pub owner: Client,
    pub owner_id: String,
    pub owner_email: String,
    anonymous: Client,
}

impl TestTenant {
    /// Signs a company up; any server will do.
    pub async fn sign_up(anonymous: Client, name: &str) -> Self {
        let owner_email = format!("owner@{}.test", name.to_lowercase());
        let body = json!({
            "tenantName": name, "name": format!("Owner of {name}"), "email": owner_email, "password": PASSWORD,
        });
        let answer = anonymous.post("/api/v1/auth/signup", body).await.expect(201);
        Self {
            id: text(&answer["tenant"]["id"]),
            slug: text(&answer["tenant"]["slug"]),
            owner: anonymous.with_token(answer["accessToken"].as_str().expect("a token")),
            owner_id: text(&answer["user"]["id"]),
            owner_email,
            anonymous,
        }
    }

    /// The same tenant, of the server at `url`.
    #[must_use]
    pub fn at(&self, url: &str) -> Self {
        Self {
            owner: self.owner.at(url),
            anonymous: self.anonymous.at(url),
            ..self.clone()
        }
    }

    /// The owner, logged in once more: time may have passed.
    pub async fn log_in(&self) -> Client {
        let body = json!({ "email": self.owner_email, "password": PASSWORD, "tenant": self.slug });
        let tokens = self.anonymous.post("/api/v1/auth/login", body).await.expect(200);
        self.anonymous
            .with_token(tokens["accessToken"].as_str().expect("a token"))
    }

    /// A user of this role, invited and logged in.
    pub async fn user(&self, email: &str, role: &str) -> (String, Client) {
        let body = json!({ "email": email, "name": format!("The {role}"), "role": role });
        self.join(body).await
    }

    /// An agent with a profile.
    pub async fn agent(&self, email: &str, profile: Value) -> (String, Client) {
        let body = json!({ "email": email, "name": "An agent", "role": "AGENT", "agent": profile });
        self.join(body).await
    }

    async fn join(&self, body: Value) -> (String, Client) {
        let answer = self.owner.post("/api/v1/users", body).await.expect(201);
        let accept = json!({ "token": answer["invitation"]["token"], "password": PASSWORD });
        let tokens = self
            .anonymous
            .post("/api/v1/auth/accept-invitation", accept)
            .await
            .expect(200);
        let client = self
            .anonymous
            .with_token(tokens["accessToken"].as_str().expect("a token"));
        (text(&answer["user"]["id"]), client)
    }

    /// A machine with an API key of these scopes.
    pub async fn machine(&self, scopes: &[&str]) -> Client {
        self.anonymous.with_key(&self.key(scopes).await)
    }

    /// An API key of these scopes.
    pub async fn key(&self, scopes: &[&str]) -> String {
        let body = json!({ "name": "a machine", "scopes": scopes });
        text(&self.owner.post("/api/v1/tenant/api-keys", body).await.expect(201)["key"])
    }

    /// A lead of this name; returns its id.
    pub async fn lead(&self, name: &str) -> String {
        text(
            &self
                .owner
                .post("/api/v1/leads", json!({ "name": name }))
                .await
                .expect(201)["id"],
        )
    }
}

fn text(value: &Value) -> String {
    value
        .as_str()
        .unwrap_or_else(|| panic!("expected a text, got {value}"))
        .to_owned()
}

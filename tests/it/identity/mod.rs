//! Signing up, logging in, staying in, and being put out.

mod agents;
mod api_keys;
mod invitations;
mod lockout;
mod login;
mod refresh;
mod secrets;
mod signup;
mod tokens;
mod users;
mod verified;

use serde_json::{Value, json};
use support::{Client, PASSWORD, Response, TestApp, TestTenant};

/// The tokens of one login.
struct Session {
    client: Client,
    access_token: String,
    refresh_token: String,
}

impl Session {
    fn of(app: &TestApp, tokens: &Value) -> Self {
        let text = |field: &str| {
            tokens[field]
                .as_str()
                .unwrap_or_else(|| panic!("{tokens}"))
                .to_owned()
        };
        let access_token = text("accessToken");
        let client = app.anonymous().with_token(&access_token);
        Self {
            client,
            access_token,
            refresh_token: text("refreshToken"),
        }
    }

    /// Whether the access token is good for anything.
    async fn is_alive(&self) -> bool {
        is_alive(&self.client).await
    }
}

async fn is_alive(client: &Client) -> bool {
    let response = client.get("/api/v1/auth/me").await;
    match response.status.as_u16() {
        200 => true,
        401 => {
            assert_eq!(response.problem(), "not-authenticated");
            false
        }
        _ => panic!("{response:?}"),
    }
}

async fn try_login(app: &TestApp, email: &str, password: &str) -> Response {
    app.anonymous()
        .post(
            "/api/v1/auth/login",
            json!({ "email": email, "password": password }),
        )
        .await
}

async fn try_login_to(app: &TestApp, slug: &str, email: &str, password: &str) -> Response {
    app.anonymous()
        .post(
            "/api/v1/auth/login",
            json!({ "email": email, "password": password, "tenant": slug }),
        )
        .await
}

/// Makes a tenant with this owner, and returns its slug.
async fn sign_up(app: &TestApp, tenant: &str, email: &str, password: &str) -> String {
    let body = json!({ "tenantName": tenant, "name": "Somebody", "email": email, "password": password });
    let answer = app
        .anonymous()
        .post("/api/v1/auth/signup", body)
        .await
        .expect(201);
    answer["tenant"]["slug"].as_str().expect("a slug").to_owned()
}

async fn log_in(app: &TestApp, email: &str) -> Session {
    Session::of(app, &try_login(app, email, PASSWORD).await.expect(200))
}

async fn try_refresh(app: &TestApp, refresh_token: &str) -> Response {
    app.anonymous()
        .post("/api/v1/auth/refresh", json!({ "refreshToken": refresh_token }))
        .await
}

/// A user who has not accepted its invitation yet: its id and the token.
async fn invite(tenant: &TestTenant, email: &str, role: &str) -> (String, String) {
    let body = json!({ "email": email, "name": "Somebody", "role": role });
    let invited = tenant.owner.post("/api/v1/users", body).await.expect(201);
    let text = |value: &Value| value.as_str().expect("a text").to_owned();
    (
        text(&invited["user"]["id"]),
        text(&invited["invitation"]["token"]),
    )
}

async fn try_accept(app: &TestApp, token: &str, password: &str) -> Response {
    let body = json!({ "token": token, "password": password });
    app.anonymous().post("/api/v1/auth/accept-invitation", body).await
}

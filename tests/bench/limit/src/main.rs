//! The limit of what an HTTP server can do here: actix-web, one route, the token of the request, and bytes that are
//! ready.
//!
//! A token is verified once and then known, as long as it lasts: nothing faster is safe. The settings are the
//! environment: `PORT`, `JWKS_FILE` with the keys that sign tokens, `AUDIENCE` of the tokens, `ANSWER_FILE` with the
//! bytes of the answer, and `LOG`, which has each request leave a line.

mod lines;

use std::cell::RefCell;
use std::collections::HashMap;
use std::net::Ipv4Addr;
use std::sync::Arc;
use std::time::{Instant, SystemTime, UNIX_EPOCH};
use std::{env, fs};

use actix_web::http::header::{AUTHORIZATION, ContentType};
use actix_web::web::Bytes;
use actix_web::{App, HttpRequest, HttpResponse, HttpServer, get, web};
use anyhow::{Context as _, bail};
use jsonwebtoken::jwk::JwkSet;
use jsonwebtoken::{Algorithm, DecodingKey, Validation, decode, decode_header};
use serde::Deserialize;

/// Tokens that one thread remembers.
const REMEMBERED: usize = 10_000;

#[derive(Deserialize)]
struct Claims {
    exp: u64,
}

struct Keys {
    keys: HashMap<String, DecodingKey>,
    validation: Validation,
}

struct Bench {
    keys: Arc<Keys>,
    answer: Bytes,
    /// When each token ends that was verified, in seconds since 1970. One map per thread: no locks.
    verified: RefCell<HashMap<String, u64>>,
    has_log: bool,
}

#[actix_web::main]
async fn main() -> anyhow::Result<()> {
    let keys = Arc::new(Keys::read()?);
    let answer = Bytes::from(fs::read(setting("ANSWER_FILE")?)?);
    let port: u16 = setting("PORT")?.parse()?;
    let has_log = env::var_os("LOG").is_some();
    if has_log {
        lines::start();
    }
    let server = HttpServer::new(move || {
        let bench = Bench {
            keys: Arc::clone(&keys),
            answer: answer.clone(),
            verified: RefCell::default(),
            has_log,
        };
        App::new().app_data(web::Data::new(bench)).service(answer_list)
    });
    Ok(server.bind((Ipv4Addr::LOCALHOST, port))?.run().await?)
}

#[get("/api/v1/leads")]
async fn answer_list(request: HttpRequest, bench: web::Data<Bench>) -> HttpResponse {
    let begun = bench.has_log.then(Instant::now);
    let answer = if bench.is_known(&request).is_some() {
        HttpResponse::Ok()
            .content_type(ContentType::json())
            .body(bench.answer.clone())
    } else {
        HttpResponse::Unauthorized().finish()
    };
    if let Some(begun) = begun {
        let target = request
            .uri()
            .path_and_query()
            .map_or("/", |target| target.as_str());
        lines::add(request.method().as_str(), target, answer.status().as_u16(), begun);
    }
    answer
}

impl Bench {
    fn is_known(&self, request: &HttpRequest) -> Option<()> {
        let authorization = request.headers().get(AUTHORIZATION)?.to_str().ok()?;
        let token = authorization.strip_prefix("Bearer ")?;
        let now = SystemTime::now().duration_since(UNIX_EPOCH).ok()?.as_secs();
        let mut verified = self.verified.borrow_mut();
        if verified.get(token).is_some_and(|end| now < *end) {
            return Some(());
        }
        let end = self.keys.verify(token)?;
        if verified.len() >= REMEMBERED {
            verified.clear();
        }
        verified.insert(token.to_owned(), end);
        Some(())
    }
}

impl Keys {
    fn read() -> anyhow::Result<Self> {
        let set: JwkSet = serde_json::from_slice(&fs::read(setting("JWKS_FILE")?)?)?;
        let mut keys = HashMap::new();
        for jwk in &set.keys {
            let id = jwk.common.key_id.clone().context("a key has no id")?;
            keys.insert(id, DecodingKey::from_jwk(jwk)?);
        }
        if keys.is_empty() {
            bail!("no keys");
        }
        let mut validation = Validation::new(Algorithm::EdDSA);
        validation.set_audience(&[setting("AUDIENCE")?]);
        Ok(Self { keys, validation })
    }

    /// Returns when the token ends, if one of ours signed it.
    fn verify(&self, token: &str) -> Option<u64> {
        let key = self.keys.get(&decode_header(token).ok()?.kid?)?;
        let claims = decode::<Claims>(token, key, &self.validation).ok()?.claims;
        Some(claims.exp)
    }
}

fn setting(name: &str) -> anyhow::Result<String> {
    env::var(name).with_context(|| format!("{name} is not set"))
}

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use fairlead_auth::KeyRing;
use fairlead_domain::clock::Clock as _;
use jsonwebtoken::jwk::JwkSet;
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation, decode, decode_header, encode};
use serde_json::{Value, json};
use support::TestApp;
use time::Duration;

use super::{is_alive, log_in};

/// The parts of a token: header, claims, signature.
fn parts(token: &str) -> (Value, Value, String) {
    let mut parts = token.split('.');
    let mut json = || {
        let part = URL_SAFE_NO_PAD.decode(parts.next().unwrap()).unwrap();
        serde_json::from_slice::<Value>(&part).unwrap()
    };
    let (header, claims) = (json(), json());
    (header, claims, parts.next().unwrap().to_owned())
}

fn token((header, claims, signature): &(Value, Value, String)) -> String {
    let encode = |part: &Value| URL_SAFE_NO_PAD.encode(part.to_string());
    format!("{}.{}.{signature}", encode(header), encode(claims))
}

async fn jwks(app: &TestApp) -> JwkSet {
    let keys = app.anonymous().get("/.well-known/jwks.json").await.expect(200);
    serde_json::from_value(keys).expect("a JWK set")
}

#[tokio::test]
async fn an_access_token_is_good_for_a_quarter_of_an_hour() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;

    app.clock.advance(Duration::seconds(14 * 60 + 30));
    let within = is_alive(&acme.owner).await;
    app.clock.advance(Duration::seconds(30));
    let behind = is_alive(&acme.owner).await;

    assert!(within && !behind);
}

#[tokio::test]
async fn the_published_keys_verify_an_access_token() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let session = log_in(&app, &acme.owner_email).await;

    let keys = jwks(&app).await;

    let header = decode_header(&session.access_token).unwrap();
    let key = keys
        .find(&header.kid.unwrap())
        .expect("the token's key is published");
    let mut validation = Validation::new(Algorithm::EdDSA);
    validation.set_issuer(&["fairlead"]);
    validation.set_audience(&["fairlead-api"]);
    let verified = decode::<Value>(
        &session.access_token,
        &DecodingKey::from_jwk(key).unwrap(),
        &validation,
    )
    .unwrap();
    assert_eq!(verified.claims["sub"], acme.owner_id.as_str());
    assert_eq!(verified.claims["tid"], acme.id.as_str());
    let published = serde_json::to_value(&keys).unwrap().to_string();
    assert!(
        !published.contains("\"d\""),
        "the private half is not published: {published}"
    );
}

#[tokio::test]
async fn a_token_that_was_changed_is_refused() {
    let app = TestApp::start().await;
    let (acme, umbrella) = (app.tenant("acme").await, app.tenant("umbrella").await);
    acme.user("viewer@acme.test", "VIEWER").await;
    let good = log_in(&app, "viewer@acme.test").await.access_token;
    let original = parts(&good);
    let with = |change: &dyn Fn(&mut (Value, Value, String))| {
        let mut changed = original.clone();
        change(&mut changed);
        token(&changed)
    };
    let tampered = [
        ("another role", with(&|token| token.1["role"] = json!("OWNER"))),
        (
            "another tenant",
            with(&|token| token.1["tid"] = json!(umbrella.id)),
        ),
        (
            "another user",
            with(&|token| token.1["sub"] = json!(acme.owner_id)),
        ),
        (
            "a later end",
            with(&|token| token.1["exp"] = json!(token.1["exp"].as_i64().unwrap() + 60)),
        ),
        (
            "no algorithm",
            with(&|token| (token.0["alg"], token.2) = (json!("none"), String::new())),
        ),
        (
            "no algorithm in other letters",
            with(&|token| (token.0["alg"], token.2) = (json!("nOnE"), String::new())),
        ),
        ("no signature", with(&|token| token.2.clear())),
        ("an unknown key", with(&|token| token.0["kid"] = json!("another"))),
        (
            "no key",
            with(&|token| drop(token.0.as_object_mut().unwrap().remove("kid"))),
        ),
        (
            "a critical extension",
            with(&|token| token.0["crit"] = json!(["exp"])),
        ),
        ("two parts", good.rsplit_once('.').unwrap().0.to_owned()),
        ("four parts", format!("{good}.")),
        ("nothing", String::new()),
    ];

    for (what, token) in tampered {
        assert!(!is_alive(&app.anonymous().with_token(&token)).await, "{what}");
    }
    assert!(
        is_alive(&app.anonymous().with_token(&good)).await,
        "unchanged it is good"
    );
}

#[tokio::test]
async fn a_token_that_somebody_else_signed_is_refused() {
    let (app, other) = (TestApp::start().await, TestApp::start().await);
    let acme = app.tenant("acme").await;
    let (header, claims, _) = parts(&log_in(&app, &acme.owner_email).await.access_token);
    let others = log_in(&other, &other.tenant("acme").await.owner_email)
        .await
        .access_token;
    // The oldest trick: the public key, which everybody has, as the secret of a symmetric signature.
    let keys = serde_json::to_value(jwks(&app).await).unwrap();
    let public = URL_SAFE_NO_PAD
        .decode(keys["keys"][0]["x"].as_str().unwrap())
        .unwrap();
    let mut symmetric = Header::new(Algorithm::HS256);
    symmetric.kid = header["kid"].as_str().map(str::to_owned);
    let confused = encode(&symmetric, &claims, &EncodingKey::from_secret(&public)).unwrap();

    for token in [others, confused] {
        assert!(!is_alive(&app.anonymous().with_token(&token)).await);
    }
}

#[tokio::test]
async fn a_token_of_another_installation_or_for_another_audience_is_refused() {
    let mut app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    assert!(is_alive(&acme.owner).await);

    for reconfigure in [
        (|config| config.auth.audience = "another-api".to_owned()) as fn(&mut fairlead::config::Config),
        |config| config.auth.issuer = "another-installation".to_owned(),
    ] {
        let before = log_in(&app, &acme.owner_email).await;
        app.restart_with(reconfigure).await;

        assert!(!before.is_alive().await);
        assert!(log_in(&app, &acme.owner_email).await.is_alive().await);
    }
}

#[tokio::test]
async fn a_new_signing_key_logs_nobody_out() {
    let mut app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let before = log_in(&app, &acme.owner_email).await;
    let folder = app.data_dir().path().join("keys");

    let keys = KeyRing::open(&folder, app.clock.now()).unwrap();
    let new = keys.rotate(app.clock.now(), KeyRing::DEFAULT_OVERLAP).unwrap();
    app.restart().await;

    let key_of = |token: &str| decode_header(token).unwrap().kid.unwrap();
    let meanwhile = log_in(&app, &acme.owner_email).await;
    assert!(before.is_alive().await && meanwhile.is_alive().await);
    assert_eq!(
        key_of(&meanwhile.access_token),
        key_of(&before.access_token),
        "until its moment it only verifies"
    );
    assert!(
        jwks(&app).await.find(&new.id).is_some(),
        "it is published before it signs"
    );
    app.clock.advance(KeyRing::DEFAULT_OVERLAP + Duration::seconds(2));
    let after = log_in(&app, &acme.owner_email).await;
    assert_eq!(key_of(&after.access_token), new.id);
    assert!(before.is_alive().await && meanwhile.is_alive().await && after.is_alive().await);
}

#[tokio::test]
async fn a_session_survives_the_restart_of_the_server_and_its_end_does_too() {
    let mut app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let (living, ended) = (
        log_in(&app, &acme.owner_email).await,
        log_in(&app, &acme.owner_email).await,
    );
    ended
        .client
        .post("/api/v1/auth/logout", json!({}))
        .await
        .expect(204);

    app.restart().await;

    assert!(living.is_alive().await);
    support::wait_until("the new process knows what has ended", async || {
        !ended.is_alive().await
    })
    .await;
}

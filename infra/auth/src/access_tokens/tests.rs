use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use time::macros::datetime;

use super::*;
use crate::temporary::TemporaryFolder;

const NOW: OffsetDateTime = datetime!(2026-11-21 03:36:00 UTC);
const LIFETIME: Duration = Duration::minutes(15);

struct Fixture {
    _folder: TemporaryFolder,
    keys: Arc<KeyRing>,
    tokens: JwtAccessTokens,
}

fn fixture() -> Fixture {
    let folder = TemporaryFolder::new();
    let keys = Arc::new(KeyRing::open_or_create(folder.path(), NOW).unwrap());
    let tokens = of(&keys, "https://leads.example", "fairlead");
    Fixture {
        _folder: folder,
        keys,
        tokens,
    }
}

fn of(keys: &Arc<KeyRing>, issuer: &str, audience: &str) -> JwtAccessTokens {
    let settings = AccessTokenSettings {
        issuer: issuer.to_owned(),
        audience: audience.to_owned(),
        lifetime: LIFETIME,
    };
    JwtAccessTokens::new(Arc::clone(keys), settings)
}

fn claims(issued_at: OffsetDateTime) -> AccessClaims {
    AccessClaims {
        tenant: Id::from_uuid(Uuid::from_u128(1)),
        user: Id::from_uuid(Uuid::from_u128(2)),
        session: Id::from_uuid(Uuid::from_u128(3)),
        role: Role::Agent,
        issued_at,
        expires_at: issued_at + LIFETIME,
    }
}

fn token(tokens: &JwtAccessTokens) -> String {
    tokens.issue(&claims(NOW)).expose().to_owned()
}

/// Header, claims and signature, the first two decoded.
fn parts(token: &str) -> (Value, Value, String) {
    let parts: Vec<&str> = token.split('.').collect();
    let read = |part: &str| serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).unwrap()).unwrap();
    (read(parts[0]), read(parts[1]), parts[2].to_owned())
}

/// What is signed: header and claims, encoded.
fn message(header: &Value, claims: &Value) -> String {
    let write = |part: &Value| URL_SAFE_NO_PAD.encode(part.to_string());
    format!("{}.{}", write(header), write(claims))
}

/// Signs whatever header and claims with our own key, as nobody else could.
fn sign(fixture: &Fixture, header: &Value, claims: &Value) -> String {
    let message = message(header, claims);
    let keys = fixture.keys.current();
    let signature =
        jsonwebtoken::crypto::sign(message.as_bytes(), keys.signer(NOW).signing(), Algorithm::EdDSA).unwrap();
    format!("{message}.{signature}")
}

#[test]
fn a_token_says_who_it_was_made_for() {
    let fixture = fixture();

    let token = token(&fixture.tokens);

    assert_eq!(fixture.tokens.verify(&token, NOW), Ok(claims(NOW)));
    let (header, body, _) = parts(&token);
    assert_eq!(
        header,
        json!({ "typ": "JWT", "alg": "EdDSA", "kid": fixture.keys.signer(NOW).id })
    );
    assert_eq!(body["exp"].as_i64().unwrap() - body["iat"].as_i64().unwrap(), 900);
}

#[test]
fn a_token_expires_to_the_second() {
    let fixture = fixture();
    let token = token(&fixture.tokens);

    assert!(
        fixture
            .tokens
            .verify(&token, NOW + LIFETIME - Duration::MILLISECOND)
            .is_ok()
    );
    assert_eq!(
        fixture.tokens.verify(&token, NOW + LIFETIME),
        Err(InvalidToken::Expired)
    );
}

#[test]
fn a_token_is_good_a_little_before_it_was_made_by_our_clock() {
    let fixture = fixture();
    let token = token(&fixture.tokens);

    assert!(fixture.tokens.verify(&token, NOW - CLOCK_SKEW).is_ok());
    assert_eq!(
        fixture.tokens.verify(&token, NOW - CLOCK_SKEW - Duration::SECOND),
        Err(InvalidToken::Forged)
    );
}

#[test]
fn a_token_without_a_signature_is_forged() {
    let fixture = fixture();
    let (mut header, body, signature) = parts(&token(&fixture.tokens));

    for none in ["none", "None", "NONE", "nOnE"] {
        header["alg"] = json!(none);
        let unsigned = message(&header, &body);
        for forged in [
            format!("{unsigned}."),
            unsigned.clone(),
            format!("{unsigned}.{signature}"),
        ] {
            assert_eq!(
                fixture.tokens.verify(&forged, NOW),
                Err(InvalidToken::Forged),
                "{forged}"
            );
        }
    }
    header["alg"] = json!("EdDSA");
    let empty = format!("{}.", message(&header, &body));
    assert_eq!(fixture.tokens.verify(&empty, NOW), Err(InvalidToken::Forged));
}

#[test]
fn the_public_key_is_no_hmac_secret() {
    let fixture = fixture();
    let (mut header, body, _) = parts(&token(&fixture.tokens));
    header["alg"] = json!("HS256");
    let x = fixture.tokens.jwks()["keys"][0]["x"].as_str().unwrap().to_owned();
    let message = message(&header, &body);

    for secret in [URL_SAFE_NO_PAD.decode(&x).unwrap(), x.into_bytes()] {
        let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, &secret), message.as_bytes());
        let forged = format!("{message}.{}", URL_SAFE_NO_PAD.encode(tag));
        assert_eq!(fixture.tokens.verify(&forged, NOW), Err(InvalidToken::Forged));
    }
}

#[test]
fn a_token_for_somebody_else_or_of_somebody_else_is_forged() {
    let fixture = fixture();
    let other_audience = of(&fixture.keys, "https://leads.example", "reports");
    let other_issuer = of(&fixture.keys, "https://leads.example.evil", "fairlead");

    for foreign in [&other_audience, &other_issuer] {
        let token = token(foreign);
        assert!(foreign.verify(&token, NOW).is_ok());
        assert_eq!(fixture.tokens.verify(&token, NOW), Err(InvalidToken::Forged));
    }
}

#[test]
fn a_key_we_do_not_know_signs_nothing() {
    let (ours, theirs) = (fixture(), fixture());
    let foreign = token(&theirs.tokens);
    let (mut header, body, signature) = parts(&foreign);

    // Under its own id, then under the id of our key.
    assert_eq!(ours.tokens.verify(&foreign, NOW), Err(InvalidToken::Forged));
    header["kid"] = json!(ours.keys.signer(NOW).id);
    let renamed = format!("{}.{signature}", message(&header, &body));
    assert_eq!(ours.tokens.verify(&renamed, NOW), Err(InvalidToken::Forged));
    // With the key brought along.
    header["jwk"] = theirs.tokens.jwks()["keys"][0].clone();
    assert_eq!(
        ours.tokens.verify(&sign(&theirs, &header, &body), NOW),
        Err(InvalidToken::Forged)
    );
}

#[test]
fn a_token_that_names_no_key_is_forged() {
    let fixture = fixture();
    let (mut header, body, _) = parts(&token(&fixture.tokens));
    header.as_object_mut().unwrap().remove("kid");

    assert_eq!(
        fixture.tokens.verify(&sign(&fixture, &header, &body), NOW),
        Err(InvalidToken::Forged)
    );
}

#[test]
fn an_extension_that_must_be_understood_is_refused() {
    let fixture = fixture();
    let (mut header, body, _) = parts(&token(&fixture.tokens));
    header["crit"] = json!(["b64"]);
    header["b64"] = json!(false);

    assert_eq!(
        fixture.tokens.verify(&sign(&fixture, &header, &body), NOW),
        Err(InvalidToken::Forged)
    );
}

#[test]
fn a_changed_claim_breaks_the_signature() {
    let fixture = fixture();
    let (header, body, signature) = parts(&token(&fixture.tokens));
    let other = Uuid::from_u128(9).to_string();

    let changes = [
        ("role", json!("OWNER")),
        ("tid", json!(other)),
        ("sub", json!(other)),
        ("exp", json!(9_999_999_999_i64)),
    ];
    for (claim, value) in changes {
        let mut forged_body = body.clone();
        forged_body[claim] = value;
        let forged = format!("{}.{signature}", message(&header, &forged_body));
        assert_eq!(
            fixture.tokens.verify(&forged, NOW),
            Err(InvalidToken::Forged),
            "{claim}"
        );
    }
}

#[test]
fn every_flipped_bit_of_the_signature_is_noticed() {
    let fixture = fixture();
    let whole = token(&fixture.tokens);
    let (message, signature) = whole.rsplit_once('.').unwrap();
    let signature = URL_SAFE_NO_PAD.decode(signature).unwrap();

    for bit in 0..signature.len() * 8 {
        let mut broken = signature.clone();
        broken[bit / 8] ^= 1 << (bit % 8);
        let forged = format!("{message}.{}", URL_SAFE_NO_PAD.encode(broken));
        assert_eq!(
            fixture.tokens.verify(&forged, NOW),
            Err(InvalidToken::Forged),
            "bit {bit}"
        );
    }
}

#[test]
fn every_claim_is_needed_and_none_may_be_of_another_kind() {
    let fixture = fixture();
    let (header, body, _) = parts(&token(&fixture.tokens));
    assert!(
        fixture
            .tokens
            .verify(&sign(&fixture, &header, &body), NOW)
            .is_ok()
    );

    for claim in ["iss", "aud", "sub", "tid", "sid", "role", "iat", "nbf", "exp"] {
        let mut without = body.clone();
        without.as_object_mut().unwrap().remove(claim);
        let mut odd = body.clone();
        odd[claim] = json!({ "$gt": "" });
        for signed in [sign(&fixture, &header, &without), sign(&fixture, &header, &odd)] {
            assert_eq!(
                fixture.tokens.verify(&signed, NOW),
                Err(InvalidToken::Forged),
                "{claim}"
            );
        }
    }
    let mut unknown_role = body.clone();
    unknown_role["role"] = json!("GOD");
    assert_eq!(
        fixture
            .tokens
            .verify(&sign(&fixture, &header, &unknown_role), NOW),
        Err(InvalidToken::Forged)
    );
}

#[test]
fn rubbish_is_forged_and_nothing_worse() {
    let fixture = fixture();
    let whole = token(&fixture.tokens);
    let long = "a".repeat(1 << 20);
    let deep = format!("{}.e30.", URL_SAFE_NO_PAD.encode("[".repeat(1000)));

    for rubbish in [
        "",
        ".",
        "..",
        "...",
        "a.b.c",
        "é.é.é",
        "\0",
        &long,
        &deep,
        &format!("{whole}.x"),
        &format!(" {whole}"),
    ] {
        assert_eq!(fixture.tokens.verify(rubbish, NOW), Err(InvalidToken::Forged));
    }
    for length in 0..whole.len() {
        assert_eq!(
            fixture.tokens.verify(&whole[..length], NOW),
            Err(InvalidToken::Forged),
            "cut at {length}"
        );
    }
}

#[test]
fn rotation_logs_nobody_out() {
    let fixture = fixture();
    let before = token(&fixture.tokens);

    let new = fixture.keys.rotate(NOW, KeyRing::DEFAULT_OVERLAP).unwrap();
    let meanwhile = token(&fixture.tokens);
    let later = new.signs_from + Duration::SECOND;
    let after = fixture.tokens.issue(&claims(later)).expose().to_owned();

    assert_eq!(
        parts(&before).0["kid"],
        parts(&meanwhile).0["kid"],
        "the new key waits for its moment"
    );
    assert_eq!(parts(&after).0["kid"], json!(new.id));
    for token in [&before, &meanwhile, &after] {
        assert!(fixture.tokens.verify(token, later).is_ok());
    }
    assert_eq!(fixture.tokens.jwks()["keys"].as_array().unwrap().len(), 2);
}

#[test]
fn a_pruned_key_verifies_nothing() {
    let fixture = fixture();
    let old = token(&fixture.tokens);
    let new = fixture.keys.rotate(NOW, Duration::SECOND).unwrap();

    let pruned = fixture
        .keys
        .prune(new.signs_from + LIFETIME + Duration::MINUTE, LIFETIME)
        .unwrap();

    assert_eq!(pruned.len(), 1);
    assert_eq!(fixture.tokens.verify(&old, NOW), Err(InvalidToken::Forged));
}

#[test]
fn the_key_set_holds_public_halves_alone() {
    let fixture = fixture();

    let jwks = fixture.tokens.jwks();

    let key = &jwks["keys"][0];
    let members: Vec<&str> = key.as_object().unwrap().keys().map(String::as_str).collect();
    assert_eq!(members, ["alg", "crv", "kid", "kty", "use", "x"]);
    assert_eq!((&key["kty"], &key["crv"]), (&json!("OKP"), &json!("Ed25519")));
    assert_eq!((&key["use"], &key["alg"]), (&json!("sig"), &json!("EdDSA")));
    assert_eq!(key["kid"], json!(fixture.keys.signer(NOW).id));
}

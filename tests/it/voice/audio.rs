//! What is said in recordings.

use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use fairlead::config::AiProvider;
use serde_json::{Value, json};
use support::provider::{LISTENER, Mood, Provider};
use support::{Client, Response, TestApp, wait_until};

use super::super::upstreams::bench::{breaker_of, calls, ledger};
use super::bench::{COMMANDS, audited, say};

async fn play(client: &Client, recording: &[u8]) -> Response {
    let audio = json!({ "mediaType": "audio/wav", "data": BASE64_STANDARD.encode(recording) });
    client.post(COMMANDS, json!({ "audio": audio })).await
}

#[tokio::test]
async fn a_recording_is_written_down_and_what_was_said_is_done() {
    for wire in [AiProvider::OpenAi, AiProvider::Gemini] {
        let provider = Provider::start().await;
        let app = TestApp::start_with(|config| {
            calls(&provider)(config);
            config.ai.provider = Some(wire);
            match wire {
                AiProvider::OpenAi => config.ai.transcription_model = Some(LISTENER.to_owned()),
                AiProvider::Gemini => config.ai.url = Some(provider.gemini()),
            }
        })
        .await;
        let acme = app.tenant("acme").await;
        let lead = acme.lead("Ann").await;
        provider.hear("Ann has a new phone.");
        provider.say(r#"{"intent": "add-note", "lead": "Ann", "note": "Has a new phone."}"#);

        let done = play(&acme.owner, b"RIFF, as it were").await.expect(200);

        assert_eq!(
            (
                &done["transcript"],
                &done["degraded"],
                &done["result"]["activity"]["leadId"]
            ),
            (&json!("Ann has a new phone."), &json!(false), &json!(lead))
        );
        let asked = provider.asked();
        assert_eq!(asked.len(), 2);
        let sent = match wire {
            AiProvider::OpenAi => "RIFF, as it were".to_owned(),
            AiProvider::Gemini => BASE64_STANDARD.encode("RIFF, as it were"),
        };
        assert!(asked[0].body.contains(&sent), "{asked:?}");
        assert_eq!(ledger(&app).await, [(true, 200, 50, 0), (true, 200, 50, 0)]);

        provider.hear("");
        let silence = play(&acme.owner, b"silence").await;
        assert_eq!(silence.problem(), "command-not-understood");
        provider.hear("how many leads do we have");
        provider.say("nonsense");
        let by_rules = play(&acme.owner, b"how many").await.expect(200);
        assert_eq!(by_rules["degradedBecause"], "invalid-answer");
        assert_eq!(
            audited(&app).await,
            ["add-note success", "unknown error", "statistics success by rules"]
        );
    }
}

#[tokio::test]
async fn where_nobody_listens_it_is_said_so_and_what_it_took_is_written_down() {
    let provider = Provider::start().await;
    let app = TestApp::start_with(calls(&provider)).await;
    let acme = app.tenant("acme").await;
    let nobody = play(&acme.owner, b"hello").await;
    assert_eq!(
        (nobody.status.as_u16(), nobody.problem()),
        (422, "nobody-listens".to_owned())
    );
    assert!(
        nobody.json()["detail"]
            .as_str()
            .unwrap()
            .contains("nobody is configured")
    );
    assert_eq!(provider.asked().len(), 0);

    let app = TestApp::start_with(|config| {
        calls(&provider)(config);
        config.ai.transcription_model = Some(LISTENER.to_owned());
        config.ai.monthly_tokens_per_tenant = 4_000;
    })
    .await;
    app.expect_server_errors();
    let acme = app.tenant("acme").await;
    provider.be(Mood::Fails);
    let away = play(&acme.owner, b"hello").await;
    assert_eq!(
        (away.status.as_u16(), away.problem()),
        (503, "not-transcribed".to_owned())
    );
    assert!(away.header("retry-after").is_some());
    provider.be(Mood::Well);
    provider.hear("x".repeat(2_001));
    let endless = play(&acme.owner, b"hello").await;
    assert_eq!(
        endless.problem(),
        "not-transcribed",
        "what is too long is no command"
    );
    let settled: Vec<bool> = ledger(&app).await.iter().map(|call| call.0).collect();
    assert_eq!(settled, [true, true]);
    let long = play(&acme.owner, &vec![7; 100_000]).await;
    assert_eq!(
        long.problem(),
        "nobody-listens",
        "it would take more than there is"
    );
    let detail: Value = long.json()["detail"].clone();
    assert!(detail.as_str().unwrap().contains("used up"), "{detail}");
    let huge = play(&acme.owner, &vec![7; (2 << 20) + 1]).await;
    assert_eq!(huge.problem(), "invalid-input");
}

#[tokio::test]
async fn a_provider_that_hangs_on_recordings_takes_nothing_from_who_asks_by_text() {
    const SAID: &str = "how many leads do we have";
    let provider = Provider::start().await;
    let app = TestApp::start_with(|config| {
        calls(&provider)(config);
        config.ai.transcription_model = Some(LISTENER.to_owned());
        config.ai.transcription_timeout = Duration::from_millis(900);
        config.upstreams.timeout = Duration::from_millis(800);
        config.upstreams.breaker.recovery = Duration::from_millis(1_500);
        // One of them is the tenant's.
        config.upstreams.max_in_flight = 2;
    })
    .await;
    app.expect_server_errors();
    let (acme, operator) = (app.tenant("acme").await, app.operator("olga").await);
    provider.say(r#"{"intent": "statistics"}"#);
    provider.hear(SAID);
    provider.listen_so(Mood::Hangs);

    for _ in 0..5 {
        let owner = acme.owner.clone();
        let begun = Instant::now();
        let waiting = fairlead_telemetry::spawn(async move { play(&owner, b"hello").await });
        wait_until("the recording is listened to", async || {
            breaker_of(&operator, "ai-audio").await["inFlight"] == 1
        })
        .await;
        let by_text = say(&acme.owner, SAID).await;
        assert_eq!(by_text["degraded"], false, "{by_text}");
        assert_eq!(waiting.await.unwrap().problem(), "not-transcribed");
        let took = begun.elapsed();
        assert!(took < Duration::from_secs(3), "{took:?}");
    }

    let (text, audio) = (
        breaker_of(&operator, "ai").await,
        breaker_of(&operator, "ai-audio").await,
    );
    assert_eq!(
        (&text["state"], &text["failures"], &audio["state"]),
        (&json!("closed"), &json!(0), &json!("open"))
    );
    let begun = Instant::now();
    assert_eq!(play(&acme.owner, b"hello").await.problem(), "not-transcribed");
    assert!(begun.elapsed() < Duration::from_millis(600), "nobody is asked");
    let asked = provider.asked();
    let listened = asked
        .iter()
        .filter(|asked| asked.path.ends_with("/transcriptions"));
    assert_eq!(listened.count(), 5);
    assert_eq!(say(&acme.owner, SAID).await["degraded"], false);
    provider.listen_so(Mood::Well);
    wait_until("recordings are listened to again", async || {
        play(&acme.owner, b"hello").await.status == 200
    })
    .await;
}

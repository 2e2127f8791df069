//! What the doctor says of the services that are called.

use serde_json::{Value, json};
use support::TestDatabase;
use support::process::Program;
use support::provider::{KEY, LISTENER, MODEL, Mood, Provider};

/// What it says of the provider.
async fn check(program: &Program) -> Value {
    named(program, "ai").await.unwrap()
}

async fn named(program: &Program, name: &str) -> Option<Value> {
    let examined = program.run(&["doctor", "--json"]).await;
    let report: Value = serde_json::from_str(&examined.stdout).unwrap_or_else(|_| panic!("{examined:?}"));
    assert!(!examined.stdout.contains(KEY));
    let mut checks = report["checks"].as_array().unwrap().iter();
    checks.find(|check| check["name"] == name).cloned()
}

fn mended_by(check: &Value, verdict: &str, key: &str) -> bool {
    check["verdict"] == verdict && check["fix"].as_str().unwrap().contains(key)
}

#[tokio::test]
async fn the_doctor_asks_for_the_model_and_says_what_mends_what_it_finds() {
    let database = TestDatabase::create().await;
    let provider = Provider::start().await;
    let program = Program::on(&database)
        .with("FAIRLEAD__AI__PROVIDER", "openai")
        .with("FAIRLEAD__AI__URL", &provider.openai())
        .with("FAIRLEAD__AI__MODEL", MODEL)
        .with("FAIRLEAD__AI__API_KEY", KEY);
    let gemini = program
        .clone()
        .with("FAIRLEAD__AI__PROVIDER", "gemini")
        .with("FAIRLEAD__AI__URL", &provider.gemini());

    for program in [&program, &gemini] {
        let well = check(program).await;
        assert_eq!(well["detail"], json!(format!("the provider has {MODEL}")));
        let unknown = check(&program.clone().with("FAIRLEAD__AI__MODEL", "other")).await;
        assert!(mended_by(&unknown, "fail", "ai.model"), "{unknown}");
        let denied = check(&program.clone().with("FAIRLEAD__AI__API_KEY", "wrong")).await;
        assert!(mended_by(&denied, "fail", "ai.api_key"), "{denied}");
    }
    assert_eq!(named(&program, "ai-audio").await, None, "nobody listens");
    let listens = program
        .clone()
        .with("FAIRLEAD__AI__TRANSCRIPTION_MODEL", LISTENER);
    let well = named(&listens, "ai-audio").await.unwrap();
    assert_eq!(well["detail"], json!(format!("the provider has {LISTENER}")));
    let listens = program.clone().with("FAIRLEAD__AI__TRANSCRIPTION_MODEL", "other");
    let unknown = named(&listens, "ai-audio").await.unwrap();
    assert!(mended_by(&unknown, "fail", "ai.transcription_model"), "{unknown}");
    let itself = named(&gemini, "ai-audio").await.unwrap();
    assert_eq!(itself["detail"], json!(format!("the provider has {MODEL}")));
    let elsewhere = format!("{}/elsewhere", provider.openai());
    let misled = check(&program.clone().with("FAIRLEAD__AI__URL", &elsewhere)).await;
    assert!(mended_by(&misled, "fail", "ai.url"), "{misled}");
    let elsewhere = program.clone().with("FAIRLEAD__AI__URL", "http://ai.invalid/v1");
    let plain = named(&elsewhere, "ai.url").await.unwrap();
    assert!(mended_by(&plain, "warn", "https"), "{plain}");
    assert_eq!(named(&program, "ai.url").await, None, "it is on this machine");
    provider.be(Mood::Html);
    let page = check(&program).await;
    assert!(mended_by(&page, "warn", "ai.url"), "{page}");

    let asked = provider.asked();
    assert!(
        asked.iter().all(|asked| asked.body.is_empty()),
        "it costs nothing"
    );
}

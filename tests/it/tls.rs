//! Redis and RabbitMQ by TLS, with certificates of an authority of one's own.

use std::time::Duration;

use fairlead_cache::SharedSettings;
use fairlead_devstack::{Service, control};
use fairlead_rabbitmq::RabbitMqSettings;
use fairlead_telemetry::spawn_blocking;
use serde_json::{Value, json};
use support::process::Program;
use support::tls::{Authority, TlsFront};
use support::{TempFolder, TestDatabase, TestTenant, wait_until};

use super::cache::RedisServer;
use super::cached_reads::source;

/// A Redis that speaks TLS alone, as far as its clients are concerned.
struct TlsRedis {
    _redis: RedisServer,
    folder: TempFolder,
    url: String,
    password: String,
}

impl TlsRedis {
    async fn start(authority: &Authority) -> Self {
        let redis = RedisServer::start().await;
        let folder = TempFolder::new("tls");
        let signed = authority.sign();
        let certificate = folder.write("redis.crt", &signed.certificate);
        let key = folder.write("redis.key", &signed.key);
        let ca = folder.write("ca.crt", &authority.pem());
        let set = |settings: &[(&str, String)]| {
            let mut config = redis::cmd("CONFIG");
            config.arg("SET");
            for (name, value) in settings {
                config.arg(name).arg(value);
            }
            config
        };
        let files = set(&[
            ("tls-cert-file", certificate.display().to_string()),
            ("tls-key-file", key.display().to_string()),
            ("tls-ca-cert-file", ca.display().to_string()),
            ("tls-auth-clients", "no".to_owned()),
        ]);
        redis.command::<()>(&files).await;
        // A port that was free may be another's by now: Redis says so, and is given the next.
        let port = loop {
            let port = free_port();
            match redis
                .try_command::<()>(&set(&[("tls-port", port.to_string())]))
                .await
            {
                Ok(()) => break port,
                Err(error) => assert!(error.to_string().contains("listen"), "{error}"),
            }
        };
        let (credentials, _) = redis.url().rsplit_once('@').unwrap();
        let password = credentials.rsplit_once(':').unwrap().1.to_owned();
        Self {
            _redis: redis,
            folder,
            url: format!("rediss://:{password}@localhost:{port}"),
            password,
        }
    }

    fn settings(&self, authority: &Authority) -> SharedSettings {
        SharedSettings {
            authorities: Some(authority.pem()),
            ..SharedSettings::at(&self.url)
        }
    }

    fn program(&self, database: &TestDatabase, authority: &Authority) -> Program {
        let ca = self.folder.write("trusted.crt", &authority.pem());
        Program::on(database)
            .with("FAIRLEAD__CACHE__REDIS__URL", &self.url)
            .with("FAIRLEAD__CACHE__REDIS__CA_FILE", &ca.display().to_string())
            .with(
                "FAIRLEAD__AUTH__KEYS_DIR",
                &self.folder.path().join("keys").display().to_string(),
            )
            // A machine that is busy with other tests is slow, not gone.
            .with("FAIRLEAD__CACHE__REDIS__COMMAND_TIMEOUT_MS", "500")
    }
}

fn free_port() -> u16 {
    let listener = std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap();
    listener.local_addr().unwrap().port()
}

fn check<'r>(report: &'r Value, name: &str) -> &'r Value {
    let checks = report["checks"].as_array().unwrap();
    checks
        .iter()
        .find(|check| check["name"] == name)
        .unwrap_or_else(|| panic!("{report:#}"))
}

fn causes(error: &dyn std::error::Error) -> String {
    let source = error.source().map(causes);
    format!("{error}: {}", source.unwrap_or_default())
}

#[tokio::test]
async fn a_write_in_one_process_is_seen_in_the_other_by_tls() {
    let authority = Authority::create();
    let (database, redis) = (TestDatabase::create().await, TlsRedis::start(&authority).await);
    let program = redis.program(&database, &authority);
    let [first, second] = [program.serve().await.unwrap(), program.serve().await.unwrap()];
    for server in [&first, &second] {
        wait_until("the process hears of the other", async || {
            let ready = server.anonymous().get("/health/ready").await.expect(200);
            !ready["reduced"].to_string().contains("Redis")
        })
        .await;
    }
    let acme = TestTenant::sign_up(first.anonymous(), "acme").await;
    let there = acme.owner.at(&second.url);
    let lead = format!("/api/v1/leads/{}", acme.lead("Ann").await);
    wait_until("the other process answers from its memory", async || {
        source(&there.get(&lead).await) == "l1"
    })
    .await;

    acme.owner
        .patch(&lead, json!({ "name": "Anna" }))
        .await
        .expect(200);

    wait_until("the change is heard of", async || {
        there.get(&lead).await.expect(200)["name"] == "Anna"
    })
    .await;
    // What one has loaded serves the other: it lies in Redis.
    there.get("/api/v1/leads?status=NEW").await.expect(200);
    wait_until("the other's answer is found", async || {
        source(&acme.owner.get("/api/v1/leads?status=NEW").await) == "l2"
    })
    .await;
    let examined = program.run(&["doctor", "--json"]).await;
    let report: Value = serde_json::from_str(&examined.stdout).unwrap();
    let cache = check(&report, "cache");
    assert_eq!(cache["verdict"], "ok", "{cache}");
    assert!(cache["detail"].as_str().unwrap().contains("by TLS"), "{cache}");
}

#[tokio::test]
async fn a_redis_of_another_authority_is_not_used_and_it_is_said_what_to_do() {
    let (ours, other) = (Authority::create(), Authority::create());
    let (database, redis) = (TestDatabase::create().await, TlsRedis::start(&other).await);

    let refused = fairlead_cache::probe(&redis.settings(&ours)).await.unwrap_err();
    let believed = fairlead_cache::probe(&redis.settings(&other)).await;
    let by_browsers = fairlead_cache::probe(&SharedSettings::at(&redis.url)).await;

    assert!(believed.is_ok(), "{believed:?}");
    assert!(by_browsers.is_err(), "{by_browsers:?}");
    let told = causes(&refused);
    assert!(told.contains("cache.redis.ca_file"), "{told}");
    let program = redis.program(&database, &ours);
    let serving = program.serve().await.unwrap();
    wait_until("the log tells of it", async || {
        serving.log().join("\n").contains("cache.redis.ca_file")
    })
    .await;
    let examined = program.run(&["doctor", "--json"]).await;
    let report: Value = serde_json::from_str(&examined.stdout).unwrap();
    let cache = check(&report, "cache");
    assert_eq!(cache["verdict"], "fail", "{cache}");
    assert!(
        cache["fix"].as_str().unwrap().contains("cache.redis.ca_file"),
        "{cache}"
    );
    for text in [told, examined.stdout, serving.log().join("\n")] {
        assert!(!text.contains(&redis.password), "{text}");
    }
}

#[tokio::test]
async fn an_authority_that_cannot_be_read_stops_the_start() {
    let authority = Authority::create();
    let (database, redis) = (TestDatabase::create().await, TlsRedis::start(&authority).await);
    let program = redis.program(&database, &authority);
    let empty = redis.folder.write("empty.crt", "");
    let plain = redis.url.replace("rediss://", "redis://");
    for (key, value, told) in [
        ("CA_FILE", "/nowhere/ca.crt", "/nowhere/ca.crt cannot be read"),
        ("CA_FILE", empty.to_str().unwrap(), "has no certificate"),
        ("URL", &plain, "without TLS: write `rediss://`"),
    ] {
        let program = program
            .clone()
            .with(&format!("FAIRLEAD__CACHE__REDIS__{key}"), value);

        let ended = program.run(&["serve"]).await;

        assert!(!ended.status.success(), "{told}");
        assert!(ended.stderr.contains(told), "{told}: {}", ended.stderr);
        assert!(!ended.stderr.contains(&redis.password), "{}", ended.stderr);
    }
}

#[tokio::test]
async fn rabbitmq_is_linked_to_by_tls_where_its_authority_is_trusted() {
    let (ours, other) = (Authority::create(), Authority::create());
    let endpoint = spawn_blocking(|| control::need(Service::RabbitMq)).await;
    let plain = endpoint.unwrap().unwrap().url;
    let (credentials, place) = plain.strip_prefix("amqp://").unwrap().split_once('@').unwrap();
    let (address, vhost) = place.split_once('/').unwrap();
    let front = TlsFront::start(address, &ours).await;
    let url = format!("amqps://{credentials}@localhost:{}/{vhost}", front.port());
    let settings = RabbitMqSettings::new(&url, "tls", Duration::from_secs(1)).unwrap();
    let database = TestDatabase::create().await;
    let folder = TempFolder::new("tls");

    let trusted = fairlead_rabbitmq::probe(&settings.clone().trusting(ours.pem()).unwrap()).await;
    let refused = fairlead_rabbitmq::probe(&settings.trusting(other.pem()).unwrap()).await;

    assert!(trusted.is_ok(), "{trusted:?}");
    let told = causes(&refused.unwrap_err());
    assert!(told.contains("events.amqp.ca_file"), "{told}");
    let doctor = async |authority: &Authority| {
        let ca = folder.write("ca.crt", &authority.pem());
        let program = Program::on(&database)
            .with("FAIRLEAD__EVENTS__AMQP__URL", &url)
            .with("FAIRLEAD__EVENTS__AMQP__CA_FILE", &ca.display().to_string());
        let examined = program.run(&["doctor", "--json"]).await;
        serde_json::from_str::<Value>(&examined.stdout).unwrap()
    };
    let (well, ill) = (doctor(&ours).await, doctor(&other).await);
    assert_eq!(check(&well, "broker")["verdict"], "ok", "{well:#}");
    let broker = check(&ill, "broker");
    assert_eq!(broker["verdict"], "fail", "{broker}");
    let password = credentials.split_once(':').unwrap().1;
    for text in [told, ill.to_string(), well.to_string()] {
        assert!(!text.contains(password), "{text}");
    }
}

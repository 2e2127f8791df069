use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use super::*;

/// A file that is gone when the test is over.
struct TempFile(PathBuf);

impl TempFile {
    fn new(name: &str, text: &str) -> Self {
        let path = std::env::temp_dir().join(format!("fairlead-config-{}-{name}.toml", std::process::id()));
        fs::write(&path, text).unwrap();
        Self(path)
    }
}

impl Drop for TempFile {
    fn drop(&mut self) {
        fs::remove_file(&self.0).unwrap();
    }
}

fn environment(variables: &[(&str, &str)]) -> Input {
    let own = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
    Input {
        environment: variables.iter().map(own).collect(),
        ..Input::default()
    }
}

fn in_file(file: &TempFile, variables: &[(&str, &str)]) -> Input {
    Input {
        file: Some(file.0.clone()),
        ..environment(variables)
    }
}

fn faults(input: &Input) -> String {
    load(input).unwrap_err().to_string()
}

fn origin(loaded: &Loaded, key: &str) -> String {
    let found = explain(loaded)
        .into_iter()
        .find(|explanation| explanation.key == key)
        .unwrap();
    found.origin.unwrap()
}

fn leaves(prefix: &str, value: &serde_json::Value, into: &mut BTreeSet<String>) {
    match value {
        serde_json::Value::Object(fields) => {
            for (name, value) in fields {
                let path = if prefix.is_empty() {
                    name.clone()
                } else {
                    format!("{prefix}.{name}")
                };
                leaves(&path, value, into);
            }
        }
        _ => {
            into.insert(prefix.to_owned());
        }
    }
}

#[test]
fn the_table_and_the_struct_have_the_same_keys() {
    let config = load(&Input::default()).unwrap().config;

    let mut of_struct = BTreeSet::new();
    leaves("", &serde_json::to_value(&config).unwrap(), &mut of_struct);

    let of_table: BTreeSet<String> = KEYS.iter().map(|key| key.path.to_owned()).collect();
    assert_eq!(of_table, of_struct);
    assert_eq!(of_table.len(), KEYS.len(), "a key is in the table twice");
}

#[test]
fn every_key_can_be_set_from_the_environment() {
    for key in KEYS {
        let value = match key.kind {
            Kind::Bool => "true",
            Kind::Integer { max, .. } => &max.to_string(),
            Kind::Text => "text",
            Kind::Choice(choices) => choices[1],
            Kind::Path => "/somewhere",
            Kind::Address => "::1",
            Kind::HttpUrl => "https://api.example.com",
            Kind::PostgresUrl => "postgres://a@b/c",
            Kind::RedisUrl => "redis://b:6379",
            Kind::AmqpUrl => "amqp://b:5672",
            Kind::Weights => "0192d3a4-0000-7000-8000-000000000001=4",
            Kind::Origins => "https://app.example.com, https://admin.example.com",
            Kind::Roles => "api, worker",
            Kind::Replicas => REPLICAS,
            Kind::LogFilter => "warn,fairlead=debug",
            Kind::Secret { .. } => "0123456789abcdef0123456789abcdef",
            Kind::Networks => "10.0.0.0/8, fd00::/8",
        };
        let variable = key.variable();
        let together: &[(&str, &str)] = match key.kind {
            Kind::PostgresUrl => &[
                ("FAIRLEAD__DATABASE__URL", value),
                ("FAIRLEAD__DATABASE__SYSTEM_URL", value),
                ("FAIRLEAD__DATABASE__OWNER_URL", value),
                ("FAIRLEAD__SECURITY__SECRET", "0123456789abcdef0123456789abcdef"),
            ],
            Kind::Replicas => &[
                (&variable, value),
                ("FAIRLEAD__DATABASE__URL", "postgres://a@b/c"),
                ("FAIRLEAD__DATABASE__SYSTEM_URL", "postgres://a@b/c"),
                ("FAIRLEAD__DATABASE__OWNER_URL", "postgres://a@b/c"),
                ("FAIRLEAD__SECURITY__SECRET", "0123456789abcdef0123456789abcdef"),
            ],
            Kind::Integer { .. } if key.path.contains("pool.min") => &[(&variable, "3")],
            Kind::Integer { .. } if key.path == "events.stream.ping_ms" => &[(&variable, "30000")],
            Kind::Integer { .. } if key.path == "webhooks.timeout_ms" => &[(&variable, "25000")],
            Kind::Integer { .. } if key.path.contains("access_ttl") => &[(&variable, "901")],
            Kind::Choice(_) if key.path == "ai.provider" => {
                &[(&variable, value), ("FAIRLEAD__AI__MODEL", "text")]
            }
            Kind::Secret { .. } if key.path == "billing.stripe.api_key" => &[
                (&variable, value),
                ("FAIRLEAD__BILLING__SUCCESS_URL", "https://example.com"),
            ],
            Kind::Text if key.path.ends_with("_only") => &[
                (&variable, "me,users_list"),
                ("FAIRLEAD__CACHE__REDIS__ENCRYPT", "true"),
            ],
            _ if key.path.starts_with("performance.alerts.webhook_") => &[
                (
                    "FAIRLEAD__PERFORMANCE__ALERTS__WEBHOOK_URL",
                    "https://example.com",
                ),
                (
                    "FAIRLEAD__PERFORMANCE__ALERTS__WEBHOOK_SECRET",
                    "0123456789abcdef0123456789abcdef",
                ),
                (&variable, value),
            ],
            _ => &[(&variable, value)],
        };

        let loaded = load(&environment(together)).unwrap();

        assert_eq!(origin(&loaded, key.path), format!("env:{variable}"));
    }
}

#[test]
fn a_kind_of_answer_that_there_is_not_is_not_left_unencrypted() {
    let error = load(&environment(&[(
        "FAIRLEAD__CACHE__REDIS__ENCRYPT_ONLY",
        "me,user_list",
    )]))
    .unwrap_err();

    assert!(
        error.to_string().contains("cache.ttl_seconds.user_list"),
        "{error}"
    );
}

#[test]
fn kinds_of_answers_that_are_named_for_nothing_are_refused_with_the_key_that_is_missing() {
    let load_with = |variables: &[(&str, &str)]| load(&environment(variables)).map(drop);
    let only = ("FAIRLEAD__CACHE__REDIS__ENCRYPT_ONLY", "me,users_list");

    let error = load_with(&[only]).unwrap_err().to_string();

    assert!(
        error.contains("`cache.redis.encrypt_only` is set (env:"),
        "{error}"
    );
    assert!(
        error.contains("`cache.redis.encrypt` is false (default)"),
        "{error}"
    );
    assert!(error.contains("set `cache.redis.encrypt` to true"), "{error}");
    load_with(&[only, ("FAIRLEAD__CACHE__REDIS__ENCRYPT", "true")]).unwrap();

    let error = load_with(&[
        ("FAIRLEAD__CACHE__REDIS__COMPRESS", "false"),
        ("FAIRLEAD__CACHE__REDIS__COMPRESS_ONLY", "me"),
    ])
    .unwrap_err()
    .to_string();
    assert!(error.contains("set `cache.redis.compress` to true"), "{error}");
}

const REPLICAS: &str = r#"[{"name": "near", "url": "postgres://a@near/c"},
    {"name": "far", "url": "postgres://a@far/c", "analytics": true}]"#;
const EXTERNAL: [(&str, &str); 4] = [
    ("FAIRLEAD__DATABASE__URL", "postgres://a@b/c"),
    ("FAIRLEAD__DATABASE__SYSTEM_URL", "postgres://a@b/c"),
    ("FAIRLEAD__DATABASE__OWNER_URL", "postgres://a@b/c"),
    ("FAIRLEAD__SECURITY__SECRET", "0123456789abcdef0123456789abcdef"),
];

fn replicas(loaded: &Loaded) -> Vec<(&str, &str, bool)> {
    let replicas = loaded.config.database.replicas.iter();
    replicas
        .map(|replica| (replica.name.as_str(), replica.url.expose(), replica.analytics))
        .collect()
}

#[test]
fn replicas_come_as_tables_as_json_and_one_by_one() {
    let file = TempFile::new(
        "replicas",
        "[[database.replicas]]\nname = \"near\"\nurl = \"postgres://a@near/c\"\n\
         [[database.replicas]]\nname = \"far\"\nurl = \"postgres://a@far/c\"\nanalytics = true\n",
    );
    let with = |more: &[(&str, &str)]| environment(&[&EXTERNAL[..], more].concat());

    let tables = load(&in_file(&file, &EXTERNAL)).unwrap();
    let json = load(&with(&[("FAIRLEAD__DATABASE__REPLICAS", REPLICAS)])).unwrap();
    let variables = load(&with(&[
        ("DATABASE_READ_URL_10", "postgres://a@ten/c"),
        ("DATABASE_READ_URL_2", "postgres://a@two/c"),
        ("DATABASE_READ_URL", "postgres://a@first/c"),
    ]))
    .unwrap();

    let expected = [
        ("near", "postgres://a@near/c", false),
        ("far", "postgres://a@far/c", true),
    ];
    assert_eq!(replicas(&tables), expected);
    assert_eq!(replicas(&json), expected);
    assert_eq!(
        replicas(&variables),
        [
            ("replica-1", "postgres://a@first/c", false),
            ("replica-2", "postgres://a@two/c", false),
            ("replica-3", "postgres://a@ten/c", false),
        ]
    );
    assert_eq!(
        origin(&variables, "database.replicas"),
        "env:DATABASE_READ_URL,DATABASE_READ_URL_2,DATABASE_READ_URL_10"
    );
}

#[test]
fn replicas_are_told_apart_have_a_url_and_an_external_primary() {
    let fault = |text: &str| {
        faults(&environment(
            &[&EXTERNAL[..], &[("FAIRLEAD__DATABASE__REPLICAS", text)]].concat(),
        ))
    };
    let twice = r#"[{"name": "a", "url": "postgres://x"}, {"name": "a", "url": "postgres://x"}]"#;

    assert!(fault("postgres://hush").contains("is not such a list"));
    assert!(fault(twice).contains("names two replicas \"a\""));
    assert!(fault(r#"[{"name": "primary", "url": "postgres://x"}]"#).contains("names a replica \"primary\""));
    assert!(fault(r#"[{"name": "a", "url": "mysql://hush"}]"#).contains("has no PostgreSQL URL for \"a\""));
    assert!(!fault(r#"[{"name": "a", "url": "mysql://hush"}]"#).contains("hush"));
    let embedded = faults(&environment(&[("DATABASE_READ_URL", "postgres://x")]));
    assert!(embedded.contains("the embedded database has none"), "{embedded}");
}

#[test]
fn each_layer_yields_to_the_next() {
    let file = TempFile::new(
        "layers",
        "preset = \"highPerformance\"\n[database]\nslow_query_ms = 7\n[database.pool]\nmax = 60\n",
    );

    let loaded = load(&in_file(&file, &[("FAIRLEAD__DATABASE__POOL__MAX", "70")]).flag(
        "http.port",
        "--port",
        Some(81),
    ))
    .unwrap();

    let config = &loaded.config;
    assert_eq!(config.preset, Preset::HighPerformance);
    assert_eq!(
        (config.database.pool.min, origin(&loaded, "database.pool.min")),
        (20, "preset:highPerformance".into())
    );
    assert_eq!(config.database.slow_query, Duration::from_millis(7));
    assert_eq!(
        origin(&loaded, "database.slow_query_ms"),
        format!("file:{}", file.0.display())
    );
    assert_eq!(
        (
            config.database.pool.max,
            origin(&loaded, "database.pool.max").as_str()
        ),
        (70, "env:FAIRLEAD__DATABASE__POOL__MAX")
    );
    assert_eq!(
        (config.http.port, origin(&loaded, "http.port").as_str()),
        (81, "flag:--port")
    );
    assert_eq!(
        (
            config.http.json_depth,
            origin(&loaded, "http.json_depth").as_str()
        ),
        (32, "default")
    );
}

#[test]
fn presets_differ() {
    let of = |preset: Preset| {
        load(&environment(&[("FAIRLEAD__PRESET", preset.as_str())]))
            .unwrap()
            .config
    };
    let [development, fast, cheap] = Preset::ALL.map(of);

    assert!(cheap.database.pool.max < development.database.pool.max);
    assert!(development.database.pool.max < fast.database.pool.max);
    assert_eq!((cheap.http.workers, fast.http.workers), (1, 0));
    assert_eq!(
        (development.log.format, fast.log.format),
        (LogFormat::Auto, LogFormat::Json)
    );
}

#[test]
fn no_preset_logs_what_any_client_can_provoke() {
    for preset in Preset::ALL {
        let loaded = load(&environment(&[("FAIRLEAD__PRESET", preset.as_str())])).unwrap();

        let directives: Vec<_> = loaded.config.log.filter.split(',').collect();

        for quiet in ["actix_http::h1=off", "tokio_postgres=warn"] {
            assert!(directives.contains(&quiet), "{preset:?}: {directives:?}");
        }
    }
}

#[test]
fn an_alias_sets_its_key_and_yields_to_the_proper_name() {
    let loaded = load(&environment(&[
        ("DB_POOL_MAX", "33"),
        ("LOG_LEVEL", "DEBUG"),
        ("SLOW_QUERY_THRESHOLD", "1000"),
    ]));

    let loaded = loaded.unwrap();
    assert_eq!(loaded.config.database.pool.max, 33);
    assert_eq!(origin(&loaded, "database.pool.max"), "env:DB_POOL_MAX");
    assert_eq!(loaded.config.log.filter, "DEBUG");
    assert_eq!(loaded.config.database.slow_query, Duration::from_secs(1));

    let same = load(&environment(&[
        ("DB_POOL_MAX", "33"),
        ("FAIRLEAD__DATABASE__POOL__MAX", "33"),
    ]))
    .unwrap();
    assert_eq!(
        origin(&same, "database.pool.max"),
        "env:FAIRLEAD__DATABASE__POOL__MAX"
    );
    assert_eq!(
        faults(&environment(&[
            ("DB_POOL_MAX", "33"),
            ("FAIRLEAD__DATABASE__POOL__MAX", "34")
        ])),
        "`database.pool.max` is set twice, differently: by env:FAIRLEAD__DATABASE__POOL__MAX and by env:DB_POOL_MAX; \
         keep one of the two"
    );
}

#[test]
fn unknown_keys_stop_the_start_with_the_key_meant() {
    let file = TempFile::new(
        "unknown",
        "[http]\nprot = 80\n[htpp]\nport = 80\n[database.pool.max]\nof = 3\n",
    );

    assert_eq!(
        faults(&environment(&[("FAIRLEAD__HTTP__PROT", "80")])),
        "unknown key `http.prot` (env:FAIRLEAD__HTTP__PROT); did you mean `http.port`?; `fairlead config explain` \
         lists all keys"
    );
    let in_file = load(&in_file(&file, &[])).unwrap_err().0;
    let origin = format!("file:{}", file.0.display());
    assert_eq!(in_file.len(), 3, "{in_file:#?}");
    assert!(
        matches!(&in_file[0], Fault::BadValue { key: "database.pool.max", fault, .. } if fault == "is a section")
    );
    assert!(matches!(&in_file[1], Fault::UnknownKey { key, .. } if key == "htpp"));
    assert_eq!(
        in_file[2],
        Fault::UnknownKey {
            key: "http.prot".into(),
            origin,
            suggestion: Some("http.port".into())
        }
    );
}

#[test]
fn bad_values_stop_the_start_with_origin_and_what_is_allowed() {
    assert_eq!(
        faults(&environment(&[("FAIRLEAD__HTTP__PORT", "80a")])),
        "`http.port` (env:FAIRLEAD__HTTP__PORT) is \"80a\"; allowed: a whole number from 0 to 65535"
    );
    assert_eq!(
        faults(&environment(&[("FAIRLEAD__PRESET", "highperformance")])),
        "`preset` (env:FAIRLEAD__PRESET) is \"highperformance\"; allowed: development, highPerformance, \
         costOptimized; did you mean `highPerformance`?"
    );
    assert_eq!(
        faults(&environment(&[("LOG_LEVEL", "verbose")])),
        "`log.filter` (env:LOG_LEVEL) is \"verbose\"; allowed: error, warn, info, debug, trace, off, or directives \
         such as info,fairlead_postgres=debug"
    );
    for (variable, value) in [
        ("FAIRLEAD__HTTP__PUBLIC_URL", "https://api.example.com/"),
        ("FAIRLEAD__HTTP__HSTS", "yes"),
        ("FAIRLEAD__HTTP__HOST", "localhost"),
        ("FAIRLEAD__HTTP__PORT", "65536"),
        ("FAIRLEAD__HTTP__PORT", "-1"),
    ] {
        let found = load(&environment(&[(variable, value)])).unwrap_err().0;
        assert!(
            matches!(&found[..], [Fault::BadValue { .. }]),
            "{variable}={value}: {found:?}"
        );
    }
}

#[test]
fn all_faults_are_told_at_once() {
    let found = load(&environment(&[
        ("FAIRLEAD__HTTP__PORT", "x"),
        ("FAIRLEAD__NO__SUCH", "x"),
        ("DB_POOL_MIN", "x"),
    ]));

    assert_eq!(found.unwrap_err().0.len(), 3);
}

#[test]
fn a_file_that_cannot_be_read_or_parsed_stops_the_start() {
    let broken = TempFile::new("broken", "[http\nport = 1\n");
    let absent = Input {
        file: Some(PathBuf::from("/no/such/fairlead.toml")),
        ..Input::default()
    };

    assert!(
        faults(&in_file(&broken, &[])).contains("TOML parse error at line 1"),
        "{}",
        faults(&in_file(&broken, &[]))
    );
    assert!(faults(&absent).starts_with("cannot read the configuration file /no/such/fairlead.toml: "));
}

#[test]
fn an_empty_variable_counts_as_not_set() {
    let loaded = load(&environment(&[
        ("FAIRLEAD__HTTP__PUBLIC_URL", ""),
        ("DB_POOL_MAX", ""),
    ]))
    .unwrap();

    assert_eq!(loaded.config.http.public_url, None);
    assert_eq!(loaded.config.database.pool.max, 10);
}

#[test]
fn values_must_go_together() {
    let part = faults(&environment(&[("DATABASE_URL", "postgres://u:p@h/d")]));

    assert!(
        part.contains("`database.url` is set (env:DATABASE_URL), but not `database.system_url` nor `"),
        "{part}"
    );
    assert!(part.contains("`security.secret` is not set"), "{part}");
    assert!(!part.contains("u:p"), "{part}");
    assert_eq!(
        faults(&environment(&[("DB_POOL_MIN", "50")])),
        "`database.pool.min` is 50 (env:DB_POOL_MIN), more than `database.pool.max`, which is 10 (default)"
            .replace("(default)", "(preset:development)")
    );
}

#[test]
fn what_tells_of_alerts_is_set_as_a_whole_or_not_at_all() {
    let url = "FAIRLEAD__PERFORMANCE__ALERTS__WEBHOOK_URL";
    let unsigned = faults(&environment(&[(url, "https://hooks.example/alerts")]));
    let networks = faults(&environment(&[(
        "FAIRLEAD__PERFORMANCE__ALERTS__WEBHOOK_NETWORKS",
        "10.0.0.0/8",
    )]));

    assert!(
        unsigned.contains(&format!(
            "`performance.alerts.webhook_url` is set (env:{url}), but not `performance.alerts.webhook_secret`"
        )),
        "{unsigned}"
    );
    assert!(
        networks
            .contains("WEBHOOK_NETWORKS), but not `performance.alerts.webhook_url`, so no alert is posted"),
        "{networks}"
    );
}

#[test]
fn secrets_do_not_print() {
    let url = "postgres://fairlead_app:hush@db/fairlead";
    let secret = "hush-0123456789abcdef0123456789abcdef";
    let variables = [
        ("FAIRLEAD__DATABASE__URL", url),
        ("FAIRLEAD__DATABASE__SYSTEM_URL", url),
        ("FAIRLEAD__DATABASE__OWNER_URL", url),
        ("FAIRLEAD__SECURITY__SECRET", secret),
    ];
    let loaded = load(&environment(&variables)).unwrap();

    let shown = [
        format!("{:?}", loaded.config),
        serde_json::to_string(&loaded.config).unwrap(),
        serde_json::to_string(&explain(&loaded)).unwrap(),
        faults(&environment(&[("FAIRLEAD__SECURITY__SECRET", "hush")])),
        faults(&environment(&[("DATABASE_URL", "mysql://root:hush@db/fairlead")])),
    ];

    for text in shown {
        assert!(!text.contains("hush"), "{text}");
    }
    assert_eq!(loaded.config.database.url.unwrap().expose(), url);
    assert_eq!(loaded.config.security.secret.unwrap().expose(), secret);
}

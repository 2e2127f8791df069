//! Ten thousand statements that mean no good, made from parts by a generator that starts from the same seed each time.

use std::time::{Duration, Instant};

use fairlead_telemetry::spawn;
use serde_json::{Value, json};
use sqlx::{AssertSqlSafe, Executor as _, PgConnection};
use support::database::DatabaseRole;
use support::pair::operator;
use support::process::Program;
use support::{Client, TestDatabase, TestTenant, wait_until};

use super::queries::{ANALYZE, steps};

const STATEMENTS: u64 = 10_000;
const CLIENTS: u64 = 2;
const OWN_LEADS: f64 = 7.0;
/// In rows of the other tenant alone.
const SECRET: &str = "zanzibar";

/// Xorshift: which statements are made is decided by its seed.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % sides as u64).unwrap()
    }

    fn pick<'a>(&mut self, of: &[&'a str]) -> &'a str {
        of[self.roll(of.len())]
    }
}

/// What must never be computed.
const EXPRESSIONS: &[&str] = &[
    "pg_sleep(5)",
    "pg_catalog.pg_sleep(5)",
    "PG_SLEEP(5)",
    "\"pg_sleep\"(5)",
    "U&\"\\0070g_sleep\"(5)",
    "pg_sleep/**/(5)",
    "pg_read_file('/etc/passwd')",
    "pg_read_binary_file('/etc/passwd')",
    "pg_ls_dir('/')",
    "('/').pg_ls_dir",
    "pg_stat_file('/etc/passwd')",
    "lo_import('/etc/passwd')",
    "lo_create(0)",
    "lo_from_bytea(0, 'x')",
    "lo_export(1, '/tmp/x')",
    "lo_unlink(1)",
    "dblink('dbname=postgres', 'select 1')",
    "dblink_exec('drop table leads')",
    "set_config('app.current_tenant', '{other}', true)",
    "set_config('app.current_tenant', '{other}', false)",
    "(SELECT set_config('app.current_tenant', '{other}', true))",
    "set_config('transaction_read_only', 'off', true)",
    "nextval('x')",
    "setval('x', 1)",
    "pg_advisory_lock(1)",
    "pg_try_advisory_xact_lock(1)",
    "pg_terminate_backend(pg_backend_pid())",
    "pg_cancel_backend(1)",
    "pg_notify('fairlead', 'x')",
    "pg_logical_emit_message(true, 'a', 'b')",
    "pg_create_restore_point('x')",
    "pg_switch_wal()",
    "pg_reload_conf()",
    "pg_rotate_logfile()",
    "pg_stat_reset()",
    "pg_export_snapshot()",
    "txid_current()",
    "pg_current_xact_id()",
    "query_to_xml('select * from leads', true, true, '')",
    "table_to_xml('leads', true, true, '')",
    "database_to_xml(true, true, '')",
    "cursor_to_xml('c', 1, true, true, '')",
    "ts_stat('select name from leads')",
    "ts_rewrite('a'::tsquery, 'select name::tsquery, name::tsquery from leads')",
    "current_setting('data_directory')",
    "current_setting('app.current_tenant')",
    "random()",
    "clock_timestamp()",
    "gen_random_uuid()",
    "repeat('x', 900000000)",
    "repeat(repeat('x', 30000), 30000)",
    "rpad('x', 900000000)",
    "lpad('x', 900000000, 'y')",
    "format('%900000000s', 'x')",
    "array_fill(1, ARRAY[100000000])",
    "replace('aaaaaaaaaaaaaaaaaaaaaaaa', 'a', 'aaaaaaaaaaaaaaaaaaaaaaaa')",
    "regexp_replace('aaaaaaaaaaaaaaaa', 'a', 'aaaaaaaaaaaaaaaa', 'g')",
    "'1'::bit(83886080)",
    "CAST('x' AS char(10485760))",
    "B'1'",
    "factorial(100000)",
    "10.0 ^ 100000",
    "(SELECT count(*) FROM generate_series(1, 1000000000000))",
    "(SELECT name FROM leads WHERE tenant_id = '{other}' LIMIT 1)",
    "(SELECT name FROM leads WHERE tenant_id = '{other}' LIMIT 1)::int",
    "(SELECT string_agg(name, ',') FROM leads)::int",
    "(SELECT rolpassword FROM pg_authid LIMIT 1)",
    "(SELECT query FROM pg_stat_activity LIMIT 1)",
    "(SELECT secret_hash FROM operators LIMIT 1)",
    "(SELECT most_common_vals FROM pg_stats WHERE tablename = 'leads' LIMIT 1)",
    "(SELECT count(*) FROM perf.samples)",
    "(SELECT count(*) FROM information_schema.tables)",
    "(SELECT 1 FROM leads FOR UPDATE)",
    "make_partitions(3)",
    "current_tenant()",
    "search_leads(to_tsquery('zan:*'), 10, 10)",
    "1 / 0",
    "'{other}'::uuid",
    "(WITH gone AS (DELETE FROM leads RETURNING 1) SELECT count(*) FROM gone)",
    "(regexp_match('aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaab', '^(a|a)*c$'))[1]",
    "jsonb_path_query_array('[1,2,3,4,5,6,7,8,9]', '$[*] ? (@ > 1)')",
    "'leads'::regclass",
    "E'\\'; DROP TABLE leads; --'",
    "$$; DROP TABLE leads; --$$",
    "'\\'; DROP TABLE leads; --'",
];

/// Where they stand.
const PLACES: &[&str] = &[
    "SELECT {e}",
    "SELECT {e} FROM leads",
    "SELECT id FROM leads WHERE ({e})::text = 'x'",
    "SELECT id FROM leads WHERE name > ({e})::text",
    "SELECT * FROM {e} AS f",
    "SELECT * FROM leads, LATERAL {e} AS f",
    "WITH q AS (SELECT {e} AS v) SELECT * FROM q",
    "WITH q AS MATERIALIZED (SELECT {e} AS v) SELECT * FROM q, leads",
    "SELECT id FROM leads ORDER BY {e}",
    "SELECT id FROM leads LIMIT {e}",
    "SELECT id FROM leads OFFSET {e}",
    "SELECT count(*) FILTER (WHERE {e} IS NULL) FROM leads",
    "SELECT CASE WHEN true THEN {e} END FROM users",
    "SELECT (SELECT {e})",
    "SELECT id FROM leads GROUP BY id HAVING {e} IS NULL",
    "WITH RECURSIVE r AS (SELECT 1 AS n UNION ALL SELECT n + 1 FROM r WHERE {e} IS NULL) SELECT n FROM r",
    "SELECT id::text FROM leads UNION SELECT ({e})::text",
    "VALUES ({e})",
    "SELECT id FROM leads WHERE id IN (SELECT {e})",
    "SELECT a.id FROM leads a JOIN leads b ON {e} IS NOT NULL",
    "SELECT rank() OVER (ORDER BY {e}) FROM leads",
    "SELECT ARRAY[{e}], ROW({e}, 1)",
    "SELECT coalesce({e}, {e})",
    "{e}",
    "SELECT 1; SELECT {e}",
    "EXPLAIN ANALYZE SELECT {e}",
    "PREPARE p AS SELECT {e}",
    "INSERT INTO leads (name) SELECT ({e})::text",
];

/// What is no SELECT at all, or more than that.
const STATEMENTS_OF_OTHERS: &[&str] = &[
    "DELETE FROM leads",
    "UPDATE leads SET name = 'gone'",
    "INSERT INTO carriers (name) VALUES ('x')",
    "TRUNCATE leads",
    "DROP TABLE leads CASCADE",
    "CREATE TABLE planted (a int)",
    "CREATE TEMP TABLE planted AS SELECT * FROM leads",
    "SELECT * INTO planted FROM leads",
    "SELECT * INTO TEMP planted FROM leads",
    "WITH gone AS (DELETE FROM leads RETURNING *) SELECT * FROM gone",
    "WITH new AS (INSERT INTO carriers (name) VALUES ('x') RETURNING *) SELECT * FROM new",
    "WITH a AS (SELECT 1), b AS (UPDATE users SET name = 'x' RETURNING 1) SELECT * FROM a, b",
    "MERGE INTO leads USING users ON false WHEN NOT MATCHED THEN DO NOTHING",
    "SELECT 1; DELETE FROM leads",
    "SELECT 1; COMMIT; DELETE FROM leads; BEGIN",
    "COMMIT",
    "ROLLBACK; SET ROLE postgres",
    "BEGIN; SELECT 1",
    "SET app.current_tenant = '{other}'",
    "SET LOCAL app.current_tenant = '{other}'; SELECT * FROM leads",
    "SET SESSION AUTHORIZATION postgres",
    "RESET ALL",
    "DO $$ BEGIN DELETE FROM leads; END $$",
    "CALL protect_tenant_table('leads')",
    "COPY leads TO '/tmp/planted'",
    "COPY leads FROM PROGRAM 'touch /tmp/planted'",
    "COPY (SELECT * FROM leads) TO STDOUT",
    "LISTEN fairlead",
    "NOTIFY fairlead, 'x'",
    "LOCK TABLE leads IN ACCESS EXCLUSIVE MODE",
    "VACUUM FULL leads",
    "DECLARE c CURSOR WITH HOLD FOR SELECT * FROM leads",
    "EXECUTE analyzed",
    "DEALLOCATE ALL",
    "DISCARD ALL",
    "GRANT ALL ON leads TO PUBLIC",
    "ALTER SYSTEM SET work_mem = '1GB'",
    "LOAD 'auto_explain'",
    "SELECT * FROM leads FOR UPDATE",
    "SELECT * FROM leads FOR NO KEY UPDATE SKIP LOCKED",
    "SELECT * FROM (SELECT * FROM leads FOR SHARE) q",
    "TABLE leads",
    "SHOW data_directory",
    "EXPLAIN (ANALYZE) DELETE FROM leads",
    "(ANALYZE) SELECT 1",
    "ANALYZE SELECT 1",
    "SELECT * FROM leads TABLESAMPLE SYSTEM (100)",
    "SELECT * FROM pg_catalog.pg_class",
    "SELECT * FROM pg_largeobject",
    "WITH pg_authid AS (SELECT 1) SELECT * FROM pg_authid",
    "SELECT * FROM ONLY leads",
    "",
    ";",
    "--",
    "/* */",
];

fn bomb(dice: &mut Dice) -> String {
    let size = 1 + dice.roll(2_000);
    match dice.roll(12) {
        0 => format!("SELECT {}1{}", "(".repeat(size), ")".repeat(size)),
        1 => format!("SELECT {}1", "- ".repeat(size)),
        2 => format!("SELECT 1{}", " + 1".repeat(size)),
        3 => format!("SELECT 1{}", " UNION ALL SELECT 1".repeat(size)),
        4 => format!(
            "SELECT 1 FROM leads l0{}",
            " NATURAL JOIN leads".repeat(size % 40)
        ),
        5 => format!(
            "SELECT id FROM leads WHERE quality_score IN (1{})",
            ", 1".repeat(size)
        ),
        6 => {
            let mut inner = "SELECT 'xxxxxxxxxxxxxxxx'::text AS s".to_owned();
            for _ in 0..size % 45 {
                inner = format!("SELECT s || s AS s FROM ({inner}) q");
            }
            inner
        }
        7 => {
            let mut parts = vec!["c0 AS (SELECT name AS s FROM leads)".to_owned()];
            parts.extend((1..=size % 60).map(|n| {
                let before = n - 1;
                format!("c{n} AS NOT MATERIALIZED (SELECT s || s || s AS s FROM c{before})")
            }));
            format!("WITH {} SELECT s FROM c{}", parts.join(", "), size % 60)
        }
        8 => "WITH RECURSIVE r AS (SELECT 1 AS n UNION ALL SELECT n + 1 FROM r) SELECT count(*) FROM r"
            .to_owned(),
        9 => format!(
            "WITH RECURSIVE r AS (SELECT name AS s FROM leads UNION ALL SELECT s || s FROM r) SELECT length(s) FROM r LIMIT {size}"
        ),
        10 => format!("SELECT '{}'", "x".repeat(size * 600)),
        _ => format!(
            "SELECT count(*) FROM leads a, leads b, leads c, leads d, leads e, leads f, users g, leads h WHERE a.quality_score + {size} > 0"
        ),
    }
}

/// Letters that look like others, or like nothing.
const ODD: &[&str] = &[
    "\u{200b}",
    "\u{00a0}",
    "\u{2028}",
    "\u{ff1b}",
    "\u{2019}",
    "\u{02bc}",
    "\u{feff}",
    "\u{202e}",
    "ſ",
    "İ",
    "\u{0455}",
    "\u{1f4a3}",
];
const SIGNS: &[&str] = &[
    ";", "--", "/*", "*/", "'", "\"", "$$", "\\", "(", ")", "::", "\n", "\r", "\t", "E'", "U&'", "@", "#",
    "`", "$1", "||", "{", "?",
];

/// Alters a text here and there.
fn mutate(dice: &mut Dice, text: &str) -> String {
    let mut letters: Vec<String> = text.chars().map(String::from).collect();
    for _ in 0..dice.roll(4) {
        let at = dice.roll(letters.len() + 1);
        match dice.roll(7) {
            0 => letters.insert(at, dice.pick(ODD).to_owned()),
            1 => letters.insert(at, dice.pick(SIGNS).to_owned()),
            2 if at < letters.len() => drop(letters.remove(at)),
            3 if at < letters.len() => letters[at] = letters[at].to_uppercase(),
            4 => {
                for letter in &mut letters {
                    if letter == " " {
                        dice.pick(&[" ", "/**/", "\t", "\n", "/*/*x*/*/", " --x\n"])
                            .clone_into(letter);
                    }
                }
            }
            5 => letters.push(
                dice.pick(&["; DELETE FROM leads", " --", " /*", ";", " ; ;"])
                    .to_owned(),
            ),
            _ => letters.insert(
                0,
                dice.pick(&["(", " ", "-- x\n", "/* SELECT */", "\u{feff}"])
                    .to_owned(),
            ),
        }
    }
    letters.concat()
}

fn statement(dice: &mut Dice, other: &str) -> String {
    let made = match dice.roll(10) {
        0..=5 => {
            let inner = dice.pick(EXPRESSIONS);
            let wrapped = match dice.roll(4) {
                0 => format!("({inner})"),
                1 => format!("coalesce({inner}, {inner})"),
                _ => inner.to_owned(),
            };
            dice.pick(PLACES).replace("{e}", &wrapped)
        }
        6..=7 => dice.pick(STATEMENTS_OF_OTHERS).to_owned(),
        8 => bomb(dice),
        _ => {
            let (one, other) = (dice.pick(STATEMENTS_OF_OTHERS), dice.pick(EXPRESSIONS));
            format!("WITH a AS ({one}) SELECT {other} FROM a")
        }
    };
    let made = made.replace("{other}", other);
    if dice.roll(3) == 0 && made.len() < 4_000 {
        mutate(dice, &made)
    } else {
        made
    }
}

/// All that a statement could have left behind.
async fn traces(database: &mut PgConnection) -> Vec<String> {
    let mut all = Vec::new();
    for text in [
        "SELECT md5(string_agg(t::text, ',' ORDER BY id)) FROM leads t",
        "SELECT md5(string_agg(t::text, ',' ORDER BY id)) FROM users t",
        "SELECT count(*)::text FROM carriers",
        "SELECT count(*)::text FROM events",
        "SELECT count(*)::text FROM pg_largeobject_metadata",
        "SELECT md5(string_agg(oid || relname, ',' ORDER BY oid)) FROM pg_class WHERE relnamespace = 'public'::regnamespace",
        "SELECT md5(string_agg(setting, ',' ORDER BY name)) FROM pg_file_settings",
        "SELECT count(*)::text FROM pg_ls_tmpdir()",
    ] {
        let trace: Option<String> = sqlx::query_scalar(text).fetch_one(&mut *database).await.unwrap();
        all.push(format!("{text}: {trace:?}"));
    }
    all
}

#[derive(Default)]
struct Tally {
    planned: u64,
    refused: u64,
    busy: u64,
    slowest: Duration,
}

async fn attack(operator: Client, own: String, other: String, share: u64) -> Tally {
    let mut dice = Dice(0x9e37_79b9_7f4a_7c15 ^ (share + 1));
    let mut tally = Tally::default();
    for number in 0..STATEMENTS / CLIENTS {
        let sql = statement(&mut dice, &other);
        let body = json!({ "sql": sql, "tenantId": own, "execute": number % 2 == 0 });
        let short: String = sql.chars().take(300).collect();
        let told = loop {
            let began = Instant::now();
            let told = operator.post(ANALYZE, body.clone()).await;
            let took = began.elapsed();
            assert!(took <= Duration::from_secs(2), "{took:?}: {short}");
            tally.slowest = tally.slowest.max(took);
            if told.status != 503 {
                break told;
            }
            tally.busy += 1;
        };
        match told.status.as_u16() {
            200 => {
                tally.planned += 1;
                check_plan(&told.json(), &short);
            }
            413 | 422 => tally.refused += 1,
            status => panic!("{status} to {short}: {}", told.json()),
        }
        let body = String::from_utf8_lossy(&told.body);
        assert!(!body.contains(SECRET), "{short}: {body}");
        assert!(!body.contains("root:"), "{short}: {body}");
    }
    tally
}

/// Of tables of the product, and of leads no more than there are in the tenant.
fn check_plan(told: &Value, sql: &str) {
    for step in steps(&told["plan"]) {
        if let Some(relation) = step["relation"].as_str() {
            assert!(!relation.starts_with("pg_"), "{sql}: {told:#}");
        }
        if step["relation"] == "leads"
            && let Some(rows) = step["actual"]["rows"].as_f64()
        {
            assert!(rows <= OWN_LEADS, "{sql}: {told:#}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ten_thousand_hostile_statements_do_nothing_and_tell_nothing() {
    let database = TestDatabase::create().await;
    let program = Program::on(&database);
    let serving = program.serve().await.unwrap();
    let operator = operator(&program, &serving).await;
    let acme = TestTenant::sign_up(serving.anonymous(), "acme").await;
    let umbrella = TestTenant::sign_up(serving.anonymous(), "umbrella").await;
    let mut superuser = database.connect(DatabaseRole::Superuser).await;
    for (tenant, name, count) in [(&acme, "Ann", 7), (&umbrella, SECRET, 3_000)] {
        let make = format!(
            "INSERT INTO leads (tenant_id, id, name, status, created_at, updated_at)
             SELECT '{}', gen_random_uuid(), '{name} ' || n, 'NEW', now(), now() FROM generate_series(1, {count}) AS n",
            tenant.id
        );
        superuser.execute(AssertSqlSafe(make)).await.unwrap();
    }
    superuser.execute("ANALYZE leads").await.unwrap();
    let before = traces(&mut superuser).await;

    let attacks = (0..CLIENTS).map(|share| {
        spawn(attack(
            operator.clone(),
            acme.id.clone(),
            umbrella.id.clone(),
            share,
        ))
    });
    let attacks: Vec<_> = attacks.collect();
    let mut all = Tally::default();
    for attack in attacks {
        let tally = attack.await.unwrap();
        all.planned += tally.planned;
        all.refused += tally.refused;
        all.busy += tally.busy;
        all.slowest = all.slowest.max(tally.slowest);
    }

    println!(
        "{} planned, {} refused, {} told to come back, the slowest answered in {:?}",
        all.planned, all.refused, all.busy, all.slowest
    );
    assert_eq!(all.planned + all.refused, STATEMENTS);
    // Some of what was altered is harmless, and it is those that the server was asked.
    assert!(all.planned > 100, "{}", all.planned);
    wait_until("the connections have ended", async || {
        let left = "SELECT count(*) FROM pg_stat_activity
                    WHERE datname = current_database() AND application_name = 'fairlead-planning'";
        let left: i64 = sqlx::query_scalar(left).fetch_one(&mut superuser).await.unwrap();
        left == 0
    })
    .await;
    assert_eq!(traces(&mut superuser).await, before);
    assert!(!std::path::Path::new("/tmp/planted").exists());
}

//! `droptrail ledger` as a program: what it prints, what it refuses, and that kill -9 loses nothing acknowledged.

#![allow(clippy::disallowed_methods, reason = "a test may read its own server's answers whole")]
#![cfg(feature = "ledger")]

use std::collections::BTreeSet;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

fn droptrail(arguments: &[&str], data: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_droptrail"));
    command.arg("ledger").args(arguments).arg("--data").arg(data).stdin(Stdio::null());
    command
}

fn run(arguments: &[&str], data: &Path) -> Output {
    droptrail(arguments, data).output().expect("it runs")
}

struct Running {
    child: Child,
    url: String,
}

impl Running {
    fn start(data: &Path, more: &[&str]) -> Running {
        let mut arguments = vec!["--listen", "127.0.0.1:0"];
        arguments.extend_from_slice(more);
        let mut child = droptrail(&arguments, data).stdout(Stdio::piped()).spawn().expect("it starts");
        let mut line = String::new();
        BufReader::new(child.stdout.take().expect("piped")).read_line(&mut line).expect("a line");
        let ready: Value = serde_json::from_str(&line).unwrap_or_else(|_| panic!("not JSON: {line:?}"));
        Running { child, url: ready["url"].as_str().expect("a url").to_owned() }
    }

    fn signal(&self, name: &str) {
        let sent = Command::new("kill").args([&format!("-{name}"), &self.child.id().to_string()]).status();
        assert!(sent.expect("kill runs").success());
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn add(data: &Path, name: &str) -> Value {
    let output = run(&["add-tenancy", name, "--json"], data);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).expect("one JSON object")
}

fn client() -> reqwest::Client {
    reqwest::Client::builder().no_proxy().build().expect("a client")
}

async fn token(client: &reqwest::Client, url: &str, tenancy: &Value) -> String {
    let form = [
        ("grant_type", "client_credentials"),
        ("client_id", tenancy["client_id"].as_str().expect("an id")),
        ("client_secret", tenancy["client_secret"].as_str().expect("a secret")),
    ];
    let request = client.post(format!("{url}/archivist/iam/v1/appidp/token")).form(&form);
    let answer: Value = request.send().await.expect("an answer").json().await.expect("JSON");
    answer["access_token"].as_str().expect("a token").to_owned()
}

#[tokio::test]
async fn a_tenancy_made_beside_a_running_ledger_is_usable_at_once_and_sigterm_ends_it_with_0() {
    let directory = tempfile::tempdir().expect("a directory");
    let data = directory.path().join("deep/data");
    let mut ledger = Running::start(&data, &[]);
    let tenancy = add(&data, "acme");
    let mut names: Vec<&String> = tenancy.as_object().expect("an object").keys().collect();
    names.sort();
    assert_eq!(names, ["client_id", "client_secret", "name", "tenant_identity"]);
    let client = client();
    let bearer = token(&client, &ledger.url, &tenancy).await;
    let list = client.get(format!("{}/archivist/v2/assets", ledger.url)).bearer_auth(&bearer);
    assert_eq!(list.send().await.expect("an answer").status(), 200);

    assert_eq!(run(&["add-tenancy", "acme"], &data).status.code(), Some(2));
    assert!(run(&["set-domain", "acme", "acme.example"], &data).status.success());
    assert_eq!(run(&["set-domain", "nobody", "acme.example"], &data).status.code(), Some(2));
    assert_eq!(run(&["set-domain", "acme", "not a domain"], &data).status.code(), Some(2));
    let listed = run(&["tenancies", "--json"], &data);
    let listed: Value = serde_json::from_slice(&listed.stdout).expect("one JSON line");
    assert_eq!((&listed["name"], &listed["verified_domain"]), (&json!("acme"), &json!("acme.example")));
    assert_eq!(listed.get("client_secret"), None);

    let second = run(&["--listen", "127.0.0.1:0"], &data);
    assert_eq!(second.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&second.stderr).contains("another ledger"));

    ledger.signal("TERM");
    let began = Instant::now();
    assert_eq!(ledger.child.wait().expect("it ends").code(), Some(0));
    assert!(began.elapsed() < Duration::from_secs(3));
}

#[test]
fn listening_elsewhere_than_on_loopback_without_tls_and_other_wrong_options_are_refused_with_2() {
    let directory = tempfile::tempdir().expect("a directory");
    let missing = directory.path().join("missing.pem").display().to_string();
    for (arguments, named) in [
        (vec!["--listen", "0.0.0.0:0"], "loopback"),
        (vec!["--listen", "[::]:0"], "loopback"),
        (vec!["--listen", "nonsense"], "--listen"),
        (vec!["--listen", "127.0.0.1:0", "--public-url", "ftp://x"], "--public-url"),
        (vec!["--listen", "127.0.0.1:0", "--tls-cert", &missing], "--tls-key"),
        (vec!["--listen", "0.0.0.0:0", "--tls-cert", &missing, "--tls-key", &missing], "missing.pem"),
        (vec![], "--listen"),
    ] {
        let output = run(&arguments, &directory.path().join("data"));
        let error = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {error}");
        assert!(error.contains(named), "{arguments:?}: {error}");
    }
}

#[tokio::test]
async fn the_fault_script_is_read_again_when_it_changes() {
    let directory = tempfile::tempdir().expect("a directory");
    let script = directory.path().join("faults.toml");
    std::fs::write(&script, "").expect("written");
    let ledger = Running::start(&directory.path().join("data"), &["--faults", &script.display().to_string()]);
    let client = client();
    let status = || async {
        let request = client.get(format!("{}/archivist/publicassets/-/events", ledger.url));
        request.send().await.expect("an answer").status().as_u16()
    };
    assert_eq!(status().await, 200);
    for (text, expected) in
        [("[[ledger]]\nfault = 'status'\nvalue = 500\n", 500), ("[[ledger]]\nfault = 'gone'\n", 404), ("", 200)]
    {
        std::fs::write(&script, text).expect("written");
        let began = Instant::now();
        while status().await != expected {
            assert!(began.elapsed() < Duration::from_secs(10), "{expected}");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }
    std::fs::write(&script, "[[ledger]]\nfolt = 1\n").expect("written");
    let output =
        run(&["--listen", "127.0.0.1:0", "--faults", &script.display().to_string()], &directory.path().join("other"));
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&output.stderr).contains("faults.toml"));
}

#[tokio::test]
async fn sigint_ends_it_within_three_seconds_even_while_a_request_is_being_served() {
    let directory = tempfile::tempdir().expect("a directory");
    let script = directory.path().join("faults.toml");
    std::fs::write(&script, "[[ledger]]\nfault = 'slow'\nvalue = 60\n").expect("written");
    let mut ledger = Running::start(&directory.path().join("data"), &["--faults", &script.display().to_string()]);
    let request = client().get(format!("{}/archivist/publicassets/-/events", ledger.url)).send();
    let request = tokio::spawn(request);
    tokio::time::sleep(Duration::from_millis(100)).await;
    ledger.signal("INT");
    let began = Instant::now();
    assert_eq!(ledger.child.wait().expect("it ends").code(), Some(0));
    assert!(began.elapsed() < Duration::from_secs(3));
    assert!(request.await.expect("no panic").is_err());
}

#[test]
fn a_database_that_is_none_is_a_persons_to_mend_and_is_left_as_it_is() {
    let directory = tempfile::tempdir().expect("a directory");
    let file = directory.path().join("ledger.db");
    std::fs::write(&file, "this is not a database, and long enough to be told from one".repeat(100)).expect("written");
    let before = std::fs::read(&file).expect("read");
    for arguments in [vec!["--listen", "127.0.0.1:0"], vec!["add-tenancy", "acme"]] {
        let output = run(&arguments, directory.path());
        assert_eq!(output.status.code(), Some(2), "{}", String::from_utf8_lossy(&output.stderr));
    }
    assert_eq!(std::fs::read(&file).expect("read"), before);
}

#[tokio::test]
async fn with_a_certificate_http_1_and_2_are_served_over_tls() {
    let directory = tempfile::tempdir().expect("a directory");
    // A certificate for localhost and 127.0.0.1 that is good for nothing else, and its key.
    let certificate = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/ledger_tls/cert.pem");
    let key = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/ledger_tls/key.pem");
    let ledger = Running::start(&directory.path().join("data"), &["--tls-cert", certificate, "--tls-key", key]);
    assert!(ledger.url.starts_with("https://127.0.0.1:"));
    let root = reqwest::Certificate::from_pem(&std::fs::read(certificate).expect("read")).expect("a certificate");
    let url = format!("{}/archivist/publicassets/-/events", ledger.url);
    let builder = || reqwest::Client::builder().no_proxy().tls_certs_only([root.clone()]);
    let two = builder().build().expect("a client").get(&url).send().await.expect("an answer");
    assert_eq!((two.status().as_u16(), two.version()), (200, reqwest::Version::HTTP_2));
    let one = builder().http1_only().build().expect("a client").get(&url).send().await.expect("an answer");
    assert_eq!((one.status().as_u16(), one.version()), (200, reqwest::Version::HTTP_11));
}

/// Eight clients create assets until the ledger is gone; gives the identities that were acknowledged.
async fn create_until_killed(url: &str, tenancy: &Value, kill: impl Fn(), after: usize) -> BTreeSet<String> {
    let client = client();
    let bearer = token(&client, url, tenancy).await;
    let acknowledged = Arc::new(AtomicUsize::new(0));
    let tasks: Vec<_> = (0..8)
        .map(|task| {
            let (client, bearer, acknowledged) = (client.clone(), bearer.clone(), Arc::clone(&acknowledged));
            let url = format!("{url}/archivist/v2/assets");
            tokio::spawn(async move {
                let mut made = BTreeSet::new();
                for n in 0.. {
                    let body = json!({"public": true, "attributes": {"task": task.to_string(), "n": n.to_string()}});
                    let Ok(answer) = client.post(&url).bearer_auth(&bearer).body(body.to_string()).send().await else {
                        break;
                    };
                    assert_eq!(answer.status(), 200);
                    let Ok(asset) = answer.json::<Value>().await else { break };
                    made.insert(asset["identity"].as_str().expect("an identity").to_owned());
                    acknowledged.fetch_add(1, Ordering::SeqCst);
                }
                made
            })
        })
        .collect();
    while acknowledged.load(Ordering::SeqCst) < after {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    kill();
    let mut all = BTreeSet::new();
    for task in tasks {
        all.extend(task.await.expect("no panic"));
    }
    all
}

#[tokio::test]
async fn kill_9_loses_nothing_acknowledged_and_leaves_no_gap_in_the_commit_sequence() {
    let directory = tempfile::tempdir().expect("a directory");
    let data: PathBuf = directory.path().join("data");
    let tenancy = add(&data, "acme");
    let mut acknowledged = BTreeSet::new();
    for round in 1..=3 {
        let ledger = Running::start(&data, &[]);
        let made = create_until_killed(&ledger.url, &tenancy, || ledger.signal("KILL"), round * 40).await;
        assert!(made.len() >= round * 40);
        acknowledged.extend(made);
    }
    let ledger = Running::start(&data, &[]);
    let client = client();
    let bearer = token(&client, &ledger.url, &tenancy).await;
    let mut listed = BTreeSet::new();
    let mut page = String::new();
    loop {
        let url = format!("{}/archivist/v2/assets?page_size=100&page_token={page}", ledger.url);
        let answer: Value =
            client.get(url).bearer_auth(&bearer).send().await.expect("an answer").json().await.expect("JSON");
        let assets = answer["assets"].as_array().expect("assets");
        listed.extend(assets.iter().map(|asset| asset["identity"].as_str().expect("an identity").to_owned()));
        page = answer["next_page_token"].as_str().expect("a token").to_owned();
        if page.is_empty() {
            break;
        }
    }
    assert!(acknowledged.is_subset(&listed), "{:?}", acknowledged.difference(&listed).collect::<Vec<_>>());
    // What was asked for but not acknowledged may be there; more than one such per client and round may not.
    assert!(listed.len() - acknowledged.len() <= 3 * 8);

    let database = rusqlite::Connection::open(data.join("ledger.db")).expect("the database");
    let began = Instant::now();
    let open = "SELECT count(*) FROM events WHERE status <> 2";
    while database.query_row(open, [], |row| row.get::<_, i64>(0)).expect("a count") > 0 {
        assert!(began.elapsed() < Duration::from_secs(20), "all is confirmed in the end");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let sql = "SELECT count(*), min(seq), max(seq), count(DISTINCT idtimestamp) FROM leaves";
    let row: rusqlite::Result<[i64; 4]> =
        database.query_row(sql, [], |row| Ok([row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?]));
    let leaves = i64::try_from(listed.len()).expect("few");
    assert_eq!(row.expect("a row"), [leaves, 0, leaves - 1, leaves]);
    let check: String = database.query_row("PRAGMA integrity_check", [], |row| row.get(0)).expect("an answer");
    assert_eq!(check, "ok");
}

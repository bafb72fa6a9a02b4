//! The built command: what it prints, what it obeys, how it ends.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

struct Running {
    child: Child,
    ready: Value,
}

fn command(folder: &Path, listen: &str) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_droptrail"));
    command.arg("sandbox").arg("--folder").arg(folder).args(["--listen", listen]);
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

fn start(folder: &Path, state: &Path, more: &[&str]) -> Running {
    let mut child = command(folder, "127.0.0.1:0").arg("--state").arg(state).args(more).spawn().unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
    let ready = serde_json::from_str(&line).unwrap_or_else(|_| panic!("not a JSON line: {line:?}"));
    Running { child, ready }
}

impl Running {
    fn url(&self) -> &str {
        self.ready["dropbox"]["api_url"].as_str().unwrap()
    }

    fn stop(&mut self) {
        let began = Instant::now();
        let id = rustix::process::Pid::from_child(&self.child);
        rustix::process::kill_process(id, rustix::process::Signal::TERM).unwrap();
        assert_eq!(self.child.wait().unwrap().code(), Some(0));
        assert!(began.elapsed() < Duration::from_secs(2), "{:?}", began.elapsed());
    }

    async fn sign_in(&self, http: &reqwest::Client) -> String {
        let text = |key: &str| self.ready["dropbox"][key].as_str().unwrap();
        let form =
            [("grant_type", "refresh_token"), ("refresh_token", text("refresh_token")), ("client_id", text("app_key"))];
        let response = http.post(format!("{}/oauth2/token", self.url())).form(&form).send().await.unwrap();
        response.json::<Value>().await.unwrap()["access_token"].as_str().unwrap().to_owned()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[tokio::test]
async fn the_command_serves_both_services_obeys_its_fault_file_and_goes_on_after_a_restart() {
    let (folder, place) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    fs::write(folder.path().join("a.txt"), "one").unwrap();
    let (state, faults, log) = (place.path().join("state"), place.path().join("faults"), place.path().join("log"));
    fs::write(&faults, "").unwrap();
    let options = ["--faults", faults.to_str().unwrap(), "--log", log.to_str().unwrap(), "--expires-in", "77"];
    let mut running = start(folder.path(), &state, &options);
    let http = reqwest::Client::builder().no_proxy().build().unwrap();

    let token = running.sign_in(&http).await;
    let list = || {
        let request = http.post(format!("{}/2/files/list_folder", running.url())).bearer_auth(&token);
        request.json(&json!({"path": "", "recursive": true})).send()
    };
    let page: Value = list().await.unwrap().json().await.unwrap();
    assert_eq!(page["entries"][0]["path_lower"], "/a.txt");
    let ledger = &running.ready["ledger"];
    let form = [
        ("grant_type", "client_credentials"),
        ("client_id", ledger["client_id"].as_str().unwrap()),
        ("client_secret", ledger["client_secret"].as_str().unwrap()),
    ];
    let address = format!("{}/archivist/iam/v1/appidp/token", ledger["url"].as_str().unwrap());
    let response = http.post(&address).form(&form).send().await.unwrap();
    assert_eq!(response.status(), 200);
    let foreign = http.post(&address).header("Host", "evil.example").form(&form).send().await.unwrap();
    assert_eq!(foreign.status(), 403);

    fs::write(&faults, "[[dropbox]]\nfault = 'status'\nvalue = 502").unwrap();
    let began = Instant::now();
    while list().await.unwrap().status() != 502 {
        assert!(began.elapsed() < Duration::from_secs(10));
        tokio::time::sleep(Duration::from_millis(30)).await;
    }

    let config = Path::new(running.ready["config"].as_str().unwrap()).to_owned();
    let read: toml::Table = fs::read_to_string(&config).unwrap().parse().unwrap();
    assert_eq!(read["dropbox"]["api_url"].as_str().unwrap(), running.url());
    assert_eq!(read["link"][0]["folder"].as_str(), Some("/"));
    let own = Path::new(read["state_dir"].as_str().unwrap());
    let secret = Path::new(read["tenancy"][0]["client_secret_file"].as_str().unwrap());
    for (file, content) in [
        (own.join("dropbox.token").as_path(), &running.ready["dropbox"]["refresh_token"]),
        (secret, &running.ready["ledger"]["client_secret"]),
    ] {
        assert_eq!(fs::metadata(file).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(fs::read_to_string(file).unwrap().trim(), content.as_str().unwrap());
    }

    let lines: Vec<Value> =
        fs::read_to_string(&log).unwrap().lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let listed = lines.iter().find(|line| line["path"] == "/2/files/list_folder").unwrap();
    assert_eq!((&listed["status"], &listed["headers"]["authorization"]), (&json!(200), &json!("Bearer …")));
    assert!(listed["body"].as_str().unwrap().contains("recursive"));
    assert!(lines.iter().any(|line| line["server"] == "ledger" && line["status"] == 200));
    assert!(!fs::read_to_string(&log).unwrap().contains(&token));

    running.stop();
    let mut again = start(folder.path(), &state, &[]);
    for key in ["app_key", "refresh_token"] {
        assert_eq!(again.ready["dropbox"][key], running.ready["dropbox"][key]);
    }
    for key in ["client_id", "client_secret"] {
        assert_eq!(again.ready["ledger"][key], running.ready["ledger"][key]);
    }
    let request = http.post(format!("{}/2/files/list_folder/continue", again.url()));
    let request = request.bearer_auth(again.sign_in(&http).await).json(&json!({"cursor": page["cursor"]}));
    let page: Value = request.send().await.unwrap().json().await.unwrap();
    assert_eq!(page["entries"], json!([]));
    again.stop();
}

#[tokio::test]
async fn a_longpoll_does_not_delay_the_end() {
    let (folder, place) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let mut running = start(folder.path(), &place.path().join("state"), &[]);
    let http = reqwest::Client::builder().no_proxy().build().unwrap();
    let token = running.sign_in(&http).await;
    let request = http.post(format!("{}/2/files/list_folder", running.url())).bearer_auth(&token);
    let page: Value = request.json(&json!({"path": ""})).send().await.unwrap().json().await.unwrap();
    let request = http.post(format!("{}/2/files/list_folder/longpoll", running.url()));
    let poll = tokio::spawn(request.json(&json!({"cursor": page["cursor"], "timeout": 30})).send());
    tokio::time::sleep(Duration::from_millis(200)).await;
    assert!(!poll.is_finished());
    running.stop();
    assert!(poll.await.unwrap().is_err());
}

#[test]
fn only_loopback_addresses_real_folders_and_readable_scripts_are_taken() {
    let folder = tempfile::tempdir().unwrap();
    let missing = folder.path().join("missing");
    let script = folder.path().join("script");
    fs::write(&script, "[[dropbox]]\nfualt = 'x'").unwrap();
    let cases = [
        (folder.path(), "0.0.0.0:0", None, "loopback"),
        (missing.as_path(), "127.0.0.1:0", None, "not a directory"),
        (folder.path(), "127.0.0.1:0", Some(script.to_str().unwrap()), "line 2"),
    ];
    for (folder, listen, script, text) in cases {
        let mut command = command(folder, listen);
        if let Some(script) = script {
            command.args(["--faults", script]);
        }
        let output = command.output().unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{said}");
        assert!(said.contains(text), "{said}");
        assert!(output.stdout.is_empty());
    }
}

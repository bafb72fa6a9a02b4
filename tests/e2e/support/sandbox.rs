//! The simulated Dropbox and its ledger: `droptrail sandbox`, as one process.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{BufRead as _, BufReader};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use rustix::process::Signal;
use serde_json::Value;

use super::database::Database;
use super::ledger::{self, LedgerView};
use super::process::{Process, droptrail, holds_within, run};

/// A path that no client asks for; the harness learns from it which fault script is in force.
const PROBE: &str = "/archivist/v1/caps";

#[derive(Debug)]
pub struct Sandbox {
    process: Option<Process>,
    folder: PathBuf,
    state: PathBuf,
    faults: PathBuf,
    requests: PathBuf,
    /// Arguments besides those that every sandbox gets.
    more: Vec<String>,
    scripts: u16,
    /// What it printed when it was ready.
    pub ready: Value,
}

impl Sandbox {
    pub fn start(folder: &Path, dir: &Path, more: &[&str]) -> Sandbox {
        let mut sandbox = Sandbox {
            process: None,
            folder: folder.to_owned(),
            state: dir.join("sandbox"),
            faults: dir.join("faults.toml"),
            requests: dir.join("requests.jsonl"),
            more: more.iter().map(ToString::to_string).collect(),
            scripts: 0,
            ready: Value::Null,
        };
        fs::write(&sandbox.faults, "").unwrap();
        sandbox.open("127.0.0.1:0");
        sandbox
    }

    fn open(&mut self, listen: &str) {
        let errors = File::options().append(true).create(true).open(self.log()).unwrap();
        let mut command = droptrail();
        command.arg("sandbox").arg("--listen").arg(listen).arg("--folder").arg(&self.folder);
        command.arg("--state").arg(&self.state).arg("--faults").arg(&self.faults).arg("--log").arg(&self.requests);
        let mut child = command.args(&self.more).stdout(Stdio::piped()).stderr(errors).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        self.process = Some(Process::new(child));
        self.ready = serde_json::from_str(&line)
            .unwrap_or_else(|_| panic!("not ready: {}", fs::read_to_string(self.log()).unwrap_or_default()));
    }

    /// Ends it, both Dropbox and ledger; [`Sandbox::go_on`] brings it back with the same state at the same address.
    pub fn away(&mut self) {
        if let Some(mut process) = self.process.take() {
            process.signal(Signal::TERM);
            assert!(process.wait(Duration::from_secs(20)).is_some(), "the sandbox ends");
        }
    }

    pub fn go_on(&mut self) {
        let address = self.url().trim_start_matches("http://").to_owned();
        self.open(&address);
    }

    /// Its standard error.
    pub fn log(&self) -> PathBuf {
        self.state.with_extension("log")
    }

    /// Base URL of Dropbox and of the ledger.
    pub fn url(&self) -> &str {
        self.ready["ledger"]["url"].as_str().unwrap()
    }

    fn ledger_data(&self) -> PathBuf {
        self.state.join("ledger")
    }

    pub fn ledger(&self) -> LedgerView {
        LedgerView::new(Database::new(&self.ledger_data().join("ledger.db")), self.url())
    }

    /// Whether the simulated Dropbox has something at a path in lower case now.
    pub fn has(&self, path_lower: &str) -> bool {
        let store = Database::new(&self.state.join("dropbox").join("sandbox.db"));
        store.number("SELECT count(*) FROM entry WHERE path_lower = ?1 AND died = ?2", &[&path_lower, &i64::MAX])
            > Some(0)
    }

    /// Whether the simulated Dropbox shows the folder exactly as it is. (It is told by the file system's events, of which the
    /// system may lose one, as when a folder moves into a new one; then it looks by itself after some seconds.)
    pub fn follows(&self) -> bool {
        let store = Database::new(&self.state.join("dropbox").join("sandbox.db"));
        let sql = "SELECT path_display, inode, CASE WHEN kind = 0 THEN 0 ELSE mtime END, CASE WHEN kind = 0 THEN 0 ELSE ctime END
                   FROM entry WHERE died = ?1";
        let known = store.rows(sql, &[&i64::MAX], |row| {
            let number = |n: usize| row.get::<_, i64>(n).unwrap();
            (row.get::<_, String>(0).unwrap(), [number(1), number(2), number(3)])
        });
        let known: BTreeMap<String, [i64; 3]> = known.into_iter().collect();
        let mut there = BTreeMap::new();
        walk(&self.folder, "", &mut there);
        known == there
    }

    /// Makes a tenancy of the ledger; gives its client id and secret.
    pub fn add_tenancy(&self, name: &str) -> (String, String) {
        let data = self.ledger_data();
        let output = run(&["ledger", "add-tenancy", name, "--data", data.to_str().unwrap(), "--json"]);
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let made: Value = serde_json::from_slice(&output.stdout).unwrap();
        let text = |name: &str| made[name].as_str().unwrap().to_owned();
        (text("client_id"), text("client_secret"))
    }

    /// Puts a fault script in force, and waits until it is.
    pub fn faults(&mut self, script: &str) {
        self.scripts += 1;
        let status = 450 + self.scripts % 50;
        // First, so that it is the rule that strikes the probe.
        let probe = format!("[[ledger]]\nfault = 'status'\non = 'GET {PROBE}'\nvalue = {status}\n");
        let (top, rules) = match script.find("[[") {
            Some(at) => script.split_at(at),
            None => (script, ""),
        };
        let new = self.faults.with_extension("new");
        fs::write(&new, format!("{top}\n{probe}\n{rules}")).unwrap();
        fs::rename(&new, &self.faults).unwrap();
        let in_force = holds_within(Duration::from_secs(20), || ledger::get(self.url(), PROBE).0 == status);
        assert!(in_force, "the fault script is not taken: {}", fs::read_to_string(self.log()).unwrap_or_default());
    }

    /// The requests so far, one object each, in the order in which they were answered: see the sandbox's `--log`.
    pub fn requests(&self) -> Vec<Value> {
        let text = fs::read_to_string(&self.requests).unwrap_or_default();
        let lines = text.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
        lines.filter(|line| line["path"] != PROBE).collect()
    }

    /// How many requests there were whose path contains `part`.
    pub fn count(&self, part: &str) -> usize {
        self.requests().iter().filter(|line| line["path"].as_str().is_some_and(|path| path.contains(part))).count()
    }
}

/// Everything below a folder: inode and, but for folders, the times of the last write and change.
fn walk(folder: &Path, below: &str, found: &mut BTreeMap<String, [i64; 3]>) {
    for item in fs::read_dir(folder).unwrap().map(Result::unwrap) {
        let path = format!("{below}/{}", item.file_name().to_string_lossy());
        let data = item.metadata().unwrap();
        let nanos = |seconds: i64, nanos: i64| if data.is_dir() { 0 } else { seconds * 1_000_000_000 + nanos };
        let times = [nanos(data.mtime(), data.mtime_nsec()), nanos(data.ctime(), data.ctime_nsec())];
        if data.is_dir() {
            walk(&item.path(), &path, found);
        }
        found.insert(path, [data.ino().cast_signed(), times[0], times[1]]);
    }
}

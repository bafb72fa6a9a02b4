//! What the tests of reliability, secrecy and manners need besides: longer waits, seeds, requests by service, readers of
//! `/proc`, and a service manager's socket.

use std::os::unix::net::UnixDatagram;
use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant, SystemTime};

use rand::SeedableRng as _;
use rand::rngs::StdRng;
use serde_json::Value;

use super::process::{Process, droptrail, holds_within};
use super::stage::Stage;

/// For what takes long on a busy machine.
pub const LONG: Duration = Duration::from_secs(240);

/// Waits longer than [`Stage::wait_until`] does.
pub fn wait_long(stage: &Stage, what: &str, condition: impl FnMut() -> bool) {
    assert!(holds_within(LONG, condition), "never came: {what}{}", stage.scene());
}

/// Watches for as long as `during` that something keeps being so: for what must *not* happen.
pub fn stays_so(stage: &Stage, during: Duration, what: &str, mut condition: impl FnMut() -> bool) {
    let broken = holds_within(during, || !condition());
    assert!(!broken, "did not stay so: {what}{}", stage.scene());
}

/// For whoever reads the output of a test.
#[allow(clippy::print_stdout)]
pub fn note(text: &str) {
    println!("{text}");
}

/// Random choices from a printed seed; `DROPTRAIL_SEED` repeats a run.
pub fn random() -> StdRng {
    let given = std::env::var("DROPTRAIL_SEED").ok().and_then(|seed| seed.parse().ok());
    let clock = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().subsec_nanos();
    let seed: u64 = given.unwrap_or_else(|| clock.into());
    note(&format!("DROPTRAIL_SEED={seed}"));
    StdRng::seed_from_u64(seed)
}

/// A `[[ledger]]` rule of a fault script.
pub fn ledger_rule(fault: &str, rest: &str) -> String {
    format!("[[ledger]]\nfault = '{fault}'\n{rest}\n")
}

/// A `[[dropbox]]` rule of a fault script.
pub fn dropbox_rule(fault: &str, rest: &str) -> String {
    format!("[[dropbox]]\nfault = '{fault}'\n{rest}\n")
}

/// One request as the services logged it.
#[derive(Debug, Clone)]
pub struct Asked {
    /// `dropbox` or `ledger`.
    pub server: String,
    pub method: String,
    pub path: String,
    pub body: String,
    pub headers: Value,
    pub status: Option<u64>,
    /// Milliseconds since the services started: when it came, and when it was answered.
    pub from: u64,
    pub to: u64,
}

impl Asked {
    pub fn is_listing(&self) -> bool {
        self.path == "/2/files/list_folder" || self.path == "/2/files/list_folder/continue"
    }

    pub fn is_longpoll(&self) -> bool {
        self.path == "/2/files/list_folder/longpoll"
    }
}

/// All requests so far that were answered (or given up), by the time at which they came.
pub fn asked(stage: &Stage) -> Vec<Asked> {
    let text = |line: &Value, name: &str| line[name].as_str().unwrap_or_default().to_owned();
    let mut all: Vec<Asked> = stage
        .sandbox
        .requests()
        .iter()
        .map(|line| Asked {
            server: text(line, "server"),
            method: text(line, "method"),
            path: text(line, "path"),
            body: text(line, "body"),
            headers: line["headers"].clone(),
            status: line["status"].as_u64(),
            from: line["ms"].as_u64().unwrap(),
            to: line["ms"].as_u64().unwrap() + line["duration_ms"].as_u64().unwrap(),
        })
        .collect();
    all.sort_by_key(|asked| asked.from);
    all
}

/// Posts that create an asset or an event.
pub fn creations(stage: &Stage) -> usize {
    asked(stage).iter().filter(|asked| asked.method == "POST" && asked.path.starts_with("/archivist/v2/assets")).count()
}

/// The most memory that a process has had resident, KiB (`VmHWM`).
pub fn peak_kib(process: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).expect("VmHWM");
    line.trim().trim_end_matches(" kB").parse().unwrap()
}

/// A daemon under a service manager that is this test.
pub struct Managed {
    pub process: Process,
    socket: UnixDatagram,
    told: Vec<String>,
}

impl Managed {
    pub fn start(config: &Path, dir: &Path, log: &Path) -> Managed {
        let path = dir.join("notify");
        let _ = std::fs::remove_file(&path);
        let socket = UnixDatagram::bind(&path).unwrap();
        socket.set_nonblocking(true).unwrap();
        let errors = std::fs::File::options().append(true).create(true).open(log).unwrap();
        let mut command = droptrail();
        command.arg("run").arg("--config").arg(config).env("NOTIFY_SOCKET", &path);
        let child = command.stdout(Stdio::null()).stderr(errors).spawn().unwrap();
        Managed { process: Process::new(child), socket, told: Vec::new() }
    }

    /// Every line that the manager was told so far.
    pub fn told(&mut self) -> &[String] {
        let mut bytes = [0; 8192];
        while let Ok(n) = self.socket.recv(&mut bytes) {
            self.told.extend(String::from_utf8_lossy(&bytes[..n]).lines().map(str::to_owned));
        }
        &self.told
    }

    pub fn count(&mut self, line: &str) -> usize {
        self.told().iter().filter(|told| *told == line).count()
    }
}

/// How long something takes.
pub fn timed<T>(work: impl FnOnce() -> T) -> (T, Duration) {
    let began = Instant::now();
    let done = work();
    (done, began.elapsed())
}

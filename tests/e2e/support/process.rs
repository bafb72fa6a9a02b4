//! Processes that the tests start, and waiting for what they do. Ends only what it started.

use std::path::Path;
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::time::{Duration, Instant};

/// Until anything that is awaited must have happened: far longer than it takes on a busy machine.
pub const DEADLINE: Duration = Duration::from_secs(60);
/// How often it is looked whether it has.
const LOOK: Duration = Duration::from_millis(25);

/// The built binary.
pub fn droptrail() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_droptrail"));
    for variable in ["STATE_DIRECTORY", "CREDENTIALS_DIRECTORY", "NOTIFY_SOCKET", "JOURNAL_STREAM", "RUST_LOG"] {
        command.env_remove(variable);
    }
    command.stdin(Stdio::null());
    command
}

/// Whether `condition` became true before the deadline.
pub fn holds_within(deadline: Duration, mut condition: impl FnMut() -> bool) -> bool {
    let began = Instant::now();
    loop {
        if condition() {
            return true;
        }
        if began.elapsed() > deadline {
            return false;
        }
        std::thread::sleep(LOOK);
    }
}

/// Runs a command of the binary to its end.
pub fn run(arguments: &[&str]) -> Output {
    let child = droptrail().args(arguments).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    child.wait_with_output().unwrap()
}

/// The last lines of a file.
pub fn tail(path: &Path, lines: usize) -> String {
    let text = String::from_utf8_lossy(&std::fs::read(path).unwrap_or_default()).into_owned();
    let all: Vec<&str> = text.lines().collect();
    all[all.len().saturating_sub(lines)..].join("\n")
}

/// A child that ends when this is dropped.
#[derive(Debug)]
pub struct Process(Option<Child>);

impl Process {
    pub fn new(child: Child) -> Process {
        Process(Some(child))
    }

    pub fn id(&self) -> u32 {
        self.0.as_ref().map_or(0, Child::id)
    }

    pub fn signal(&self, signal: rustix::process::Signal) {
        let id = i32::try_from(self.id()).ok().and_then(rustix::process::Pid::from_raw).expect("a process");
        rustix::process::kill_process(id, signal).unwrap();
    }

    /// Its exit status, if it has ended.
    pub fn ended(&mut self) -> Option<ExitStatus> {
        self.0.as_mut().and_then(|child| child.try_wait().unwrap())
    }

    /// Waits for it to end by itself; `None` if it did not within `deadline`.
    pub fn wait(&mut self, deadline: Duration) -> Option<ExitStatus> {
        let mut status = None;
        holds_within(deadline, || {
            status = self.ended();
            status.is_some()
        });
        status
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if let Some(mut child) = self.0.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

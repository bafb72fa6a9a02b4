//! A daemon: `droptrail run`, with its log in a file.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use rustix::process::Signal;

use super::process::{Process, droptrail};

#[derive(Debug)]
pub struct Daemon {
    process: Process,
    /// Its standard error.
    pub log: PathBuf,
}

impl Daemon {
    /// Starts it; the log is appended to.
    pub fn start(config: &Path, log: &Path) -> Daemon {
        let errors = File::options().append(true).create(true).open(log).unwrap();
        let mut command = droptrail();
        command.arg("run").arg("--config").arg(config).stdout(Stdio::null()).stderr(errors);
        Daemon { process: Process::new(command.spawn().unwrap()), log: log.to_owned() }
    }

    pub fn id(&self) -> u32 {
        self.process.id()
    }

    /// SIGTERM, and waits for the end.
    pub fn stop(mut self) -> ExitStatus {
        self.process.signal(Signal::TERM);
        self.wait(Duration::from_secs(20))
    }

    /// SIGKILL, and waits for the end.
    pub fn kill(mut self) {
        self.process.signal(Signal::KILL);
        self.wait(Duration::from_secs(20));
    }

    /// SIGHUP: read the configuration again.
    pub fn hup(&self) {
        self.process.signal(Signal::HUP);
    }

    pub fn signal(&self, signal: Signal) {
        self.process.signal(signal);
    }

    /// Its exit status, if it has ended.
    pub fn ended(&mut self) -> Option<ExitStatus> {
        self.process.ended()
    }

    /// Waits for it to end by itself.
    pub fn wait(&mut self, deadline: Duration) -> ExitStatus {
        let status = self.process.wait(deadline);
        status.unwrap_or_else(|| panic!("the daemon did not end within {deadline:?}; its log:\n{}", self.text()))
    }

    /// Everything that it (and those before it with the same log) has logged.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&fs::read(&self.log).unwrap_or_default()).into_owned()
    }
}

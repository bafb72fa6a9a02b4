//! `droptrail run`: the daemon in the foreground, as systemd wants it.

use std::process::ExitCode;

use futures_util::StreamExt as _;
use signal_hook::consts::signal::{SIGHUP, SIGINT, SIGTERM, SIGUSR1};
use tokio::sync::mpsc;

use super::{Failure, Global};
use crate::config::{self, Config, Environment};
use crate::daemon::{self, LockError, Options, Signal};
use crate::observe;
use crate::store::OpenError;

/// Options of `run`.
#[derive(Debug, clap::Args)]
pub struct Args {}

/// Runs the daemon until SIGTERM or SIGINT.
///
/// # Errors
/// 2: the configuration, a secret or the database needs a person. 1: another daemon holds the state, or the disk does
/// not take it now.
pub fn run(_args: Args, global: &Global) -> Result<ExitCode, Failure> {
    let config = config::load(&global.config)?;
    let environment = Environment::from_process();
    secrets(&config, &environment)?;
    prepare(&config)?;
    observe::start(&config.log);
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::transient(format!("cannot start: {error}")))?;
    let file = global.config.clone();
    runtime.block_on(async {
        let options = Options {
            signals: signals().map_err(|error| Failure::transient(format!("cannot take signals: {error}")))?,
            reload: Box::new(move || config::load(&file)),
            environment,
            notices: None,
        };
        daemon::run(config, options).await.map_err(explain)
    })?;
    runtime.shutdown_timeout(std::time::Duration::from_millis(300));
    Ok(ExitCode::SUCCESS)
}

/// A secret that is there but cannot be used is a configuration error. A missing refresh token is not: the daemon waits
/// for `connect`.
fn secrets(config: &Config, environment: &Environment) -> Result<(), Failure> {
    for tenancy in &config.tenancies {
        config::read_secret(&tenancy.client_secret_file, environment)?;
    }
    if let Some(file) = &config.dropbox.app_secret_file {
        config::read_secret(file, environment)?;
    }
    if config.dropbox.refresh_token_file.exists() {
        config::read_secret(&config.dropbox.refresh_token_file, environment)?;
    }
    Ok(())
}

/// The state directory, made where it is missing, readable by its owner only.
fn prepare(config: &Config) -> Result<(), Failure> {
    use std::os::unix::fs::DirBuilderExt as _;
    let dir = &config.state_dir;
    let made = match std::fs::metadata(dir) {
        Ok(found) if !found.is_dir() => {
            return Err(Failure::person(format!("{}: state_dir is not a directory", dir.display())));
        }
        Ok(_) => return Ok(()),
        Err(_) => std::fs::DirBuilder::new().recursive(true).mode(0o700).create(dir),
    };
    made.map_err(|error| {
        Failure::person(format!("{}: state_dir cannot be made: {}", dir.display(), error.kind()))
            .hint("make it, owned by the user that runs droptrail, or set state_dir to another place")
    })
}

/// TERM, INT, HUP and USR1 as one stream.
pub(super) fn signals() -> std::io::Result<mpsc::Receiver<Signal>> {
    let mut arriving = signal_hook_tokio::Signals::new([SIGTERM, SIGINT, SIGHUP, SIGUSR1])?;
    let (sender, receiver) = mpsc::channel(16);
    tokio::spawn(async move {
        while let Some(signal) = arriving.next().await {
            let signal = match signal {
                SIGHUP => Signal::Reload,
                SIGUSR1 => Signal::Summary,
                _ => Signal::Stop,
            };
            if sender.send(signal).await.is_err() {
                return;
            }
        }
    });
    Ok(receiver)
}

/// What a person is to do about a run that ended.
pub(super) fn explain(failure: daemon::Failure) -> Failure {
    let message = failure.to_string();
    match failure {
        daemon::Failure::Lock(LockError::Held { .. }) => {
            Failure::transient(message).hint("stop the other one first, or give this one its own state_dir")
        }
        daemon::Failure::Lock(LockError::Io(..)) => {
            Failure::person(message).hint("state_dir must be writable by the user that runs droptrail")
        }
        daemon::Failure::Open(OpenError::Unusable(..)) => {
            Failure::transient(message).hint("is the disk full, or does the file belong to another user?")
        }
        daemon::Failure::Open(OpenError::Newer(..)) => {
            Failure::person(message).hint("install the newer droptrail again")
        }
        daemon::Failure::Open(OpenError::Foreign(_) | OpenError::Damaged(..)) => Failure::person(message)
            .hint("put back a backup; do not delete it: an empty database would publish everything again"),
        daemon::Failure::Foreign { .. } => Failure::person(message)
            .hint("connect the account that the database belongs to, or give the other one its own state_dir"),
        daemon::Failure::Store(_) => Failure::transient(message),
    }
}

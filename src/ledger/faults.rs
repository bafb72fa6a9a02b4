//! The fault script of the embedded ledger and the sandbox: which fault strikes which request, and when. Read from TOML,
//! changeable while the servers run. Touches nothing but its own state; without a script nothing ever strikes.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use rand::rngs::StdRng;
use rand::{Rng as _, SeedableRng as _};
use serde::Deserialize;
use tokio_util::sync::CancellationToken;

use super::Error;

/// A fault script: `seed`, then any number of `[[dropbox]]` and `[[ledger]]` rules.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct File {
    /// Seed of every random choice; 0 when left out.
    #[serde(default)]
    pub seed: u64,
    /// Rules of the simulated Dropbox.
    #[serde(default)]
    pub dropbox: Vec<Rule>,
    /// Rules of the ledger.
    #[serde(default)]
    pub ledger: Vec<Rule>,
}

/// One rule: a fault, where it strikes, and when.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rule {
    /// The fault's name.
    pub fault: String,
    /// Strikes only requests whose label contains this text; all when left out.
    pub on: Option<String>,
    /// Lets this many matching requests pass first.
    #[serde(default)]
    pub after: u64,
    /// Strikes at most this often; for ever when left out.
    pub times: Option<u64>,
    /// Strikes each n-th matching request.
    #[serde(default = "one")]
    pub every: u64,
    /// Strikes with this probability, 0 to 1.
    #[serde(default = "certain")]
    pub probability: f64,
    /// The fault's number: seconds, bytes, a status, …
    pub value: Option<f64>,
    /// The fault's text: a path, a body, …
    pub text: Option<String>,
}

fn one() -> u64 {
    1
}

fn certain() -> f64 {
    1.0
}

/// A strike: the parameters of the rule that struck.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Strike {
    /// [`Rule::value`].
    pub value: Option<f64>,
    /// [`Rule::text`].
    pub text: Option<String>,
}

#[derive(Debug)]
struct Armed {
    rule: Rule,
    seen: u64,
    struck: u64,
}

#[derive(Debug)]
struct State {
    rules: Vec<Armed>,
    random: StdRng,
}

/// The rules of one server, shared by all of its requests.
#[derive(Debug, Clone)]
pub struct Script(Arc<Mutex<State>>);

impl Default for Script {
    fn default() -> Self {
        Script(Arc::new(Mutex::new(State { rules: Vec::new(), random: StdRng::seed_from_u64(0) })))
    }
}

impl Script {
    /// Replaces the rules; counts begin anew.
    pub fn load(&self, seed: u64, rules: Vec<Rule>) {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        state.rules = rules.into_iter().map(|rule| Armed { rule, seen: 0, struck: 0 }).collect();
        state.random = StdRng::seed_from_u64(seed);
    }

    /// Whether `fault` strikes the request labelled `label` (as `POST /archivist/v2/assets` or
    /// `files/list_folder/continue`). Each call counts as one matching request.
    pub fn strike(&self, fault: &str, label: &str) -> Option<Strike> {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let State { rules, random } = &mut *state;
        for armed in rules.iter_mut().filter(|armed| armed.rule.fault == fault) {
            if armed.rule.on.as_deref().is_some_and(|on| !label.contains(on)) {
                continue;
            }
            armed.seen += 1;
            let nth = armed.seen.saturating_sub(armed.rule.after);
            let due = armed.seen > armed.rule.after && nth.is_multiple_of(armed.rule.every.max(1));
            let spent = armed.rule.times.is_some_and(|times| armed.struck >= times);
            if due && !spent && random.random_bool(armed.rule.probability.clamp(0.0, 1.0)) {
                armed.struck += 1;
                return Some(Strike { value: armed.rule.value, text: armed.rule.text.clone() });
            }
        }
        None
    }
}

/// Reads a fault script.
///
/// # Errors
/// If the file cannot be read or is not a fault script; the message names the line.
pub fn read(path: &Path) -> Result<File, Error> {
    let text = std::fs::read_to_string(path).map_err(Error::io("read the fault script", path))?;
    toml::from_str(&text).map_err(|error| Error::Script(format!("{} is not a fault script: {error}", path.display())))
}

/// A fault script's file, watched for changes.
#[derive(Debug)]
pub struct Watch {
    path: PathBuf,
    seen: Option<(SystemTime, u64)>,
}

impl Watch {
    /// Reads the file, and remembers which state of it was read.
    ///
    /// # Errors
    /// As [`read`].
    pub fn open(path: impl Into<PathBuf>) -> Result<(Watch, File), Error> {
        let path = path.into();
        let seen = stamp(&path);
        let file = read(&path)?;
        Ok((Watch { path, seen }, file))
    }

    /// Gives the file to `load` each time that it has changed (looked at every 100 ms), until cancelled. A file that is gone
    /// or malformed leaves the rules as they are, and is logged.
    pub async fn run(mut self, load: impl Fn(File), end: CancellationToken) {
        loop {
            tokio::select! {
                () = end.cancelled() => return,
                () = tokio::time::sleep(Duration::from_millis(100)) => {}
            }
            let now = stamp(&self.path);
            if now != self.seen {
                self.seen = now;
                match read(&self.path) {
                    Ok(file) => load(file),
                    Err(error) => tracing::warn!(error = %error, "the fault script was not loaded"),
                }
            }
        }
    }
}

/// What tells one state of a file from another.
fn stamp(path: &Path) -> Option<(SystemTime, u64)> {
    let data = std::fs::metadata(path).ok()?;
    Some((data.modified().ok()?, data.len()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn script(text: &str) -> Script {
        let file: File = toml::from_str(text).expect("a script");
        let script = Script::default();
        script.load(file.seed, file.ledger);
        script
    }

    #[test]
    fn a_rule_strikes_only_where_and_as_often_as_it_says() {
        let script = script("[[ledger]]\nfault = 'cut'\non = 'POST'\nafter = 1\nevery = 2\ntimes = 2\nvalue = 3.0");
        assert_eq!(script.strike("cut", "GET /x"), None);
        let struck: Vec<bool> = (0..8).map(|_| script.strike("cut", "POST /x").is_some()).collect();
        assert_eq!(struck, [false, false, true, false, true, false, false, false]);
        assert_eq!(script.strike("other", "POST /x"), None);
    }

    #[test]
    fn the_same_seed_strikes_the_same_requests() {
        let text = "seed = 7\n[[ledger]]\nfault = 'cut'\nprobability = 0.5";
        let strikes = |script: Script| (0..64).map(|_| script.strike("cut", "x").is_some()).collect::<Vec<_>>();
        let first = strikes(script(text));
        assert_eq!(first, strikes(script(text)));
        assert!(first.contains(&true) && first.contains(&false));
    }
}

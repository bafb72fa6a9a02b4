//! The grammar of single values: durations, URLs, names, paths. Each function takes the text of a value and gives what
//! it means, or a message that says what is wrong and how to mend it. Pure, but for looking whether a credential exists.

use std::net::Ipv6Addr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use url::{Host, Url};

use super::{Environment, Root};
use crate::observe::escape;

/// A year; longer is a typing mistake, and would overflow the clock one day.
const MAX_DURATION: Duration = Duration::from_secs(365 * 24 * 3600);

/// Where state lives when neither the configuration nor systemd says so.
const STATE_DIR: &str = "/var/lib/droptrail";

/// At most so many characters of a value are repeated in a message.
const SHOWN: usize = 80;

/// The text, shortened; escaping is done where the error is shown.
pub(super) fn shorten(text: &str) -> String {
    match text.char_indices().nth(SHOWN) {
        None => text.to_owned(),
        Some((end, _)) => format!("{}…", &text[..end]),
    }
}

/// The value as a message repeats it.
pub(super) fn quoted(text: &str) -> String {
    format!("\"{}\"", shorten(text))
}

/// What the operating system says, without Rust's `(os error 2)`.
pub(super) fn plain(error: &std::io::Error) -> String {
    let text = error.to_string();
    text.split(" (os error").next().unwrap_or(&text).to_lowercase()
}

/// An integer and a unit: `500ms`, `30s`, `2m`, `1h`.
pub(super) fn duration(text: &str) -> Result<Duration, String> {
    let digits = text.len() - text.trim_start_matches(|c: char| c.is_ascii_digit()).len();
    let (number, unit) = text.split_at(digits);
    let unit = match unit {
        "ms" => Some(1),
        "s" => Some(1000),
        "m" => Some(60_000),
        "h" => Some(3_600_000),
        _ => None,
    };
    let Some(unit) = unit.filter(|_| digits > 0) else {
        return Err(format!(
            "{} is not a duration: write an integer and ms, s, m or h, for example \"2m\"",
            quoted(text)
        ));
    };
    let millis = number.parse::<u64>().ok().and_then(|number| number.checked_mul(unit)).map(Duration::from_millis);
    millis
        .filter(|duration| *duration <= MAX_DURATION)
        .ok_or_else(|| format!("{} is too long: write at most \"8760h\"", quoted(text)))
}

/// A [`duration`] of `least` to `most`, which the message calls by the given words.
pub(super) fn duration_in(
    least: (Duration, &'static str),
    most: Option<(Duration, &'static str)>,
) -> impl Fn(&str) -> Result<Duration, String> {
    move |text| {
        let duration = duration(text)?;
        if duration < least.0 {
            return Err(format!("{} is too short: write at least \"{}\"", quoted(text), least.1));
        }
        match most {
            Some((most, word)) if duration > most => {
                Err(format!("{} is too long: write at most \"{word}\"", quoted(text)))
            }
            _ => Ok(duration),
        }
    }
}

/// A duration longer than zero.
pub(super) fn positive(text: &str) -> Result<Duration, String> {
    duration_in((Duration::from_millis(1), "1ms"), None)(text)
}

/// A base URL: scheme, host and port. A trailing slash is ignored; plain http only where nothing leaves the machine.
pub(super) fn base_url(text: &str) -> Result<Url, String> {
    const MEND: &str = "write scheme, host and port, for example \"https://app.datatrails.ai\"";
    // What may carry a password or a token is not repeated.
    if text.contains('@') {
        return Err(format!("must have no user name or password: {MEND}"));
    }
    if text.contains(['?', '#']) {
        return Err(format!("must have no query and no fragment: {MEND}"));
    }
    let refuse = |why: &str| format!("{} {why}: {MEND}", quoted(text));
    if text.contains(|c: char| c.is_whitespace() || c.is_control() || c == '\\') {
        return Err(refuse("has a character that no URL has"));
    }
    let lower = text.to_ascii_lowercase();
    let Some(rest) = lower.strip_prefix("https://").or_else(|| lower.strip_prefix("http://")) else {
        return Err(refuse("does not begin with https:// or http://"));
    };
    let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
    if authority.is_empty() {
        return Err(refuse("names no host"));
    }
    if !path.is_empty() {
        return Err(refuse("has a path"));
    }
    let url = Url::parse(text).map_err(|error| refuse(&format!("is not a URL ({error})")))?;
    if url.port() == Some(0) {
        return Err(refuse("has port 0"));
    }
    if url.scheme() == "http" && !is_loopback(&url) {
        return Err(format!(
            "{} is not encrypted and leaves this machine: write https://, plain http:// is for loopback addresses only",
            quoted(text)
        ));
    }
    Ok(url)
}

fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address == Ipv6Addr::LOCALHOST,
        Some(Host::Domain(name)) => name == "localhost",
        None => false,
    }
}

/// Which namespace paths are relative to.
pub(super) fn root(text: &str) -> Result<Root, String> {
    match text {
        "auto" => Ok(Root::Auto),
        "home" => Ok(Root::Home),
        id if !id.is_empty() && id.len() <= 20 && id.bytes().all(|byte| byte.is_ascii_digit()) => {
            Ok(Root::Namespace(id.to_owned()))
        }
        _ => Err(format!("{} is not a root: write \"auto\", \"home\" or a namespace id (digits)", quoted(text))),
    }
}

/// A key or client id as a service gives it out: printable ASCII without spaces.
pub(super) fn identifier(text: &str) -> Result<String, String> {
    if text.is_empty() {
        return Err("is empty: write it as the service shows it".into());
    }
    if !text.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err("has a space or a character outside of ASCII: write it as the service shows it".into());
    }
    Ok(text.to_owned())
}

/// A tenancy's name.
pub(super) fn tenancy_name(text: &str) -> Result<String, String> {
    if text.is_empty() {
        return Err("is empty: choose a name of letters, digits, \".\", \"_\" and \"-\"".into());
    }
    if !text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte)) {
        return Err(format!("{} is not a name: use only ASCII letters, digits, \".\", \"_\" and \"-\"", quoted(text)));
    }
    Ok(text.to_owned())
}

/// One of a few words.
pub(super) fn word<T: Copy>(words: &'static [(&'static str, T)]) -> impl Fn(&str) -> Result<T, String> {
    move |text| {
        let found = words.iter().find(|(word, _)| *word == text);
        found.map(|(_, meaning)| *meaning).ok_or_else(|| {
            let known: Vec<String> = words.iter().map(|(word, _)| format!("\"{word}\"")).collect();
            format!("{} is not known: write {}", quoted(text), known.join(" or "))
        })
    }
}

/// A word that has one meaning today and another in a later version.
pub(super) fn only(today: &'static str, later: &'static str) -> impl Fn(&str) -> Result<(), String> {
    move |text| match text {
        text if text == today => Ok(()),
        text if text == later => Err(format!("\"{later}\" comes with a later version: write \"{today}\" until then")),
        _ => Err(format!("{} is not known: write \"{today}\"", quoted(text))),
    }
}

/// A level name, or directives such as `info,droptrail::dropbox=debug`.
pub(super) fn level(text: &str) -> Result<String, String> {
    let refuse = || {
        format!(
            "{} is not a level: write off, error, warn, info, debug or trace, or directives such as \
             \"info,droptrail::dropbox=debug\"",
            quoted(text)
        )
    };
    // EnvFilter takes a bare unknown word for a module to log everything of, which is never what was meant.
    let known = |directive: &str| directive.contains('=') || crate::observe::is_level(directive);
    if !text.split(',').all(|directive| known(directive.trim())) || !crate::observe::is_filter(text) {
        return Err(refuse());
    }
    Ok(text.to_owned())
}

/// A path without anything that no path has.
pub(super) fn path(text: &str) -> Result<PathBuf, String> {
    if text.is_empty() {
        return Err("is empty: write the path of a file".into());
    }
    if text.contains(char::is_control) {
        return Err(format!("\"{}\" has a control character: write the path of a file", escape(&shorten(text))));
    }
    Ok(PathBuf::from(text))
}

/// A path that means the same wherever the daemon was started.
pub(super) fn absolute_path(text: &str) -> Result<PathBuf, String> {
    let path = path(text)?;
    if path.is_absolute() {
        Ok(path)
    } else {
        Err(format!("{} is relative: write an absolute path, for example \"/etc/droptrail/…\"", quoted(text)))
    }
}

/// Where state lives without the key `state_dir`: the first entry of `$STATE_DIRECTORY`, else `/var/lib/droptrail`.
///
/// # Errors
/// The entry is not an absolute path.
pub fn default_state_dir(env: &Environment) -> Result<PathBuf, String> {
    use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};

    let bytes = env.state_directory.as_deref().map(|list| list.as_bytes()).unwrap_or_default();
    let first = bytes.split(|byte| *byte == b':').next().unwrap_or_default();
    if first.is_empty() {
        return Ok(PathBuf::from(STATE_DIR));
    }
    let path = PathBuf::from(std::ffi::OsString::from_vec(first.to_vec()));
    if path.is_absolute() {
        Ok(path)
    } else {
        Err("$STATE_DIRECTORY is relative: set state_dir to an absolute path".into())
    }
}

/// Where a secret is: a bare name in `$CREDENTIALS_DIRECTORY` if it is there, else in `state_dir`; a path as it is,
/// relative ones below `state_dir`.
pub(super) fn secret_path(path: &Path, state_dir: &Path, env: &Environment) -> PathBuf {
    let bare = path.components().count() == 1 && !path.as_os_str().to_string_lossy().contains('/');
    if let Some(directory) = env.credentials_directory.as_ref().filter(|_| bare) {
        let credential = directory.join(path);
        if credential.symlink_metadata().is_ok() {
            return credential;
        }
    }
    state_dir.join(path)
}

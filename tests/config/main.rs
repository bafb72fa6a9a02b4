//! The configuration and the command line as their users meet them: what is read, what it defaults to, what a reload
//! takes; in the modules, what is refused and how, and that the example file says the truth.

mod example;
mod usage;
mod wrong;

use std::path::{Path, PathBuf};
use std::time::Duration;

use droptrail::config::{self, Config, Environment, Error, Hash, LogFormat, Names, Root};
use proptest::prelude::*;

const FILE: &str = "/etc/droptrail/config.toml";

/// The least that is valid with one tenancy.
const BASE: &str = r#"[dropbox]
app_key = "key"
[[tenancy]]
name = "acme"
url = "https://app.datatrails.ai"
client_id = "id"
client_secret_file = "acme.secret"
"#;

/// The example that is installed beside the program.
const EXAMPLE: &str = include_str!("../../config.example.toml");

/// The line on which what is put after [`BASE`] begins.
const NEXT: usize = 8;

fn parse(text: &str) -> Result<Config, Error> {
    config::parse(Path::new(FILE), text, &Environment::default())
}

fn good(text: &str) -> Config {
    parse(text).unwrap_or_else(|error| panic!("{error}\n---\n{text}"))
}

/// Asserts that `text` is refused at `line` because of `key`, in one short line that contains `part`.
fn refused(text: &str, line: usize, key: &str, part: &str) {
    let error = parse(text).expect_err(text).to_string();
    let start = format!("{FILE}:{line}: {key}: ");
    assert!(error.starts_with(&start), "{error:?} should begin with {start:?}\n---\n{text}");
    assert!(error.contains(part), "{error:?} should contain {part:?}");
    assert!(!error.contains('\n') && error.len() < 400, "{error:?} is not one short line");
}

/// [`BASE`] with the line of `key` replaced.
fn with(key: &str, line: &str) -> String {
    let replace = |old: &str| if old.starts_with(&format!("{key} =")) { line.to_owned() } else { old.to_owned() };
    BASE.lines().map(replace).collect::<Vec<_>>().join("\n") + "\n"
}

#[test]
fn the_least_configuration_gets_the_documented_defaults() {
    let config = good(BASE);
    assert_eq!(config.file, PathBuf::from(FILE));
    assert_eq!(config.state_dir, PathBuf::from("/var/lib/droptrail"));
    let dropbox = &config.dropbox;
    assert_eq!(dropbox.app_key, "key");
    assert_eq!(dropbox.refresh_token_file, PathBuf::from("/var/lib/droptrail/dropbox.token"));
    assert_eq!(dropbox.app_secret_file, None);
    assert_eq!(dropbox.root, Root::Auto);
    assert_eq!(dropbox.api_url.as_str(), "https://api.dropboxapi.com/");
    assert_eq!(dropbox.content_url.as_str(), "https://content.dropboxapi.com/");
    assert_eq!(dropbox.notify_url.as_str(), "https://notify.dropboxapi.com/");
    assert_eq!(dropbox.www_url.as_str(), "https://www.dropbox.com/");
    assert_eq!(dropbox.longpoll, Duration::from_secs(120));
    assert_eq!(dropbox.poll, Duration::from_secs(900));
    assert_eq!(dropbox.timeout, Duration::from_secs(100));
    let tenancy = config.tenancy("acme").expect("configured");
    assert_eq!(tenancy.client_secret_file, PathBuf::from("/var/lib/droptrail/acme.secret"));
    assert_eq!(tenancy.timeout, Duration::from_secs(30));
    assert_eq!(config.tenancy("other"), None);
    assert_eq!(config.publish.hash, Hash::Sha256);
    assert_eq!(config.publish.names, Names::Masked);
    assert_eq!((config.publish.concurrency, config.publish.downloads), (8, 4));
    assert_eq!(config.publish.settle, Duration::from_secs(120));
    assert_eq!(config.publish.hold_above, 10_000);
    assert_eq!((config.retry.initial, config.retry.max), (Duration::from_secs(1), Duration::from_secs(300)));
    assert_eq!((config.log.level.as_str(), config.log.format, config.log.paths), ("info", LogFormat::Auto, true));
}

#[test]
fn zero_links_and_zero_tenancies_are_valid() {
    let config = good("[dropbox]\napp_key = \"key\"\n");
    assert!(config.links.is_empty() && config.tenancies.is_empty());
}

#[test]
fn paths_are_resolved_against_state_dir_and_the_directories_of_systemd() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    std::fs::write(directory.path().join("acme.secret"), "s").expect("written");
    let env = Environment {
        state_directory: Some("/srv/one:/srv/two".into()),
        credentials_directory: Some(directory.path().into()),
    };
    let parse = |text: &str| config::parse(Path::new(FILE), text, &env).unwrap_or_else(|error| panic!("{error}"));
    let config = parse(BASE);
    assert_eq!(config.state_dir, PathBuf::from("/srv/one"));
    assert_eq!(config.dropbox.refresh_token_file, PathBuf::from("/srv/one/dropbox.token"));
    assert_eq!(config.tenancies[0].client_secret_file, directory.path().join("acme.secret"));
    let secret = |value: &str| {
        let text = with("client_secret_file", &format!("client_secret_file = \"{value}\""));
        parse(&format!("state_dir = \"/state\"\n{text}")).tenancies[0].client_secret_file.clone()
    };
    assert_eq!(secret("other.secret"), PathBuf::from("/state/other.secret"), "no such credential");
    assert_eq!(secret("sub/acme.secret"), PathBuf::from("/state/sub/acme.secret"));
    assert_eq!(secret("./acme.secret"), PathBuf::from("/state/./acme.secret"), "a path is no bare name");
    assert_eq!(secret("/x/acme.secret"), PathBuf::from("/x/acme.secret"));
    let token =
        BASE.replace("\"key\"\n", "\"key\"\nrefresh_token_file = \"acme.secret\"\napp_secret_file = \"acme.secret\"\n");
    let config = parse(&token);
    assert_eq!(config.dropbox.refresh_token_file, PathBuf::from("/srv/one/acme.secret"), "state, never a credential");
    assert_eq!(config.dropbox.app_secret_file, Some(directory.path().join("acme.secret")));

    refused(&format!("state_dir = \"var\"\n{BASE}"), 1, "state_dir", "absolute");
    refused(&format!("{BASE}ca_file = \"ca.pem\"\n"), NEXT, "tenancy.ca_file", "absolute");
    refused(&with("client_secret_file", "client_secret_file = \"\""), 7, "tenancy.client_secret_file", "is empty");
    refused(
        &with("client_secret_file", "client_secret_file = \"a\\u0000\""),
        7,
        "tenancy.client_secret_file",
        "control",
    );
    let env = Environment { state_directory: Some("relative".into()), ..Environment::default() };
    assert!(config::parse(Path::new(FILE), BASE, &env).is_err());
}

#[test]
fn a_file_that_cannot_be_read_is_refused_with_a_hint() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let missing = directory.path().join("absent.toml");
    let error = config::load(&missing).expect_err("missing").to_string();
    assert!(error.contains("absent.toml: ") && error.contains("no such file") && error.contains("--config"), "{error}");
    let error = config::load(directory.path()).expect_err("a directory").to_string();
    assert!(error.contains("not a regular file"), "{error}");
    let file = directory.path().join("latin1.toml");
    std::fs::write(&file, b"# fine\n# caf\xe9\n").expect("written");
    let error = config::load(&file).expect_err("not UTF-8").to_string();
    assert!(error.contains("latin1.toml:2: ") && error.contains("UTF-8"), "{error}");
    std::fs::write(&file, BASE.replace('\n', "\r\n")).expect("written");
    assert_eq!(config::load(&file).expect("Windows line ends are fine").tenancies.len(), 1);
}

#[test]
fn a_reload_takes_what_it_may_and_names_what_needs_a_restart() {
    let old = good(BASE);
    let mut text = format!("state_dir = \"/elsewhere\"\n{BASE}[[link]]\nfolder = \"/a\"\n[publish]\nconcurrency = 1\n");
    text.push_str("[retry]\nmax = \"9m\"\n[log]\nlevel = \"debug\"\n");
    let dropbox = [
        "refresh_token_file = \"t\"",
        "app_secret_file = \"s\"",
        "root = \"home\"",
        "api_url = \"https://a\"",
        "content_url = \"https://a\"",
        "notify_url = \"https://a\"",
        "www_url = \"https://a\"",
        "longpoll = \"1m\"",
        "poll = \"1m\"",
        "timeout = \"1m\"",
        "ca_file = \"/a\"",
    ];
    let new = good(&text.replace("\"key\"\n", &format!("\"other\"\n{}\n", dropbox.join("\n"))));
    let mut names: Vec<String> =
        dropbox.iter().map(|line| format!("dropbox.{}", line.split(' ').next().unwrap())).collect();
    names.splice(0..0, ["state_dir".to_owned(), "dropbox.app_key".to_owned()]);
    assert_eq!(config::reload_differences(&old, &new), names);
    assert!(config::reload_differences(&old, &old.clone()).is_empty());
    let kept = config::with_reloadable(&old, &new);
    assert!(config::reload_differences(&old, &kept).is_empty());
    assert_eq!((&kept.links, &kept.tenancies), (&new.links, &new.tenancies));
    assert_eq!((&kept.publish, kept.retry, &kept.log), (&new.publish, new.retry, &new.log));
}

/// A text of a configuration with some of its characters replaced.
fn damaged() -> impl Strategy<Value = String> {
    let edits = proptest::collection::vec((any::<proptest::sample::Index>(), any::<char>()), 0..6);
    edits.prop_map(|edits| {
        let mut text: Vec<char> = EXAMPLE.chars().collect();
        for (at, c) in edits {
            let at = at.index(text.len());
            text[at] = c;
        }
        text.into_iter().collect()
    })
}

proptest! {
    #[test]
    fn no_text_whatever_makes_the_parser_panic_and_every_refusal_is_one_short_line(
        text in prop_oneof![any::<String>(), damaged(), "(\\[\\[?[a-z.]{1,8}\\]\\]?|[a-z_]{1,8} ?= ?[\"'0-9a-z\\[{]{0,6}|\n| ){0,20}"]
    ) {
        if let Err(error) = parse(&text) {
            let error = error.to_string();
            prop_assert!(error.starts_with(FILE));
            prop_assert!(!error.contains(char::is_control), "{error:?}");
            prop_assert!(error.chars().count() < 600, "{error:?}");
        }
    }

    #[test]
    fn every_duration_that_is_written_is_the_duration_that_is_meant(number in 1u64..9_000, unit in 0usize..3) {
        let (unit, millis) = [("ms", 1), ("s", 1_000), ("m", 60_000)][unit];
        let config = good(&format!("{BASE}[retry]\ninitial = \"1ms\"\nmax = \"{number}{unit}\"\n"));
        prop_assert_eq!(config.retry.max, Duration::from_millis(number * millis));
    }
}

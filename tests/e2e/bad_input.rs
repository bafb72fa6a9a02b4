//! Bad input: an exit status at once with one error that names the place and the mend, and no secret in it; and what is not
//! bad input but trouble of the world: a condition, and the daemon stays.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use crate::support::more::{dropbox_rule, note, stays_so, timed};
use crate::support::process::{Process, droptrail};
use crate::support::stage::MAIN;
use crate::support::{Link, Proxy, Stage};

/// The promise is a second; a busy machine gets five.
const AT_ONCE: Duration = Duration::from_secs(5);
/// In every secret of these tests.
const CANARY: &str = "canary-5e7d1c";

const BASE: &str = r#"state_dir = "STATE"

[dropbox]
app_key = "key0123"
api_url = "http://127.0.0.1:9"
content_url = "http://127.0.0.1:9"
notify_url = "http://127.0.0.1:9"
www_url = "http://127.0.0.1:9"
longpoll = "2m"

[[tenancy]]
name = "acme"
url = "http://127.0.0.1:9"
client_id = "id0123"
client_secret_file = "acme.secret"

[[link]]
folder = "/Contracts"

[publish]
settle = "2m"
hold_above = 10000

[retry]
initial = "1s"

[log]
level = "info"
"#;

/// A state directory with good secrets and a good configuration, to be spoiled.
struct Home {
    temp: tempfile::TempDir,
}

impl Home {
    fn new() -> Home {
        let home = Home { temp: tempfile::tempdir().unwrap() };
        fs::create_dir(home.state()).unwrap();
        home.private("acme.secret", &format!("{CANARY}-client"));
        home.private("dropbox.token", &format!("{CANARY}-refresh"));
        home.config(&home.base());
        home
    }

    fn state(&self) -> PathBuf {
        self.temp.path().join("state")
    }

    fn base(&self) -> String {
        BASE.replace("STATE", self.state().to_str().unwrap())
    }

    fn file(&self) -> PathBuf {
        self.temp.path().join("config.toml")
    }

    fn config(&self, text: &str) {
        fs::write(self.file(), text).unwrap();
    }

    fn private(&self, name: &str, text: &str) {
        fs::write(self.state().join(name), text).unwrap();
        self.mode(name, 0o600);
    }

    fn mode(&self, name: &str, mode: u32) {
        fs::set_permissions(self.state().join(name), fs::Permissions::from_mode(mode)).unwrap();
    }

    /// Makes a database of ours by a short run.
    fn database(&self) -> PathBuf {
        let mut daemon = start(&["run", "--config", self.file().to_str().unwrap()], Stdio::null());
        let database = self.state().join("droptrail.db");
        assert!(crate::support::process::holds_within(Duration::from_secs(20), || database.exists()));
        daemon.signal(rustix::process::Signal::TERM);
        daemon.wait(Duration::from_secs(20)).expect("it ends");
        database
    }

    fn run(&self) -> (i32, String) {
        command(&["run", "--config", self.file().to_str().unwrap()])
    }

    /// A run that must fail.
    fn refused(&self, what: &str, status: i32, parts: &[&str]) {
        judge(what, self.run(), status, parts);
    }
}

fn start(arguments: &[&str], errors: Stdio) -> Process {
    let mut command = droptrail();
    // Another's panic hook or backtraces must not be what makes a message long.
    command.env("RUST_BACKTRACE", "1");
    Process::new(command.args(arguments).stdout(Stdio::null()).stderr(errors).spawn().unwrap())
}

/// Exit status and standard error; must end at once.
fn command(arguments: &[&str]) -> (i32, String) {
    let dir = tempfile::tempdir().unwrap();
    let errors = dir.path().join("errors");
    let mut process = start(arguments, fs::File::create(&errors).unwrap().into());
    let (status, took) = timed(|| process.wait(AT_ONCE));
    let error = fs::read_to_string(&errors).unwrap();
    let status = status.unwrap_or_else(|| panic!("{arguments:?} did not end within {took:?}:\n{error}"));
    if took > Duration::from_secs(1) {
        note(&format!("{arguments:?} took {took:?}"));
    }
    (status.code().unwrap_or(-1), error)
}

/// One error of one or two lines (what, and a hint), that names all of `parts`.
fn judge(what: &str, (code, error): (i32, String), status: i32, parts: &[&str]) {
    assert_eq!(code, status, "{what}: {error}");
    let said: Vec<&str> = error.lines().filter(|line| line.starts_with("droptrail: ")).collect();
    assert_eq!(said.len(), 1, "{what}: one error: {error}");
    let rest: Vec<&str> = error.lines().filter(|line| !line.starts_with("droptrail: ")).collect();
    assert!(rest.iter().all(|line| line.starts_with("  hint: ") || line.contains(" INFO ")), "{what}: {error}");
    for part in parts {
        assert!(error.contains(part), "{what}: names {part:?}: {error}");
    }
    clean(what, &error);
}

fn clean(what: &str, error: &str) {
    assert!(!error.contains(CANARY), "{what}: a secret is shown: {error}");
    for trace in ["panicked", "backtrace", "RUST_", "os error", "src/", "\u{1b}"] {
        assert!(!error.contains(trace), "{what}: {trace} in: {error}");
    }
    assert!(error.len() < 700, "{what}: short: {error}");
}

#[test]
fn each_wrong_line_of_the_configuration_ends_with_2_and_names_its_line_and_key() {
    // What is replaced by what, and what the error must name.
    let rows: &[(&str, &str, &[&str])] = &[
        ("app_key = \"key0123\"", "", &["dropbox.app_key", "is missing"]),
        ("app_key", "app_keys", &["app_keys", "app_key"]),
        ("[publish]", "[publishing]", &["publishing"]),
        ("state_dir", "statedir", &["statedir"]),
        ("[log]", "[log]\ncolour = true", &["log.colour"]),
        ("[log]", "[log]\npaths = \"yes\"", &["log.paths"]),
        ("name = \"acme\"", "name = 7", &["tenancy.name"]),
        ("name = \"acme\"", "name = \"a cme\"", &["tenancy.name"]),
        ("client_id = \"id0123\"\n", "", &["client_id", "is missing"]),
        ("client_secret_file = \"acme.secret\"", "", &["client_secret_file", "is missing"]),
        ("client_secret_file", "client_secret", &["client_secret"]),
        ("folder = \"/Contracts\"", "folder = \"Contracts\"", &["link.folder", "begin with"]),
        ("folder = \"/Contracts\"", "folder = \"/Contracts/\"", &["link.folder", "last slash"]),
        ("folder = \"/Contracts\"", "folder = \"\"", &["link.folder"]),
        ("folder = \"/Contracts\"", "folder = \"/a//b\"", &["link.folder"]),
        ("folder = \"/Contracts\"", "folder = \"/a/../b\"", &["link.folder"]),
        ("folder = \"/Contracts\"", "folder = [\"/a\"]", &["link.folder"]),
        ("folder = \"/Contracts\"", "folder = \"/a\"\nexclude = [\"a[\"]", &["link.exclude"]),
        ("folder = \"/Contracts\"", "folder = \"/a\"\nexclude = \"*\"", &["link.exclude"]),
        ("folder = \"/Contracts\"", "folder = \"/a\"\ntenancy = \"none\"", &["link.tenancy", "acme"]),
        ("[publish]", "[[link]]\nfolder = \"/contracts\"\n[publish]", &["link.folder", "already"]),
        ("url = \"http://127.0.0.1:9\"\nclient", "url = \"http://example.com\"\nclient", &["tenancy.url", "https"]),
        ("url = \"http://127.0.0.1:9\"\nclient", "url = \"ftp://example.com\"\nclient", &["tenancy.url"]),
        ("url = \"http://127.0.0.1:9\"\nclient", "url = \"https://\"\nclient", &["tenancy.url"]),
        (
            "url = \"http://127.0.0.1:9\"\nclient",
            "url = \"https://example.com/path\"\nclient",
            &["tenancy.url", "path"],
        ),
        (
            "url = \"http://127.0.0.1:9\"\nclient",
            "url = \"https://user:canary-5e7d1c@example.com\"\nclient",
            &["tenancy.url", "password"],
        ),
        ("api_url = \"http://127.0.0.1:9\"", "api_url = \"127.0.0.1\"", &["dropbox.api_url"]),
        ("longpoll = \"2m\"", "longpoll = \"2s\"", &["dropbox.longpoll", "30s"]),
        ("longpoll = \"2m\"", "longpoll = 120", &["dropbox.longpoll"]),
        ("longpoll = \"2m\"", "longpoll = \"soon\"", &["dropbox.longpoll", "soon"]),
        ("longpoll = \"2m\"", "root = \"everything\"", &["dropbox.root"]),
        ("settle = \"2m\"", "settle = \"-2m\"", &["publish.settle"]),
        ("settle = \"2m\"", "settle = \"0s\"", &["publish.settle"]),
        ("settle = \"2m\"", "hash = \"md5\"", &["publish.hash", "sha256"]),
        ("settle = \"2m\"", "names = \"hidden\"", &["publish.names", "masked"]),
        ("settle = \"2m\"", "on_delete = \"erase\"", &["publish.on_delete", "keep"]),
        ("settle = \"2m\"", "revisions = \"all\"", &["publish.revisions", "latest"]),
        ("settle = \"2m\"", "concurrency = 0", &["publish.concurrency"]),
        ("settle = \"2m\"", "downloads = 1000000", &["publish.downloads"]),
        ("hold_above = 10000", "hold_above = -1", &["publish.hold_above"]),
        ("hold_above = 10000", "hold_above = 1.5", &["publish.hold_above"]),
        ("initial = \"1s\"", "initial = \"1h\"\nmax = \"1s\"", &["retry.max", "longer"]),
        ("level = \"info\"", "level = \"loud\"", &["log.level"]),
        ("level = \"info\"", "format = \"xml\"", &["log.format", "json"]),
        ("[retry]", "[retry", &[]),
        ("[retry]\n", "[retry]\ninitial = \"1s\"\n", &["initial"]),
        ("[dropbox]", "= [dropbox]", &[]),
    ];
    let home = Home::new();
    for (from, to, parts) in rows {
        let base = home.base();
        assert!(base.contains(from), "{from}");
        home.config(&base.replacen(from, to, 1));
        let what = format!("{from:?} → {to:?}");
        let (code, error) = home.run();
        // The place: the file and a line of it.
        let place = format!("{}:", home.file().display());
        let line = error.split(&place).nth(1).and_then(|rest| rest.split(':').next());
        assert!(line.is_some_and(|line| line.parse::<u32>().is_ok()), "{what}: the line: {error}");
        judge(&what, (code, error), 2, parts);
    }
    assert!(!home.state().join("droptrail.db").exists(), "nothing was begun");
}

#[test]
fn a_configuration_that_cannot_be_read_ends_with_2_and_names_the_file() {
    let home = Home::new();
    let missing = home.temp.path().join("nowhere.toml");
    for command_name in ["run", "status", "assets"] {
        let end = command(&[command_name, "--config", missing.to_str().unwrap()]);
        judge(command_name, end, 2, &["nowhere.toml", "--config"]);
    }
    let end = command(&["run", "--config", home.temp.path().to_str().unwrap()]);
    judge("a directory", end, 2, &["regular file"]);
    fs::write(home.file(), b"state_dir = \"\xff\xfe\"\n").unwrap();
    home.refused("not UTF-8", 2, &["config.toml:1", "UTF-8"]);
}

#[test]
fn each_bad_secret_file_ends_with_2_and_says_how_to_mend_it() {
    let home = Home::new();
    for name in ["acme.secret", "dropbox.token"] {
        let good = format!("{CANARY}-of-{name}");
        let rows: [(&str, &[u8], u32, &[&str]); 6] = [
            ("empty", b"", 0o600, &["is empty"]),
            ("two lines", b"canary-5e7d1c\ncanary-5e7d1c\n", 0o600, &["several lines"]),
            ("binary", b"canary-5e7d1c\xff\xfe", 0o600, &["not text"]),
            ("others can read it", good.as_bytes(), 0o644, &["chmod 600"]),
            ("its group can read it", good.as_bytes(), 0o640, &["chmod 600"]),
            ("others can write it", good.as_bytes(), 0o602, &["chmod 600"]),
        ];
        for (what, content, mode, parts) in rows {
            fs::write(home.state().join(name), content).unwrap();
            home.mode(name, mode);
            home.refused(what, 2, &[&[name], parts].concat());
        }
        home.private(name, &good);
    }
    fs::remove_file(home.state().join("acme.secret")).unwrap();
    home.refused("missing", 2, &["acme.secret", "no such file"]);
    fs::create_dir(home.state().join("acme.secret")).unwrap();
    home.refused("a directory", 2, &["acme.secret", "regular file"]);
}

/// A database file with this many bytes of what, untouched by a run that refuses it.
fn refused_database(home: &Home, what: &str, status: i32, parts: &[&str]) {
    let database = home.state().join("droptrail.db");
    let before = fs::read(&database).unwrap();
    home.refused(what, status, parts);
    assert!(fs::read(&database).unwrap() == before, "{what}: the file is as it was");
}

#[test]
fn a_database_that_is_not_ours_or_newer_or_broken_ends_the_start_and_is_never_replaced() {
    let home = Home::new();
    let database = home.state().join("droptrail.db");
    fs::write(&database, "this is not a database, whatever its name says".repeat(100)).unwrap();
    refused_database(&home, "garbage", 2, &["droptrail.db", "is not a droptrail database", "do not delete it"]);
    fs::write(&database, "").unwrap();
    refused_database(&home, "empty", 2, &["droptrail.db", "is not a droptrail database"]);
    fs::remove_file(&database).unwrap();
    let foreign = rusqlite::Connection::open(&database).unwrap();
    foreign.execute_batch("CREATE TABLE recipe (name TEXT); PRAGMA user_version = 1").unwrap();
    foreign.close().unwrap();
    refused_database(&home, "another program's", 2, &["droptrail.db", "is not a droptrail database"]);

    let home = Home::new();
    let database = home.database();
    rusqlite::Connection::open(&database).unwrap().pragma_update(None, "user_version", 9999).unwrap();
    home.refused("newer", 2, &["droptrail.db", "newer droptrail", "9999"]);
    fs::remove_file(&database).unwrap();
    fs::create_dir(&database).unwrap();
    let (code, error) = home.run();
    assert!(code == 1 || code == 2, "{code}: {error}");
    judge("a directory", (code, error), code, &["droptrail.db"]);
}

#[test]
fn a_state_directory_that_cannot_be_one_ends_with_2_and_is_named() {
    let home = Home::new();
    let file = home.temp.path().join("a-file");
    fs::write(&file, "").unwrap();
    let with = |dir: &Path| {
        home.config(&home.base().replace(home.state().to_str().unwrap(), dir.to_str().unwrap()));
        // So that the secrets are not what is wrong.
        let text = fs::read_to_string(home.file()).unwrap();
        let secret = home.state().join("acme.secret");
        home.config(&text.replace("\"acme.secret\"", &format!("{:?}", secret.to_str().unwrap())));
    };
    with(&file);
    home.refused("a file", 2, &["a-file", "not a directory"]);
    with(&file.join("below"));
    home.refused("below a file", 2, &["a-file"]);
    with(Path::new("/proc/no-such-place"));
    home.refused("where none can be made", 2, &["/proc/no-such-place", "state_dir"]);
    home.config(&home.base().replace(home.state().to_str().unwrap(), "relative/state"));
    home.refused("relative", 2, &["state_dir", "relative/state"]);
    // Whoever may do anything is not stopped by a mode.
    if !rustix::process::geteuid().is_root() {
        home.config(&home.base());
        fs::set_permissions(home.state(), fs::Permissions::from_mode(0o500)).unwrap();
        let (code, error) = home.run();
        fs::set_permissions(home.state(), fs::Permissions::from_mode(0o700)).unwrap();
        judge("not writable", (code, error), 2, &["state", "writable"]);
    }
}

#[test]
fn without_a_command_or_with_an_unknown_one_there_is_usage_and_exit_2() {
    for arguments in [&[][..], &["runn"], &["run", "--no-such-option"], &["verify"], &["approve"]] {
        let (code, error) = command(arguments);
        assert_eq!(code, 2, "{arguments:?}: {error}");
        assert!(error.contains("Usage:"), "{arguments:?}: {error}");
        assert!(!error.contains("panicked"), "{error}");
    }
    let (code, error) = command(&["runn"]);
    assert!(code == 2 && error.contains("runn") && error.contains("'run'"), "what was meant: {error}");
}

#[test]
fn a_folder_that_dropbox_does_not_have_is_a_condition_and_holds_back_no_other() {
    let mut stage = Stage::new();
    stage.configure(|conf| {
        conf.links = vec![Link::new("/there", MAIN), Link::new("/not there", MAIN)];
        conf.dropbox = "longpoll = \"30s\"\npoll = \"1s\"\n".into();
    });
    stage.write("there/a.txt", "one");
    stage.run();
    stage.wait_for_condition("folder-missing");
    stage.wait_until("the other goes on", || stage.ledger().events() == 1);
    let (code, status, _) = stage.command(&["status"]);
    assert!(code == 4 && status.contains("/not there"), "{code} {status}");
    // It appears, and goes again.
    stage.write("not there/b.txt", "two");
    stage.assert_exact(&[("there/a.txt", &["one"]), ("not there/b.txt", &["two"])]);
    stage.wait_until("the condition is over", || stage.database().conditions().is_empty());
    assert!(stage.daemon.as_mut().unwrap().ended().is_none());
}

#[test]
fn an_unreachable_ledger_is_a_condition_and_what_was_seen_meanwhile_is_recorded_later() {
    let mut stage = Stage::new();
    let proxy = Proxy::start(stage.sandbox.url());
    let url = proxy.url().to_owned();
    stage.configure(|conf| conf.tenancies[0].url = url);
    proxy.down(true);
    stage.write("a.txt", "one");
    stage.run();
    stage.wait_for_condition("ledger-unreachable");
    stage.barrier();
    stage.write("a.txt", "two");
    stage.barrier();
    proxy.down(false);
    stage.assert_exact(&[("a.txt", &["one", "two"])]);
    stage.wait_until("the condition is over", || stage.database().conditions().is_empty());
    // And in the midst of things.
    proxy.down(true);
    stage.write("a.txt", "three");
    stage.wait_for_condition("ledger-unreachable");
    proxy.down(false);
    stage.assert_exact(&[("a.txt", &["one", "two", "three"])]);
    stage.wait_until("the condition is over", || stage.database().conditions().is_empty());
}

#[test]
fn without_a_dropbox_token_the_daemon_waits_says_connect_and_goes_on_when_there_is_one() {
    let mut stage = Stage::new();
    let token = stage.state_dir().join("dropbox.token");
    let good = fs::read_to_string(&token).unwrap();
    fs::remove_file(&token).unwrap();
    stage.write("a.txt", "one");
    stage.run();
    stage.wait_for_condition("dropbox-not-connected");
    let (code, status, _) = stage.command(&["status"]);
    assert!(code == 4 && status.contains("droptrail connect dropbox"), "{code} {status}");
    assert_eq!(stage.sandbox.count("/2/"), 0);
    stage.private(&token, &good);
    stage.assert_exact(&[("a.txt", &["one"])]);
    stage.wait_until("the condition is over", || stage.database().conditions().is_empty());
}

#[test]
fn a_revoked_dropbox_token_is_a_condition_without_hammering_and_a_new_one_goes_on() {
    let mut stage = Stage::new();
    stage.write("a.txt", "one");
    stage.run();
    stage.quiet();
    // Revoked in the midst of things: the access token is refused, and so is the refresh token.
    stage.faults(&(dropbox_rule("revoked_refresh", "") + &dropbox_rule("expired_token", "")));
    stage.write("a.txt", "two");
    stage.wait_for_condition("dropbox-access-revoked");
    let requests = || stage.sandbox.count("/2/") + stage.sandbox.count("oauth2/token");
    let before = requests();
    stays_so(&stage, Duration::from_secs(3), "no hammering", || requests() <= before + 3);
    assert!(stage.daemon.as_mut().unwrap().ended().is_none());
    stage.faults("");
    let token = stage.state_dir().join("dropbox.token");
    let new = format!("{}\n", stage.conf.refresh_token);
    stage.private(&token, &new);
    stage.assert_exact(&[("a.txt", &["one", "two"])]);
    stage.wait_until("the condition is over", || stage.database().conditions().is_empty());
    assert!(!stage.log_text().contains(&stage.conf.refresh_token), "no token in the log");
}

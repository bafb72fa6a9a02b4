//! One Dropbox, one ledger, one daemon, and what a person does in the folder.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use super::conf::{self, BARRIER, Conf};
use super::daemon::Daemon;
use super::database::Database;
use super::ledger::{Asset, LedgerView};
use super::process::{DEADLINE, holds_within, run, tail};
use super::sandbox::Sandbox;
use super::{Link, Tenancy, sha256};

/// The tenancy that every stage has.
pub const MAIN: &str = "main";
/// The ledger's own name for it.
const MAIN_ON_LEDGER: &str = "sandbox";

pub struct Stage {
    // Dropped in this order: the daemon, the services, the files.
    pub daemon: Option<Daemon>,
    pub sandbox: Sandbox,
    pub conf: Conf,
    barriers: Cell<u32>,
    temp: tempfile::TempDir,
}

impl Stage {
    /// An empty Dropbox, linked whole to the tenancy [`MAIN`]; the daemon does not run yet.
    pub fn new() -> Stage {
        Stage::with(&[])
    }

    /// The same, with further arguments for the sandbox.
    pub fn with(more: &[&str]) -> Stage {
        let temp = tempfile::Builder::new().prefix("droptrail-e2e-").tempdir().unwrap();
        let folder = temp.path().join("Dropbox");
        fs::create_dir(&folder).unwrap();
        let sandbox = Sandbox::start(&folder, temp.path(), more);
        let text = |part: &str, name: &str| sandbox.ready[part][name].as_str().unwrap().to_owned();
        let conf = Conf {
            app_key: text("dropbox", "app_key"),
            refresh_token: text("dropbox", "refresh_token"),
            dropbox_url: text("dropbox", "api_url"),
            tenancies: vec![Tenancy {
                name: MAIN.into(),
                url: text("ledger", "url"),
                client_id: text("ledger", "client_id"),
                client_secret: text("ledger", "client_secret"),
            }],
            links: vec![Link::new("/", MAIN)],
            dropbox: "longpoll = \"30s\"\npoll = \"30s\"\n".into(),
            publish: "settle = \"1s\"\n".into(),
            retry: "initial = \"50ms\"\nmax = \"1s\"\n".into(),
            log: "level = \"info,droptrail=debug\"\nformat = \"text\"\n".into(),
        };
        let stage = Stage { daemon: None, sandbox, conf, barriers: Cell::new(0), temp };
        stage.conf.write(&stage.config(), &stage.state_dir());
        stage
    }

    /// Changes the configuration and writes it; a running daemon takes it at [`Stage::reload`].
    pub fn configure(&mut self, change: impl FnOnce(&mut Conf)) {
        change(&mut self.conf);
        self.conf.write(&self.config(), &self.state_dir());
    }

    /// Links these folders, and no others, to [`MAIN`].
    pub fn link(&mut self, folders: &[&str]) {
        self.configure(|conf| conf.links = folders.iter().map(|folder| Link::new(folder, MAIN)).collect());
    }

    /// Makes one more tenancy of the ledger, in the configuration too; its links are the caller's.
    pub fn add_tenancy(&mut self, name: &str) {
        let (client_id, client_secret) = self.sandbox.add_tenancy(name);
        let url = self.sandbox.url().to_owned();
        self.configure(|conf| conf.tenancies.push(Tenancy { name: name.into(), url, client_id, client_secret }));
    }

    pub fn dir(&self) -> PathBuf {
        self.temp.path().to_owned()
    }

    pub fn config(&self) -> PathBuf {
        self.dir().join("config.toml")
    }

    pub fn state_dir(&self) -> PathBuf {
        self.dir().join("state")
    }

    pub fn daemon_log(&self) -> PathBuf {
        self.dir().join("daemon.log")
    }

    pub fn database(&self) -> Database {
        Database::new(&self.state_dir().join("droptrail.db"))
    }

    pub fn ledger(&self) -> LedgerView {
        self.sandbox.ledger()
    }

    pub fn faults(&mut self, script: &str) {
        self.sandbox.faults(script);
    }

    /// A fault of the simulated Dropbox alone; `rest` has more keys of the rule.
    pub fn dropbox_fault(&mut self, fault: &str, rest: &str) {
        self.faults(&format!("[[dropbox]]\nfault = '{fault}'\n{rest}\n"));
    }

    // The daemon.

    pub fn run(&mut self) {
        assert!(self.daemon.is_none(), "a daemon runs already");
        self.daemon = Some(Daemon::start(&self.config(), &self.daemon_log()));
    }

    /// SIGTERM; the daemon must end well.
    pub fn stop(&mut self) {
        let status = self.daemon.take().expect("a daemon").stop();
        assert_eq!(status.code(), Some(0), "{}", self.scene());
    }

    pub fn kill(&mut self) {
        self.daemon.take().expect("a daemon").kill();
    }

    pub fn reload(&self) {
        self.daemon.as_ref().expect("a daemon").hup();
    }

    /// Everything that daemons of this stage have logged.
    pub fn log_text(&self) -> String {
        String::from_utf8_lossy(&fs::read(self.daemon_log()).unwrap_or_default()).into_owned()
    }

    /// Runs another command of the binary on this stage's configuration; gives exit status, standard output and error.
    pub fn command(&self, arguments: &[&str]) -> (i32, String, String) {
        let config = self.config();
        let arguments: Vec<&str> = arguments.iter().copied().chain(["--config", config.to_str().unwrap()]).collect();
        let output = run(&arguments);
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        (output.status.code().unwrap_or(-1), text(&output.stdout), text(&output.stderr))
    }

    /// What `assets --json` prints: one object for each file and tenancy.
    pub fn assets_command(&self, more: &[&str]) -> Vec<serde_json::Value> {
        let arguments: Vec<&str> = ["assets", "--json"].iter().chain(more).copied().collect();
        let (status, lines, error) = self.command(&arguments);
        assert_eq!(status, 0, "{error}");
        lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    // What a person does in the folder.

    pub fn path(&self, path: &str) -> PathBuf {
        self.dir().join("Dropbox").join(path)
    }

    /// Writes in place: truncates and writes.
    pub fn write(&self, path: &str, content: &str) {
        let path = self.path(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }

    /// Writes as editors do: a new file beside, renamed over the old one.
    pub fn save(&self, path: &str, content: &str) {
        let beside = self.dir().join("being-saved");
        fs::write(&beside, content).unwrap();
        fs::rename(beside, self.path(path)).unwrap();
    }

    pub fn rename(&self, from: &str, to: &str) {
        let to = self.path(to);
        fs::create_dir_all(to.parent().unwrap()).unwrap();
        fs::rename(self.path(from), to).unwrap();
    }

    pub fn copy(&self, from: &str, to: &str) {
        fs::copy(self.path(from), self.path(to)).unwrap();
    }

    /// A file or a whole folder.
    pub fn delete(&self, path: &str) {
        let path = self.path(path);
        if path.is_dir() { fs::remove_dir_all(path) } else { fs::remove_file(path) }.unwrap();
    }

    /// Sets the time of change, as `touch` does.
    pub fn touch(&self, path: &str) {
        let file = fs::File::options().append(true).open(self.path(path)).unwrap();
        file.set_modified(SystemTime::now() + Duration::from_secs(5)).unwrap();
    }

    /// Gives a folder's tree new ids, contents unchanged, as sharing and unsharing do.
    pub fn sandbox_conversion(&mut self, folder: &str) {
        self.dropbox_fault("share_conversion", &format!("text = '{folder}'"));
    }

    // Waiting and judging.

    /// Everything worth knowing when something did not happen.
    pub fn scene(&self) -> String {
        let (_, status, error) = self.command(&["status", "--json"]);
        let database = self.database();
        format!(
            "\n--- daemon's log\n{}\n--- status\n{status}{error}\n--- publications\n{}\n--- places\n{:?}\n--- sandbox's log\n{}\n",
            tail(&self.daemon_log(), 60),
            database
                .texts("SELECT id || ' asset ' || asset || ' ' || state || ' open ' || open || ' ' || coalesce(reason, '') FROM publication", &[])
                .join("\n"),
            database.places(),
            tail(&self.sandbox.log(), 10),
        )
    }

    /// Waits until it is so; fails with what was awaited and how things stand.
    pub fn wait_until(&self, what: &str, condition: impl FnMut() -> bool) {
        assert!(holds_within(DEADLINE, condition), "never came: {what}{}", self.scene());
    }

    pub fn wait_for_condition(&self, code: &str) {
        self.wait_until(code, || self.database().conditions().iter().any(|present| present == code));
    }

    pub fn wait_for_log(&self, text: &str) {
        self.wait_until(text, || self.log_text().contains(text));
    }

    /// Waits until the simulated Dropbox itself has (or no longer has) a path in lower case: for when no daemon runs that
    /// could see it.
    pub fn wait_in_dropbox(&self, path_lower: &str, there: bool) {
        self.wait_until(&format!("Dropbox knows of {path_lower}: {there}"), || self.sandbox.has(path_lower) == there);
    }

    /// Waits until the daemon has seen everything that happened in the linked folders so far, in each of them: what the
    /// simulated Dropbox knew before a file that the daemon has seen, it has seen too. The file is excluded from publishing.
    pub fn barrier(&self) {
        self.wait_until("the simulated Dropbox has followed its folder", || self.sandbox.follows());
        let mut folders: Vec<&str> = self.conf.links.iter().map(|link| link.folder.as_str()).collect();
        folders.sort_unstable();
        folders.dedup();
        // Twice: the pages of one drain are in the order of names, so that the first may be seen before what is older.
        for _ in 0..2 {
            let n = self.barriers.get() + 1;
            self.barriers.set(n);
            for folder in &folders {
                fs::write(self.path(folder.trim_start_matches('/')).join(format!("{BARRIER}{n}")), "-").unwrap();
            }
            self.wait_until("the daemon has seen the linked folders as they are now", || {
                let watched = self.database().watched();
                folders.iter().all(|folder| {
                    let path = format!("{}/{BARRIER}{n}", folder.trim_end_matches('/').to_lowercase());
                    watched.iter().any(|(watched, place)| watched.eq_ignore_ascii_case(folder) && *place == path)
                })
            });
        }
    }

    /// Waits until the daemon has seen everything and has nothing left to do.
    pub fn quiet(&self) {
        self.barrier();
        self.idle();
    }

    /// Waits until nothing that the daemon knows of is left to be recorded or confirmed.
    pub fn idle(&self) {
        self.wait_until("nothing is left to be published", || self.database().open_publications() == Some(0));
    }

    /// Waits until all is done; then the tenancy must have exactly these assets: the path of each file (where it is, or was last)
    /// with its contents in order. Nothing else, nothing twice, numbers without gaps.
    pub fn assert_exact_in(&self, tenancy: &str, expected: &[(&str, &[&str])]) {
        self.quiet();
        self.assert_recorded_in(tenancy, expected);
    }

    pub fn assert_exact(&self, expected: &[(&str, &[&str])]) {
        self.assert_exact_in(MAIN, expected);
    }

    /// The same without waiting: for where the daemon does not run, or must not have seen everything.
    pub fn assert_recorded_in(&self, tenancy: &str, expected: &[(&str, &[&str])]) {
        let assets = self.assets(tenancy);
        let names: BTreeMap<String, &str> = expected
            .iter()
            .flat_map(|(_, contents)| contents.iter().map(|content| (sha256(content), *content)))
            .collect();
        let paths: BTreeMap<String, String> = self.database().paths_of_assets().into_iter().collect();
        let content = |hash: &str| names.get(hash).map_or_else(|| format!("?{hash}"), |content| (*content).to_owned());
        let mut found: Vec<(String, Vec<String>)> = assets
            .iter()
            .map(|asset| {
                let path = paths.get(&asset.uuid).map_or("?", |path| path.trim_start_matches('/'));
                (path.to_owned(), asset.hashes().into_iter().map(content).collect())
            })
            .collect();
        found.sort();
        let text = |content: &&str| (*content).to_owned();
        let mut expected: Vec<(String, Vec<String>)> =
            expected.iter().map(|(path, contents)| ((*path).to_owned(), contents.iter().map(text).collect())).collect();
        expected.sort();
        assert!(found == expected, "on the ledger: {found:#?}\nexpected: {expected:#?}{}", self.scene());
        for asset in &assets {
            asset.assert_sound();
        }
        let mut files: Vec<&str> = assets.iter().map(Asset::file).collect();
        files.sort_unstable();
        files.dedup();
        assert_eq!(files.len(), assets.len(), "one asset to a file reference: {assets:#?}");
    }

    /// A tenancy's assets, by the configuration's name for it.
    pub fn assets(&self, tenancy: &str) -> Vec<Asset> {
        self.ledger().of(if tenancy == MAIN { MAIN_ON_LEDGER } else { tenancy })
    }

    /// Replaces a file that only its owner may read.
    pub fn private(&self, path: &std::path::Path, text: &str) {
        conf::private(path, text);
    }
}

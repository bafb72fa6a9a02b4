//! `status`, `assets` and `approve` as their users meet them: the built program, over databases that the store itself
//! has written. No daemon runs; where one must, the test holds its lock.

mod approve;
mod assets;
mod status;

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use droptrail::digest::Digest;
use droptrail::store::{
    Applied, Change, Fixed, LinkWanted, PageOf, Policy, Publication, Recorded, Shown, Store, TenancyId, TenancyWanted,
};
use serde_json::Value;
use tempfile::TempDir;

const URL: &str = "https://ledger.example";
const ACCOUNT: &str = "dbid:AAH4f99T0taONIb-OurWxbNQ6ywGRopQngc";

/// A configuration and a state directory.
struct Place {
    directory: TempDir,
}

impl Place {
    /// With the tenancy `acme` and these linked folders; no database yet.
    fn new(folders: &[&str]) -> Place {
        let place = Place { directory: tempfile::tempdir().expect("a temporary directory") };
        let mut text = format!("state_dir = \"{}\"\n[dropbox]\napp_key = \"key\"\n", place.state().display());
        text += &tenancy("acme");
        for folder in folders {
            text += &format!("[[link]]\nfolder = \"{folder}\"\ntenancy = \"acme\"\n");
        }
        place.write_config(&text);
        place
    }

    fn state(&self) -> PathBuf {
        self.directory.path().join("state")
    }

    fn config(&self) -> PathBuf {
        self.directory.path().join("config.toml")
    }

    fn write_config(&self, text: &str) {
        std::fs::write(self.config(), text).expect("written");
    }

    fn append_config(&self, text: &str) {
        let old = std::fs::read_to_string(self.config()).expect("read");
        self.write_config(&(old + text));
    }

    fn database(&self) -> PathBuf {
        self.state().join("droptrail.db")
    }

    /// Runs the program with `input` on its standard input.
    fn run_with(&self, arguments: &[&str], input: &str) -> Output {
        let mut child = Command::new(env!("CARGO_BIN_EXE_droptrail"))
            .args(arguments)
            .arg("--config")
            .arg(self.config())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("runs");
        // A program that does not read has closed its end already.
        let _ = child.stdin.take().expect("piped").write_all(input.as_bytes());
        child.wait_with_output().expect("ends")
    }

    fn run(&self, arguments: &[&str]) -> Output {
        self.run_with(arguments, "")
    }

    /// Standard output, after an end with `status`.
    fn text(&self, arguments: &[&str], status: i32) -> String {
        let output = self.run(arguments);
        assert_eq!(output.status.code(), Some(status), "{arguments:?}: {}", stderr(&output));
        String::from_utf8(output.stdout).expect("UTF-8")
    }

    fn json(&self, arguments: &[&str], status: i32) -> Value {
        serde_json::from_str(&self.text(arguments, status)).expect("one JSON object")
    }

    fn lines(&self, arguments: &[&str]) -> Vec<Value> {
        self.text(arguments, 0).lines().map(|line| serde_json::from_str(line).expect("JSON Lines")).collect()
    }

    /// Opens the store in the state directory, with these links of tenancy `acme`.
    async fn plant(&self, links: &[(&str, &[&str])]) -> Planted {
        std::fs::create_dir_all(self.state()).expect("made");
        let (store, _) = Store::open(&self.state()).expect("opened");
        let wanted = TenancyWanted { name: "acme".into(), url: format!("{URL}/"), client_id: "client-of-acme".into() };
        let link = |(folder, exclude): &(&str, &[&str])| LinkWanted {
            folder: (*folder).into(),
            tenancy: "acme".into(),
            exclude: exclude.iter().map(|glob| (*glob).into()).collect(),
        };
        store.sync(vec![wanted], links.iter().map(link).collect()).await.expect("synced");
        for watch in store.watches().await.expect("read") {
            let id = Some(format!("id:of {}", watch.folder));
            store.resolved(watch.id, id, watch.folder.to_lowercase(), "home".into(), false).await.expect("written");
        }
        store.claim(ACCOUNT).await.expect("claimed");
        let tenancy = store.tenancies().await.expect("read")[0].id;
        Planted { store, tenancy }
    }
}

fn tenancy(name: &str) -> String {
    format!(
        "[[tenancy]]\nname = \"{name}\"\nurl = \"{URL}\"\nclient_id = \"client-of-{name}\"\n\
         client_secret_file = \"{name}.secret\"\n"
    )
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// An open store with one tenancy.
struct Planted {
    store: Store,
    tenancy: TenancyId,
}

impl Planted {
    /// Shows `files` as the next complete page of the linked folder; gives what became of it.
    async fn page(&self, folder: &str, files: Vec<Shown>, hold_above: u64) -> Applied {
        let watches = self.store.watches().await.expect("read");
        let watch = watches.into_iter().find(|watch| watch.folder == folder).expect("watched");
        let policy = Policy { dropbox_hash: false, clear_names: false, hold_above };
        let next = format!("cursor {}", watch.cursor.as_deref().unwrap_or_default());
        let page = PageOf {
            watch: watch.id,
            generation: watch.generation,
            asked_with: watch.cursor,
            changes: files.into_iter().map(Change::File).collect(),
            cursor: next,
            has_more: false,
        };
        self.store.apply(page, policy, Vec::new()).await.expect("applied")
    }

    /// "Hashes" whatever waits for it.
    async fn hash(&self) {
        for version in self.store.unhashed(100).await.expect("read") {
            let content = version.content_hash.expect("listed with a hash");
            self.store.hashed(version.id, content, sha256_of(content)).await.expect("written");
        }
    }

    /// Marks whatever may leave as in flight.
    async fn send(&self) -> Vec<Publication> {
        let ready = self.store.sendable(self.tenancy, 100).await.expect("read");
        let fix = |p: &Publication| Fixed { id: p.id, sequence: p.sequence, version: p.version, body: "{}".into() };
        self.store.mark_in_flight(ready.iter().map(fix).collect()).await.expect("written");
        ready
    }

    /// Records and confirms what is in flight.
    async fn record(&self, sent: &[Publication]) {
        for publication in sent {
            let asset = publication.identity.clone().unwrap_or_else(|| asset_of(&publication.file_id));
            let event = (!publication.is_registration()).then(|| "event".to_owned());
            self.store.recorded(publication.id, Recorded { asset, event }).await.expect("written");
            self.store.confirmed(vec![publication.id]).await.expect("written");
        }
    }

    async fn close(self) {
        self.store.close().await;
    }
}

/// A file with content that is told by `content`.
fn file(id: &str, path: &str, content: &str) -> Shown {
    Shown {
        file_id: format!("id:{id}"),
        rev: format!("{id}-{content}"),
        size: 7,
        content_hash: Some(Digest::sha256(content)),
        server_modified: format!("2026-01-01T00:00:0{}Z", content.len().min(9)),
        path_lower: path.to_lowercase(),
        path_display: path.into(),
        name: path.rsplit('/').next().unwrap_or_default().into(),
        skip: None,
    }
}

/// What the tests take for the SHA-256 of content with this content hash.
fn sha256_of(content_hash: Digest) -> Digest {
    Digest::sha256(content_hash.0)
}

/// The asset's uuid of the file `id:…`: made of it, so that the tests know it.
fn asset_of(file_id: &str) -> String {
    let hex = Digest::sha256(file_id).to_string();
    format!("{}-{}-4{}-8{}-{}", &hex[..8], &hex[8..12], &hex[12..15], &hex[15..18], &hex[18..30])
}

fn same_bytes(path: &Path, before: &[u8]) -> bool {
    std::fs::read(path).expect("read") == before
}

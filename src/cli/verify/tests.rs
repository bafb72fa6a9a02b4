//! `verify` as a person uses it, against a ledger that holds two documents.

use clap::Parser as _;

use super::*;
use crate::datatrails::testserver::{Server, json};

const ASSET: &str = "a1b2c3d4-0000-4000-8000-000000000001";
const EVENT: &str = "e1b2c3d4-0000-4000-8000-000000000002";
const TENANT: &str = "tenant/6ea5cd00-c711-3649-6914-7b125928bbb4";
const STRANGER: &str = "tenant/00000000-c711-3649-6914-7b125928bbb4";

#[derive(Debug, clap::Parser)]
struct Command {
    #[command(flatten)]
    args: Args,
}

fn args(words: &[&str]) -> Args {
    Command::try_parse_from([&["verify"], words].concat()).expect("arguments").args
}

/// A ledger with one document of `content`, in `status`; publishes its token's tenancy.
fn ledger(content: &'static [u8], status: &'static str) -> Server {
    use base64::Engine as _;
    let hash = Digest::sha256(content).to_string();
    let payload = base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(format!(r#"{{"jit_tenant_id":"{TENANT}"}}"#));
    Server::start(move |got| {
        let event = format!(
            r#"{{"identity":"publicassets/{ASSET}/events/{EVENT}","tenant_identity":"{TENANT}",
            "confirmation_status":"COMMITTED","timestamp_accepted":"2026-01-02T03:04:05Z",
            "asset_attributes":{{"document_hash_value":"{hash}","document_version":"1"}}}}"#
        );
        match got.target.as_str() {
            "/archivist/iam/v1/appidp/token" if got.body.contains("client_secret=right") => {
                json(200, format!(r#"{{"access_token":"e30.{payload}.x","expires_in":60}}"#))
            }
            "/archivist/iam/v1/appidp/token" => json(401, "{}"),
            target if target.contains("/-/events") && !target.contains(&hash) => json(200, r#"{"events":[]}"#),
            target if target.contains("/events") => json(200, format!(r#"{{"events":[{event}]}}"#)),
            target if target.ends_with(":publicinfo") => json(200, r#"{"verified_domain":"Example.org"}"#),
            _ => json(
                200,
                format!(
                    r#"{{"identity":"publicassets/{ASSET}","attributes":
                    {{"document_hash_value":"{hash}","document_status":"{status}"}}}}"#
                ),
            ),
        }
    })
}

struct Files(tempfile::TempDir);

impl Files {
    fn new() -> Files {
        Files(tempfile::tempdir().expect("directory"))
    }

    fn write(&self, name: &str, content: impl AsRef<[u8]>) -> String {
        use std::os::unix::fs::PermissionsExt as _;
        let path = self.0.path().join(name);
        std::fs::write(&path, content).expect("file");
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).expect("mode");
        path.to_str().expect("text").to_owned()
    }

    fn none(&self) -> PathBuf {
        self.0.path().join("no-config.toml")
    }
}

async fn verified(words: &[&str], config: &Path) -> (Result<u8, Failure>, String) {
    let mut out = Vec::new();
    let end = verify(&args(words), config, &mut out).await;
    (end, String::from_utf8(out).expect("text"))
}

#[tokio::test]
async fn a_file_is_found_by_its_content_under_any_name_with_no_configuration() {
    let (server, files) = (ledger(b"hello", "Published"), Files::new());
    let file = files.write("renamed.bin", "hello");
    let uuid = TENANT.trim_start_matches("tenant/");
    for by in [TENANT, uuid, &uuid.to_uppercase(), "example.ORG"] {
        let (end, out) = verified(&[&file, "--json", "--url", server.url.as_str(), "--by", by], &files.none()).await;
        assert_eq!(end.expect("end"), 0, "{by}");
        let told: serde_json::Value = serde_json::from_str(&out).expect("one line of JSON");
        assert_eq!(told["file"], file.as_str());
        assert_eq!(told["sha256"], Digest::sha256(b"hello").to_string());
        assert_eq!(told["content_hash"], Digest::sha256(Digest::sha256(b"hello").0).to_string());
        assert_eq!(told["found"], true);
        let record = &told["records"][0];
        assert_eq!(record["tenant_identity"], TENANT);
        assert_eq!(record["verified_domain"], "Example.org");
        assert_eq!((record["asset"].as_str(), record["event"].as_str()), (Some(ASSET), Some(EVENT)));
        assert_eq!((record["document_version"].as_str(), record["status"].as_str()), (Some("1"), Some("latest")));
        assert_eq!(record["recorded_at"], "2026-01-02T03:04:05Z");
        assert_eq!(record["public_url"], format!("{}archivist/publicassets/{ASSET}", server.url));
    }
}

#[tokio::test]
async fn what_is_not_recorded_withdrawn_or_anothers_is_not_found() {
    let files = Files::new();
    let (known, unknown) = (files.write("known", "hello"), files.write("unknown", "else"));
    for (status, file, by, said) in [
        ("Published", &unknown, TENANT, "this content has no record"),
        ("Withdrawn", &known, TENANT, "was withdrawn"),
        ("Published", &known, STRANGER, "by others only"),
        ("Published", &known, "example.com", "by others only"),
    ] {
        let server = ledger(b"hello", status);
        let url = server.url.as_str();
        let (end, out) = verified(&[file, "--url", url, "--by", by], &files.none()).await;
        assert_eq!(end.expect("end"), 3);
        assert!(out.contains("NOT FOUND") && out.contains(said), "{out}");
        assert_eq!(out.contains("not proof"), said == "by others only", "{out}");
        let (end, out) = verified(&[file, "--url", url, "--by", by, "--json"], &files.none()).await;
        assert_eq!(end.expect("end"), 3);
        assert!(out.contains(r#""found":false"#), "{out}");
    }
    let server = ledger(b"hello", "Published");
    let (end, _) = verified(&[&known, &unknown, "--url", server.url.as_str(), "--any"], &files.none()).await;
    assert_eq!(end.expect("end"), 3, "one that is missing is enough");
    let (end, _) = verified(&[&known, "--url", server.url.as_str(), "--any"], &files.none()).await;
    assert_eq!(end.expect("end"), 0);
}

#[tokio::test]
async fn whose_records_count_must_be_said_or_known() {
    let (server, files) = (ledger(b"hello", "Published"), Files::new());
    let file = files.write("known", "hello");
    let (end, out) = verified(&[&file, "--url", server.url.as_str()], &files.none()).await;
    let failure = end.expect_err("usage");
    assert_eq!((failure.status, out.as_str()), (2, ""));
    let hint = failure.hint.expect("hint");
    assert!(hint.contains("--by") && hint.contains("--any"), "{hint}");
    let (end, _) = verified(&[&file], &files.none()).await;
    assert!(end.expect_err("usage").hint.expect("hint").contains("--url"));
    for wrong in ["tenant/x", "nobody", "a b.c", ""] {
        assert!(Command::try_parse_from(["verify", "f", "--by", wrong]).is_err(), "{wrong}");
    }
    for wrong in ["http://example.org", "https://example.org/path", "ftp://example.org", "https://u:p@example.org", "x"]
    {
        assert!(Command::try_parse_from(["verify", "f", "--url", wrong]).is_err(), "{wrong}");
    }
    assert!(Command::try_parse_from(["verify"]).is_err());
    assert!(Command::try_parse_from(["verify", "f", "--any", "--by", "example.org"]).is_err());
}

fn config(files: &Files, url: &Url, secret: &str) -> PathBuf {
    let secret = files.write("acme.secret", secret);
    files
        .write(
            "config.toml",
            format!(
                "state_dir = \"{0}\"\n[dropbox]\napp_key = \"k\"\n[[tenancy]]\nname = \"acme\"\nurl = \"{1}\"\nclient_id = \
                 \"c\"\nclient_secret_file = \"{secret}\"\n",
                files.0.path().display(),
                base(url),
            ),
        )
        .into()
}

#[tokio::test]
async fn the_tenancies_of_the_configuration_count_on_their_own_ledger_only() {
    let (server, other, files) = (ledger(b"hello", "Published"), ledger(b"hello", "Published"), Files::new());
    let file = files.write("known", "hello");
    let known = config(&files, &server.url, "right");
    let (end, out) = verified(&[&file], &known).await;
    assert_eq!(end.expect("end"), 0, "{out}");
    let (end, _) = verified(&[&file, "--url", other.url.as_str()], &known).await;
    assert_eq!(end.expect_err("not ours").status, 2);
    let refused = config(&files, &server.url, "wrong");
    let failure = verified(&[&file], &refused).await.0.expect_err("refused");
    assert_eq!(failure.status, 2);
    assert!(failure.message.contains("acme") && !failure.message.contains("wrong"), "{}", failure.message);
}

#[tokio::test]
async fn a_ledger_that_is_away_and_a_file_that_cannot_be_read_have_their_own_status() {
    let (server, files) = (ledger(b"hello", "Published"), Files::new());
    let file = files.write("known", "hello");
    let listener = std::net::TcpListener::bind(("127.0.0.1", 0)).expect("listen");
    let nobody = format!("http://{}", listener.local_addr().expect("address"));
    drop(listener);
    let (end, out) = verified(&[&file, &file, "--json", "--any", "--url", &nobody], &files.none()).await;
    assert_eq!((end.expect("end"), out.as_str()), (1, ""));
    let missing = files.none();
    let missing = missing.to_str().expect("text");
    let directory = files.0.path().to_str().expect("text");
    for unreadable in [missing, directory] {
        let words = [unreadable, &file, "--json", "--any", "--url", server.url.as_str()];
        let (end, out) = verified(&words, &files.none()).await;
        assert_eq!(end.expect("end"), 2);
        assert_eq!(out.lines().count(), 1, "the other file is checked all the same");
    }
}

#[tokio::test]
async fn the_text_fits_eighty_columns_and_no_name_can_forge_a_line() {
    let (server, files) = (ledger(b"hello", "Published"), Files::new());
    let long = files.write(&format!("{}\n\u{1b}[2J\u{202e}FOUND", "ü".repeat(110)), "hello");
    let (end, out) = verified(&[&long, "--url", server.url.as_str(), "--any"], &files.none()).await;
    assert_eq!(end.expect("end"), 0);
    assert!(out.lines().all(|line| line.chars().count() <= 80), "{out}");
    assert!(!out.contains('\u{1b}') && !out.contains('\u{202e}'), "{out}");
    assert_eq!(out.lines().filter(|line| line.trim_start().starts_with("FOUND")).count(), 1, "{out}");
    assert!(out.contains("the latest version"), "{out}");
}

#[test]
fn both_hashes_come_out_of_one_pass_whatever_the_size() {
    let files = Files::new();
    const BLOCK: usize = 4 << 20;
    for size in [0, 1, BLOCK - 1, BLOCK, BLOCK + 1, 2 * BLOCK + 5] {
        let content: Vec<u8> = (0..size).map(|n| (n % 251) as u8).collect();
        let blocks: Vec<u8> = content.chunks(BLOCK).flat_map(|block| Digest::sha256(block).0).collect();
        let file = files.write("content", &content);
        let hashes = hash_file(Path::new(&file)).expect("hashes");
        assert_eq!(hashes, (Digest::sha256(&content), Digest::sha256(&blocks)), "{size}");
    }
}

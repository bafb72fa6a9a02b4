//! The switches of `[publish]`, what `verify` says of it all, and which folder it is that is linked.

use std::fs;

use serde_json::Value;

use crate::support::more::{creations, dropbox_rule, stays_so};
use crate::support::stage::MAIN;
use crate::support::{Asset, Link, Stage, sha256};

const MIB: usize = 1 << 20;

/// Dropbox's content hash, from its definition: the SHA-256 of the SHA-256s of the blocks of 4 MiB.
fn content_hash(content: &str) -> String {
    let blocks: Vec<u8> =
        content.as_bytes().chunks(4 * MIB).flat_map(|block| droptrail::digest::Digest::sha256(block).0).collect();
    droptrail::digest::Digest::sha256(blocks).to_string()
}

/// `verify` of a file with this content under a name of its own: the exit status and what it says, one object a line.
fn verify(stage: &Stage, content: &str, more: &[&str]) -> (i32, Value) {
    let file = stage.dir().join("whatever it is called.bin");
    fs::write(&file, content).unwrap();
    let arguments: Vec<&str> = ["verify", file.to_str().unwrap(), "--json"].iter().chain(more).copied().collect();
    let (code, out, error) = stage.command(&arguments);
    let told = serde_json::from_str(&out).unwrap_or_else(|_| panic!("{code} {out}{error}"));
    (code, told)
}

#[test]
fn with_hash_dropbox_nothing_is_downloaded_and_the_algorithm_says_so() {
    let mut stage = Stage::new();
    stage.configure(|conf| conf.publish += "hash = \"dropbox\"\n");
    let large = "0123456789abcdef".repeat(5 * MIB / 16);
    for (path, content) in [("empty.txt", ""), ("a.txt", "one"), ("large.bin", large.as_str())] {
        stage.write(path, content);
    }
    stage.run();
    stage.quiet();
    stage.write("a.txt", "two");
    stage.quiet();
    assert_eq!(stage.sandbox.count("files/download"), 0);
    let assets = stage.assets(MAIN);
    assets.iter().for_each(Asset::assert_sound);
    let mut found: Vec<Vec<&str>> = assets.iter().map(Asset::hashes).collect();
    found.sort();
    let hashes = [content_hash(""), content_hash("one"), content_hash("two"), content_hash(&large)];
    let mut expected = vec![vec![&hashes[0][..]], vec![&hashes[1], &hashes[2]], vec![&hashes[3]]];
    expected.sort();
    assert_eq!(found, expected);
    for version in assets.iter().flat_map(|asset| &asset.versions) {
        assert_eq!(version.attribute("document_hash_alg"), "dropbox-content-hash");
        assert_eq!(version.attribute("dropbox_content_hash"), version.hash());
    }
    for (content, status) in [("two", "latest"), ("one", "superseded"), (&large, "latest")] {
        let (code, told) = verify(&stage, content, &[]);
        assert_eq!(code, 0, "{told:#}");
        assert_eq!(told["records"][0]["status"], status, "{told:#}");
    }
}

#[test]
fn switching_hash_counts_from_then_on_and_records_nothing_again() {
    let mut stage = Stage::new();
    stage.write("a.txt", "one");
    stage.write("b.txt", "two");
    stage.run();
    stage.quiet();
    stage.configure(|conf| conf.publish += "hash = \"dropbox\"\n");
    stage.reload();
    stage.wait_for_log("the configuration was read again");
    stage.write("a.txt", "three");
    stage.quiet();
    let assets = stage.assets(MAIN);
    assert_eq!(stage.ledger().events(), 3, "{}", stage.scene());
    let a = assets.iter().find(|asset| asset.versions.len() == 2).unwrap();
    assert_eq!(a.hashes(), [sha256("one"), content_hash("three")]);
    let algorithms: Vec<&str> = a.versions.iter().map(|version| version.attribute("document_hash_alg")).collect();
    assert_eq!(algorithms, ["sha256", "dropbox-content-hash"]);
}

#[test]
fn a_file_without_a_content_hash_is_downloaded_and_right_with_sha256_and_skipped_with_the_reason_with_dropbox() {
    let mut stage = Stage::new();
    stage.faults(&dropbox_rule("no_content_hash", "text = 'without'"));
    stage.write("with.txt", "one");
    stage.write("without.txt", "two");
    stage.run();
    stage.assert_exact(&[("with.txt", &["one"]), ("without.txt", &["two"])]);
    stage.stop();

    let mut stage = Stage::new();
    stage.configure(|conf| conf.publish += "hash = \"dropbox\"\n");
    stage.faults(&dropbox_rule("no_content_hash", "text = 'without'"));
    stage.write("with.txt", "one");
    stage.write("without.txt", "two");
    stage.run();
    stage.quiet();
    assert_eq!(stage.sandbox.count("files/download"), 0);
    let assets = stage.assets(MAIN);
    assert_eq!(assets.len(), 1, "{}", stage.scene());
    assert_eq!(assets[0].hashes(), [content_hash("one")]);
    let skipped = stage.database().skipped();
    assert_eq!(skipped.len(), 1, "{skipped:?}");
    assert_eq!(skipped[0].0, "/without.txt");
    let (_, status, _) = stage.command(&["status", "--json"]);
    let status: Value = serde_json::from_str(&status).unwrap();
    assert_eq!(status["links"][0]["skipped"][&skipped[0].1], 1, "{status:#}");
}

#[test]
fn with_names_clear_the_display_name_is_the_name_of_the_file_and_never_its_path() {
    let mut stage = Stage::new();
    stage.configure(|conf| conf.publish += "names = \"clear\"\n");
    stage.write("Secret Folder/Minutes of May.txt", "one");
    stage.run();
    stage.quiet();
    stage.rename("Secret Folder/Minutes of May.txt", "Secret Folder/Minutes of June.txt");
    stage.barrier();
    assert_eq!(stage.ledger().events(), 1, "a rename alone records nothing");
    stage.write("Secret Folder/Minutes of June.txt", "two");
    stage.quiet();
    let assets = stage.assets(MAIN);
    let [asset] = &assets[..] else { panic!("{assets:#?}{}", stage.scene()) };
    let names: Vec<&str> = asset.versions.iter().map(|version| version.attribute("arc_display_name")).collect();
    assert_eq!(names, ["Minutes of May.txt", "Minutes of June.txt"], "as of each publication");
    assert_eq!(asset.attributes["arc_display_name"], "Minutes of June.txt");
    let whole = format!("{assets:?}").to_lowercase();
    assert!(!whole.contains("secret folder"), "{whole}");
    // Masked again: from then on.
    stage.configure(|conf| conf.publish = "settle = \"1s\"\n".into());
    stage.reload();
    stage.wait_for_log("the configuration was read again");
    stage.write("New Name.txt", "three");
    stage.quiet();
    let assets = stage.assets(MAIN);
    assert_eq!(assets[1].attributes["arc_display_name"], "xxx...");
}

#[test]
fn verify_says_which_version_a_content_is_and_whose_and_3_where_it_is_not_found() {
    let mut stage = Stage::new();
    stage.add_tenancy("other");
    fs::create_dir_all(stage.path("theirs")).unwrap();
    fs::create_dir_all(stage.path("ours")).unwrap();
    stage.configure(|conf| conf.links = vec![Link::new("/ours", MAIN), Link::new("/theirs", "other")]);
    stage.write("ours/a.txt", "one");
    stage.write("theirs/b.txt", "theirs alone");
    stage.run();
    stage.quiet();
    stage.write("ours/a.txt", "two");
    stage.quiet();
    stage.stop();
    // From here on only ours is configured.
    stage.configure(|conf| {
        conf.tenancies.truncate(1);
        conf.links.truncate(1);
    });
    let (code, latest) = verify(&stage, "two", &[]);
    assert_eq!((code, &latest["found"], &latest["records"][0]["status"]), (0, &true.into(), &"latest".into()));
    assert_eq!((&latest["sha256"], &latest["content_hash"]), (&sha256("two").into(), &content_hash("two").into()));
    let record = &latest["records"][0];
    assert_eq!(record["document_version"], "2");
    let assets = stage.assets(MAIN);
    assert_eq!(
        record["asset"].as_str().unwrap().trim_start_matches("publicassets/").trim_start_matches("assets/"),
        assets[0].uuid
    );
    let ours = record["tenant_identity"].as_str().unwrap().to_owned();
    let (code, superseded) = verify(&stage, "one", &[]);
    assert_eq!((code, &superseded["records"][0]["status"]), (0, &"superseded".into()), "{superseded:#}");
    let (code, missing) = verify(&stage, "never recorded", &[]);
    assert_eq!((code, &missing["found"]), (3, &false.into()));
    assert_eq!(missing["records"].as_array().map(Vec::len), Some(0));
    // Another tenancy's record is shown, and is no proof unless it is asked for.
    let (code, others) = verify(&stage, "theirs alone", &[]);
    assert_eq!((code, &others["found"]), (3, &false.into()), "{others:#}");
    let theirs = others["records"][0]["tenant_identity"].as_str().unwrap().to_owned();
    assert_ne!(theirs, ours);
    for (arguments, expected) in
        [(vec!["--any"], 0), (vec!["--by", &theirs], 0), (vec!["--by", &ours], 3), (vec!["--by", "example.org"], 3)]
    {
        let (code, told) = verify(&stage, "theirs alone", &arguments);
        assert_eq!((code, told["found"].as_bool()), (expected, Some(expected == 0)), "{arguments:?}: {told:#}");
    }
    // Several files: one of them is enough for 3.
    let known = stage.path("ours/a.txt");
    let unknown = stage.dir().join("unknown.txt");
    fs::write(&unknown, "unknown").unwrap();
    let (code, out, _) = stage.command(&["verify", "--json", known.to_str().unwrap(), unknown.to_str().unwrap()]);
    assert_eq!((code, out.lines().count()), (3, 2), "{out}");
    // Without a configuration somebody must say whose records count.
    let nowhere = stage.dir().join("nowhere.toml");
    let output = crate::support::process::run(&[
        "verify",
        "--config",
        nowhere.to_str().unwrap(),
        "--url",
        stage.sandbox.url(),
        known.to_str().unwrap(),
        "--any",
    ]);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
}

/// A linked folder is renamed, and then another folder made where it was; also over a restart.
fn renamed(script: &str) {
    let mut stage = Stage::new();
    fs::create_dir_all(stage.path("docs")).unwrap();
    stage.link(&["/docs"]);
    stage.faults(script);
    stage.write("docs/a.txt", "one");
    stage.run();
    stage.quiet();
    stage.rename("docs", "papers");
    stage.wait_for_condition("folder-renamed");
    stage.write("papers/a.txt", "two");
    stage.wait_until("followed", || stage.database().queued("/papers/a.txt") == 2);
    stage.write("docs/another.txt", "not linked");
    stage.wait_in_dropbox("/docs/another.txt", true);
    stage.write("papers/b.txt", "three");
    stage.wait_until("followed", || stage.database().queued("/papers/b.txt") == 1);
    stage.idle();
    stage.assert_recorded_in(MAIN, &[("papers/a.txt", &["one", "two"]), ("papers/b.txt", &["three"])]);
    stage.stop();
    stage.write("docs/another.txt", "still not linked");
    stage.write("papers/c.txt", "four");
    stage.wait_in_dropbox("/papers/c.txt", true);
    stage.run();
    stage.wait_until("followed", || stage.database().queued("/papers/c.txt") == 1);
    stage.wait_for_condition("folder-renamed");
    stage.idle();
    let posts = creations(&stage);
    stays_so(&stage, std::time::Duration::from_secs(1), "nothing else is published", || creations(&stage) == posts);
    stage.assert_recorded_in(
        MAIN,
        &[("papers/a.txt", &["one", "two"]), ("papers/b.txt", &["three"]), ("papers/c.txt", &["four"])],
    );
}

#[test]
fn a_renamed_folder_is_followed_by_its_id_and_another_at_its_path_is_not_published() {
    renamed("");
}

#[test]
fn a_renamed_folder_whose_cursors_break_is_followed_by_its_id_too() {
    renamed(&dropbox_rule("rename_breaks", ""));
}

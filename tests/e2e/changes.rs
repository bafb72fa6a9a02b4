//! What becomes of each Dropbox change: each row of the table, with `on_delete = "keep"`.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use droptrail::digest::Digest;

use crate::support::stage::MAIN;
use crate::support::{Stage, sha256};

/// A stage whose `/docs` is linked, with these files in it recorded.
fn recorded(files: &[(&str, &str)]) -> Stage {
    let mut stage = Stage::new();
    fs::create_dir(stage.path("docs")).unwrap();
    for (path, content) in files {
        stage.write(path, content);
    }
    stage.link(&["/docs"]);
    stage.run();
    stage.quiet();
    assert_eq!(stage.ledger().assets().len(), files.len(), "{}", stage.scene());
    stage
}

#[test]
fn a_new_file_becomes_a_new_public_document_profile_asset() {
    let mut stage = Stage::new();
    stage.write("a.txt", "one");
    stage.run();
    stage.write("docs/Später.txt", "two");
    stage.assert_exact(&[("a.txt", &["one"]), ("docs/Später.txt", &["two"])]);
    let asset = &stage.ledger().assets()[0];
    let (status, shown) = stage.ledger().public(&format!("/archivist/v2/publicassets/{}", asset.uuid));
    assert_eq!(status, 200);
    assert_eq!(shown["attributes"]["document_hash_value"], asset.hashes()[0]);
    assert_eq!(shown["attributes"]["arc_profile"], "Document");
    assert!(shown["behaviours"].as_array().unwrap().iter().any(|behaviour| behaviour == "RecordEvidence"));
    assert_eq!(shown["public"], true);
}

#[test]
fn content_changed_becomes_a_publish_event_with_the_next_document_version() {
    let mut stage = recorded(&[("docs/a.txt", "one")]);
    stage.write("docs/a.txt", "two");
    stage.quiet();
    stage.save("docs/a.txt", "three");
    stage.assert_exact(&[("docs/a.txt", &["one", "two", "three"])]);
    let asset = &stage.ledger().assets()[0];
    let (_, shown) = stage.ledger().public(&format!("/archivist/v2/publicassets/{}", asset.uuid));
    assert_eq!(shown["attributes"]["document_version"], "3");
    assert_eq!(shown["attributes"]["document_hash_value"], asset.hashes()[2]);
    stage.stop();
}

#[test]
fn metadata_touched_or_a_new_rev_with_the_same_content_becomes_nothing() {
    let stage = recorded(&[("docs/a.txt", "one"), ("docs/b.txt", "two"), ("docs/c.txt", "three")]);
    let rev = |path: &str| stage.database().texts("SELECT rev FROM file WHERE path_display = ?1", &[&path]);
    let (a, c) = (rev("/docs/a.txt"), rev("/docs/c.txt"));
    stage.touch("docs/a.txt");
    fs::set_permissions(stage.path("docs/b.txt"), fs::Permissions::from_mode(0o400)).unwrap();
    stage.save("docs/c.txt", "three");
    stage.wait_until("the new revs were seen", || rev("/docs/a.txt") != a && rev("/docs/c.txt") != c);
    stage.assert_exact(&[("docs/a.txt", &["one"]), ("docs/b.txt", &["two"]), ("docs/c.txt", &["three"])]);
}

#[test]
fn a_file_renamed_or_moved_within_the_linked_folders_becomes_nothing_but_a_new_local_path() {
    let mut stage = recorded(&[("docs/a.txt", "one"), ("docs/b.txt", "two")]);
    stage.rename("docs/a.txt", "docs/renamed.txt");
    stage.rename("docs/b.txt", "docs/deep/er/b.txt");
    stage.assert_exact(&[("docs/renamed.txt", &["one"]), ("docs/deep/er/b.txt", &["two"])]);
    let mut listed = stage.assets_command(&[]);
    listed.sort_by_key(|line| line["path"].as_str().map(str::to_owned));
    let field = |name: &str| listed.iter().map(|line| line[name].as_str().unwrap().to_owned()).collect::<Vec<_>>();
    assert_eq!(field("path"), ["/docs/deep/er/b.txt", "/docs/renamed.txt"]);
    assert_eq!(field("document_hash_value"), [sha256("two"), sha256("one")]);
    assert_eq!(field("state"), ["confirmed", "confirmed"]);
    stage.write("docs/renamed.txt", "three");
    stage.assert_exact(&[("docs/renamed.txt", &["one", "three"]), ("docs/deep/er/b.txt", &["two"])]);
    stage.stop();
}

#[test]
fn a_folder_renamed_or_moved_within_the_linked_folders_becomes_nothing_but_new_local_paths() {
    let stage = recorded(&[("docs/x/a.txt", "one"), ("docs/x/y/b.txt", "two"), ("docs/k.txt", "three")]);
    stage.rename("docs/x", "docs/New/Place");
    stage.assert_exact(&[
        ("docs/New/Place/a.txt", &["one"]),
        ("docs/New/Place/y/b.txt", &["two"]),
        ("docs/k.txt", &["three"]),
    ]);
    stage.write("docs/New/Place/y/b.txt", "four");
    stage.assert_exact(&[
        ("docs/New/Place/a.txt", &["one"]),
        ("docs/New/Place/y/b.txt", &["two", "four"]),
        ("docs/k.txt", &["three"]),
    ]);
}

#[test]
fn a_file_renamed_and_changed_becomes_a_publish_event_on_the_same_asset() {
    let stage = recorded(&[("docs/a.txt", "one")]);
    stage.rename("docs/a.txt", "docs/b.txt");
    stage.barrier();
    stage.write("docs/b.txt", "two");
    stage.assert_exact(&[("docs/b.txt", &["one", "two"])]);
}

#[test]
fn a_copy_becomes_a_new_asset_without_a_download() {
    let stage = recorded(&[("docs/a.txt", "one"), ("docs/x/b.txt", "two")]);
    let downloads = stage.sandbox.count("files/download");
    assert_eq!(downloads, 2);
    stage.copy("docs/a.txt", "docs/copy.txt");
    fs::create_dir(stage.path("docs/tree")).unwrap();
    stage.copy("docs/x/b.txt", "docs/tree/b.txt");
    stage.assert_exact(&[
        ("docs/a.txt", &["one"]),
        ("docs/copy.txt", &["one"]),
        ("docs/x/b.txt", &["two"]),
        ("docs/tree/b.txt", &["two"]),
    ]);
    assert_eq!(stage.sandbox.count("files/download"), downloads);
}

#[test]
fn moved_out_of_or_deleted_from_the_linked_folders_becomes_nothing() {
    let stage = recorded(&[("docs/a.txt", "one"), ("docs/b.txt", "two"), ("docs/x/c.txt", "three")]);
    stage.rename("docs/a.txt", "outside/a.txt");
    stage.delete("docs/b.txt");
    stage.delete("docs/x");
    stage.quiet();
    let here = |path: &str| stage.database().has_place(path);
    assert!(!here("/docs/a.txt") && !here("/docs/b.txt") && !here("/docs/x/c.txt"), "{}", stage.scene());
    // Nor does what is done to it out there.
    stage.write("outside/a.txt", "not linked");
    stage.assert_exact(&[("docs/a.txt", &["one"]), ("docs/b.txt", &["two"]), ("docs/x/c.txt", &["three"])]);
}

#[test]
fn moved_back_in_becomes_nothing_or_a_publish_event_on_the_same_asset_if_the_content_differs() {
    let stage = recorded(&[("docs/a.txt", "one"), ("docs/b.txt", "two")]);
    stage.rename("docs/a.txt", "a.txt");
    stage.rename("docs/b.txt", "b.txt");
    stage.barrier();
    assert!(!stage.database().has_place("/docs/a.txt"), "{}", stage.scene());
    stage.write("b.txt", "three");
    stage.rename("a.txt", "docs/a.txt");
    stage.rename("b.txt", "docs/elsewhere.txt");
    stage.assert_exact(&[("docs/a.txt", &["one"]), ("docs/elsewhere.txt", &["two", "three"])]);
}

#[test]
fn restored_under_its_old_id_becomes_nothing_or_a_publish_event_if_the_content_differs() {
    for rev in ["", "text = 'rev'"] {
        let mut stage = recorded(&[("docs/a.txt", "one"), ("docs/b.txt", "two")]);
        stage.dropbox_fault("restore_same_id", rev);
        stage.delete("docs/a.txt");
        stage.delete("docs/b.txt");
        stage.barrier();
        assert!(!stage.database().has_place("/docs/a.txt"), "{}", stage.scene());
        stage.write("docs/a.txt", "one");
        stage.write("docs/b.txt", "three");
        stage.assert_exact(&[("docs/a.txt", &["one"]), ("docs/b.txt", &["two", "three"])]);
    }
}

#[test]
fn an_older_version_restored_becomes_a_publish_event_with_the_next_version() {
    let mut stage = recorded(&[("docs/a.txt", "one")]);
    stage.write("docs/a.txt", "two");
    stage.quiet();
    stage.dropbox_fault("restore_same_id", "");
    stage.delete("docs/a.txt");
    stage.barrier();
    stage.write("docs/a.txt", "one");
    stage.assert_exact(&[("docs/a.txt", &["one", "two", "one"])]);
    stage.stop();
}

#[test]
fn deleted_by_itself_then_a_new_file_at_the_same_path_becomes_a_new_asset() {
    let mut stage = recorded(&[("docs/a.txt", "one"), ("docs/b.txt", "two")]);
    for path in ["docs/a.txt", "docs/b.txt"] {
        stage.delete(path);
    }
    stage.barrier();
    stage.write("docs/a.txt", "one");
    stage.write("docs/b.txt", "three");
    let expected: &[(&str, &[&str])] =
        &[("docs/a.txt", &["one"]), ("docs/a.txt", &["one"]), ("docs/b.txt", &["two"]), ("docs/b.txt", &["three"])];
    stage.assert_exact(expected);

    // The same in one drain, because nobody looked in between.
    stage.stop();
    stage.delete("docs/a.txt");
    stage.wait_in_dropbox("/docs/a.txt", false);
    stage.write("docs/a.txt", "one");
    stage.wait_in_dropbox("/docs/a.txt", true);
    stage.run();
    stage.assert_exact(&[expected, &[("docs/a.txt", &["one"])]].concat());
}

#[test]
fn a_folder_shared_unshared_or_remounted_becomes_nothing_and_its_files_go_on_with_their_assets() {
    let mut stage = recorded(&[("docs/s/a.txt", "one"), ("docs/s/t/b.txt", "two"), ("docs/k.txt", "three")]);
    let ids = || stage_ids(&stage);
    let before = ids();
    stage.sandbox_conversion("/docs/s");
    stage.wait_until("the new ids were seen", || stage_ids(&stage) != before);
    stage.assert_exact(&[("docs/s/a.txt", &["one"]), ("docs/s/t/b.txt", &["two"]), ("docs/k.txt", &["three"])]);
    stage.write("docs/s/t/b.txt", "four");
    stage.rename("docs/s/a.txt", "docs/renamed.txt");
    stage.assert_exact(&[
        ("docs/renamed.txt", &["one"]),
        ("docs/s/t/b.txt", &["two", "four"]),
        ("docs/k.txt", &["three"]),
    ]);
    stage.stop();
}

#[test]
fn a_linked_folder_that_is_itself_shared_or_remounted_becomes_nothing_even_if_nobody_looked() {
    let mut stage = recorded(&[("docs/s/a.txt", "one"), ("docs/s/t/b.txt", "two")]);
    let before = stage_ids(&stage);
    stage.sandbox_conversion("/docs");
    stage.wait_until("the new ids were seen", || stage_ids(&stage) != before);
    stage.assert_exact(&[("docs/s/a.txt", &["one"]), ("docs/s/t/b.txt", &["two"])]);
    // Again while nobody looks, and with a change on top.
    stage.stop();
    let before = stage_ids(&stage);
    stage.sandbox_conversion("/docs");
    stage.write("docs/s/a.txt", "three");
    stage.wait_until("Dropbox has both", || stage.sandbox.follows());
    stage.run();
    stage.wait_until("the new ids were seen", || stage_ids(&stage) != before);
    stage.quiet();
    // A file whose id and content are both new is another file for all that anybody can know.
    stage.assert_recorded_in(
        MAIN,
        &[("docs/s/a.txt", &["one"]), ("docs/s/a.txt", &["three"]), ("docs/s/t/b.txt", &["two"])],
    );
    stage.write("docs/s/t/b.txt", "four");
    stage.assert_exact(&[
        ("docs/s/a.txt", &["one"]),
        ("docs/s/a.txt", &["three"]),
        ("docs/s/t/b.txt", &["two", "four"]),
    ]);
}

#[test]
fn a_file_where_a_folder_was_and_a_folder_where_a_file_was_are_new_assets() {
    let stage = recorded(&[("docs/x", "one"), ("docs/y/a.txt", "two")]);
    stage.delete("docs/x");
    stage.write("docs/x/b.txt", "three");
    stage.delete("docs/y");
    stage.write("docs/y", "four");
    stage.assert_exact(&[
        ("docs/x", &["one"]),
        ("docs/x/b.txt", &["three"]),
        ("docs/y/a.txt", &["two"]),
        ("docs/y", &["four"]),
    ]);
    let there = stage.database().places();
    let there: Vec<&str> =
        there.iter().map(|(_, path)| path.as_str()).filter(|path| !path.contains("barrier")).collect();
    assert_eq!(there, ["/docs/x/b.txt", "/docs/y"]);
}

#[test]
fn with_hash_dropbox_the_content_hash_is_recorded_and_nothing_is_downloaded() {
    let mut stage = Stage::new();
    stage.configure(|conf| conf.publish += "hash = \"dropbox\"\n");
    stage.write("a.txt", "one");
    stage.run();
    stage.quiet();
    stage.write("a.txt", "two");
    stage.quiet();
    let content_hash = |content: &str| Digest::sha256(Digest::sha256(content).0).to_string();
    let assets = stage.ledger().assets();
    assert_eq!(assets.len(), 1, "{}", stage.scene());
    assert_eq!(assets[0].hashes(), [content_hash("one"), content_hash("two")]);
    assert!(assets[0].versions.iter().all(|v| v.attribute("document_hash_alg") == "dropbox-content-hash"));
    assets[0].assert_sound();
    assert_eq!(stage.sandbox.count("files/download"), 0);
}

/// The ids of the files that are in the linked folders.
fn stage_ids(stage: &Stage) -> Vec<String> {
    let sql =
        "SELECT f.file_id FROM place p JOIN file f ON f.id = p.file WHERE f.path_display LIKE '/docs/s/%' ORDER BY 1";
    stage.database().texts(sql, &[])
}

#[test]
fn made_and_deleted_or_changed_twice_while_we_looked_away_becomes_what_a_page_has_shown() {
    let mut stage = recorded(&[("docs/a.txt", "one")]);
    stage.stop();
    stage.write("docs/brief.txt", "never shown");
    stage.write("docs/a.txt", "also never shown");
    stage.wait_in_dropbox("/docs/brief.txt", true);
    stage.delete("docs/brief.txt");
    stage.write("docs/a.txt", "two");
    stage.wait_in_dropbox("/docs/brief.txt", false);
    stage.run();
    stage.assert_exact(&[("docs/a.txt", &["one", "two"])]);
}

#[test]
fn what_a_page_has_shown_is_recorded_even_if_it_is_gone_before_it_is_read() {
    let mut stage = recorded(&[("docs/a.txt", "one")]);
    stage.dropbox_fault("status", "on = 'files/download'\nvalue = 503");
    stage.write("docs/a.txt", "two");
    stage.write("docs/brief.txt", "three");
    stage.wait_until("both were shown", || {
        stage.database().queued("/docs/a.txt") == 2 && stage.database().queued("/docs/brief.txt") == 1
    });
    stage.write("docs/a.txt", "four");
    stage.wait_until("it was shown again", || stage.database().queued("/docs/a.txt") == 3);
    stage.delete("docs/brief.txt");
    stage.barrier();
    stage.faults("");
    stage.assert_exact(&[("docs/a.txt", &["one", "two", "four"]), ("docs/brief.txt", &["three"])]);
}

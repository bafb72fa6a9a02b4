//! What becomes of each Dropbox change: each row of the table, with `on_delete = "keep"`.

use crate::support::Stage;

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
fn changed_content_becomes_a_publish_event_on_the_same_asset() {
    let mut stage = Stage::new();
    stage.write("a.txt", "one");
    stage.run();
    stage.quiet();
    stage.write("a.txt", "two");
    stage.quiet();
    stage.save("a.txt", "three");
    stage.assert_exact(&[("a.txt", &["one", "two", "three"])]);
}

//! Versions follow each other: each that a page has shown is recorded once, in order.

use std::fs;

use crate::support::Stage;

#[test]
fn a_then_b_then_a_in_quick_succession_is_three_records_in_order() {
    let mut stage = Stage::new();
    stage.write("a.txt", "A");
    stage.run();
    for (n, content) in [(1, "A"), (2, "B"), (3, "A"), (4, "B")] {
        stage.write("a.txt", content);
        stage.wait_until("a page showed it", || stage.database().queued("/a.txt") == n);
    }
    stage.assert_exact(&[("a.txt", &["A", "B", "A", "B"])]);
}

#[test]
fn a_file_saved_as_editors_save_is_the_same_asset() {
    let mut stage = Stage::new();
    stage.write("replaced.txt", "1");
    stage.write("rewritten.txt", "2");
    stage.write("backed-up.txt", "3");
    stage.run();
    stage.quiet();
    // A new file renamed over the old one; truncated and written again; the old one moved aside first.
    stage.save("replaced.txt", "1 edited");
    stage.write("rewritten.txt", "2 edited");
    fs::rename(stage.path("backed-up.txt"), stage.dir().join("backed-up.txt~")).unwrap();
    stage.save("backed-up.txt", "3 edited");
    stage.assert_exact(&[
        ("replaced.txt", &["1", "1 edited"]),
        ("rewritten.txt", &["2", "2 edited"]),
        ("backed-up.txt", &["3", "3 edited"]),
    ]);
}

#[test]
fn files_of_every_awkward_size_and_name_are_recorded_with_their_right_hash() {
    const MIB: usize = 1 << 20;
    let mut stage = Stage::new();
    let long = format!("{}.txt", "n".repeat(251));
    let contents: Vec<(String, String)> = [
        ("empty", 0),
        ("Ä decomposed A\u{308}.bin", 1),
        ("📁 emoji", 4 * MIB - 1),
        ("line\nbreak", 4 * MIB),
        ("deep/er/and/deep/er/file", 4 * MIB + 1),
        (long.as_str(), 9 * MIB),
    ]
    .iter()
    .map(|(name, size)| ((*name).to_owned(), "x".repeat(*size)))
    .collect();
    for (name, content) in &contents {
        stage.write(name, content);
    }
    stage.run();
    stage.quiet();
    let mut hashes: Vec<String> = stage.ledger().assets().iter().map(|asset| asset.hashes().concat()).collect();
    let mut expected: Vec<String> = contents.iter().map(|(_, content)| crate::support::sha256(content)).collect();
    hashes.sort();
    expected.sort();
    assert_eq!(hashes, expected, "{}", stage.scene());
}

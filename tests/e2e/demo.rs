//! The demonstration: everything together on a local folder, with nothing to set up.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::time::SystemTime;

use crate::support::database::Database;
use crate::support::ledger::{Asset, LedgerView};
use crate::support::process::run;

fn demo(arguments: &[&str]) -> String {
    let output = run(&[&["demo", "--once"], arguments].concat());
    let (out, error) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert_eq!(output.status.code(), Some(0), "{out}\n{error}");
    out.into_owned()
}

fn assets(state: &Path) -> Vec<Asset> {
    let assets = LedgerView::new(Database::new(&state.join("ledger/ledger.db")), "").assets();
    assets.iter().for_each(Asset::assert_sound);
    assets
}

/// Records as the demo prints them: the hash, and the asset at the end of its address.
fn printed(out: &str) -> Vec<(String, String)> {
    let hashes = out.lines().filter_map(|line| line.trim().strip_prefix("SHA-256 ")).map(str::to_owned);
    let assets = out.lines().filter_map(|line| line.trim().rsplit_once("/archivist/publicassets/")).map(|(_, id)| id);
    hashes.zip(assets.map(str::to_owned)).collect()
}

#[test]
fn demo_once_prints_records_that_are_on_the_ledger_and_a_second_time_records_nothing_twice() {
    let temp = tempfile::tempdir().unwrap();
    let state = temp.path().join("state");
    let out = demo(&["--state", state.to_str().unwrap()]);
    let first = assets(&state);
    let made: Vec<(String, String)> = first
        .iter()
        .flat_map(|asset| asset.versions.iter().map(|version| (version.hash().to_owned(), asset.uuid.clone())))
        .collect();
    assert_eq!(first.len(), 8, "each sample file has one asset");
    assert_eq!(made.len(), 9, "and one of them a second version");
    let shown = printed(&out);
    assert_eq!(shown.len(), 9, "{out}");
    assert!(shown.iter().all(|record| made.contains(record)), "{out}\n{made:#?}");
    assert!(out.contains("FOUND: the latest version"), "{out}");
    for asset in &first {
        let hash = &asset.versions[0];
        assert!(!hash.hash().is_empty());
    }
    // Again on the same state: the same assets, and one more version of the file that it changes.
    let out = demo(&["--state", state.to_str().unwrap()]);
    let second = assets(&state);
    assert_eq!(second.len(), first.len(), "{out}");
    let versions = |assets: &[Asset]| assets.iter().map(|asset| asset.versions.len()).sum::<usize>();
    assert_eq!(versions(&second), versions(&first) + 1, "{out}");
    assert_eq!(printed(&out).len(), 1, "{out}");
}

/// Everything in a folder: contents and times of change.
fn whole(folder: &Path) -> BTreeMap<String, (Vec<u8>, SystemTime)> {
    let entry = |entry: fs::DirEntry| {
        let name = entry.file_name().to_string_lossy().into_owned();
        (name, (fs::read(entry.path()).unwrap(), entry.metadata().unwrap().modified().unwrap()))
    };
    fs::read_dir(folder).unwrap().map(Result::unwrap).map(entry).collect()
}

#[test]
fn demo_once_on_a_folder_of_somebodys_leaves_it_as_it_was() {
    let temp = tempfile::tempdir().unwrap();
    let (folder, state) = (temp.path().join("mine"), temp.path().join("state"));
    fs::create_dir(&folder).unwrap();
    for (name, content) in [("letter.txt", "dear"), ("empty", ""), ("same.txt", "dear")] {
        fs::write(folder.join(name), content).unwrap();
    }
    let before = whole(&folder);
    let out = demo(&[folder.to_str().unwrap(), "--state", state.to_str().unwrap()]);
    assert_eq!(whole(&folder), before, "{out}");
    let assets = assets(&state);
    // The three, and the demo's own file with its change.
    assert_eq!(assets.len(), 4, "{out}");
    assert_eq!(assets.iter().map(|asset| asset.versions.len()).max(), Some(2));
}

#[test]
fn demo_says_what_is_wrong_with_a_folder_that_is_not_there() {
    let temp = tempfile::tempdir().unwrap();
    let missing = temp.path().join("no-such-folder");
    let output = run(&["demo", "--once", missing.to_str().unwrap()]);
    let error = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{error}");
    assert!(error.contains("no-such-folder") && error.lines().count() <= 2, "{error}");
    assert!(!missing.exists());
}

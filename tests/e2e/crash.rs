//! Exactly once, whatever dies or is cut: kills at random moments, answers that never come, records that fail later, and a
//! database that knows less than the ledger.

use std::fs;
use std::time::Duration;

use rand::Rng as _;

use crate::support::more::{creations, dropbox_rule, ledger_rule, random, stays_so, wait_long};
use crate::support::stage::MAIN;
use crate::support::{Asset, Deed, Link, Proxy, Stage, sha256};

const CREATE: &str = "on = 'POST /archivist/v2/assets'";
/// The ledger's number for a record that FAILED.
const FAILED: i64 = 3;

/// Starts the daemon and kills it at a random moment of the time given, as often as asked.
fn kill_at_random(stage: &mut Stage, random: &mut rand::rngs::StdRng, times: u32, most_ms: u64) {
    for _ in 0..times {
        stage.run();
        // The moment is the point: nothing is awaited.
        std::thread::sleep(Duration::from_millis(random.random_range(40..most_ms)));
        stage.kill();
    }
}

#[test]
fn killed_twenty_times_amid_cut_connections_and_search_lag_every_file_is_one_asset_and_every_change_one_event() {
    let mut random = random();
    let mut stage = Stage::new();
    stage.configure(|conf| conf.publish = "settle = \"2s\"\n".into());
    let seed: u32 = random.random();
    stage.faults(&format!(
        "seed = {seed}\n{}{}{}{}{}{}",
        ledger_rule("search_lag", "value = 0.7"),
        ledger_rule("commit_then_cut", &format!("{CREATE}\nprobability = 0.15")),
        ledger_rule("cut_before", &format!("{CREATE}\nprobability = 0.1")),
        ledger_rule("commit_then_status", &format!("{CREATE}\nprobability = 0.05\nvalue = 503")),
        dropbox_rule("cut_body", "probability = 0.05\nvalue = 3"),
        dropbox_rule("reset", "on = 'files/list_folder/continue'\nprobability = 0.05"),
    ));
    let files: Vec<String> = (0..45).map(|n| format!("d{}/f{n}.txt", n % 5)).collect();
    let content = |file: &str, version: usize| format!("{file} version {version}");
    let mut expected: Vec<(String, Vec<String>)> = Vec::new();
    for file in &files {
        stage.write(file, &content(file, 1));
        expected.push((file.clone(), vec![content(file, 1)]));
    }
    kill_at_random(&mut stage, &mut random, 20, 1000);
    for version in 1..=3 {
        if version > 1 {
            for (file, contents) in expected.iter_mut().step_by(4) {
                stage.write(file, &content(file, version));
                contents.push(content(file, version));
            }
            kill_at_random(&mut stage, &mut random, 3, 1200);
        }
        stage.run();
        stage.barrier();
        wait_long(&stage, "everything is recorded", || stage.database().open_publications() == Some(0));
        stage.kill();
    }
    stage.faults("");
    stage.run();
    let contents: Vec<Vec<&str>> =
        expected.iter().map(|(_, contents)| contents.iter().map(String::as_str).collect()).collect();
    let expected: Vec<(&str, &[&str])> =
        expected.iter().zip(&contents).map(|((file, _), contents)| (file.as_str(), &contents[..])).collect();
    stage.assert_exact(&expected);
}

#[test]
fn a_folder_in_two_tenancies_with_the_first_post_to_the_second_cut_has_its_record_once_in_both() {
    let mut stage = Stage::new();
    stage.add_tenancy("other");
    let proxy = Proxy::start(stage.sandbox.url());
    let mut cut = false;
    proxy.rule(move |request| {
        let first = request.method == "POST" && request.path == "/archivist/v2/assets" && !cut;
        cut |= first;
        if first { Deed::CutAfter } else { Deed::Pass }
    });
    let url = proxy.url().to_owned();
    stage.configure(|conf| {
        conf.tenancies[1].url = url;
        conf.links = vec![Link::new("/", MAIN), Link::new("/", "other")];
    });
    stage.write("a.txt", "one");
    stage.write("b.txt", "two");
    stage.run();
    stage.assert_exact_in(MAIN, &[("a.txt", &["one"]), ("b.txt", &["two"])]);
    stage.assert_exact_in("other", &[("a.txt", &["one"]), ("b.txt", &["two"])]);
    assert_eq!(proxy.count("POST", "/archivist/v2/assets"), 2, "what was cut is looked up, not sent again");
}

#[test]
fn the_database_replaced_by_yesterdays_copy_publishes_nothing_and_says_so() {
    let mut stage = Stage::new();
    stage.write("a.txt", "one");
    stage.run();
    stage.quiet();
    stage.stop();
    let database = stage.database();
    let copy = stage.dir().join("yesterday.db");
    fs::copy(database.path(), &copy).unwrap();
    stage.run();
    stage.write("a.txt", "two");
    stage.write("b.txt", "three");
    stage.quiet();
    stage.stop();
    fs::copy(&copy, database.path()).unwrap();
    let before = stage.ledger().events();
    let posts = creations(&stage);
    stage.run();
    stage.wait_for_condition("database-behind");
    stage.write("c.txt", "four");
    stage.barrier();
    let looks = stage.sandbox.count("/events");
    stage.wait_until("the ledger is asked again", || stage.sandbox.count("/events") >= looks + 2);
    assert_eq!(creations(&stage), posts, "nothing is published{}", stage.scene());
    assert_eq!(stage.ledger().events(), before);
    let (code, status, _) = stage.command(&["status", "--json"]);
    assert_eq!(code, 4, "{status}");
    assert!(status.contains("database-behind") && status.contains("droptrail recover"), "{status}");
}

#[test]
fn a_committer_that_stalls_for_longer_than_settle_makes_no_duplicate() {
    let mut stage = Stage::new();
    // The very first registration, one in a proven tenancy, and an event: each is made, its answer is lost, and for three
    // times as long as `settle` it is not committed.
    for (file, content) in [("a.txt", "one"), ("b.txt", "two"), ("a.txt", "three")] {
        let stall = ledger_rule("committer_stall", "");
        stage.faults(&(stall.clone() + &ledger_rule("commit_then_cut", &format!("{CREATE}\ntimes = 1"))));
        let before = stage.ledger().events();
        stage.write(file, content);
        if stage.daemon.is_none() {
            stage.run();
        }
        stage.wait_until("it is made", || stage.ledger().events() > before);
        let posts = creations(&stage);
        stays_so(&stage, Duration::from_secs(3), "it is made once", || {
            stage.ledger().events() == before + 1 && creations(&stage) <= posts.max(1)
        });
        stage.faults("");
        stage.quiet();
        assert_eq!(stage.ledger().events(), before + 1);
    }
    stage.assert_exact(&[("a.txt", &["one", "three"]), ("b.txt", &["two"])]);
}

#[test]
fn an_answer_of_success_that_cannot_be_read_makes_no_duplicate() {
    let mut stage = Stage::new();
    stage.faults(&ledger_rule("unreadable_2xx", &format!("{CREATE}\nevery = 2")));
    for n in 0..6 {
        stage.write(&format!("f{n}.txt"), &format!("content {n}"));
    }
    stage.run();
    stage.quiet();
    stage.write("f0.txt", "changed");
    stage.write("f1.txt", "changed too");
    stage.quiet();
    stage.assert_exact(&[
        ("f0.txt", &["content 0", "changed"]),
        ("f1.txt", &["content 1", "changed too"]),
        ("f2.txt", &["content 2"]),
        ("f3.txt", &["content 3"]),
        ("f4.txt", &["content 4"]),
        ("f5.txt", &["content 5"]),
    ]);
}

/// The events of an asset: number, hash, and whether it failed.
fn told(asset: &Asset) -> Vec<(String, String, bool)> {
    let version = |version: &crate::support::Version| {
        (version.attribute("droptrail_sequence").to_owned(), version.hash().to_owned(), version.status == FAILED)
    };
    asset.versions.iter().map(version).collect()
}

#[test]
fn a_registration_that_failed_is_made_again_as_a_new_asset_before_anything_else_of_its_file() {
    let mut stage = Stage::new();
    stage.write("first.txt", "zero");
    stage.run();
    stage.quiet();
    // Held back until two more versions wait behind the one that will fail.
    let stall = ledger_rule("committer_stall", "");
    stage.faults(&(stall + &ledger_rule("fail", "times = 1")));
    stage.write("a.txt", "one");
    stage.barrier();
    stage.wait_until("it is made", || stage.ledger().events() == 2);
    for content in ["two", "three"] {
        stage.write("a.txt", content);
        stage.barrier();
    }
    stage.faults("");
    stage.quiet();
    let assets = stage.assets(MAIN);
    assert_eq!(assets.len(), 3, "{}", stage.scene());
    assert_eq!(assets[1].status, FAILED);
    assert_eq!(told(&assets[1]), [("1".into(), sha256("one"), true)]);
    assert_eq!(assets[1].file(), assets[2].file(), "the same file, by its reference");
    let again = [("1", "one"), ("2", "two"), ("3", "three")];
    assert_eq!(told(&assets[2]), again.map(|(n, content)| (n.to_owned(), sha256(content), false)));
    assets[2].assert_sound();
    let log = stage.log_text();
    assert!(log.contains(&assets[1].uuid) && log.contains("ERROR"), "a failed record is told loudly");
}

#[test]
fn an_event_that_failed_is_made_again_with_its_number_before_later_versions() {
    let mut stage = Stage::new();
    stage.write("a.txt", "one");
    stage.run();
    stage.quiet();
    stage.faults(&(ledger_rule("committer_stall", "") + &ledger_rule("fail", "on = '/events'\ntimes = 1")));
    stage.write("a.txt", "two");
    stage.barrier();
    stage.wait_until("it is made", || stage.ledger().events() == 2);
    for content in ["three", "four"] {
        stage.write("a.txt", content);
        stage.barrier();
    }
    stage.faults("");
    stage.quiet();
    let assets = stage.assets(MAIN);
    assert_eq!(assets.len(), 1, "{}", stage.scene());
    let expected =
        [("1", "one", false), ("2", "two", true), ("2", "two", false), ("3", "three", false), ("4", "four", false)];
    let expected = expected.map(|(n, content, failed)| (n.to_owned(), sha256(content), failed));
    assert_eq!(told(&assets[0]), expected, "{}", stage.scene());
    assert_eq!(assets[0].attributes["document_hash_value"], sha256("four").as_str());
}

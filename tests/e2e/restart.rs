//! Stopping and starting: nothing twice, nothing lost.

use std::time::{Duration, Instant};

use crate::support::Stage;

#[test]
fn nothing_is_recorded_twice_after_a_stop_and_a_start_and_changes_made_meanwhile_are_recorded() {
    let mut stage = Stage::new();
    for (path, content) in [("a.txt", "one"), ("b.txt", "two"), ("x/c.txt", "three"), ("x/d.txt", "four")] {
        stage.write(path, content);
    }
    stage.run();
    stage.quiet();
    let before = stage.ledger().events();
    stage.stop();
    stage.run();
    stage.quiet();
    assert_eq!(stage.ledger().events(), before);
    stage.stop();
    stage.write("a.txt", "five");
    stage.rename("b.txt", "x/moved.txt");
    stage.delete("x/c.txt");
    stage.write("e.txt", "six");
    stage.run();
    stage.assert_exact(&[
        ("a.txt", &["one", "five"]),
        ("x/moved.txt", &["two"]),
        ("x/c.txt", &["three"]),
        ("x/d.txt", &["four"]),
        ("e.txt", &["six"]),
    ]);
}

#[test]
fn a_kill_at_any_moment_of_the_first_pass_loses_nothing_and_repeats_nothing() {
    let mut stage = Stage::new();
    let files: Vec<(String, String)> = (0..40).map(|n| (format!("f{n:02}.txt"), format!("content {n}"))).collect();
    for (path, content) in &files {
        stage.write(path, content);
    }
    for kills in 1..=5usize {
        stage.run();
        stage.wait_until("some more are recorded", || stage.ledger().assets().len() >= kills * 6);
        stage.kill();
    }
    stage.run();
    let contents: Vec<[&str; 1]> = files.iter().map(|(_, content)| [content.as_str()]).collect();
    let expected: Vec<(&str, &[&str])> =
        files.iter().zip(&contents).map(|((path, _), content)| (path.as_str(), &content[..])).collect();
    stage.assert_exact(&expected);
}

#[test]
fn sigterm_ends_the_daemon_within_three_seconds_during_a_longpoll_and_with_both_services_away() {
    let mut stage = Stage::new();
    stage.write("a.txt", "one");
    stage.run();
    stage.quiet();
    let timed = |stage: &mut Stage| {
        let began = Instant::now();
        stage.stop();
        assert!(began.elapsed() < Duration::from_secs(3), "{:?}", began.elapsed());
    };
    timed(&mut stage);
    stage.sandbox.away();
    stage.run();
    stage.wait_for_condition("dropbox-unreachable");
    timed(&mut stage);
}

#[test]
fn both_services_away_for_a_while_is_no_more_than_a_delay() {
    let mut stage = Stage::new();
    stage.write("a.txt", "one");
    stage.run();
    stage.quiet();
    stage.sandbox.away();
    stage.write("a.txt", "two");
    stage.write("b.txt", "three");
    stage.wait_for_condition("dropbox-unreachable");
    stage.sandbox.go_on();
    stage.assert_exact(&[("a.txt", &["one", "two"]), ("b.txt", &["three"])]);
    stage.wait_until("no condition is left", || stage.database().conditions().is_empty());
}

#[test]
fn status_tells_healthy_from_troubled_from_not_running() {
    let mut stage = Stage::new();
    stage.write("a.txt", "one");
    stage.run();
    stage.quiet();
    let status = |stage: &Stage| {
        let (code, text, error) = stage.command(&["status", "--json"]);
        let shown: serde_json::Value = serde_json::from_str(&text).unwrap_or_else(|_| panic!("{text}{error}"));
        (code, shown)
    };
    let (code, shown) = status(&stage);
    assert_eq!((code, &shown["running"], &shown["tenancies"][0]["confirmed"]), (0, &true.into(), &1.into()), "{shown}");
    stage.dropbox_fault("missing_scope", "text = 'files.content.read'\non = 'files/download'");
    stage.write("b.txt", "two");
    stage.wait_for_condition("dropbox-scope-missing");
    let (code, shown) = status(&stage);
    assert_eq!((code, &shown["conditions"][0]["code"]), (4, &"dropbox-scope-missing".into()), "{shown}");
    assert_eq!(shown["tenancies"][0]["pending"], 1, "{shown}");
    stage.stop();
    let (code, shown) = status(&stage);
    assert_eq!((code, &shown["running"]), (3, &false.into()), "{shown}");
}

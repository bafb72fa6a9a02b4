//! On the ledger's side: names, failures, absence, secrets, and ledgers that are gone or others.

use std::fs;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use super::{answered, ledger_through_proxy, present, through_proxy};
use crate::support::more::{creations, ledger_rule, stays_so};
use crate::support::stage::MAIN;
use crate::support::{Asset, Deed, Stage, sha256};

const CREATE: &str = "on = 'POST /archivist/v2/assets'";
const SETTLE: &str = "settle = \"1s\"\n";

#[test]
fn what_was_queued_with_clear_names_is_published_masked_after_switching_back() {
    let mut stage = Stage::new();
    let proxy = ledger_through_proxy(&mut stage);
    stage.configure(|conf| conf.publish = format!("{SETTLE}hold_above = 2\nnames = \"clear\"\n"));
    let files = ["Kündigung-a.txt", "Kündigung-b.txt", "Kündigung-c.txt"];
    files.iter().for_each(|file| stage.write(file, file));
    stage.run();
    stage.wait_for_condition("publications-held");
    stage.barrier();
    stage.configure(|conf| conf.publish = format!("{SETTLE}hold_above = 2\n"));
    stage.reload();
    stage.wait_for_log("the configuration was read again");
    let (code, told, error) = stage.command(&["approve", "/", "--yes"]);
    assert_eq!(code, 0, "{told}{error}");
    // Each must be named `xxx...`.
    let contents = files.map(|file| [file]);
    let expected: Vec<(&str, &[&str])> = files.iter().zip(&contents).map(|(file, c)| (*file, &c[..])).collect();
    stage.assert_exact(&expected);
    let sent = proxy.recorded();
    assert!(sent.iter().all(|request| !String::from_utf8_lossy(&request.raw).contains("ndigung")));
}

#[test]
fn what_was_refused_with_a_clear_name_is_sent_again_masked_after_switching_back() {
    let mut stage = Stage::new();
    stage.configure(|conf| conf.publish = format!("{SETTLE}names = \"clear\"\n"));
    stage.faults(&ledger_rule("quota", ""));
    stage.write("Kündigung.txt", "one");
    stage.run();
    stage.wait_for_condition("ledger-quota");
    stage.configure(|conf| conf.publish = SETTLE.into());
    stage.reload();
    stage.wait_for_log("the configuration was read again");
    stage.faults("");
    stage.assert_exact(&[("Kündigung.txt", &["one"])]);
}

#[test]
fn a_first_registration_that_fails_is_made_again_and_everything_else_follows() {
    let mut stage = Stage::new();
    stage.faults(&ledger_rule("fail", &format!("{CREATE}\ntimes = 1")));
    let contents = ["one", "two", "three"];
    for (file, content) in ["a.txt", "b.txt", "c.txt"].into_iter().zip(contents) {
        stage.write(file, content);
    }
    stage.run();
    stage.quiet();
    let (failed, made): (Vec<Asset>, Vec<Asset>) =
        stage.assets(MAIN).into_iter().partition(|asset| asset.versions[0].committed.is_none());
    assert_eq!(failed.len(), 1, "{}", stage.scene());
    made.iter().for_each(Asset::assert_sound);
    let mut hashes: Vec<&str> = made.iter().flat_map(Asset::hashes).collect();
    hashes.sort_unstable();
    let mut expected = contents.map(sha256);
    expected.sort_unstable();
    assert_eq!(hashes, expected, "exactly one for each file: {made:#?}");
    let again = made.iter().find(|asset| asset.hashes() == failed[0].hashes()).expect("the same file");
    assert_eq!(again.file(), failed[0].file());
    stage.write("a.txt", "four");
    stage.quiet();
    let later = stage.assets(MAIN).into_iter().find(|asset| asset.hashes() == [sha256("one"), sha256("four")]);
    later.expect("the next version goes to the one that was made").assert_sound();
}

#[test]
fn without_read_permission_a_committer_that_stalls_longer_than_settle_makes_no_duplicates() {
    let mut stage = Stage::new();
    stage.configure(|conf| conf.publish = "settle = \"2s\"\n".into());
    let blind = ledger_rule("no_read", "");
    stage.faults(&blind);
    stage.write("a.txt", "one");
    stage.run();
    stage.quiet();
    stage.faults(
        &(blind.clone()
            + &ledger_rule("committer_stall", "")
            + &ledger_rule("commit_then_cut", &format!("{CREATE}\ntimes = 2"))),
    );
    // An event and a registration.
    stage.write("a.txt", "two");
    stage.write("b.txt", "three");
    stage.wait_until("both were made, and cut", || stage.ledger().events() == 3);
    stays_so(&stage, Duration::from_millis(4500), "nothing is sent twice", || stage.ledger().events() == 3);
    stage.faults(&blind);
    stage.assert_exact(&[("a.txt", &["one", "two"]), ("b.txt", &["three"])]);
    assert_eq!(creations(&stage), 3);
}

#[test]
fn a_rotated_secret_is_noticed_although_nothing_but_a_confirmation_waits() {
    let mut stage = Stage::new();
    let proxy = ledger_through_proxy(&mut stage);
    // So slow that trying again does not help: the new secret itself must be noticed.
    stage.configure(|conf| conf.retry = "initial = \"5m\"\nmax = \"5m\"\n".into());
    stage.faults(&ledger_rule("committer_stall", ""));
    stage.write("a.txt", "one");
    stage.run();
    stage.wait_until("a record waits for its confirmation", || {
        stage.database().number("SELECT count(*) FROM publication WHERE state = 'recorded'", &[]) == Some(1)
    });
    let tokens = proxy.recorded().into_iter().filter(|request| request.path.contains("appidp/token"));
    let token = tokens.filter_map(|request| answered(&request)).next().expect("a token").to_string();
    let rotated = Arc::new(AtomicBool::new(false));
    let refused = r#"{"code":16,"message":"the token is invalid","details":[]}"#;
    proxy.rule(move |request| {
        let signs_in = request.path.contains("appidp/token");
        if signs_in && String::from_utf8_lossy(&request.body).contains("rotated-secret-5417") {
            rotated.store(true, Ordering::SeqCst);
            return Deed::Answer(200, token.clone());
        }
        match request.header("authorization").is_some() || signs_in {
            true if signs_in || !rotated.load(Ordering::SeqCst) => Deed::Answer(401, refused.into()),
            _ => Deed::Pass,
        }
    });
    stage.wait_for_condition("ledger-secret-refused");
    stage.private(&stage.state_dir().join("main.secret"), "rotated-secret-5417");
    stage.wait_until("it goes on", || !present(&stage, "ledger-secret-refused"));
    stage.faults("");
    stage.write("a.txt", "two");
    stage.assert_exact(&[("a.txt", &["one", "two"])]);
    assert!(!stage.log_text().contains("5417"), "no secret in the log");
}

#[test]
fn what_was_hashed_or_uncertain_is_settled_sent_and_confirmed_after_a_restart_with_dropbox_away() {
    let mut stage = Stage::new();
    let proxy = through_proxy(&mut stage);
    stage.write("first.txt", "zero");
    stage.run();
    stage.quiet();
    stage.faults(
        &(ledger_rule("commit_then_cut", &format!("{CREATE}\ntimes = 1"))
            + &ledger_rule("quota", "after = 1")
            + &ledger_rule("status", "on = 'GET /archivist/v2/'")),
    );
    let files = ["f0.txt", "f1.txt", "f2.txt", "f3.txt"];
    files.iter().for_each(|file| stage.write(file, file));
    stage.barrier();
    let states = || stage.database().texts("SELECT state FROM publication WHERE open = 1 ORDER BY 1", &[]);
    stage.wait_until("one uncertain, the others hashed", || states() == ["hashed", "hashed", "hashed", "uncertain"]);
    proxy.down(true);
    stage.stop();
    stage.faults("");
    stage.run();
    stage.idle();
    assert!(stage.database().conditions().iter().all(|code| code == "dropbox-unreachable"), "{}", stage.scene());
    let contents = files.map(|file| [file]);
    let mut expected: Vec<(&str, &[&str])> = vec![("first.txt", &["zero"])];
    expected.extend(files.iter().zip(&contents).map(|(file, content)| (*file, &content[..])));
    stage.assert_recorded_in(MAIN, &expected);
}

#[test]
fn a_public_view_that_refuses_strangers_is_not_a_refused_secret() {
    let mut stage = Stage::new();
    let proxy = ledger_through_proxy(&mut stage);
    let refused = r#"{"code":16,"message":"sign in","details":[]}"#;
    proxy.rule(move |request| match request.path.contains("publicassets") {
        true => Deed::Answer(401, refused.into()),
        false => Deed::Pass,
    });
    stage.write("a.txt", "one");
    stage.run();
    stage.quiet();
    stage.write("a.txt", "two");
    stage.assert_exact(&[("a.txt", &["one", "two"])]);
    assert!(proxy.count("GET", "publicassets") > 0, "it was asked");
    assert!(!stage.log_text().contains("ledger-secret-refused"), "{}", stage.scene());
    assert!(stage.database().conditions().is_empty());
}

#[test]
fn a_ledger_that_is_gone_is_shown_as_not_found_and_it_goes_on_when_it_is_back() {
    let mut stage = Stage::new();
    stage.write("a.txt", "one");
    stage.run();
    stage.quiet();
    let gone = ledger_rule("gone", "on = '/archivist/v2/'");
    stage.faults(&gone);
    stage.write("a.txt", "two");
    stage.wait_for_condition("ledger-not-found");
    stage.faults("");
    stage.quiet();
    stage.wait_until("the condition is over", || stage.database().conditions().is_empty());
    stage.stop();
    stage.write("a.txt", "three");
    stage.faults(&gone);
    stage.run();
    stage.wait_until("the condition is present anew", || {
        stage.log_text().matches("ledger-not-found").count() >= 3 && present(&stage, "ledger-not-found")
    });
    stage.faults("");
    stage.assert_exact(&[("a.txt", &["one", "two", "three"])]);
    stage.wait_until("the condition is over", || stage.database().conditions().is_empty());
}

#[test]
fn a_listing_of_its_own_that_shows_nothing_any_more_holds_the_tenancy_until_it_does() {
    let mut stage = Stage::new();
    let proxy = ledger_through_proxy(&mut stage);
    stage.write("a.txt", "one");
    stage.run();
    stage.quiet();
    stage.stop();
    // As another tenancy of the same ledger would see it.
    proxy.rule(|request| match request.method == "GET" && !request.path.contains("publicassets") {
        true if request.path.contains('?') => Deed::Answer(200, r#"{"assets":[],"events":[]}"#.into()),
        true => Deed::Answer(404, r#"{"code":5,"message":"not found","details":[]}"#.into()),
        false => Deed::Pass,
    });
    stage.write("a.txt", "two");
    stage.write("b.txt", "three");
    stage.run();
    stage.wait_for_condition("records-not-found");
    stage.barrier();
    stays_so(&stage, Duration::from_secs(1), "nothing is published", || stage.ledger().events() == 1);
    proxy.rule(|_| Deed::Pass);
    stage.assert_exact(&[("a.txt", &["one", "two"]), ("b.txt", &["three"])]);
    stage.wait_until("the condition is over", || stage.database().conditions().is_empty());
}

#[test]
fn a_lost_database_is_noticed_in_the_public_view_where_the_own_one_may_not_be_read() {
    let mut stage = Stage::new();
    stage.write("a.txt", "one");
    stage.run();
    stage.quiet();
    stage.stop();
    for end in ["", "-wal", "-shm"] {
        let _ = fs::remove_file(stage.state_dir().join(format!("droptrail.db{end}")));
    }
    stage.faults(&ledger_rule("no_read", ""));
    stage.write("b.txt", "two");
    stage.run();
    stage.wait_for_condition("database-behind");
    stage.barrier();
    stays_so(&stage, Duration::from_secs(2), "nothing is published", || stage.ledger().events() == 1);
    assert_eq!(creations(&stage), 1);
}

#[test]
fn a_lost_database_is_noticed_also_where_the_access_token_does_not_say_whose_it_is() {
    let mut stage = Stage::new();
    stage.write("a.txt", "one");
    stage.run();
    stage.quiet();
    stage.stop();
    for end in ["", "-wal", "-shm"] {
        let _ = fs::remove_file(stage.state_dir().join(format!("droptrail.db{end}")));
    }
    let proxy = ledger_through_proxy(&mut stage);
    proxy.rule(|request| match request.method.as_str() {
        _ if request.path.contains("appidp/token") => {
            Deed::Answer(200, r#"{"access_token":"opaque","expires_in":3600,"token_type":"Bearer"}"#.into())
        }
        // It may not read.
        "GET" if !request.path.contains("publicassets") => Deed::Answer(200, r#"{"assets":[],"events":[]}"#.into()),
        _ => Deed::Pass,
    });
    stage.write("b.txt", "two");
    stage.run();
    stage.wait_for_condition("database-behind");
    stage.barrier();
    let posts = || proxy.recorded().iter().filter(|request| request.is("POST", "/archivist/v2/")).count();
    stays_so(&stage, Duration::from_secs(2), "nothing is sent", || posts() == 0);
    assert_eq!(stage.ledger().events(), 1);
}

#[test]
fn after_the_permission_to_read_was_withdrawn_the_public_view_tells_what_was_made_and_what_was_not() {
    let mut stage = Stage::new();
    stage.write("a.txt", "one");
    stage.run();
    stage.quiet();
    stage.stop();
    stage.faults(
        &(ledger_rule("no_read", "")
            + &ledger_rule("commit_then_cut", &format!("{CREATE}\ntimes = 1"))
            + &ledger_rule("cut_before", &format!("{CREATE}\nafter = 1\ntimes = 1"))),
    );
    stage.write("a.txt", "two");
    stage.write("b.txt", "three");
    stage.run();
    stage.assert_exact(&[("a.txt", &["one", "two"]), ("b.txt", &["three"])]);
    stage.wait_until("no condition is left", || stage.database().conditions().is_empty());
}

#[test]
fn a_ledger_that_answers_no_confirmation_for_long_is_shown_as_unreachable() {
    let mut stage = Stage::new();
    stage.write("a.txt", "one");
    stage.faults(&ledger_rule("committer_stall", ""));
    stage.run();
    stage.wait_until("a record waits for its confirmation", || {
        stage.database().number("SELECT count(*) FROM publication WHERE state = 'recorded'", &[]) == Some(1)
    });
    stage.faults(&ledger_rule("status", "on = 'GET /archivist/v2/'"));
    stage.wait_for_condition("ledger-unreachable");
    stage.faults("");
    stage.assert_exact(&[("a.txt", &["one"])]);
    stage.wait_until("the condition is over", || stage.database().conditions().is_empty());
}

#[test]
fn absence_of_one_attempt_says_nothing_of_the_next_one() {
    let mut stage = Stage::new();
    stage.configure(|conf| conf.publish = "settle = \"2s\"\n".into());
    stage.write("first.txt", "first");
    stage.run();
    stage.quiet();
    let files: Vec<String> = (0..6).map(|n| format!("f{n}.txt")).collect();
    // The first attempts are not made, and are found absent one after another; the second ones are made, but no listing
    // shows them yet. What was answered about the first must not count for them.
    stage.faults(&ledger_rule("cut_before", CREATE));
    files.iter().for_each(|file| stage.write(file, file));
    stage.wait_until("all outcomes are unknown", || {
        stage.database().texts("SELECT state FROM publication WHERE state = 'uncertain'", &[]).len() == files.len()
    });
    let cut = format!("{CREATE}\ntimes = {}", files.len());
    stage.faults(&(ledger_rule("search_lag", "value = 1.2") + &ledger_rule("commit_then_cut", &cut)));
    let contents: Vec<[&str; 1]> = files.iter().map(|file| [file.as_str()]).collect();
    let mut expected: Vec<(&str, &[&str])> =
        files.iter().zip(&contents).map(|(file, content)| (file.as_str(), &content[..])).collect();
    expected.push(("first.txt", &["first"]));
    stage.assert_exact(&expected);
}

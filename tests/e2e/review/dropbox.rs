//! On Dropbox's side: doorbells that lie, cursors that die, questions that fail, roots that change.

use std::time::Duration;

use serde_json::json;

use super::{answered, began, present, through_proxy};
use crate::support::more::{dropbox_rule, stays_so};
use crate::support::stage::MAIN;
use crate::support::{Deed, Link, Stage, sha256};

const LONGPOLL: &str = "list_folder/longpoll";
const ACCOUNT: &str = "users/get_current_account";

#[test]
fn a_doorbell_that_says_at_once_that_nothing_happened_is_not_asked_in_a_busy_loop() {
    let mut stage = Stage::new();
    let proxy = through_proxy(&mut stage);
    proxy.rule(|request| match request.path.contains(LONGPOLL) {
        true => Deed::Answer(200, r#"{"changes": false}"#.into()),
        false => Deed::Pass,
    });
    stage.write("a.txt", "one");
    stage.run();
    stage.wait_until("it stands at the door", || proxy.count("POST", LONGPOLL) > 0);
    stays_so(&stage, Duration::from_secs(3), "few longpolls", || proxy.count("POST", LONGPOLL) < 10);
    assert!(proxy.count("POST", LONGPOLL) > 1, "it is asked again");
    proxy.rule(|_| Deed::Pass);
    stage.write("a.txt", "two");
    stage.quiet();
    let assets = stage.assets(MAIN);
    assert_eq!(assets.len(), 1);
    assert_eq!(assets[0].hashes().last(), Some(&&*sha256("two")));
}

/// Every longpoll is answered so, for four seconds.
fn not_listed_endlessly_under(status: u16, body: &'static str) {
    let mut stage = Stage::new();
    let proxy = through_proxy(&mut stage);
    stage.configure(|conf| conf.retry = "initial = \"50ms\"\nmax = \"30s\"\n".into());
    proxy.rule(move |request| match request.path.contains(LONGPOLL) {
        true => Deed::Answer(status, body.into()),
        false => Deed::Pass,
    });
    stage.write("a.txt", "one");
    stage.run();
    stage.wait_until("it stands at the door", || proxy.count("POST", LONGPOLL) > 0);
    let listings = || proxy.recorded().iter().filter(|request| request.path.ends_with("files/list_folder")).count();
    stays_so(&stage, Duration::from_secs(4), "few listings", || listings() <= 4);
    assert!(listings() > 1, "it is listed anew");
    stage.wait_for_condition("listing-stalled");
    proxy.rule(|_| Deed::Pass);
    stage.assert_exact(&[("a.txt", &["one"])]);
    stage.wait_until("the condition is over", || !present(&stage, "listing-stalled"));
}

#[test]
fn a_doorbell_that_calls_every_cursor_dead_does_not_cause_endless_listing() {
    not_listed_endlessly_under(409, r#"{"error_summary":"reset/..","error":{".tag":"reset"}}"#);
}

#[test]
fn a_doorbell_that_refuses_every_cursor_does_not_cause_endless_listing() {
    let body = r#"Error in call to API function "files/list_folder/longpoll": Invalid "cursor" parameter"#;
    not_listed_endlessly_under(400, body);
}

#[test]
fn questions_that_are_rate_limited_do_not_start_a_page_over_for_ever() {
    let mut stage = Stage::new();
    let files: Vec<String> = (0..20).map(|n| format!("team/f{n:02}.txt")).collect();
    files.iter().for_each(|file| stage.write(file, file));
    stage.run();
    stage.quiet();
    let before = stage.sandbox.count("files/get_metadata");
    let limit = "on = 'files/get_metadata'\nevery = 3\nvalue = 1";
    stage.faults(&(dropbox_rule("rate_limit", limit) + &dropbox_rule("share_conversion", "text = '/team'")));
    stage.quiet();
    let questions = stage.sandbox.count("files/get_metadata") - before;
    assert!(questions <= 80, "{questions}");
    stage.faults("");
    let contents: Vec<[&str; 1]> = files.iter().map(|file| [file.as_str()]).collect();
    let expected: Vec<(&str, &[&str])> =
        files.iter().zip(&contents).map(|(file, content)| (file.as_str(), &content[..])).collect();
    stage.assert_exact(&expected);
}

#[test]
fn the_whole_dropbox_stays_what_it_was_when_the_account_joins_a_team() {
    let mut stage = Stage::with(&["--team"]);
    let proxy = through_proxy(&mut stage);
    let home = "Sandbox User";
    stage.write(&format!("{home}/a.txt"), "one");
    stage.write("Shared by the team/t.txt", "not ours");
    // Before it joins, its root is its home.
    proxy.rule(|request| if request.path.contains(ACCOUNT) { Deed::CutAfter } else { Deed::Pass });
    stage.run();
    let account = || proxy.recorded().iter().filter(|request| request.path.contains(ACCOUNT)).find_map(answered);
    stage.wait_until("the account is known", || account().is_some());
    let mut alone = account().unwrap();
    let home_id = alone["root_info"]["home_namespace_id"].clone();
    assert_ne!(alone["root_info"]["root_namespace_id"], home_id);
    alone["root_info"] = json!({".tag": "user", "root_namespace_id": home_id, "home_namespace_id": home_id});
    proxy.rule(move |request| match request.path.contains(ACCOUNT) {
        true => Deed::Answer(200, alone.to_string()),
        false => Deed::Pass,
    });
    let recorded = |stage: &Stage| -> Vec<String> {
        stage.assets(MAIN).iter().flat_map(|asset| asset.versions.iter().map(|v| v.hash().to_owned())).collect()
    };
    stage.wait_until("one record", || recorded(&stage) == [sha256("one")]);
    stage.idle();
    stage.stop();
    proxy.rule(|_| Deed::Pass);
    stage.run();
    stage.wait_for_condition("root-changed");
    stays_so(&stage, Duration::from_secs(2), "nothing new is registered", || recorded(&stage) == [sha256("one")]);
    stage.write(&format!("{home}/a.txt"), "two");
    stage.wait_until("its files go on", || recorded(&stage) == [sha256("one"), sha256("two")]);
    stage.idle();
    let assets = stage.assets(MAIN);
    assert_eq!(assets.len(), 1, "{}", stage.scene());
    assets[0].assert_sound();
    assert!(present(&stage, "root-changed"), "{}", stage.scene());
}

#[test]
fn a_held_folder_is_still_shown_as_held_after_a_restart() {
    let mut stage = Stage::new();
    stage.configure(|conf| conf.publish += "hold_above = 2\n");
    for file in ["a.txt", "b.txt", "c.txt"] {
        stage.write(file, file);
    }
    stage.run();
    stage.wait_for_condition("publications-held");
    stage.barrier();
    stage.stop();
    let before = began(&stage, "publications-held");
    assert!(before > 0, "{}", stage.log_text());
    stage.run();
    // Told anew, so that it is not the row of the run before.
    stage.wait_until("held", || began(&stage, "publications-held") > before && present(&stage, "publications-held"));
    assert_eq!(stage.ledger().events(), 0);
}

#[test]
fn a_tenancy_that_is_linked_in_the_middle_of_a_listing_gets_what_was_listed_before() {
    let mut stage = Stage::new();
    stage.add_tenancy("other");
    let files: Vec<String> = (0..8).map(|n| format!("f{n}.txt")).collect();
    files.iter().for_each(|file| stage.write(file, file));
    let slow = "on = 'files/list_folder'\nvalue = 0.5";
    stage.faults(&(dropbox_rule("page_size", "value = 1") + &dropbox_rule("hang", slow)));
    stage.run();
    stage.wait_until("some are listed", || stage.database().places().len() >= 3);
    stage.configure(|conf| conf.links.push(Link::new("/", "other")));
    stage.reload();
    stage.wait_for_log("the configuration was read again");
    assert!(stage.database().watched().is_empty(), "the listing goes on still");
    stage.wait_until("it has ended", || stage.database().watched().len() >= files.len());
    stage.faults("");
    let contents: Vec<[&str; 1]> = files.iter().map(|file| [file.as_str()]).collect();
    let expected: Vec<(&str, &[&str])> =
        files.iter().zip(&contents).map(|(file, content)| (file.as_str(), &content[..])).collect();
    stage.assert_exact(&expected);
    stage.assert_exact_in("other", &expected);
}

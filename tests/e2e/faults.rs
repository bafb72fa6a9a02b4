//! Whatever Dropbox's pages, cursors and doorbell do, the ledger ends up the same.

use crate::support::Stage;
use crate::support::stage::MAIN;

/// A first listing and a round of every kind of change, with a fault script in force all the while.
fn the_same_ledger_under(script: &str) -> Stage {
    let mut stage = Stage::new();
    for (path, content) in
        [("d/a.txt", "one"), ("d/e/b.txt", "two"), ("z.txt", "three"), ("gone.txt", "four"), ("d/g/h.txt", "five")]
    {
        stage.write(path, content);
    }
    stage.faults(script);
    // So that a doorbell that does not ring costs a second.
    stage.configure(|conf| conf.dropbox = "longpoll = \"30s\"\npoll = \"1s\"\n".into());
    stage.run();
    stage.quiet();
    stage.write("d/a.txt", "six");
    stage.rename("z.txt", "d/e/y.txt");
    stage.rename("d/g", "moved/g");
    stage.delete("gone.txt");
    stage.write("new.txt", "one");
    stage.quiet();
    stage.save("d/e/y.txt", "seven");
    stage.rename("d/e", "d/f");
    stage.write("moved/g/h.txt", "eight");
    stage.quiet();
    stage.assert_recorded_in(
        MAIN,
        &[
            ("d/a.txt", &["one", "six"]),
            ("d/f/b.txt", &["two"]),
            ("d/f/y.txt", &["three", "seven"]),
            ("gone.txt", &["four"]),
            ("moved/g/h.txt", &["five", "eight"]),
            ("new.txt", &["one"]),
        ],
    );
    let places: Vec<String> = stage.database().places().into_iter().map(|(_, path)| path).collect();
    let places: Vec<&String> = places.iter().filter(|path| !path.contains(".barrier-")).collect();
    assert_eq!(places, ["/d/a.txt", "/d/f/b.txt", "/d/f/y.txt", "/moved/g/h.txt", "/new.txt"], "{}", stage.scene());
    stage
}

fn rule(fault: &str, rest: &str) -> String {
    format!("[[dropbox]]\nfault = '{fault}'\n{rest}\n")
}

#[test]
fn without_faults() {
    let mut stage = the_same_ledger_under("");
    stage.stop();
}

#[test]
fn with_pages_of_one_entry() {
    the_same_ledger_under(&rule("page_size", "value = 1"));
}

#[test]
fn with_empty_pages_that_say_there_is_more() {
    the_same_ledger_under(&rule("empty_page", "every = 2"));
}

#[test]
fn with_each_entry_twice() {
    the_same_ledger_under(&rule("duplicate_entries", ""));
}

#[test]
fn with_the_halves_of_a_move_in_the_other_order() {
    the_same_ledger_under(&rule("reverse_move", ""));
}

#[test]
fn with_the_halves_of_a_move_in_the_other_order_on_pages_of_one_entry() {
    the_same_ledger_under(&(rule("reverse_move", "") + &rule("page_size", "value = 1")));
}

#[test]
fn with_children_before_their_parents() {
    the_same_ledger_under(&rule("child_before_parent", ""));
}

#[test]
fn with_a_deletion_before_each_file() {
    the_same_ledger_under(&rule("delete_then_add", ""));
}

#[test]
fn with_moves_that_give_a_new_rev() {
    the_same_ledger_under(&rule("move_new_rev", ""));
}

#[test]
fn with_cursors_that_are_reset_now_and_then() {
    let stage = the_same_ledger_under(&rule("reset", "on = 'files/list_folder/continue'\nafter = 1\nevery = 3"));
    let listings = stage.sandbox.requests().iter().filter(|line| line["path"] == "/2/files/list_folder").count();
    assert!(listings > 1, "the fault struck");
    assert_eq!(stage.sandbox.count("files/download"), 8, "nothing known is downloaded again");
}

#[test]
fn with_resets_in_the_middle_of_a_listing() {
    let script =
        rule("page_size", "value = 2") + &rule("reset", "on = 'files/list_folder/continue'\nafter = 2\ntimes = 2");
    the_same_ledger_under(&script);
}

#[test]
fn with_longpolls_that_say_reset_and_other() {
    let on = "on = 'files/list_folder/longpoll'\nevery = 3\ntimes = 2";
    the_same_ledger_under(&(rule("reset", on) + &rule("other", on)));
}

#[test]
fn with_a_409_of_another_kind_and_a_400_on_a_stored_cursor() {
    let on = "on = 'files/list_folder/continue'\nafter = 2\ntimes = 1";
    the_same_ledger_under(&(rule("other", on) + &rule("bad_cursor", "after = 5\ntimes = 1")));
}

#[test]
fn with_a_doorbell_that_rings_for_nothing_and_one_that_never_rings() {
    the_same_ledger_under(&rule("spurious_ring", "every = 2"));
    the_same_ledger_under(&rule("missed_ring", ""));
}

#[test]
fn with_expired_tokens_rate_limits_errors_and_cut_connections() {
    let script = format!(
        "seed = 7\n{}{}{}{}{}",
        rule("expired_token", "every = 7"),
        rule("rate_limit", "every = 11\nvalue = 1"),
        rule("status", "on = 'files/'\nprobability = 0.1\nvalue = 503"),
        rule("cut", "on = 'files/'\nprobability = 0.1"),
        rule("cut_body", "on = 'files/'\nprobability = 0.1\nvalue = 20"),
    );
    the_same_ledger_under(&script);
}

#[test]
fn with_downloads_that_break_lie_or_are_of_another_revision() {
    let script = rule("truncate_download", "after = 1\ntimes = 1\nvalue = 2")
        + &rule("wrong_hash_header", "after = 2\ntimes = 1")
        + &rule("replaced_between", "after = 3\ntimes = 1");
    the_same_ledger_under(&script);
}

#[test]
fn with_entries_that_have_unknown_fields_and_tags_and_odd_case() {
    let script = rule("extra_fields", "") + &rule("unknown_tag", "text = 'no-such'") + &rule("path_case", "every = 2");
    let mut stage = Stage::new();
    stage.faults(&script);
    stage.write("Docs/a.txt", "one");
    stage.write("docs-no-such/b.txt", "never told as a file");
    stage.run();
    stage.quiet();
    stage.write("Docs/a.txt", "two");
    stage.quiet();
    let assets = stage.ledger().assets();
    assert_eq!(assets.len(), 1, "{}", stage.scene());
    assert_eq!(assets[0].hashes(), [crate::support::sha256("one"), crate::support::sha256("two")]);
    assets[0].assert_sound();
}

#[test]
fn without_a_content_hash_in_the_listing() {
    the_same_ledger_under(&rule("no_content_hash", ""));
}

#[test]
fn with_a_ledger_that_commits_and_cuts_lags_and_fails() {
    let rule = |fault: &str, rest: &str| format!("[[ledger]]\nfault = '{fault}'\n{rest}\n");
    let script = format!(
        "seed = 3\n{}{}{}{}{}",
        rule("commit_then_cut", "on = 'POST /archivist/v2/assets'\nprobability = 0.2"),
        rule("commit_then_status", "on = 'POST /archivist/v2/assets'\nprobability = 0.2\nvalue = 503"),
        rule("cut_before", "on = 'POST /archivist/v2/assets'\nprobability = 0.1"),
        rule("rate_limit", "every = 13\nvalue = 1"),
        rule("unauthorized", "every = 9"),
    );
    the_same_ledger_under(&script);
}

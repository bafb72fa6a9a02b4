//! Linked folders: twice, nested, several tenancies, and moves between them.

use std::fs;

use crate::support::stage::MAIN;
use crate::support::{Deed, Link, Proxy, Stage};

/// A stage with these folders, linked each to a tenancy.
fn linked(links: &[(&str, &str)]) -> Stage {
    let mut stage = Stage::new();
    if links.iter().any(|(_, tenancy)| *tenancy == "other") {
        stage.add_tenancy("other");
    }
    for (folder, _) in links {
        fs::create_dir_all(stage.path(folder.trim_start_matches('/'))).unwrap();
    }
    stage.configure(|conf| conf.links = links.iter().map(|(folder, tenancy)| Link::new(folder, tenancy)).collect());
    stage
}

#[test]
fn a_folder_linked_in_two_tenancies_has_one_asset_per_file_in_each() {
    let mut stage = linked(&[("/docs", MAIN), ("/docs", "other")]);
    stage.write("docs/a.txt", "one");
    stage.run();
    stage.quiet();
    stage.write("docs/a.txt", "two");
    stage.assert_exact_in(MAIN, &[("docs/a.txt", &["one", "two"])]);
    stage.assert_exact_in("other", &[("docs/a.txt", &["one", "two"])]);
    assert_eq!(stage.sandbox.count("files/download"), 2, "one download serves both");
}

#[test]
fn a_folder_inside_another_linked_folder_has_one_asset_per_file() {
    let mut stage = linked(&[("/", MAIN), ("/in", MAIN), ("/in/ner", MAIN)]);
    stage.write("a.txt", "one");
    stage.write("in/b.txt", "two");
    stage.write("in/ner/c.txt", "three");
    stage.run();
    stage.quiet();
    stage.write("in/ner/c.txt", "four");
    stage.write("in/ner/d.txt", "five");
    stage.save("in/b.txt", "six");
    stage.assert_exact(&[
        ("a.txt", &["one"]),
        ("in/b.txt", &["two", "six"]),
        ("in/ner/c.txt", &["three", "four"]),
        ("in/ner/d.txt", &["five"]),
    ]);
}

#[test]
fn nested_links_record_a_to_b_to_a_once_each() {
    let mut stage = linked(&[("/", MAIN), ("/in", MAIN)]);
    stage.run();
    for content in ["A", "B", "A"] {
        stage.write("in/a.txt", content);
        stage.barrier();
    }
    stage.assert_exact(&[("in/a.txt", &["A", "B", "A"])]);
}

#[test]
fn a_move_between_two_links_of_one_tenancy_becomes_nothing() {
    let mut stage = linked(&[("/left", MAIN), ("/right", MAIN)]);
    stage.write("left/a.txt", "one");
    stage.write("right/b.txt", "two");
    stage.write("left/tree/c.txt", "three");
    stage.run();
    stage.quiet();
    stage.rename("left/a.txt", "right/a.txt");
    stage.rename("right/b.txt", "left/b.txt");
    stage.rename("left/tree", "right/tree");
    stage.assert_exact(&[("right/a.txt", &["one"]), ("left/b.txt", &["two"]), ("right/tree/c.txt", &["three"])]);
    stage.write("right/a.txt", "four");
    stage.rename("right/tree/c.txt", "left/c.txt");
    stage.assert_exact(&[("right/a.txt", &["one", "four"]), ("left/b.txt", &["two"]), ("left/c.txt", &["three"])]);
}

#[test]
fn moves_between_links_while_nobody_looked_become_nothing_in_one_tenancy_and_new_assets_in_another() {
    let mut stage = linked(&[("/left", MAIN), ("/right", MAIN), ("/far", "other")]);
    stage.write("left/a.txt", "one");
    stage.write("right/b.txt", "two");
    stage.write("left/c.txt", "three");
    stage.run();
    stage.quiet();
    stage.stop();
    stage.rename("left/a.txt", "right/a.txt");
    stage.rename("right/b.txt", "left/b.txt");
    stage.rename("left/c.txt", "far/c.txt");
    stage.wait_until("Dropbox has the moves", || stage.sandbox.follows());
    stage.write("left/b.txt", "four");
    stage.run();
    stage.assert_exact(&[("right/a.txt", &["one"]), ("left/b.txt", &["two", "four"]), ("far/c.txt", &["three"])]);
    stage.assert_exact_in("other", &[("far/c.txt", &["three"])]);
}

#[test]
fn a_move_into_and_out_of_a_nested_link_becomes_nothing() {
    let mut stage = linked(&[("/", MAIN), ("/in", MAIN)]);
    stage.write("a.txt", "one");
    stage.write("in/b.txt", "two");
    stage.run();
    stage.quiet();
    stage.rename("a.txt", "in/a.txt");
    stage.rename("in/b.txt", "b.txt");
    stage.assert_exact(&[("in/a.txt", &["one"]), ("b.txt", &["two"])]);
    stage.write("in/a.txt", "three");
    stage.write("b.txt", "four");
    stage.assert_exact(&[("in/a.txt", &["one", "three"]), ("b.txt", &["two", "four"])]);
}

#[test]
fn a_move_between_links_of_two_tenancies_is_a_new_asset_there_and_nothing_here() {
    let mut stage = linked(&[("/left", MAIN), ("/right", "other")]);
    stage.write("left/a.txt", "one");
    stage.write("right/b.txt", "two");
    stage.run();
    stage.quiet();
    stage.rename("left/a.txt", "right/a.txt");
    stage.rename("right/b.txt", "left/b.txt");
    let downloads = stage.sandbox.count("files/download");
    stage.assert_exact_in(MAIN, &[("right/a.txt", &["one"]), ("left/b.txt", &["two"])]);
    stage.assert_exact_in("other", &[("right/a.txt", &["one"]), ("left/b.txt", &["two"])]);
    assert_eq!(stage.sandbox.count("files/download"), downloads, "its content is known");
    // Changed over there and brought back.
    stage.write("right/a.txt", "three");
    stage.quiet();
    stage.rename("right/a.txt", "left/a.txt");
    stage.assert_exact_in(MAIN, &[("left/a.txt", &["one", "three"]), ("left/b.txt", &["two"])]);
    stage.assert_exact_in("other", &[("left/a.txt", &["one", "three"]), ("left/b.txt", &["two"])]);
}

#[test]
fn a_tenancy_that_refuses_for_a_while_holds_back_nobody_else_and_catches_up() {
    let mut stage = linked(&[("/", MAIN), ("/in", "other")]);
    let proxy = Proxy::start(stage.sandbox.url());
    let refused = r#"{"code":7,"message":"permission denied","details":[]}"#;
    proxy.rule(move |request| match request.method.as_str() {
        "POST" if !request.path.contains("token") => Deed::Answer(403, refused.into()),
        _ => Deed::Pass,
    });
    let url = proxy.url().to_owned();
    stage.configure(|conf| conf.tenancies[1].url = url);
    stage.write("in/a.txt", "one");
    stage.write("b.txt", "two");
    stage.run();
    stage.wait_for_condition("ledger-forbidden");
    stage.barrier();
    stage.write("in/a.txt", "three");
    stage.wait_until("the other tenancy has it all", || {
        stage.assets(MAIN).iter().map(|asset| asset.versions.len()).sum::<usize>() == 3
    });
    assert_eq!(stage.assets("other").len(), 0);
    proxy.rule(|_| Deed::Pass);
    stage.assert_exact_in(MAIN, &[("in/a.txt", &["one", "three"]), ("b.txt", &["two"])]);
    stage.assert_exact_in("other", &[("in/a.txt", &["one", "three"])]);
    stage.wait_until("the condition is over", || stage.database().conditions().is_empty());
}

#[test]
fn a_linked_folder_that_is_renamed_goes_on_being_published_by_its_id() {
    let mut stage = linked(&[("/docs", MAIN)]);
    stage.write("docs/a.txt", "one");
    stage.run();
    stage.quiet();
    stage.rename("docs", "papers");
    stage.wait_for_condition("folder-renamed");
    stage.write("papers/a.txt", "two");
    stage.write("papers/b.txt", "three");
    // Another folder at the configured path is not published.
    stage.write("docs/not-linked.txt", "four");
    stage.wait_until("both are seen", || {
        stage.database().queued("/papers/a.txt") == 2 && stage.database().queued("/papers/b.txt") == 1
    });
    stage.idle();
    stage.assert_recorded_in(MAIN, &[("papers/a.txt", &["one", "two"]), ("papers/b.txt", &["three"])]);
}

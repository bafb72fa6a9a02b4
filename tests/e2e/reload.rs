//! SIGHUP: the configuration is read again.

use std::fs;

use crate::support::stage::MAIN;
use crate::support::{Link, Stage};

fn folders(stage: &Stage) {
    for folder in ["one", "two"] {
        fs::create_dir(stage.path(folder)).unwrap();
    }
}

#[test]
fn a_new_link_starts_at_a_reload() {
    let mut stage = Stage::new();
    folders(&stage);
    stage.write("one/a.txt", "1");
    stage.write("two/b.txt", "2");
    stage.link(&["/one"]);
    stage.run();
    stage.assert_exact(&[("one/a.txt", &["1"])]);
    stage.link(&["/one", "/two"]);
    stage.reload();
    stage.assert_exact(&[("one/a.txt", &["1"]), ("two/b.txt", &["2"])]);
    stage.write("two/b.txt", "3");
    stage.write("one/a.txt", "4");
    stage.assert_exact(&[("one/a.txt", &["1", "4"]), ("two/b.txt", &["2", "3"])]);
}

#[test]
fn a_tenancy_added_at_a_reload_is_filled_without_another_listing_or_download() {
    let mut stage = Stage::new();
    stage.write("a.txt", "1");
    stage.write("b/c.txt", "2");
    stage.run();
    stage.quiet();
    stage.add_tenancy("other");
    stage.configure(|conf| conf.links.push(Link::new("/", "other")));
    let listings = || stage.sandbox.requests().iter().filter(|line| line["path"] == "/2/files/list_folder").count();
    let (listed, downloaded) = (listings(), stage.sandbox.count("files/download"));
    stage.reload();
    stage.wait_until("both are queued", || stage.database().queued("/b/c.txt") == 2);
    stage.assert_exact_in("other", &[("a.txt", &["1"]), ("b/c.txt", &["2"])]);
    stage.assert_exact_in(MAIN, &[("a.txt", &["1"]), ("b/c.txt", &["2"])]);
    assert_eq!((listings(), stage.sandbox.count("files/download")), (listed, downloaded));
}

#[test]
fn an_invalid_configuration_keeps_the_old_one_and_says_so() {
    let mut stage = Stage::new();
    stage.write("a.txt", "1");
    stage.run();
    stage.quiet();
    stage.configure(|conf| conf.publish += "unheard_of = true\n");
    stage.reload();
    stage.wait_for_condition("config-invalid");
    stage.wait_for_log("unheard_of");
    stage.write("a.txt", "2");
    stage.assert_exact(&[("a.txt", &["1", "2"])]);
    stage.configure(|conf| conf.publish = conf.publish.replace("unheard_of = true\n", ""));
    stage.reload();
    stage.wait_until("the condition is over", || stage.database().conditions().is_empty());
    stage.write("a.txt", "3");
    stage.assert_exact(&[("a.txt", &["1", "2", "3"])]);
}

#[test]
fn a_removed_link_stops_and_a_relinked_one_goes_on_with_its_assets() {
    let mut stage = Stage::new();
    folders(&stage);
    stage.write("one/a.txt", "1");
    stage.write("two/b.txt", "2");
    stage.link(&["/one", "/two"]);
    stage.run();
    stage.quiet();
    stage.link(&["/one"]);
    stage.reload();
    stage.wait_until("it is unlinked", || {
        stage.database().number("SELECT count(*) FROM watch WHERE linked = 1", &[]) == Some(1)
    });
    stage.write("two/b.txt", "not published");
    stage.write("two/c.txt", "not published either");
    stage.write("one/a.txt", "3");
    stage.assert_exact(&[("one/a.txt", &["1", "3"]), ("two/b.txt", &["2"])]);
    stage.delete("two/c.txt");
    stage.write("two/b.txt", "4");
    stage.wait_in_dropbox("/two/c.txt", false);
    stage.link(&["/one", "/two"]);
    stage.reload();
    stage.assert_exact(&[("one/a.txt", &["1", "3"]), ("two/b.txt", &["2", "4"])]);
}

#[test]
fn what_needs_a_restart_is_named_and_the_old_value_stays() {
    let mut stage = Stage::new();
    stage.write("a.txt", "1");
    stage.run();
    stage.quiet();
    stage.configure(|conf| conf.dropbox_url = "http://127.0.0.1:1".into());
    stage.reload();
    stage.wait_for_condition("needs-restart");
    stage.wait_for_log("api_url");
    stage.write("a.txt", "2");
    stage.assert_exact(&[("a.txt", &["1", "2"])]);
}

//! One Dropbox account to a database, one daemon to a state.

use std::fs;
use std::time::Duration;

use crate::support::{Daemon, Stage};

const SOON: Duration = Duration::from_secs(20);

#[test]
fn a_database_of_another_dropbox_account_stops_the_daemon_with_a_hint() {
    let mut stage = Stage::new();
    stage.write("a.txt", "one");
    stage.run();
    stage.quiet();
    stage.stop();
    let stranger = Stage::new();
    stranger.write("b.txt", "two");
    let (app_key, token, url) =
        (stranger.conf.app_key.clone(), stranger.conf.refresh_token.clone(), stranger.conf.dropbox_url.clone());
    stage.configure(|conf| (conf.app_key, conf.refresh_token, conf.dropbox_url) = (app_key, token, url));
    let database = fs::read(stage.database().path()).unwrap();
    stage.run();
    let mut daemon = stage.daemon.take().unwrap();
    let status = daemon.wait(SOON);
    let log = daemon.text();
    assert_eq!(status.code(), Some(2), "{log}");
    let said: Vec<&str> = log.lines().filter(|line| line.contains("belongs to Dropbox account")).collect();
    assert_eq!(said.len(), 1, "{log}");
    assert!(log.contains("connect the account that the database belongs to"), "{log}");
    assert_eq!(fs::read(stage.database().path()).unwrap().len(), database.len());
    assert_eq!(stage.ledger().events(), 1);
    assert_eq!(stranger.sandbox.count("list_folder"), 0, "it is asked only who it is");
}

#[test]
fn a_second_daemon_on_the_same_state_ends_with_1_and_leaves_the_first_alone() {
    let mut stage = Stage::new();
    stage.write("a.txt", "one");
    stage.run();
    stage.quiet();
    let mut second = Daemon::start(&stage.config(), &stage.dir().join("second.log"));
    assert_eq!(second.wait(SOON).code(), Some(1), "{}", second.text());
    let first = stage.daemon.as_ref().unwrap().id().to_string();
    assert!(second.text().contains(&first), "it names the process that holds the state: {}", second.text());
    stage.write("a.txt", "two");
    stage.assert_exact(&[("a.txt", &["one", "two"])]);
}

#[test]
fn a_token_that_is_refused_while_running_is_a_condition_and_a_good_one_goes_on() {
    let mut stage = Stage::new();
    stage.write("a.txt", "one");
    stage.run();
    stage.quiet();
    let token = stage.state_dir().join("dropbox.token");
    let own = fs::read_to_string(&token).unwrap();
    // The simulated Dropbox knows only its own tokens: any other is refused like a revoked one.
    stage.private(&token, "a-refresh-token-of-nobody");
    stage.wait_for_condition("dropbox-access-revoked");
    stage.write("a.txt", "two");
    stage.private(&token, &own);
    stage.wait_until("it goes on", || stage.database().conditions().is_empty());
    stage.assert_exact(&[("a.txt", &["one", "two"])]);
}

//! Good manners: towards the services, towards the service manager, and with memory.

use std::collections::BTreeSet;
use std::fs;
use std::time::{Duration, Instant};

use rustix::process::Signal;

use crate::support::more::{
    Asked, Managed, asked, creations, dropbox_rule, ledger_rule, note, peak_kib, stays_so, timed, wait_long,
};
use crate::support::stage::MAIN;
use crate::support::{Deed, Link, Proxy, Stage};

/// SIGTERM ends the daemon within this.
const END: Duration = Duration::from_secs(3);

#[test]
fn there_is_at_most_one_list_or_continue_at_a_time_for_a_linked_folder_however_many_tenancies_and_rings() {
    let mut stage = Stage::new();
    stage.add_tenancy("other");
    stage.configure(|conf| {
        conf.links = vec![Link::new("/", MAIN), Link::new("/", "other")];
        conf.dropbox = "longpoll = \"30s\"\npoll = \"1s\"\n".into();
    });
    for n in 0..20 {
        stage.write(&format!("f{n}.txt"), &format!("content {n}"));
    }
    // Each answer takes a while, so that two of them would overlap.
    stage.faults(
        &(dropbox_rule("page_size", "value = 2")
            + &dropbox_rule("hang", "on = 'files/list_folder'\nvalue = 0.1")
            + &dropbox_rule("spurious_ring", "every = 2")
            + &dropbox_rule("reset", "on = 'files/list_folder/continue'\nafter = 5\ntimes = 1")),
    );
    stage.run();
    // A SIGHUP before it takes signals would be its end.
    stage.wait_until("it lists", || stage.sandbox.count("list_folder") > 0);
    for n in 0..8 {
        stage.write(&format!("f{n}.txt"), "changed");
        let before = stage.sandbox.count("list_folder");
        stage.reload();
        stage.wait_until("it looks", || stage.sandbox.count("list_folder") > before);
    }
    stage.quiet();
    stage.stop();
    let listings: Vec<Asked> = asked(&stage).into_iter().filter(Asked::is_listing).collect();
    assert!(listings.len() >= 12, "{}", listings.len());
    assert!(listings.iter().filter(|asked| asked.path.ends_with("list_folder")).count() > 1, "listed anew");
    for two in listings.windows(2) {
        assert!(two[0].to <= two[1].from, "two at a time: {two:#?}");
    }
}

#[test]
fn longpolls_carry_no_authorization_and_all_else_of_dropbox_does() {
    let mut stage = Stage::new();
    stage.write("a.txt", "one");
    stage.run();
    stage.quiet();
    stage.stop();
    let (longpolls, others): (Vec<Asked>, Vec<Asked>) =
        asked(&stage).into_iter().filter(|asked| asked.path.starts_with("/2/")).partition(Asked::is_longpoll);
    assert!(!longpolls.is_empty() && others.len() > 3);
    assert!(longpolls.iter().all(|asked| asked.headers["authorization"].is_null()), "{longpolls:#?}");
    assert!(longpolls.iter().all(|asked| asked.status != Some(400)), "{longpolls:#?}");
    assert!(others.iter().all(|asked| asked.headers["authorization"] == "Bearer …"), "{others:#?}");
}

/// After the first 429 no request came to that service until the time that it named.
fn assert_held_back(stage: &Stage, server: &str, seconds: u64) {
    let all: Vec<Asked> = asked(stage).into_iter().filter(|asked| asked.server == server).collect();
    let refused = all.iter().find(|asked| asked.status == Some(429)).expect("a 429").to;
    // What was on its way already may still arrive.
    let until = refused + seconds * 1000;
    let early: Vec<&Asked> = all.iter().filter(|asked| (refused + 60..until - 50).contains(&asked.from)).collect();
    assert!(early.is_empty(), "refused at {refused} until {until}: {early:#?}");
    assert!(all.iter().any(|asked| asked.from >= until), "and then it goes on");
}

#[test]
fn after_a_429_of_dropbox_no_request_goes_to_it_before_the_time_that_it_names() {
    let mut stage = Stage::new();
    for n in 0..12 {
        stage.write(&format!("f{n}.txt"), &format!("content {n}"));
    }
    stage.faults(&dropbox_rule("rate_limit", "on = 'files/download'\nafter = 2\ntimes = 1\nvalue = 3"));
    stage.run();
    stage.wait_for_condition("rate-limited");
    stage.write("later.txt", "while it waits");
    stage.quiet();
    assert_eq!(stage.ledger().events(), 13, "{}", stage.scene());
    assert_held_back(&stage, "dropbox", 3);
}

#[test]
fn after_a_429_of_a_ledger_no_request_goes_to_it_before_the_time_that_it_names() {
    let mut stage = Stage::new();
    for n in 0..12 {
        stage.write(&format!("f{n}.txt"), &format!("content {n}"));
    }
    stage.faults(&ledger_rule("rate_limit", "on = 'POST /archivist/v2/assets'\nafter = 3\ntimes = 1\nvalue = 3"));
    stage.run();
    stage.wait_for_condition("rate-limited");
    stage.quiet();
    assert_eq!(stage.ledger().events(), 12, "{}", stage.scene());
    assert_held_back(&stage, "ledger", 3);
}

#[test]
fn at_rest_there_is_no_request_but_longpolls() {
    let mut stage = Stage::new();
    stage.configure(|conf| conf.dropbox = "longpoll = \"30s\"\npoll = \"15m\"\n".into());
    for n in 0..5 {
        stage.write(&format!("f{n}.txt"), &format!("content {n}"));
    }
    stage.run();
    stage.quiet();
    let began = Instant::now();
    let others = || asked(&stage).iter().filter(|asked| !asked.is_longpoll()).count();
    let (mut known, mut since) = (others(), Instant::now());
    stage.wait_until("four seconds without a request", || {
        let now = others();
        if now != known {
            (known, since) = (now, Instant::now());
        }
        since.elapsed() > Duration::from_secs(4)
    });
    assert!(began.elapsed() < Duration::from_secs(8), "rest comes at once, not after {:?}", began.elapsed());
    // And it is still awake.
    stage.write("f0.txt", "changed");
    stage.quiet();
    assert_eq!(stage.ledger().events(), 6);
}

#[test]
fn sigterm_ends_the_daemon_within_three_seconds_during_a_slow_download() {
    let mut stage = Stage::new();
    let proxy = Proxy::start(stage.sandbox.url());
    proxy.rule(|request| match request.is("POST", "files/download") {
        true => Deed::Wait(Duration::from_secs(30)),
        false => Deed::Pass,
    });
    let url = proxy.url().to_owned();
    stage.configure(|conf| conf.dropbox_url = url);
    stage.write("a.txt", "one");
    stage.run();
    stage.wait_until("a download is under way", || proxy.count("POST", "files/download") > 0);
    let ((), took) = timed(|| stage.stop());
    assert!(took < END, "{took:?}");
    proxy.rule(|_| Deed::Pass);
    stage.run();
    stage.assert_exact(&[("a.txt", &["one"])]);
}

#[test]
fn sigterm_ends_the_daemon_within_three_seconds_during_a_slow_post_to_the_ledger() {
    let mut stage = Stage::new();
    stage.faults(&ledger_rule("slow", "on = 'POST /archivist/v2/assets'\nvalue = 30"));
    stage.write("a.txt", "one");
    stage.run();
    stage.wait_until("a registration is under way", || stage.ledger().events() == 1);
    let ((), took) = timed(|| stage.stop());
    assert!(took < END, "{took:?}");
    stage.faults("");
    stage.run();
    stage.assert_exact(&[("a.txt", &["one"])]);
}

#[test]
fn the_service_manager_is_told_ready_exactly_once_and_stopping_at_the_end() {
    let mut stage = Stage::new();
    stage.write("a.txt", "one");
    // Also while both services are away.
    for away in [false, true] {
        if away {
            stage.sandbox.away();
        }
        let (mut daemon, took) = timed(|| {
            let mut daemon = Managed::start(&stage.config(), &stage.dir(), &stage.daemon_log());
            stage.wait_until("READY=1", || daemon.count("READY=1") == 1);
            daemon
        });
        assert!(took < Duration::from_secs(10), "READY comes within seconds, not {took:?}");
        if away {
            stage.wait_for_condition("dropbox-unreachable");
        } else {
            stage.quiet();
        }
        stage.wait_until("a status line", || daemon.told().iter().any(|line| line.starts_with("STATUS=")));
        assert_eq!((daemon.count("READY=1"), daemon.count("STOPPING=1")), (1, 0), "{:?}", daemon.told());
        daemon.process.signal(Signal::TERM);
        let (status, took) = timed(|| daemon.process.wait(Duration::from_secs(20)));
        assert_eq!(status.and_then(|status| status.code()), Some(0));
        assert!(took < END, "{took:?}");
        assert_eq!(daemon.count("READY=1"), 1, "{:?}", daemon.told());
        let last = daemon.told().last().cloned().unwrap_or_default();
        assert!(daemon.count("STOPPING=1") == 1 && last == "STOPPING=1", "{:?}", daemon.told());
    }
}

#[test]
fn a_reload_is_told_to_the_service_manager_and_ends_with_ready() {
    let stage = Stage::new();
    stage.write("a.txt", "one");
    let mut daemon = Managed::start(&stage.config(), &stage.dir(), &stage.daemon_log());
    stage.quiet();
    daemon.process.signal(Signal::HUP);
    stage.wait_until("RELOADING=1 and READY=1", || daemon.count("RELOADING=1") == 1 && daemon.count("READY=1") == 2);
    let told = daemon.told();
    let place = |line: &str| told.iter().rposition(|told| told == line);
    assert!(place("RELOADING=1") < place("READY=1"), "{told:?}");
    assert!(told.iter().any(|line| line.starts_with("MONOTONIC_USEC=")), "{told:?}");
}

/// Lists this many files into a hold; gives the peak of resident memory, KiB.
fn listed_and_held(entries: u64) -> u64 {
    let mut stage = Stage::with(&["--entries", &entries.to_string()]);
    stage.configure(|conf| conf.publish = "settle = \"1s\"\nhold_above = 9999\n".into());
    stage.run();
    wait_long(&stage, "listed to its end, and held", || {
        stage.database().conditions().contains(&"publications-held".to_owned())
    });
    let held = stage.database().number("SELECT count(*) FROM publication WHERE held_by IS NOT NULL", &[]);
    assert_eq!(held, Some(entries as i64));
    assert_eq!(creations(&stage), 0);
    let peak = peak_kib(stage.daemon.as_ref().unwrap().id());
    let ((), took) = timed(|| stage.stop());
    assert!(took < END, "{took:?}");
    peak
}

#[test]
fn a_first_listing_of_a_hundred_thousand_entries_stays_under_64_mib_and_ends_held() {
    let (peak, took) = timed(|| listed_and_held(100_000));
    note(&format!("100,000 entries: {peak} KiB, {took:?}"));
    assert!(peak < 64 * 1024, "{peak} KiB");
}

#[test]
fn a_held_folder_publishes_nothing_until_it_is_approved_also_over_a_restart() {
    let mut stage = Stage::new();
    stage.configure(|conf| conf.publish = "settle = \"1s\"\nhold_above = 10\n".into());
    fs::create_dir_all(stage.path("docs")).unwrap();
    let files: Vec<String> = (0..11).map(|n| format!("docs/f{n:02}.txt")).collect();
    files.iter().for_each(|file| stage.write(file, file));
    stage.run();
    stage.wait_for_condition("publications-held");
    stage.barrier();
    stage.stop();
    stage.run();
    stage.wait_for_condition("publications-held");
    stays_so(&stage, Duration::from_secs(1), "nothing is published", || stage.ledger().events() == 0);
    let (code, told, error) = stage.command(&["approve", "/"]);
    assert_eq!(code, 1, "the end of input is a refusal: {told}{error}");
    assert_eq!(stage.ledger().events(), 0);
    let (code, told, error) = stage.command(&["approve", "/", "--yes"]);
    assert_eq!(code, 0, "{told}{error}");
    let contents: Vec<[&str; 1]> = files.iter().map(|file| [file.as_str()]).collect();
    let expected: Vec<(&str, &[&str])> =
        files.iter().zip(&contents).map(|(file, content)| (file.as_str(), &content[..])).collect();
    stage.assert_exact(&expected);
    stage.wait_until("the condition is over", || stage.database().conditions().is_empty());
    let paths: BTreeSet<String> = stage.database().paths_of_assets().into_iter().map(|(_, path)| path).collect();
    assert_eq!(paths.len(), 11);
}

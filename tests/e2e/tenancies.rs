//! One tenancy's trouble: what it holds back, what it does not, and how it ends.

use std::fs;
use std::time::Duration;

use crate::support::more::{asked, creations, ledger_rule, stays_so};
use crate::support::stage::MAIN;
use crate::support::{Deed, Link, Proxy, Stage};

const CREATE: &str = "on = 'POST /archivist/v2/assets'";

#[test]
fn overlapping_folders_in_two_tenancies_one_of_them_forbidden_for_a_while() {
    let mut stage = Stage::new();
    stage.add_tenancy("other");
    fs::create_dir_all(stage.path("in/ner")).unwrap();
    let proxy = Proxy::start(stage.sandbox.url());
    let refused = r#"{"code":7,"message":"permission denied","details":[]}"#;
    proxy.rule(move |request| match request.method.as_str() {
        "POST" if !request.path.contains("token") => Deed::Answer(403, refused.into()),
        _ => Deed::Pass,
    });
    let url = proxy.url().to_owned();
    // Overlapping in both tenancies.
    stage.configure(|conf| {
        conf.tenancies[1].url = url;
        conf.links = ["/", "/in"].map(|folder| Link::new(folder, MAIN)).into();
        conf.links.extend(["/in", "/in/ner"].map(|folder| Link::new(folder, "other")));
    });
    stage.write("a.txt", "one");
    stage.write("in/b.txt", "two");
    stage.write("in/ner/c.txt", "three");
    stage.run();
    stage.wait_for_condition("ledger-forbidden");
    stage.barrier();
    stage.write("in/ner/c.txt", "four");
    stage.barrier();
    let main = [("a.txt", &["one"][..]), ("in/b.txt", &["two"]), ("in/ner/c.txt", &["three", "four"])];
    stage.wait_until("the other is not held back", || {
        stage.assets(MAIN).iter().flat_map(|asset| &asset.versions).filter(|v| v.committed.is_some()).count() == 4
    });
    stage.assert_recorded_in(MAIN, &main);
    assert!(stage.assets("other").is_empty());
    assert!(stage.database().conditions().contains(&"ledger-forbidden".to_owned()));
    proxy.rule(|_| Deed::Pass);
    stage.assert_exact_in(MAIN, &main);
    stage.assert_exact_in("other", &main[1..]);
    stage.wait_until("the condition is over", || stage.database().conditions().is_empty());
}

#[test]
fn a_refused_secret_is_a_condition_and_a_new_one_in_the_file_is_noticed_without_a_restart() {
    let mut stage = Stage::new();
    stage.write("a.txt", "one");
    let secret = stage.state_dir().join("main.secret");
    let good = fs::read_to_string(&secret).unwrap();
    stage.private(&secret, "not-the-secret-canary-8731");
    stage.run();
    stage.wait_for_condition("ledger-secret-refused");
    stage.barrier();
    assert_eq!(creations(&stage), 0);
    let before = stage.sandbox.count("appidp/token");
    stays_so(&stage, Duration::from_secs(2), "no hammering", || stage.sandbox.count("appidp/token") <= before + 10);
    stage.private(&secret, &good);
    stage.wait_until("the condition is over", || stage.database().conditions().is_empty());
    stage.assert_exact(&[("a.txt", &["one"])]);
    assert!(!stage.log_text().contains("canary-8731"), "no secret in the log");
}

#[test]
fn a_used_up_quota_holds_the_tenancy_with_one_slow_trial_at_a_time_and_then_all_is_recorded() {
    let mut stage = Stage::new();
    stage.write("first.txt", "zero");
    stage.run();
    stage.quiet();
    stage.faults(&ledger_rule("quota", ""));
    let files: Vec<String> = (0..12).map(|n| format!("f{n:02}.txt")).collect();
    files.iter().for_each(|file| stage.write(file, file));
    stage.wait_for_condition("ledger-quota");
    stage.barrier();
    let trials = || asked(&stage).into_iter().filter(|asked| asked.status == Some(402)).collect::<Vec<_>>();
    let before = trials().len();
    stage.wait_until("trials go on", || trials().len() >= before + 4);
    let tried = trials();
    // Those of the first moment were under way together; since then each waits for the one before.
    let later = &tried[before..];
    assert!(later.windows(2).all(|two| two[0].to <= two[1].from), "one at a time: {later:#?}");
    let bodies: std::collections::BTreeSet<&str> = tried.iter().map(|asked| asked.body.as_str()).collect();
    assert!(bodies.len() > 3, "the trial rotates among assets");
    assert_eq!(stage.ledger().events(), 1);
    stage.faults("");
    let mut expected: Vec<(&str, &[&str])> = vec![("first.txt", &["zero"])];
    let contents: Vec<[&str; 1]> = files.iter().map(|file| [file.as_str()]).collect();
    expected.extend(files.iter().zip(&contents).map(|(file, content)| (file.as_str(), &content[..])));
    stage.assert_exact(&expected);
    stage.wait_until("the condition is over", || stage.database().conditions().is_empty());
}

#[test]
fn a_400_parks_only_that_publication_status_shows_it_and_a_reload_tries_it_again() {
    let mut stage = Stage::new();
    stage.write("first.txt", "zero");
    stage.run();
    stage.quiet();
    stage.faults(&ledger_rule("status", &format!("{CREATE}\nvalue = 400\ntimes = 1")));
    for file in ["a.txt", "b.txt", "c.txt"] {
        stage.write(file, file);
    }
    stage.wait_for_condition("publications-parked");
    stage.barrier();
    stage.wait_until("the others are recorded", || stage.ledger().events() == 3);
    let (code, status, _) = stage.command(&["status", "--json"]);
    assert_eq!(code, 4, "{status}");
    let status: serde_json::Value = serde_json::from_str(&status).unwrap();
    assert_eq!(status["tenancies"][0]["parked"], 1, "{status:#}");
    // The one that is parked holds back its own later versions, and nobody else's.
    let parked =
        "SELECT lower(f.path_display) FROM publication p JOIN asset a ON a.id = p.asset JOIN file f ON f.id = a.file
                  WHERE p.state = 'parked'";
    let parked = stage.database().texts(parked, &[])[0].trim_start_matches('/').to_owned();
    stage.write(&parked, "later");
    stage.write("first.txt", "one");
    stage.barrier();
    stage.wait_until("another's event is recorded", || stage.ledger().events() == 4);
    stays_so(&stage, Duration::from_secs(1), "the parked one waits", || stage.ledger().events() == 4);
    stage.reload();
    let versions = |file: &'static str| if file == parked { vec![file, "later"] } else { vec![file] };
    let (a, b, c) = (versions("a.txt"), versions("b.txt"), versions("c.txt"));
    stage.assert_exact(&[("first.txt", &["zero", "one"]), ("a.txt", &a), ("b.txt", &b), ("c.txt", &c)]);
    stage.wait_until("the condition is over", || stage.database().conditions().is_empty());
}

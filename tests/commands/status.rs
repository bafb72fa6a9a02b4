//! How things stand, before, beside and without a daemon.

use droptrail::daemon::Lock;

use super::{ACCOUNT, Place, URL, file, same_bytes, stderr, tenancy};

#[tokio::test]
async fn before_a_daemon_ever_ran_everything_configured_is_new_and_nothing_is_made() {
    let place = Place::new(&["/Contracts"]);
    let status = place.json(&["status", "--json"], 3);
    assert_eq!(status["account"], serde_json::Value::Null);
    assert_eq!(status["running"], false);
    let link = serde_json::json!({
        "folder": "/Contracts", "tenancy": "acme", "state": "new", "files": 0, "skipped": {}, "configured": true
    });
    assert_eq!(status["links"], serde_json::json!([link]));
    assert_eq!(status["tenancies"][0]["name"], "acme");
    assert_eq!(status["tenancies"][0]["state"], "new");
    assert_eq!(status["tenancies"][0]["url"], URL);
    assert_eq!(status["conditions"], serde_json::json!([]));
    let text = place.text(&["status"], 3);
    assert!(text.contains("NOT running") && text.contains("/Contracts") && text.contains("new"), "{text}");
    assert!(!place.state().exists(), "looking makes nothing");
}

#[tokio::test]
async fn every_number_that_the_database_knows_is_shown_under_its_documented_name() {
    let place = Place::new(&["/Contracts"]);
    let planted = place.plant(&[("/Contracts", &["*.tmp"])]).await;
    let shown = |id: &str, name: &str| file(id, &format!("/Contracts/{name}"), id);
    let mut link = shown("s", "link");
    link.skip = Some("symlink");
    let files =
        vec![shown("a", "a"), shown("bb", "b"), shown("ccc", "c"), shown("t", "x.tmp"), shown("u", "y.tmp"), link];
    planted.page("/Contracts", files, 0).await;
    planted.hash().await;
    let sent = planted.send().await;
    planted.record(&sent[..1]).await;
    planted.store.unknown(sent[1].id, "the connection was lost".into()).await.expect("written");
    planted.store.not_made(sent[2].id, "400".into()).await.expect("written");
    planted.store.park(sent[2].id, "the ledger answered 400\nforged line".into()).await.expect("written");
    planted.page("/Contracts", vec![file("dddd", "/Contracts/d", "dddd")], 0).await;
    planted.store.tenancy_state(planted.tenancy, "ok", None).await.expect("written");
    planted.store.condition_began("publications-parked", "acme", "one record").await.expect("written");
    let status = place.json(&["status", "--json"], 3);
    planted.close().await;

    assert_eq!(status, place.json(&["status", "--json"], 3), "the same beside a process that has it open and without");
    assert_eq!(status["account"], ACCOUNT);
    let link = &status["links"][0];
    assert_eq!((&link["folder"], &link["tenancy"]), (&"/Contracts".into(), &"acme".into()));
    assert_eq!((&link["state"], &link["files"]), (&"starting".into(), &7.into()));
    assert_eq!(link["skipped"], serde_json::json!({"excluded": 2, "symlink": 1}));
    let acme = &status["tenancies"][0];
    for (key, n) in [
        ("pending", 1),
        ("in_flight", 0),
        ("uncertain", 1),
        ("recorded", 0),
        ("confirmed", 1),
        ("parked", 1),
        ("unreadable", 0),
    ] {
        assert_eq!(acme[key], n, "{key} in {acme}");
    }
    assert_eq!((&acme["name"], &acme["state"], &acme["held_until"]), (&"acme".into(), &"ok".into(), &().into_json()));
    let condition = &status["conditions"][0];
    assert_eq!((&condition["code"], &condition["text"]), (&"publications-parked".into(), &"one record".into()));
    assert!(condition["since"].as_str().expect("a time").parse::<jiff::Timestamp>().is_ok());
    let stuck: Vec<_> = status["stuck"].as_array().expect("a list").iter().map(|one| one["state"].as_str()).collect();
    assert_eq!(stuck, [Some("parked"), Some("uncertain")]);

    let text = place.text(&["status"], 3);
    for part in [
        "skipped: 2 excluded, 1 symlink",
        "publications-parked (acme) since",
        "what to do: see droptrail status",
        "parked in acme: the ledger answered 400\\nforged line\n    /Contracts/",
        "uncertain in acme: the connection was lost\n    /Contracts/",
    ] {
        assert!(text.contains(part), "{part:?} is missing:\n{text}");
    }
    assert!(text.lines().count() <= 24 && text.lines().all(|line| line.chars().count() <= 80), "{text}");
}

trait IntoJson {
    fn into_json(self) -> serde_json::Value;
}

impl IntoJson for () {
    fn into_json(self) -> serde_json::Value {
        serde_json::Value::Null
    }
}

#[tokio::test]
async fn the_exit_status_is_0_for_health_3_without_a_daemon_and_4_with_a_condition() {
    let place = Place::new(&["/Contracts"]);
    let planted = place.plant(&[("/Contracts", &[])]).await;
    assert_eq!(place.json(&["status", "--json"], 3)["running"], false);
    let lock = Lock::take(&place.state()).expect("no other daemon");
    let status = place.json(&["status", "--json"], 0);
    assert_eq!((&status["running"], &status["process"]), (&true.into(), &std::process::id().into()));
    assert!(place.text(&["status"], 0).contains(&format!("running (process {})", std::process::id())));
    planted.store.condition_began("folder-missing", "/Contracts", "gone").await.expect("written");
    assert_eq!(place.json(&["status", "--json"], 4)["conditions"][0]["subject"], "/Contracts");
    assert!(place.text(&["status"], 4).contains("create it, or change the link"));
    drop(lock);
    place.text(&["status"], 3);
}

#[tokio::test]
async fn what_the_configuration_gained_or_lost_since_the_daemon_read_it_is_shown_as_such() {
    let place = Place::new(&["/contracts", "/New"]);
    place.append_config(&tenancy("beta"));
    let planted = place.plant(&[("/Contracts", &[]), ("/Old", &[])]).await;
    planted.close().await;
    let status = place.json(&["status", "--json"], 3);
    let links: Vec<_> = status["links"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|link| (link["folder"].as_str(), link["state"].as_str(), link["configured"].as_bool()))
        .collect();
    let expected = [("/Contracts", "starting", true), ("/Old", "starting", false), ("/New", "new", true)];
    assert_eq!(links, expected.map(|(folder, state, configured)| (Some(folder), Some(state), Some(configured))));
    let states: Vec<_> = status["tenancies"].as_array().expect("a list").iter().map(|t| t["state"].as_str()).collect();
    assert_eq!(states, [Some("starting"), Some("new")]);
    assert!(place.text(&["status"], 3).contains("no longer in the configuration"));
}

#[tokio::test]
async fn a_database_that_cannot_be_used_is_named_with_the_mend_and_left_as_it_is() {
    let place = Place::new(&["/Contracts"]);
    place.plant(&[("/Contracts", &[])]).await.close().await;
    let good = std::fs::read(place.database()).expect("read");
    let mut damaged = good.clone();
    damaged[4096..].fill(0xa5);
    let newer = |bytes: &mut Vec<u8>| bytes[60..64].copy_from_slice(&99u32.to_be_bytes());
    let mut from_later = good.clone();
    newer(&mut from_later);
    let mut foreign = good.clone();
    foreign[68..72].fill(1);
    for (bytes, part) in [
        (b"this is no database, but long enough to look like something else".repeat(99), "is not a droptrail database"),
        (foreign, "is not a droptrail database"),
        (from_later, "newer droptrail (schema 99"),
        (damaged, "damaged"),
    ] {
        std::fs::write(place.database(), &bytes).expect("written");
        for arguments in [&["status"][..], &["assets", "--json"], &["approve", "/Contracts", "--yes"]] {
            let output = place.run(arguments);
            let text = stderr(&output);
            assert_eq!(output.status.code(), Some(2), "{arguments:?}: {text}");
            assert!(text.contains(part) && text.contains("droptrail.db") && text.contains("hint: "), "{text}");
            assert!(output.stdout.is_empty(), "{arguments:?}");
        }
        assert!(same_bytes(&place.database(), &bytes));
    }
    std::fs::write(place.database(), b"").expect("written");
    assert_eq!(place.json(&["status", "--json"], 3)["account"], serde_json::Value::Null, "one just being made");
}

#[test]
fn a_configuration_that_cannot_be_used_ends_with_2_and_its_line() {
    let place = Place::new(&["/Contracts"]);
    place.append_config(&tenancy("other").replace("client-of-other", "client-of-acme"));
    for command in [&["status"][..], &["assets"], &["approve", "/Contracts"]] {
        let output = place.run(command);
        assert_eq!(output.status.code(), Some(2));
        assert!(stderr(&output).contains("config.toml:15: tenancy.client_id: "), "{}", stderr(&output));
    }
}

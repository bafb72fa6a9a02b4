//! What each file has on the ledger, whatever is on its way.

use serde_json::{Value, json};

use super::{Place, Planted, URL, asset_of, file, sha256_of, stderr};
use droptrail::digest::Digest;

/// One file in each state that a person may meet.
async fn varied(place: &Place) -> Planted {
    let planted = place.plant(&[("/Contracts", &["*.tmp"])]).await;
    let files = vec![
        file("done", "/Contracts/Done.pdf", "1"),
        file("changed", "/Contracts/2026/Changed.pdf", "2"),
        file("parked", "/Contracts/a\n\u{202e}b", "3"),
    ];
    planted.page("/Contracts", files, 0).await;
    planted.hash().await;
    let sent = planted.send().await;
    planted.record(&sent[..2]).await;
    planted.store.not_made(sent[2].id, String::new()).await.expect("written");
    planted.store.park(sent[2].id, "the ledger answered 400".into()).await.expect("written");
    let later = vec![
        file("changed", "/Contracts/2026/Changed.pdf", "22"),
        file("new", "/Contracts/2026/new.txt", "4"),
        file("tmp", "/Contracts/x.tmp", "5"),
    ];
    planted.page("/Contracts", later, 0).await;
    planted
}

fn by<'a>(lines: &'a [Value], id: &str) -> &'a Value {
    let id = format!("id:{id}");
    lines.iter().find(|line| line["file_id"] == *id).unwrap_or_else(|| panic!("{id} is missing"))
}

fn ids(lines: &[Value]) -> Vec<&str> {
    lines.iter().map(|line| line["file_id"].as_str().expect("an id").trim_start_matches("id:")).collect()
}

#[tokio::test]
async fn a_record_has_every_documented_field_and_the_address_where_anybody_may_see_it() {
    let place = Place::new(&["/Contracts"]);
    let planted = varied(&place).await;
    let lines = place.lines(&["assets", "--json"]);
    let mut done = by(&lines, "done").clone();
    let recorded_at = done["recorded_at"].take();
    assert!(recorded_at.as_str().expect("a time").parse::<jiff::Timestamp>().is_ok());
    let content = Digest::sha256("1");
    let asset = asset_of("id:done");
    let expected = json!({
        "tenancy": "acme", "path": "/Contracts/Done.pdf", "file_id": "id:done", "asset": asset,
        "public_url": format!("{URL}/archivist/publicassets/{asset}"), "document_version": 1,
        "document_hash_value": sha256_of(content).to_string(), "document_hash_alg": "sha256",
        "dropbox_content_hash": content.to_string(), "state": "confirmed", "reason": null, "recorded_at": null,
        "waiting": 0, "withdrawn": false,
    });
    assert_eq!(done, expected);
    planted.close().await;
    assert_eq!(place.lines(&["assets", "--json"]), lines, "the same without a process that has it open");
}

#[tokio::test]
async fn the_newest_recorded_version_is_shown_and_the_state_says_that_a_newer_one_waits() {
    let place = Place::new(&["/Contracts"]);
    let planted = varied(&place).await;
    let lines = place.lines(&["assets", "--json"]);
    let changed = by(&lines, "changed");
    assert_eq!(
        (&changed["document_version"], &changed["state"], &changed["waiting"]),
        (&json!(1), &json!("pending"), &json!(1))
    );
    assert_eq!(changed["dropbox_content_hash"], Digest::sha256("2").to_string());
    let parked = by(&lines, "parked");
    assert_eq!((&parked["state"], &parked["reason"]), (&json!("parked"), &json!("the ledger answered 400")));
    assert_eq!(
        (&parked["asset"], &parked["public_url"], &parked["recorded_at"]),
        (&Value::Null, &Value::Null, &Value::Null)
    );
    let new = by(&lines, "new");
    assert_eq!(
        (&new["state"], &new["document_version"], &new["document_hash_value"]),
        (&json!("pending"), &Value::Null, &Value::Null)
    );
    assert_eq!(new["dropbox_content_hash"], Digest::sha256("4").to_string());

    planted.hash().await;
    let sent = planted.send().await;
    planted.record(&sent).await;
    let lines = place.lines(&["assets", "--json"]);
    let changed = by(&lines, "changed");
    assert_eq!(
        (&changed["document_version"], &changed["state"], &changed["waiting"]),
        (&json!(2), &json!("confirmed"), &json!(0))
    );
    assert_eq!(changed["asset"], asset_of("id:changed"), "the same asset");
    assert_eq!(changed["dropbox_content_hash"], Digest::sha256("22").to_string());
}

#[tokio::test]
async fn files_are_chosen_by_path_folder_id_asset_hash_or_glob() {
    let place = Place::new(&["/Contracts"]);
    varied(&place).await.close().await;
    let asset = asset_of("id:done");
    let sha256 = sha256_of(Digest::sha256("1")).to_string();
    let content = Digest::sha256("22").to_string().to_uppercase();
    let cases: [(&str, &[&str]); 11] = [
        ("/contracts/DONE.pdf", &["done"]),
        ("/Contracts/2026", &["changed", "new"]),
        ("/", &["done", "changed", "parked", "new"]),
        ("id:new", &["new"]),
        ("ID:new", &[]),
        (&asset, &["done"]),
        (&sha256, &["done"]),
        (&content, &["changed"]),
        ("*.PDF", &["done", "changed"]),
        ("/Contracts/*.pdf", &["done"]),
        ("/Elsewhere", &[]),
    ];
    for (select, expected) in cases {
        assert_eq!(ids(&place.lines(&["assets", select, "--json"])), expected, "{select}");
    }
    let output = place.run(&["assets", ""]);
    assert_eq!(output.status.code(), Some(2), "{}", stderr(&output));
}

#[tokio::test]
async fn people_see_true_names_that_cannot_forge_a_line_and_all_details_of_one_file() {
    let place = Place::new(&["/Contracts"]);
    varied(&place).await.close().await;
    let text = place.text(&["assets"], 0);
    assert_eq!(text.lines().count(), 6, "headings, four files, one reason:\n{text}");
    assert!(text.starts_with("STATE "), "{text}");
    assert!(text.contains("/Contracts/a\\n\\u{202e}b\n            the ledger answered 400\n"), "{text}");
    let one = place.text(&["assets", "/Contracts/2026/changed.pdf"], 0);
    for part in [
        "/Contracts/2026/Changed.pdf\n",
        &format!("{URL}/archivist/publicassets/{}", asset_of("id:changed")),
        &sha256_of(Digest::sha256("2")).to_string(),
        "1 version, the next one pending",
    ] {
        assert!(one.contains(part), "{part:?} is missing:\n{one}");
    }
    assert!(place.text(&["assets", "/nowhere"], 0).contains("--skipped"));
    assert_eq!(place.text(&["assets", "/nowhere", "--json"], 0), "");
}

#[tokio::test]
async fn files_that_are_not_published_are_listed_with_the_reason() {
    let place = Place::new(&["/Contracts"]);
    varied(&place).await.close().await;
    let expected = json!({
        "tenancy": "acme", "folder": "/Contracts", "path": "/Contracts/x.tmp", "file_id": "id:tmp",
        "dropbox_content_hash": Digest::sha256("5").to_string(), "state": "skipped", "reason": "excluded",
    });
    for select in ["/Contracts", "id:tmp", "*.tmp", &Digest::sha256("5").to_string()] {
        assert_eq!(
            place.lines(&["assets", "--skipped", "--json", select]),
            std::slice::from_ref(&expected),
            "{select}"
        );
    }
    let asset = asset_of("id:done");
    for select in ["/Contracts/done.pdf", &asset] {
        assert_eq!(place.text(&["assets", "--skipped", "--json", select], 0), "");
    }
    let text = place.text(&["assets", "--skipped"], 0);
    assert!(text.contains("excluded") && text.contains("/Contracts/x.tmp"), "{text}");
}

#[tokio::test]
async fn what_waits_for_an_approval_says_so() {
    let place = Place::new(&["/Contracts"]);
    let planted = place.plant(&[("/Contracts", &[])]).await;
    planted.page("/Contracts", vec![file("a", "/Contracts/a", "1"), file("b", "/Contracts/b", "2")], 1).await;
    let lines = place.lines(&["assets", "--json"]);
    assert_eq!(
        (&lines[0]["state"], &lines[0]["reason"]),
        (&json!("pending"), &json!("waits for the approval of /Contracts"))
    );
}

#[test]
fn before_a_daemon_ever_ran_there_is_nothing_to_list() {
    let place = Place::new(&["/Contracts"]);
    assert_eq!(place.text(&["assets", "--json"], 0), "");
    assert!(place.text(&["assets"], 0).contains("the daemon has not run"));
    assert!(!place.state().exists());
}

#[tokio::test]
async fn long_lists_are_complete_in_order_and_without_repetition() {
    let place = Place::new(&["/Contracts"]);
    let planted = place.plant(&[("/Contracts", &["*.tmp"])]).await;
    let many = |end: &str| -> Vec<_> {
        (0..1000).map(|n| file(&format!("{n:04}{end}"), &format!("/Contracts/{n:04}{end}"), &format!("{n}"))).collect()
    };
    planted.page("/Contracts", many(".pdf"), 0).await;
    planted.page("/Contracts", many(".tmp"), 0).await;
    planted.close().await;
    let expected = |end: &str, from: usize| (from..1000).map(|n| format!("{n:04}{end}")).collect::<Vec<_>>();
    assert_eq!(ids(&place.lines(&["assets", "--json"])), expected(".pdf", 0));
    assert_eq!(ids(&place.lines(&["assets", "--skipped", "--json"])), expected(".tmp", 0));
    assert_eq!(ids(&place.lines(&["assets", "--json", "/Contracts/09*"])), expected(".pdf", 900));
    assert_eq!(
        place.text(&["assets", "09*"], 0).lines().count(),
        1 + 100,
        "headings and every match, held back or not"
    );
}

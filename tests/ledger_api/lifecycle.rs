//! From PENDING to CONFIRMED, and what a record says on the way.

use std::time::Duration;

use droptrail::ledger::sequence::IdTimestamp;
use serde_json::{Value, json};

use crate::support::{World, eventually};

#[tokio::test]
async fn a_record_goes_from_pending_over_stored_and_committed_to_confirmed() {
    let world = World::with(|options| options.commit_delay = Duration::from_secs(1)).await;
    let tenant = world.tenant("acme").await;
    let asset = tenant.create(true, json!({"a": "1"})).await;
    let mut seen: Vec<String> = Vec::new();
    while seen.last().is_none_or(|last| last != "CONFIRMED") {
        let answer = tenant.get(&format!("v2/{asset}")).await;
        let status = answer.json["confirmation_status"].as_str().expect("a status").to_owned();
        let committed = matches!(status.as_str(), "COMMITTED" | "CONFIRMED");
        assert_eq!(answer.json["tenant_identity"] == "", !committed, "{}", answer.text);
        if seen.last() != Some(&status) {
            seen.push(status);
        }
    }
    assert_eq!(seen, ["PENDING", "STORED", "COMMITTED", "CONFIRMED"]);
}

#[tokio::test]
async fn creating_an_asset_makes_its_new_asset_event_with_the_attributes() {
    let world = World::new().await;
    let tenant = world.tenant("acme").await;
    let attributes = json!({"arc_profile": "Document", "d": {"k": "v"}, "l": [{"x": "1"}, {"x": "2"}], "e": ""});
    let asset = tenant.create(true, attributes.clone()).await;
    let answer = tenant.confirmed(&asset).await;
    assert_eq!(answer.header("content-type"), Some("application/json; charset=utf-8"));
    assert_eq!(answer.json["attributes"], attributes);
    assert_eq!(answer.json["behaviours"], json!(["RecordEvidence", "AssetCreator", "Builtin"]));
    assert_eq!(answer.json["tenant_identity"], tenant.credentials.tenant_identity);
    assert_eq!(answer.json["public"], true);

    let listed = tenant.get(&format!("v2/{asset}/events")).await;
    let event = &listed.json["events"][0];
    assert_eq!(listed.json["events"].as_array().map(Vec::len), Some(1));
    assert_eq!((&event["operation"], &event["behaviour"]), (&json!("NewAsset"), &json!("AssetCreator")));
    assert_eq!((&event["asset_attributes"], &event["event_attributes"]), (&attributes, &json!({})));
    assert_eq!(event["asset_identity"], asset);
    assert_eq!(event["principal_accepted"]["subject"], tenant.credentials.client_id);
    assert_eq!(event["principal_accepted"]["display_name"], "acme");
    assert_eq!(event["principal_declared"], event["principal_accepted"]);
}

#[tokio::test]
async fn all_fields_are_always_there_in_the_order_of_the_api() {
    let world = World::new().await;
    let tenant = world.tenant("acme").await;
    let answer = tenant.post("v2/assets", &json!({})).await;
    let in_order = |text: &str, names: &[&str]| {
        let places: Vec<usize> = names
            .iter()
            .map(|name| text.find(&format!("\"{name}\":")).unwrap_or_else(|| panic!("{name} is missing in {text}")))
            .collect();
        assert!(places.is_sorted(), "{text}");
    };
    let asset = [
        "identity",
        "behaviours",
        "attributes",
        "confirmation_status",
        "tracked",
        "owner",
        "at_time",
        "proof_mechanism",
        "chain_id",
        "public",
        "tenant_identity",
    ];
    in_order(&answer.text, &asset);
    let body = json!({"operation": "Record", "behaviour": "RecordEvidence"});
    let event = tenant.post(&format!("v2/{}/events", answer.identity()), &body).await;
    let names = [
        "identity",
        "asset_identity",
        "event_attributes",
        "asset_attributes",
        "operation",
        "behaviour",
        "timestamp_declared",
        "timestamp_accepted",
        "timestamp_committed",
        "principal_declared",
        "principal_accepted",
        "confirmation_status",
        "transaction_id",
        "block_number",
        "transaction_index",
        "from",
        "tenant_identity",
        "merklelog_entry",
    ];
    in_order(&event.text, &names);
    assert_eq!(event.json["timestamp_committed"], "1970-01-01T00:00:00Z");
    assert_eq!(event.json["merklelog_entry"], json!({"commit": null, "confirm": null, "unequivocal": null}));
    assert_eq!(event.json["confirmation_status"], "PENDING");
    assert_eq!(event.json["timestamp_declared"], event.json["timestamp_accepted"]);
}

#[tokio::test]
async fn a_commit_has_a_strictly_increasing_idtimestamp_that_tells_its_time() {
    let world = World::new().await;
    let tenant = world.tenant("acme").await;
    let mut last = String::new();
    let mut indices = Vec::new();
    for n in 0..6 {
        let asset = tenant.create(true, json!({"n": n.to_string()})).await;
        tenant.confirmed(&asset).await;
        let listed = tenant.get(&format!("v2/{asset}/events")).await;
        let event = &listed.json["events"][0];
        let commit = &event["merklelog_entry"]["commit"];
        let id = commit["idtimestamp"].as_str().expect("an idtimestamp").to_owned();
        let ms = IdTimestamp::parse(&id).expect("18 hex digits").ms;
        let time = jiff::Timestamp::from_millisecond(ms).expect("in range");
        assert_eq!(event["timestamp_committed"], format!("{time:.3}"));
        assert!(id > last, "{id} after {last}");
        last = id;
        indices.push(commit["index"].as_str().expect("a string").to_owned());
    }
    assert_eq!(indices, ["0", "1", "3", "4", "7", "8"]);
}

#[tokio::test]
async fn an_event_overwrites_the_assets_attributes_key_by_key_and_at_time_shows_the_state_before() {
    let world = World::new().await;
    let tenant = world.tenant("acme").await;
    let asset = tenant.create(true, json!({"a": "1", "b": "1"})).await;
    let made = tenant.confirmed(&asset).await;
    let before = made.json["at_time"].as_str().expect("a time").to_owned();
    // Times of acceptance are whole seconds, so the event has to come in another one.
    eventually(|| async { (format!("{:.0}", jiff::Timestamp::now()) > before).then_some(()) }).await;
    let declared = json!({"operation": "Record", "behaviour": "RecordEvidence", "asset_attributes": {"b": "2", "c": "2"},
        "timestamp_declared": "2024-01-01T01:00:00.5+01:00", "principal_declared": {"subject": "someone"}, "ignored": 1});
    let event = tenant.post(&format!("v2/{asset}/events"), &declared).await;
    assert_eq!(event.json["timestamp_declared"], "2024-01-01T00:00:00.500Z");
    let principal = json!({"issuer": "", "subject": "someone", "display_name": "", "email": ""});
    assert_eq!(event.json["principal_declared"], principal);
    let now = tenant.get(&format!("v2/{asset}")).await;
    assert_eq!(now.json["attributes"], json!({"a": "1", "b": "2", "c": "2"}));
    let then = tenant.get(&format!("v2/{asset}?at_time={before}")).await;
    assert_eq!((&then.json["attributes"], &then.json["at_time"]), (&json!({"a": "1", "b": "1"}), &json!(before)));
    assert_eq!(tenant.get(&format!("v2/{asset}?at_time=2001-01-01T00:00:00Z")).await.status, 404);
    assert_eq!(tenant.get(&format!("v2/{asset}?at_time=noon")).await.status, 400);
    assert_eq!(tenant.get(&format!("v2/{asset}?what=ever")).await.status, 400);
    tenant.confirmed(&event.identity()).await;
    let public = world.anybody().get(&format!("v2/public{asset}?at_time={before}")).await;
    assert_eq!(public.json["attributes"], json!({"a": "1", "b": "1"}));
}

#[tokio::test]
async fn an_untracked_asset_leaves_the_default_listing_and_comes_back_when_tracked() {
    let world = World::new().await;
    let tenant = world.tenant("acme").await;
    let asset = tenant.create(false, json!({"a": "1"})).await;
    let count = |query: &'static str| {
        let tenant = tenant.clone();
        async move { tenant.get(&format!("v2/assets?attributes.a=1{query}")).await.json["assets"].as_array().map(Vec::len) }
    };
    for (operation, default, not_tracked) in [("StopTracking", 0, 1), ("StartTracking", 1, 0)] {
        let body = json!({"operation": operation, "behaviour": "Builtin"});
        assert_eq!(tenant.post(&format!("v2/{asset}/events"), &body).await.status, 200);
        assert_eq!(count("").await, Some(default));
        assert_eq!(count("&tracked=ANY").await, Some(1));
        assert_eq!(count("&tracked=NOT_TRACKED").await, Some(not_tracked));
        let shown = tenant.get(&format!("v2/{asset}")).await.json["tracked"].clone();
        assert_eq!(shown, if default == 1 { "TRACKED" } else { "NOT_TRACKED" });
    }
}

#[tokio::test]
async fn two_identical_posts_make_two_assets() {
    let world = World::new().await;
    let tenant = world.tenant("acme").await;
    let (first, second) = (tenant.create(true, json!({"a": "1"})).await, tenant.create(true, json!({"a": "1"})).await);
    assert_ne!(first, second);
    let listed = tenant.get("v2/assets?attributes.a=1&page_size=2").await;
    assert_eq!(listed.json["assets"].as_array().map(Vec::len), Some(2));
    assert_eq!(listed.json["next_page_token"], Value::String(String::new()));
}

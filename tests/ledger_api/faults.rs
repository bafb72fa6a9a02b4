//! Each fault of the script does what it says, and leaves the store true.

use std::time::{Duration, Instant};

use serde_json::json;

use crate::support::{World, column, eventually};

const EVENT: &str = r#"{"operation":"Record","behaviour":"RecordEvidence","asset_attributes":{"tag":"event"}}"#;

#[tokio::test]
async fn a_connection_cut_after_the_commit_leaves_the_record_and_one_cut_before_leaves_none() {
    let world = World::new().await;
    let tenant = world.tenant("acme").await;
    world.faults("[[ledger]]\nfault = 'commit_then_cut'\non = 'POST /archivist/v2/assets'\ntimes = 1");
    let body = r#"{"attributes":{"tag":"after"}}"#;
    assert!(tenant.try_post("v2/assets", body).await.err().expect("no answer").status().is_none());
    assert_eq!(column(&tenant.get("v2/assets?attributes.tag=after").await, "/identity").len(), 1);
    world.faults("[[ledger]]\nfault = 'cut_before'\ntimes = 1");
    assert!(tenant.try_post("v2/assets", r#"{"attributes":{"tag":"before"}}"#).await.is_err());
    assert_eq!(column(&tenant.get("v2/assets?attributes.tag=before").await, "/identity").len(), 0);
    assert_eq!(tenant.post("v2/assets", &json!({})).await.status, 200);
}

#[tokio::test]
async fn an_error_or_unreadable_answer_after_the_commit_leaves_the_record() {
    let world = World::new().await;
    let tenant = world.tenant("acme").await;
    world.faults("[[ledger]]\nfault = 'commit_then_status'\nvalue = 502\ntimes = 1\n[[ledger]]\nfault = 'unreadable_2xx'\ntimes = 1");
    let first = tenant.post("v2/assets", &json!({"attributes": {"tag": "x"}})).await;
    assert_eq!((first.status, &first.json["code"]), (502, &json!(13)));
    let second = tenant.post("v2/assets", &json!({"attributes": {"tag": "x"}})).await;
    assert_eq!(second.status, 200);
    assert!(second.text.contains("<html>") && second.header("content-type").is_some_and(|kind| kind.contains("html")));
    assert_eq!(column(&tenant.get("v2/assets?attributes.tag=x").await, "/identity").len(), 2);
}

#[tokio::test]
async fn refusals_before_storing_store_nothing() {
    let world = World::new().await;
    let tenant = world.tenant("acme").await;
    for (fault, status, code) in [
        ("fault = 'status'\nvalue = 500", 500, 13),
        ("fault = 'quota'", 402, 12),
        ("fault = 'forbidden'", 403, 7),
        ("fault = 'unauthorized'", 401, 16),
        ("fault = 'rate_limit'\nvalue = 2.5", 429, 8),
    ] {
        world.faults(&format!("[[ledger]]\n{fault}\non = 'POST'"));
        let answer = tenant.post("v2/assets", &json!({"attributes": {"tag": "x"}})).await;
        assert_eq!((answer.status, &answer.json["code"]), (status, &json!(code)), "{fault}");
    }
    world.faults("[[ledger]]\nfault = 'status'\nvalue = 503\ntext = 'upstream connect error'");
    let answer = tenant.get("v2/assets").await;
    assert_eq!((answer.status, answer.text.as_str()), (503, "upstream connect error"));
    world.faults("");
    assert_eq!(column(&tenant.get("v2/assets").await, "/identity").len(), 0);
}

#[tokio::test]
async fn a_rate_limit_has_its_header_with_a_time_with_zero_or_not_at_all() {
    let world = World::new().await;
    let tenant = world.tenant("acme").await;
    for (rule, header) in [("value = 0.2", Some("0.2")), ("text = 'zero'", Some("0")), ("text = 'absent'", None)] {
        world.faults(&format!("[[ledger]]\nfault = 'rate_limit'\n{rule}"));
        let answer = tenant.get("v2/assets").await;
        assert_eq!((answer.status, answer.header("archivist-rate-limit-reset")), (429, header));
    }
}

#[tokio::test]
async fn a_lagging_search_hides_new_records_that_can_be_read_by_identity() {
    let world = World::new().await;
    let tenant = world.tenant("acme").await;
    let old = tenant.create(true, json!({"tag": "x"})).await;
    tenant.confirmed(&old).await;
    world.faults("[[ledger]]\nfault = 'search_lag'\nvalue = 2.0");
    let new = tenant.create(true, json!({"tag": "x"})).await;
    let answer = tenant.get_with("v2/assets?attributes.tag=x", &[("x-request-total-count", "true")]).await;
    assert!(!column(&answer, "/identity").contains(&new));
    assert_eq!(tenant.get(&format!("v2/{new}")).await.status, 200);
    assert_eq!(column(&tenant.get(&format!("v2/{new}/events")).await, "/identity").len(), 0);
    eventually(|| async {
        let found = column(&tenant.get("v2/assets?attributes.tag=x").await, "/identity").contains(&new);
        found.then_some(())
    })
    .await;
    world.faults("[[ledger]]\nfault = 'search_lag'\nvalue = 3600\non = 'publicassets'");
    assert_eq!(column(&tenant.get("v2/assets?attributes.tag=x").await, "/identity").len(), 2);
    assert_eq!(column(&world.anybody().get("publicassets/-/events").await, "/identity").len(), 0);
}

#[tokio::test]
async fn a_stalled_committer_commits_nothing_until_it_is_let_go() {
    let world = World::new().await;
    let tenant = world.tenant("acme").await;
    world.faults("[[ledger]]\nfault = 'committer_stall'");
    let asset = tenant.create(true, json!({})).await;
    tokio::time::sleep(Duration::from_millis(60)).await;
    assert_eq!(tenant.get(&format!("v2/{asset}")).await.json["confirmation_status"], "PENDING");
    world.faults("[[ledger]]\nfault = 'committer_stall'\n[[ledger]]\nfault = 'reject_uncommitted'");
    let fresh = tenant.create(true, json!({})).await;
    let answer = tenant.try_post(&format!("v2/{fresh}/events"), EVENT).await.expect("an answer");
    assert_eq!((answer.status, &answer.json["code"]), (400, &json!(3)));
    world.faults("[[ledger]]\nfault = 'reject_uncommitted'");
    tenant.confirmed(&asset).await;
    tenant.confirmed(&fresh).await;
    assert_eq!(tenant.try_post(&format!("v2/{fresh}/events"), EVENT).await.expect("an answer").status, 200);
}

#[tokio::test]
async fn a_record_that_fails_leaves_no_gap_and_no_trace_in_the_assets_state() {
    let world = World::new().await;
    let tenant = world.tenant("acme").await;
    let asset = tenant.create(true, json!({"tag": "first"})).await;
    tenant.confirmed(&asset).await;
    world.faults("[[ledger]]\nfault = 'fail'\non = '/events'\ntimes = 1");
    let failed = tenant.record(&asset, json!({}), json!({"tag": "failed", "more": "x"})).await;
    let kept = tenant.record(&asset, json!({}), json!({"kept": "1"})).await;
    tenant.confirmed(&kept).await;
    let failed = tenant.get(&format!("v2/{failed}")).await;
    assert_eq!(failed.json["confirmation_status"], "FAILED");
    assert_eq!(failed.json["timestamp_committed"], "1970-01-01T00:00:00Z");
    let state = json!({"tag": "first", "kept": "1"});
    assert_eq!(tenant.get(&format!("v2/{asset}")).await.json["attributes"], state);
    assert_eq!(world.anybody().get(&format!("v2/public{asset}")).await.json["attributes"], state);
    assert_eq!(column(&tenant.get("v2/assets?attributes.tag=failed").await, "/identity").len(), 0);
    assert_eq!(column(&tenant.get("v2/assets?attributes.tag=first").await, "/identity").len(), 1);
    let listed = tenant.get("v2/assets/-/events?confirmation_status=FAILED").await;
    assert_eq!(column(&listed, "/asset_attributes/tag"), ["failed"]);

    world.faults("[[ledger]]\nfault = 'fail'\ntimes = 1");
    let doomed = tenant.create(true, json!({"tag": "doomed"})).await;
    eventually(|| async {
        let status = tenant.get(&format!("v2/{doomed}")).await.json["confirmation_status"].clone();
        (status == "FAILED").then_some(())
    })
    .await;
    assert_eq!(tenant.try_post(&format!("v2/{doomed}/events"), EVENT).await.expect("an answer").status, 400);
    assert_eq!(world.anybody().get(&format!("v2/public{doomed}")).await.status, 404);
    tenant.confirmed(&tenant.create(true, json!({})).await).await;
    let (count, last): (i64, i64) = world
        .database()
        .query_row("SELECT count(*), max(seq) FROM leaves", [], |row| Ok((row.get(0)?, row.get(1)?)))
        .expect("a count");
    assert_eq!((count, last), (3, 2));
}

#[tokio::test]
async fn views_can_be_taken_away() {
    let world = World::new().await;
    let tenant = world.tenant("acme").await;
    let asset = tenant.create(true, json!({"tag": "x"})).await;
    tenant.confirmed(&asset).await;
    world.faults("[[ledger]]\nfault = 'no_read'");
    assert_eq!(column(&tenant.get("v2/assets?tracked=ANY").await, "/identity").len(), 0);
    assert_eq!(column(&tenant.get("v2/assets/-/events").await, "/identity").len(), 0);
    assert_eq!(column(&world.anybody().get("publicassets/-/events").await, "/identity").len(), 1);
    world.faults("[[ledger]]\nfault = 'no_public'");
    let answer = world.anybody().get("publicassets/-/events").await;
    assert_eq!(answer.status, 404);
    assert!(answer.text.contains("<html>"));
    assert_eq!(tenant.get("v2/assets").await.status, 200);
    world.faults("[[ledger]]\nfault = 'gone'");
    for answer in [tenant.get("v2/assets").await, tenant.ask_for_token(&tenant.credentials.client_secret).await] {
        assert!(answer.status == 404 && answer.text.contains("<html>"));
    }
}

#[tokio::test]
async fn an_answer_can_be_slow_and_a_token_short() {
    let world = World::new().await;
    let tenant = world.tenant("acme").await;
    world.faults("[[ledger]]\nfault = 'slow'\nvalue = 0.3\n[[ledger]]\nfault = 'token_ttl'\nvalue = 5");
    let began = Instant::now();
    let answer = tenant.ask_for_token(&tenant.credentials.client_secret).await;
    assert!(began.elapsed() >= Duration::from_millis(300));
    assert_eq!(answer.json["expires_in"], 5);
}

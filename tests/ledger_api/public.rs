//! What anybody may see, and what nobody but the owner may.

use serde_json::{Value, json};

use crate::support::{World, column, eventually};

#[tokio::test]
async fn the_public_view_blanks_principals_and_shows_everything_else_alike_under_both_paths() {
    let world = World::new().await;
    let tenant = world.tenant("acme").await;
    let asset = tenant.create(true, json!({"document_hash_value": "ab", "arc_profile": "Document"})).await;
    let event =
        tenant.record(&asset, json!({"arc_display_type": "Publish"}), json!({"document_hash_value": "cd"})).await;
    tenant.confirmed(&event).await;
    let own = tenant.get(&format!("v2/{event}")).await.json;
    let anybody = world.anybody();
    for base in ["v2/public", "public"] {
        let mut shown = anybody.get(&format!("{base}{event}")).await.json;
        assert_eq!(shown["identity"], format!("public{event}"));
        assert_eq!(shown["asset_identity"], format!("public{asset}"));
        let blank = json!({"issuer": "", "subject": "", "display_name": "", "email": ""});
        assert_eq!((&shown["principal_declared"], &shown["principal_accepted"]), (&blank, &blank));
        for field in ["identity", "asset_identity", "principal_declared", "principal_accepted"] {
            shown[field] = own[field].clone();
        }
        assert_eq!(shown, own);
        let read = anybody.get(&format!("{base}{asset}")).await.json;
        assert_eq!(read["identity"], format!("public{asset}"));
        assert_eq!(read["attributes"]["document_hash_value"], "cd");
        assert_eq!(read["tenant_identity"], tenant.credentials.tenant_identity);
        let listed = anybody.get(&format!("{base}{asset}/events")).await;
        assert_eq!(column(&listed, "/operation"), ["Record", "NewAsset"]);
        let found = anybody
            .get(&format!(
                "{base}assets/-/events?asset_attributes.document_hash_value=cd&asset.attributes.arc_profile=Document"
            ))
            .await;
        assert_eq!(column(&found, "/identity"), [format!("public{event}")]);
    }
}

#[tokio::test]
async fn nothing_of_a_principal_can_be_learned_by_asking_in_public() {
    let world = World::new().await;
    let tenant = world.tenant("acme").await;
    let asset = tenant.create(true, json!({"a": "1"})).await;
    tenant.confirmed(&asset).await;
    let asked = |value: String| {
        let anybody = world.anybody();
        async move {
            column(&anybody.get(&format!("v2/publicassets/-/events?principal_accepted.{value}")).await, "/identity")
                .len()
        }
    };
    assert_eq!(asked(format!("subject={}", tenant.credentials.client_id)).await, 0);
    assert_eq!(asked("display_name=acme".into()).await, 0);
    assert_eq!(asked("subject=".into()).await, 1);
}

#[tokio::test]
async fn only_committed_records_of_public_assets_are_public() {
    let world = World::new().await;
    let tenant = world.tenant("acme").await;
    let anybody = world.anybody();
    let private = tenant.create(false, json!({"tag": "x"})).await;
    let public = tenant.create(true, json!({"tag": "x"})).await;
    tenant.confirmed(&public).await;
    world.faults("[[ledger]]\nfault = 'committer_stall'");
    let event = tenant.record(&public, json!({}), json!({"tag": "y"})).await;
    let pending = tenant.create(true, json!({"tag": "y"})).await;
    for identity in [&private, &event, &pending] {
        assert_eq!(anybody.get(&format!("v2/public{identity}")).await.status, 404, "{identity}");
    }
    for identity in [&private, &pending] {
        assert_eq!(anybody.get(&format!("v2/public{identity}/events")).await.status, 404, "{identity}");
    }
    assert_eq!(anybody.get(&format!("v2/public{public}")).await.json["attributes"]["tag"], "x");
    assert_eq!(tenant.get(&format!("v2/{public}")).await.json["attributes"]["tag"], "y");
    assert_eq!(column(&anybody.get("publicassets/-/events").await, "/asset_attributes/tag"), ["x"]);
    assert_eq!(column(&anybody.get("publicassets/-/events?asset.attributes.tag=y").await, "/identity"), [""; 0]);
    assert_eq!(
        column(&tenant.get("v2/assets/-/events?asset_attributes.tag=y").await, "/confirmation_status"),
        ["PENDING"; 2]
    );
    world.faults("");
    tenant.confirmed(&pending).await;
    let found = anybody.get("publicassets/-/events?asset_attributes.tag=y").await;
    assert_eq!(column(&found, "/identity").len(), 2);
    assert_eq!(column(&anybody.get("publicassets/-/events?asset.attributes.tag=y").await, "/identity").len(), 3);
}

#[tokio::test]
async fn a_tenancy_sees_only_its_own_and_nobody_else_can_add_events() {
    let world = World::new().await;
    let (tenant, other) = (world.tenant("acme").await, world.tenant("other").await);
    let public = tenant.create(true, json!({"tag": "x"})).await;
    let private = tenant.create(false, json!({"tag": "x"})).await;
    tenant.confirmed(&private).await;
    let event = json!({"operation": "Record", "behaviour": "RecordEvidence"});
    assert_eq!(other.post(&format!("v2/{public}/events"), &event).await.status, 403);
    assert_eq!(other.post(&format!("v2/{private}/events"), &event).await.status, 404);
    for identity in [&public, &private] {
        assert_eq!(other.get(&format!("v2/{identity}")).await.status, 404);
        assert_eq!(other.get(&format!("v2/{identity}/events")).await.status, 404);
    }
    assert_eq!(column(&other.get("v2/assets?attributes.tag=x&tracked=ANY").await, "/identity"), [""; 0]);
    assert_eq!(column(&other.get("v2/assets/-/events").await, "/identity"), [""; 0]);
    let anybody = world.anybody();
    let assets = json!({"attributes": {}});
    for answer in [
        anybody.get("v2/assets").await,
        anybody.get("v2/assets/-/events").await,
        anybody.post("v2/assets", &assets).await,
    ] {
        assert_eq!((answer.status, &answer.json["code"]), (401, &json!(16)));
    }
}

#[tokio::test]
async fn the_public_url_of_asset_and_event_leads_to_the_public_view() {
    let world = World::new().await;
    let tenant = world.tenant("acme").await;
    let asset = tenant.create(true, json!({"tag": "x"})).await;
    let event = tenant.record(&asset, json!({}), json!({"tag": "y"})).await;
    let private = tenant.create(false, json!({})).await;
    for identity in [&asset, &event] {
        let url = tenant.get(&format!("v2/{identity}:publicurl")).await.json["publicurl"].as_str().map(str::to_owned);
        assert_eq!(url.as_deref(), Some(format!("{}/archivist/public{identity}", world.url).as_str()));
        let path = format!("public{identity}");
        let answer =
            eventually(|| async { Some(world.anybody().get(&path).await).filter(|answer| answer.status == 200) }).await;
        assert_eq!(answer.json["identity"], path);
    }
    assert_eq!(tenant.get(&format!("v2/{private}:publicurl")).await.status, 400);
}

#[tokio::test]
async fn public_info_tells_the_verified_domain_with_or_without_a_token() {
    let world = World::new().await;
    let tenant = world.tenant("acme").await;
    let identity = tenant.credentials.tenant_identity.clone();
    let path = format!("v1/tenancies/{}:publicinfo", identity.trim_start_matches("tenant/"));
    let expected: Value = json!({"identity": identity, "verified_domain": "acme.example"});
    assert_eq!(tenant.get(&path).await.json, expected);
    assert_eq!(world.anybody().get(&path).await.json, expected);
    assert_eq!(world.anybody().get("v1/tenancies/11111111-1111-4111-8111-111111111111:publicinfo").await.status, 404);
    assert_eq!(tenant.get("v1/caps?service=assets").await.json["caps"][0]["resource_remaining"], "-1");
    assert_eq!(tenant.get("v1/caps?service=what").await.status, 400);
}

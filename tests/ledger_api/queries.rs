//! Every kind of filter, over assets and over events.

use serde_json::json;

use crate::support::{Tenant, World, column};

async fn filled(world: &World) -> Tenant {
    let tenant = world.tenant("acme").await;
    let stranger = world.tenant("stranger").await;
    stranger.create(true, json!({"name": "foreign", "kind": "doc", "d": {"k": "v"}})).await;
    tenant.create(true, json!({"name": "one", "kind": "doc", "d": {"k": "v"}, "empty": ""})).await;
    tenant.create(false, json!({"name": "two", "kind": "doc", "l": [{"k": "x"}, {"k": "v w"}]})).await;
    let three = tenant.create(true, json!({"name": "three", "kind": "it's", "d": {"k": "other"}})).await;
    let event = json!({"operation": "Record", "behaviour": "RecordEvidence", "event_attributes": {"step": "publish"},
        "asset_attributes": {"name": "three", "version": "2"}, "timestamp_declared": "2020-05-05T00:00:00Z",
        "principal_declared": {"display_name": "Ann", "email": "ann@acme.example"}});
    let identity = tenant.post(&format!("v2/{three}/events"), &event).await.identity();
    tenant.confirmed(&identity).await;
    tenant
}

#[tokio::test]
async fn assets_are_found_by_every_kind_of_filter_and_only_the_tenancys_own() {
    let world = World::new().await;
    let tenant = filled(&world).await;
    for (query, expected) in [
        ("", "three two one"),
        ("attributes.name=one", "one"),
        ("attributes.name=foreign", ""),
        ("attributes.kind=doc", "two one"),
        ("attributes.kind=doc&attributes.name=two", "two"),
        ("attributes.kind=doc&attributes.kind=it%27s", "two one"),
        ("attributes.d.k=v", "one"),
        ("attributes.l[].k=v+w", "two"),
        ("attributes.l%5B%5D.k=x", "two"),
        ("attributes.l.k=x", ""),
        ("attributes.empty=", "one"),
        ("attributes.d=*", "three one"),
        ("attributes.d!=*", "two"),
        ("attributes.empty=*", ""),
        ("attributes.empty!=*", "three two one"),
        ("attributes.d.k=*", "three one"),
        ("attributes.d.k!=*", "two"),
        ("attributes.l[].k=*", "two"),
        ("attributes.l[].none=*", ""),
        ("attributes.name.k=*", ""),
        ("attributes.version=2", "three"),
        ("privacy=PUBLIC", "three one"),
        ("privacy=RESTRICTED", "two"),
        ("confirmation_status=CONFIRMED", "three two one"),
        ("confirmation_status=PENDING&attributes.kind=doc", ""),
        ("confirmation_status=FAILED", ""),
        ("proof_mechanism=MERKLE_LOG", "three two one"),
        ("proof_mechanism=SIMPLE_HASH", ""),
        ("chain_id=1", ""),
        ("order_by=SIMPLEHASHV1", "one two three"),
        ("order_by=SIMPLEHASHV2&attributes.kind=doc", "one two"),
        ("filters=attributes.name=one+OR+attributes.name%3Dthree", "three one"),
        ("filters=attributes.kind='it\\'s'+OR+attributes.d.k=v&filters=privacy=PUBLIC", "three one"),
        ("filters=attributes.kind=doc&filters=attributes.d!=*+OR+attributes.name=three", "two"),
        ("filters=tracked=ANY&attributes.name=one", "one"),
    ] {
        let answer = tenant.get(&format!("v2/assets?{query}")).await;
        assert_eq!(column(&answer, "/attributes/name").join(" "), expected, "{query}");
        let counted =
            tenant.get_with(&format!("v2/assets?{query}&page_size=1"), &[("x-request-total-count", "true")]).await;
        let total = expected.split_whitespace().count().to_string();
        assert_eq!(counted.header("x-total-count"), Some(total.as_str()), "{query}");
    }
}

#[tokio::test]
async fn events_are_found_by_every_kind_of_filter_and_only_the_tenancys_own() {
    let world = World::new().await;
    let tenant = filled(&world).await;
    let client = tenant.credentials.client_id.clone();
    let new = "NewAsset:three NewAsset:two NewAsset:one";
    let all = "Record:three NewAsset:three NewAsset:two NewAsset:one";
    for (query, expected) in [
        ("", all),
        ("event_attributes.step=publish", "Record:three"),
        ("event_attributes.step=*", "Record:three"),
        ("event_attributes.step!=*", new),
        ("asset_attributes.kind=doc", "NewAsset:two NewAsset:one"),
        ("asset_attributes.l[].k=x", "NewAsset:two"),
        ("asset_attributes.version=2&asset.attributes.d.k=other", "Record:three"),
        ("asset.attributes.name=three", "Record:three NewAsset:three"),
        ("asset.attributes.version=*", "Record:three NewAsset:three"),
        ("asset.attributes.kind=doc&operation=NewAsset", "NewAsset:two NewAsset:one"),
        ("operation=Record", "Record:three"),
        ("behaviour=AssetCreator", new),
        ("confirmation_status=CONFIRMED", all),
        ("confirmation_status=COMMITTED", ""),
        ("minimum_trust=COMMITTED", all),
        ("minimum_trust=UNEQUIVOCAL", ""),
        ("proof_mechanism=MERKLE_LOG&operation=Record", "Record:three"),
        ("principal_declared.display_name=Ann", "Record:three"),
        ("principal_declared.email=ann@acme.example", "Record:three"),
        (&format!("principal_accepted.subject={client}"), all),
        ("principal_accepted.subject=x", ""),
        ("timestamp_declared_before=2020-05-05T00:00:01Z", "Record:three"),
        (
            "timestamp_declared_since=2020-05-05T00:00:00Z&timestamp_declared_before=2020-05-05T00:00:00.000001Z",
            "Record:three",
        ),
        ("timestamp_declared_before=2020-05-05T00:00:00Z", ""),
        ("timestamp_accepted_since=2020-05-05T00:00:00Z", all),
        ("timestamp_accepted_before=2020-05-05T00:00:00Z", ""),
        ("timestamp_committed_since=2020-05-05T00:00:00Z", all),
        ("timestamp_committed_before=2020-05-05T00:00:00Z", ""),
        ("mmr_index=1", "NewAsset:one"),
        ("mmr_index=2", ""),
        ("from=0x1", ""),
        ("transaction_id=1", ""),
        ("order_by=SIMPLEHASHV1&asset.attributes.name=three", "NewAsset:three Record:three"),
        ("filters=event_attributes.step=publish+OR+asset_attributes.name=two", "Record:three NewAsset:two"),
        ("filters=asset_attributes.name=one+OR+asset_attributes.name=two", "NewAsset:two NewAsset:one"),
        ("filters=operation=Record+OR+asset_attributes.name='two'&asset.attributes.kind=doc", "NewAsset:two"),
    ] {
        let answer = tenant.get(&format!("v2/assets/-/events?{query}")).await;
        let operations = column(&answer, "/operation").into_iter().zip(column(&answer, "/asset_attributes/name"));
        let shown: Vec<String> = operations.map(|(operation, name)| format!("{operation}:{name}")).collect();
        assert_eq!(shown.join(" "), expected, "{query}");
        let counted = tenant
            .get_with(&format!("v2/assets/-/events?{query}&page_size=1"), &[("X-Request-Total-Count", "true")])
            .await;
        let total = expected.split_whitespace().count().to_string();
        assert_eq!(counted.header("x-total-count"), Some(total.as_str()), "{query}");
    }
}

#[tokio::test]
async fn events_of_one_asset_are_listed_alone_and_newest_first() {
    let world = World::new().await;
    let tenant = world.tenant("acme").await;
    let asset = tenant.create(true, json!({"sequence": "1"})).await;
    let other = tenant.create(true, json!({"sequence": "1"})).await;
    for n in 2..5 {
        tenant.record(&asset, json!({}), json!({"sequence": n.to_string()})).await;
        tenant.record(&other, json!({}), json!({"sequence": n.to_string()})).await;
    }
    let listed = tenant.get(&format!("v2/{asset}/events")).await;
    assert_eq!(column(&listed, "/asset_attributes/sequence"), ["4", "3", "2", "1"]);
    assert!(column(&listed, "/asset_identity").iter().all(|identity| *identity == asset));
    let found = tenant.get(&format!("v2/{asset}/events?asset_attributes.sequence=3&page_size=2")).await;
    assert_eq!(column(&found, "/asset_identity"), [asset.as_str()]);
    assert_eq!(tenant.get("v2/assets/11111111-1111-4111-8111-111111111111/events").await.status, 404);
    assert_eq!(tenant.get("v2/assets/what/events").await.status, 400);
}

#[tokio::test]
async fn an_unknown_or_malformed_parameter_is_refused_with_an_error_body() {
    let world = World::new().await;
    let tenant = world.tenant("acme").await;
    for path in [
        "v2/assets?what=1",
        "v2/assets?attributes.=1",
        "v2/assets?filters=a",
        "v2/assets?page_size=-1",
        "v2/assets/-/events?attributes.a=1",
        "v2/assets/-/events?event_attributes.a..b=1",
        "v2/publicassets/-/events?what=1",
    ] {
        let answer = tenant.get(path).await;
        assert_eq!(answer.status, 400, "{path}");
        assert_eq!(answer.json["code"], 3);
        assert!(answer.json["message"].is_string() && answer.json["details"].is_array(), "{}", answer.text);
    }
}

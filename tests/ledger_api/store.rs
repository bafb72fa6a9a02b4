//! What the database keeps, and what it refuses to forget.

use droptrail::ledger::{Error, Ledger, Operator, Options};
use serde_json::{Value, json};

use crate::support::{Tenant, World};

#[tokio::test]
async fn the_leaf_fields_are_kept_exactly_as_the_public_view_answers_them() {
    let world = World::new().await;
    let tenant = world.tenant("acme").await;
    let asset = tenant.create(true, json!({"a": "é <b> \u{1f600}", "d": {"k": "v"}})).await;
    let event = tenant.record(&asset, json!({"e": "1"}), json!({"a": "2"})).await;
    tenant.confirmed(&event).await;
    let shown = world.anybody().get(&format!("v2/public{event}")).await.json;
    let uuid = event.rsplit('/').next().expect("a uuid").to_owned();
    let sql = "SELECT l.seq, l.fields FROM leaves l JOIN events e ON e.id = l.event WHERE e.uuid = ?1";
    let (seq, fields): (i64, String) =
        world.database().query_row(sql, [uuid], |row| Ok((row.get(0)?, row.get(1)?))).expect("a leaf");
    assert_eq!(seq, 1);
    let kept: Value = serde_json::from_str(&fields).expect("JSON");
    let names = [
        "identity",
        "event_attributes",
        "asset_attributes",
        "operation",
        "behaviour",
        "timestamp_declared",
        "timestamp_accepted",
        "timestamp_committed",
        "principal_accepted",
        "principal_declared",
        "tenant_identity",
    ];
    assert_eq!(kept.as_object().map(serde_json::Map::len), Some(names.len()));
    for name in names {
        assert_eq!(kept[name], shown[name], "{name}");
    }
}

#[tokio::test]
async fn what_is_stored_can_be_neither_changed_nor_deleted_nor_replaced() {
    let world = World::new().await;
    let tenant = world.tenant("acme").await;
    let asset = tenant.create(true, json!({"a": "1"})).await;
    let event = tenant.record(&asset, json!({}), json!({"a": "2"})).await;
    tenant.confirmed(&event).await;
    let database = world.database();
    for sql in [
        "DELETE FROM events",
        "DELETE FROM leaves",
        "DELETE FROM assets",
        "DELETE FROM tenancies",
        "UPDATE leaves SET fields = '{}'",
        "UPDATE leaves SET seq = seq + 10",
        "UPDATE leaves SET idtimestamp = 'ff' || idtimestamp",
        "UPDATE events SET asset_attributes = '{}'",
        "UPDATE events SET operation = 'Record' WHERE id = 1",
        "UPDATE events SET declared = '2000-01-01T00:00:00Z'",
        "UPDATE events SET principal_accepted = '{}'",
        "UPDATE events SET status = 1",
        "UPDATE events SET status = 3",
        "UPDATE events SET status = 5",
        "UPDATE assets SET public = 0",
        "UPDATE assets SET uuid = 'x'",
        "UPDATE assets SET status = 1",
        "UPDATE tenancies SET uuid = 'x'",
        "INSERT OR REPLACE INTO events SELECT * FROM events WHERE id = 1",
        "INSERT OR REPLACE INTO events (id, uuid, asset, tenancy, public, operation, behaviour, event_attributes, \
         asset_attributes, declared, declared_us, accepted_ms, principal_declared, principal_accepted, doomed, status) \
         SELECT id, uuid, asset, tenancy, public, 'Forged', behaviour, '{}', '{}', declared, declared_us, accepted_ms, '{}', \
         '{}', 0, 1 FROM events WHERE id = 1",
        "INSERT OR REPLACE INTO leaves SELECT * FROM leaves WHERE seq = 0",
        "INSERT OR REPLACE INTO assets SELECT * FROM assets",
        "INSERT INTO leaves SELECT 7, event + 100, mmr_index + 100, 'ffffffffffffffffff', 0, '{}' FROM leaves WHERE seq = 0",
        "INSERT INTO leaves SELECT 2, event + 100, 0, 'ffffffffffffffffff', 0, '{}' FROM leaves WHERE seq = 0",
    ] {
        let refused = database.execute_batch(sql);
        assert!(refused.is_err(), "{sql}");
    }
    let leaves: i64 = database.query_row("SELECT count(*) FROM leaves", [], |row| row.get(0)).expect("a count");
    assert_eq!(leaves, 2);
}

#[tokio::test]
async fn the_committer_goes_on_where_it_was_when_the_ledger_ended() {
    let world = World::new().await;
    let tenant = world.tenant("acme").await;
    let before = tenant.create(true, json!({"n": "0"})).await;
    tenant.confirmed(&before).await;
    world.faults("[[ledger]]\nfault = 'committer_stall'");
    let pending = tenant.create(true, json!({"n": "1"})).await;
    let (data, directory) = world.stop().await;
    let world = World::on(data, |_| {}).await;
    let tenant = Tenant { url: world.url.clone(), ..tenant };
    tenant.confirmed(&pending).await;
    tenant.confirmed(&tenant.create(true, json!({"n": "2"})).await).await;
    let database = world.database();
    let mut rows = database.prepare("SELECT seq, idtimestamp FROM leaves ORDER BY seq").expect("SQL");
    let rows = rows.query_map([], |row| Ok((row.get(0)?, row.get(1)?))).expect("rows");
    let rows: Vec<(i64, String)> = rows.collect::<Result<_, _>>().expect("rows");
    assert_eq!(rows.iter().map(|row| row.0).collect::<Vec<_>>(), [0, 1, 2]);
    assert!(rows.is_sorted_by(|a, b| a.1 < b.1));
    drop(directory);
}

#[tokio::test]
async fn a_second_ledger_on_the_same_data_is_refused_and_an_operator_is_not() {
    let world = World::new().await;
    let second = Ledger::open(Options::new(&world.data)).expect_err("locked");
    assert!(matches!(second, Error::Locked(_)), "{second}");
    let operator = Operator::open(&world.data).expect("beside it");
    let made = operator.add_tenancy("late", None).expect("made");
    assert!(matches!(operator.add_tenancy("late", None), Err(Error::Tenancy(_))));
    let late = Tenant::sign_in(&world, made).await;
    late.create(true, json!({})).await;
    operator.set_domain("late", "late.example").expect("set");
    assert!(matches!(operator.set_domain("nobody", "x.example"), Err(Error::Tenancy(_))));
    let path = format!("v1/tenancies/{}:publicinfo", late.credentials.tenant_identity.trim_start_matches("tenant/"));
    assert_eq!(late.get(&path).await.json["verified_domain"], "late.example");
    assert_eq!(operator.tenancies().expect("listed").len(), 1);
}

#[tokio::test]
async fn data_is_readable_by_its_owner_only_and_holds_no_secret() {
    use std::os::unix::fs::PermissionsExt as _;
    let world = World::new().await;
    let tenant = world.tenant("acme").await;
    tenant.create(true, json!({"a": "1"})).await;
    let mode = |path: &std::path::Path| std::fs::metadata(path).expect("there").permissions().mode() & 0o777;
    assert_eq!(mode(&world.data), 0o700);
    for entry in std::fs::read_dir(&world.data).expect("a directory") {
        let path = entry.expect("an entry").path();
        assert_eq!(mode(&path), 0o600, "{}", path.display());
        let bytes = std::fs::read(&path).expect("readable");
        let secret = tenant.credentials.client_secret.as_bytes();
        assert!(!bytes.windows(secret.len()).any(|window| window == secret), "{}", path.display());
    }
}

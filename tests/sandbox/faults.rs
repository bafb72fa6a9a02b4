//! Each fault, once.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::support::{World, at, error_tag, has, shape};

const FILES: &[(&str, &str)] = &[("d/a.txt", "one"), ("d/e/b.txt", "two"), ("z.txt", "three")];

fn rule(fault: &str, rest: &str) -> String {
    format!("[[dropbox]]\nfault = '{fault}'\n{rest}")
}

async fn first_page(world: &World) -> (u16, Value) {
    world.rpc("files/list_folder", json!({"path": "", "recursive": true})).await
}

fn entries(page: &Value) -> Vec<Value> {
    page["entries"].as_array().unwrap().clone()
}

#[tokio::test]
async fn pages_can_be_small_empty_stuck_or_doubled() {
    let world = World::new(FILES).await;
    world.faults(&rule("page_size", "value = 1"));
    let (_, page) = first_page(&world).await;
    assert_eq!((entries(&page).len(), &page["has_more"]), (1, &json!(true)));
    assert_eq!(world.rest(page).await.0.len(), 5);

    world.faults(&rule("empty_page", "times = 2"));
    let (_, page) = first_page(&world).await;
    assert_eq!((entries(&page).len(), &page["has_more"]), (0, &json!(true)));
    assert_eq!(world.rest(page).await.0.len(), 5);

    world.faults(&rule("cursor_stuck", "on = 'continue'"));
    let (_, cursor) = world.list("").await;
    let page = world.ok("files/list_folder/continue", json!({"cursor": cursor})).await;
    assert_eq!((page["cursor"].as_str(), &page["has_more"]), (Some(cursor.as_str()), &json!(true)));

    world.faults(&rule("duplicate_entries", ""));
    assert_eq!(entries(&first_page(&world).await.1).len(), 10);

    world.faults(&rule("delete_then_add", ""));
    let (_, page) = first_page(&world).await;
    assert!(shape(&entries(&page)).windows(2).any(|pair| pair == ["deleted /z.txt", "file /z.txt"]));
}

#[tokio::test]
async fn cursors_can_be_reset_refused_or_lost() {
    let world = World::new(FILES).await;
    let (_, cursor) = world.list("").await;
    for route in ["files/list_folder/continue", "files/list_folder/longpoll"] {
        for tag in ["reset", "other"] {
            world.faults(&rule(tag, &format!("on = '{route}'")));
            let (status, body) = world.rpc(route, json!({"cursor": cursor})).await;
            assert_eq!((status, error_tag(&body).as_str()), (409, tag));
        }
    }
    world.faults(&rule("bad_cursor", ""));
    let (status, body) = world.rpc("files/list_folder/continue", json!({"cursor": cursor})).await;
    assert_eq!(status, 400);
    assert!(body.as_str().unwrap().contains("cursor"));
    world.faults(&rule("path_not_found", ""));
    assert_eq!(world.rpc("files/list_folder/continue", json!({"cursor": cursor})).await.0, 409);
}

#[tokio::test]
async fn the_doorbell_can_ring_for_nothing_not_ring_and_ask_for_a_pause() {
    let world = World::new(FILES).await;
    let (_, cursor) = world.list("").await;
    world.faults(&rule("spurious_ring", ""));
    assert_eq!(world.longpoll(&cursor).await.1, json!({"changes": true}));
    world.faults(&(rule("spurious_ring", "") + "\n" + &rule("backoff", "value = 7")));
    assert_eq!(world.longpoll(&cursor).await.1, json!({"changes": true, "backoff": 7}));
    world.faults(&rule("imprecise_ring", ""));
    let (_, in_d) = world.list("/d").await;
    let (ring, ()) = tokio::join!(world.longpoll(&in_d), async {
        tokio::time::sleep(Duration::from_millis(100)).await;
        world.write("elsewhere.txt", "x");
    });
    assert_eq!(ring.1["changes"], true);
    assert!(world.drain(&in_d).await.0.is_empty());
    world.faults(&rule("missed_ring", ""));
    world.write("new.txt", "x");
    world.changes(&cursor, |entries| !entries.is_empty()).await;
    let deaf = tokio::time::timeout(Duration::from_millis(300), world.longpoll(&cursor)).await;
    assert!(deaf.is_err());
}

#[tokio::test]
async fn rate_limits_come_as_json_or_text_with_and_without_the_header() {
    let world = World::new(&[]).await;
    for (text, header, is_json) in [
        ("json", Some("9"), true),
        ("text", Some("9"), false),
        ("json-no-header", None, true),
        ("text-no-header", None, false),
    ] {
        world.faults(&rule("rate_limit", &format!("value = 9\ntext = '{text}'")));
        let response = world.raw("files/list_folder", &json!({"path": ""})).await;
        assert_eq!(response.status(), 429);
        assert_eq!(response.headers().get("retry-after").map(|value| value.to_str().unwrap()), header);
        let body = response.text().await.unwrap();
        match serde_json::from_str::<Value>(&body) {
            Ok(body) => assert_eq!((is_json, body["error"]["retry_after"].as_u64()), (true, Some(9))),
            Err(_) => assert!(!is_json),
        }
    }
}

#[tokio::test]
async fn statuses_hangs_and_cut_connections() {
    let world = World::new(&[("a.txt", &"x".repeat(100_000))]).await;
    world.faults(&rule("status", "value = 504"));
    let response = world.raw("files/list_folder", &json!({"path": ""})).await;
    assert_eq!(response.status(), 504);
    assert_eq!(response.bytes().await.unwrap().len(), 0);

    world.faults(&rule("drop_header", "text = 'Content-Type'"));
    assert!(world.raw("files/list_folder", &json!({"path": ""})).await.headers().get("content-type").is_none());

    world.faults(&rule("hang", "value = 0.3"));
    let began = Instant::now();
    assert_eq!(first_page(&world).await.0, 200);
    assert!(began.elapsed() >= Duration::from_millis(300));

    world.faults(&rule("cut", ""));
    assert!(world.request("files/list_folder").json(&json!({"path": ""})).send().await.is_err());

    for on in ["files/download", "files/list_folder"] {
        world.faults(&rule("cut_body", &format!("value = 40\non = '{on}'")));
        let mut response = match on {
            "files/download" => world.download("/a.txt", &[]).await,
            _ => world.raw(on, &json!({"path": ""})).await,
        };
        assert_eq!(response.status(), 200);
        let mut got = 0;
        let end = loop {
            match response.chunk().await {
                Ok(Some(chunk)) => got += chunk.len(),
                Ok(None) => break Ok(()),
                Err(error) => break Err(error),
            }
        };
        assert!(end.is_err(), "{on}: the body ended as if it were whole");
        assert_eq!(got, 40);
    }
}

#[tokio::test]
async fn downloads_can_be_truncated_mislabelled_or_of_another_revision() {
    let world = World::new(&[("a.txt", "0123456789")]).await;
    let listed = world.metadata("/a.txt").await;
    let rev = format!("rev:{}", listed["rev"].as_str().unwrap());

    world.faults(&rule("truncate_download", "value = 4"));
    let response = world.download(&rev, &[]).await;
    assert_eq!(response.headers()["content-length"], "4");
    assert_eq!(response.text().await.unwrap(), "0123");

    world.faults(&rule("wrong_hash_header", ""));
    let result = |response: &reqwest::Response| -> Value {
        serde_json::from_str(response.headers()["dropbox-api-result"].to_str().unwrap()).unwrap()
    };
    let response = world.download(&rev, &[]).await;
    assert_ne!(result(&response)["content_hash"], listed["content_hash"]);

    world.faults(&rule("replaced_between", ""));
    let response = world.download(&rev, &[]).await;
    assert_ne!(result(&response)["rev"], listed["rev"]);
    assert_ne!(result(&response)["content_hash"], listed["content_hash"]);
    assert_eq!(response.bytes().await.unwrap()[1..], b"123456789"[..]);

    world.faults("");
    let (_, cursor) = world.list("").await;
    world.save("a.txt", "newer");
    world.changes(&cursor, |entries| !entries.is_empty()).await;
    world.faults(&rule("replaced_between", ""));
    assert_eq!(world.download(&rev, &[]).await.text().await.unwrap(), "newer");
}

#[tokio::test]
async fn tokens_can_expire_be_revoked_or_lack_a_scope() {
    let mut world = World::new(&[]).await;
    world.faults(&rule("expired_token", "times = 1"));
    for _ in 0..2 {
        let (status, body) = first_page(&world).await;
        assert_eq!((status, error_tag(&body).as_str()), (401, "expired_access_token"));
    }
    world.refresh().await;
    assert_eq!(first_page(&world).await.0, 200);

    world.faults(&rule("user_suspended", ""));
    assert_eq!(error_tag(&first_page(&world).await.1), "user_suspended");
    world.faults(&rule("invalid_token", ""));
    assert_eq!(error_tag(&first_page(&world).await.1), "invalid_access_token");
    world.faults(&rule("missing_scope", "text = 'files.metadata.read'"));
    let (status, body) = first_page(&world).await;
    assert_eq!((status, body["error"]["required_scope"].as_str()), (401, Some("files.metadata.read")));
    assert_eq!(world.rpc("check/user", json!({})).await.0, 200);
    world.faults(&rule("app_scope", ""));
    let (status, body) = first_page(&world).await;
    assert_eq!(status, 400);
    assert!(body.as_str().unwrap().contains("required scope 'files.metadata.read'"));

    world.faults(&rule("revoked_refresh", ""));
    let credentials = world.sandbox.credentials();
    let form = [
        ("grant_type", "refresh_token"),
        ("refresh_token", credentials.refresh_token.as_str()),
        ("client_id", credentials.app_key.as_str()),
    ];
    let response = world.http.post(format!("{}/oauth2/token", world.url)).form(&form).send().await.unwrap();
    assert_eq!(response.status(), 400);
    assert_eq!(response.json::<Value>().await.unwrap()["error"], "invalid_grant");
}

#[tokio::test]
async fn the_root_can_change() {
    let world = World::new(&[]).await;
    world.faults(&rule("invalid_root", "times = 1\ntext = '4711'\non = 'files/'"));
    let (status, body) = first_page(&world).await;
    assert_eq!((status, error_tag(&body).as_str()), (422, "invalid_root"));
    assert_eq!(body["error"]["invalid_root"]["root_namespace_id"], "4711");
    let account = world.ok("users/get_current_account", json!(null)).await;
    assert_eq!(account["root_info"]["root_namespace_id"], "4711");
}

#[tokio::test]
async fn entries_can_be_odd() {
    let world = World::new(FILES).await;
    let shown = async |faults: String| {
        world.faults(&faults);
        entries(&first_page(&world).await.1)
    };
    let page = shown(rule("path_case", "text = '/d/'")).await;
    assert_eq!(at(&page, "/d/e/b.txt")["path_display"], "/D/E/b.txt");
    let page = shown(rule("null_path", "text = 'z.txt'")).await;
    assert_eq!(page.iter().filter(|entry| entry["path_lower"].is_null()).count(), 1);
    let page = shown(rule("unknown_tag", "text = 'z.txt'")).await;
    assert_eq!(at(&page, "/z.txt")[".tag"], "hologram");
    let page = shown(rule("extra_fields", "")).await;
    assert!(page.iter().all(|entry| entry.get("x_new_field").is_some()));
    let page = shown(rule("no_content_hash", "text = 'z.txt'")).await;
    assert!(at(&page, "/z.txt").get("content_hash").is_none());
    assert!(at(&page, "/d/a.txt").get("content_hash").is_some());
    let page = shown(rule("symlink", "text = 'z.txt'")).await;
    assert!(at(&page, "/z.txt")["symlink_info"].is_object());
    let page = shown(rule("size", "text = 'z.txt'\nvalue = 5e12")).await;
    assert_eq!(at(&page, "/z.txt")["size"], 5_000_000_000_000u64);
    let page = shown(rule("child_before_parent", "")).await;
    let place = |path: &str| page.iter().position(|entry| entry["path_lower"] == path).unwrap();
    assert!(place("/d/e/b.txt") < place("/d/e") && place("/d/e") < place("/d"));
}

#[tokio::test]
async fn files_can_be_restricted_or_not_downloadable() {
    let world = World::new(FILES).await;
    world.faults(&rule("restricted", "text = 'z.txt'"));
    let response = world.download("/z.txt", &[]).await;
    assert_eq!(response.status(), 409);
    assert_eq!(error_tag(&response.json().await.unwrap()), "path/restricted_content");
    assert_eq!(world.download("/d/a.txt", &[]).await.status(), 200);
    world.faults(&rule("not_downloadable", "text = 'z.txt'"));
    let entry = world.metadata("/z.txt").await;
    assert_eq!(entry["is_downloadable"], false);
    assert!(entry["export_info"].is_object());
    let response = world.download("/z.txt", &[]).await;
    assert_eq!(error_tag(&response.json().await.unwrap()), "unsupported_file");
}

#[tokio::test]
async fn a_share_conversion_is_the_same_tree_again_with_new_ids_in_one_drain() {
    let world = World::new(FILES).await;
    let (before, cursor) = world.list("").await;
    world.faults(&rule("share_conversion", "text = '/D'"));
    let (after, _) = world.changes(&cursor, |entries| !entries.is_empty()).await;
    assert_eq!(shape(&after), ["deleted /d", "folder /d", "file /d/a.txt", "folder /d/e", "file /d/e/b.txt"]);
    for path in ["/d", "/d/a.txt", "/d/e/b.txt"] {
        assert_ne!(at(&after, path)["id"], at(&before, path)["id"]);
        assert_eq!(at(&after, path)["content_hash"], at(&before, path)["content_hash"]);
    }
}

#[tokio::test]
async fn the_halves_of_a_move_can_come_in_the_other_order() {
    let world = World::new(FILES).await;
    let (_, cursor) = world.list("").await;
    world.rename("z.txt", "y.txt");
    world.changes(&cursor, |entries| has(entries, "file", "/y.txt")).await;
    world.faults(&rule("reverse_move", ""));
    assert_eq!(shape(&world.drain(&cursor).await.0), ["file /y.txt", "deleted /z.txt"]);
}

//! Listings, pages, deltas and the doorbell.

use std::fs;
use std::time::{Duration, Instant};

use serde_json::json;

use crate::support::{World, at, error_tag, has, shape};

const FILES: &[(&str, &str)] =
    &[("a/1.txt", "1"), ("a/2.txt", "2"), ("a/b/3.txt", "3"), ("a b/4.txt", "4"), ("z.txt", "5")];

#[tokio::test]
async fn a_recursive_listing_shows_everything_parents_first() {
    let world = World::new(FILES).await;
    let (entries, _) = world.list("").await;
    let expected = [
        "folder /a",
        "folder /a b",
        "file /a b/4.txt",
        "file /a/1.txt",
        "file /a/2.txt",
        "folder /a/b",
        "file /a/b/3.txt",
        "file /z.txt",
    ];
    assert_eq!(shape(&entries), expected);
    let file = at(&entries, "/a/1.txt");
    assert_eq!(file["is_downloadable"], true);
    assert_eq!(file["content_hash"].as_str().unwrap().len(), 64);
    assert!(file["server_modified"].as_str().unwrap().ends_with('Z'));
}

#[tokio::test]
async fn a_listing_by_id_contains_the_folder_itself_and_what_is_below_it_only() {
    let world = World::new(FILES).await;
    let id = world.metadata("/a").await["id"].as_str().unwrap().to_owned();
    let (entries, cursor) = world.list(&id).await;
    assert_eq!(shape(&entries), ["folder /a", "file /a/1.txt", "file /a/2.txt", "folder /a/b", "file /a/b/3.txt"]);
    world.write("z.txt", "elsewhere");
    world.write("a/1.txt", "here");
    let (after, _) = world.changes(&cursor, |entries| !entries.is_empty()).await;
    assert_eq!(shape(&after), ["file /a/1.txt"]);
}

#[tokio::test]
async fn a_plain_listing_shows_the_direct_children_only() {
    let world = World::new(FILES).await;
    let page = world.ok("files/list_folder", json!({"path": "//A"})).await;
    assert_eq!(shape(page["entries"].as_array().unwrap()), ["file /a/1.txt", "file /a/2.txt", "folder /a/b"]);
    let cursor = page["cursor"].as_str().unwrap().to_owned();
    world.write("a/b/deep.txt", "x");
    world.write("a/flat.txt", "y");
    let (after, _) = world.changes(&cursor, |entries| has(entries, "file", "/a/flat.txt")).await;
    assert_eq!(shape(&after), ["file /a/flat.txt"]);
}

#[tokio::test]
async fn a_first_listing_in_pages_is_one_moment_and_what_came_later_follows() {
    let world = World::new(FILES).await;
    let page = world.ok("files/list_folder", json!({"path": "", "recursive": true, "limit": 3})).await;
    assert_eq!(page["entries"].as_array().unwrap().len(), 3);
    assert_eq!(page["has_more"], true);
    world.rename("z.txt", "0.txt");
    world.write("a/1.txt", "changed");
    let newest = world.ok("files/list_folder/get_latest_cursor", json!({"path": "", "recursive": true})).await;
    world.changes(newest["cursor"].as_str().unwrap(), |_| true).await;
    let began = Instant::now();
    while world.rpc("files/get_metadata", json!({"path": "/0.txt"})).await.0 != 200 {
        assert!(began.elapsed() < Duration::from_secs(10));
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let (entries, cursor) = world.rest(page).await;
    assert_eq!(entries.len(), 8);
    assert!(has(&entries, "file", "/z.txt") && !has(&entries, "file", "/0.txt"));
    let (after, _) = world.changes(&cursor, |entries| entries.len() == 3).await;
    assert_eq!(shape(&after), ["deleted /z.txt", "file /0.txt", "file /a/1.txt"]);
}

#[tokio::test]
async fn changes_between_two_continues_are_collapsed_to_the_state() {
    let world = World::new(&[("a.txt", "one")]).await;
    let (_, first) = world.list("").await;
    world.write("a.txt", "two");
    let (_, second) = world.changes(&first, |entries| !entries.is_empty()).await;
    world.write("a.txt", "three");
    let (_, third) = world.changes(&second, |entries| !entries.is_empty()).await;
    let (all, _) = world.drain(&first).await;
    assert_eq!(shape(&all), ["file /a.txt"]);
    assert_eq!(all[0]["size"], 5);
    let (none, _) = world.drain(&third).await;
    assert!(none.is_empty());
}

#[tokio::test]
async fn an_old_cursor_gives_the_same_changes_again_or_newer_ones() {
    let world = World::new(FILES).await;
    let (_, cursor) = world.list("").await;
    fs::remove_dir_all(world.path("a")).unwrap();
    let (once, _) = world.changes(&cursor, |entries| has(entries, "deleted", "/a")).await;
    assert_eq!(shape(&once), ["deleted /a"]);
    assert_eq!(world.drain(&cursor).await.0, once);
    world.write("new.txt", "n");
    let (more, _) = world.changes(&cursor, |entries| entries.len() == 2).await;
    assert_eq!(shape(&more), ["deleted /a", "file /new.txt"]);
}

#[tokio::test]
async fn a_long_drain_comes_in_pages_and_is_one_state() {
    let world = World::new(&[]).await;
    let page = world.ok("files/list_folder", json!({"path": "", "recursive": true, "limit": 2})).await;
    let cursor = page["cursor"].as_str().unwrap();
    for i in 0..7 {
        world.write(&format!("{i}.txt"), "x");
    }
    let (after, _) = world.changes(cursor, |entries| entries.len() == 7).await;
    assert_eq!(after.len(), 7);
    let first = world.ok("files/list_folder/continue", json!({"cursor": cursor})).await;
    assert_eq!(first["entries"].as_array().unwrap().len(), 2);
    assert_eq!(first["has_more"], true);
}

#[tokio::test]
async fn the_longpoll_rings_at_once_when_something_changes_in_the_folder() {
    let world = World::new(FILES).await;
    let (_, cursor) = world.list("/a").await;
    let ring = world.longpoll(&cursor);
    let change = async {
        world.write("z.txt", "not in the folder");
        tokio::time::sleep(Duration::from_millis(300)).await;
        let began = Instant::now();
        world.write("a/new.txt", "in the folder");
        began
    };
    let (ring, began) = tokio::join!(ring, change);
    assert_eq!(ring, (200, json!({"changes": true})));
    assert!(began.elapsed() < Duration::from_secs(2), "{:?}", began.elapsed());
    let (after, next) = world.drain(&cursor).await;
    assert_eq!(shape(&after), ["file /a/new.txt"]);
    // The old cursor goes on ringing, as Dropbox's does; the new one is quiet.
    assert_eq!(world.longpoll(&cursor).await.1["changes"], true);
    let quiet = tokio::time::timeout(Duration::from_millis(200), world.longpoll(&next)).await;
    assert!(quiet.is_err());
}

#[tokio::test]
async fn a_deleted_listed_folder_is_path_not_found() {
    let world = World::new(FILES).await;
    let id = world.metadata("/a").await["id"].as_str().unwrap().to_owned();
    let (_, cursor) = world.list(&id).await;
    fs::remove_dir_all(world.path("a")).unwrap();
    assert_eq!(world.longpoll(&cursor).await.1["changes"], true);
    let (status, body) = world.rpc("files/list_folder/continue", json!({"cursor": cursor})).await;
    assert_eq!((status, error_tag(&body).as_str()), (409, "path/not_found"));
}

#[tokio::test]
async fn a_cursor_follows_its_renamed_folder_or_loses_it_as_the_switch_says() {
    let world = World::new(FILES).await;
    let id = world.metadata("/a").await["id"].as_str().unwrap().to_owned();
    let (_, cursor) = world.list(&id).await;
    world.rename("a", "renamed");
    let (after, _) = world.changes(&cursor, |entries| !entries.is_empty()).await;
    let expected = [
        "deleted /a",
        "folder /renamed",
        "file /renamed/1.txt",
        "file /renamed/2.txt",
        "folder /renamed/b",
        "file /renamed/b/3.txt",
    ];
    assert_eq!(shape(&after), expected);
    world.faults("[[dropbox]]\nfault = 'rename_breaks'");
    let (status, body) = world.rpc("files/list_folder/continue", json!({"cursor": cursor})).await;
    assert_eq!((status, error_tag(&body).as_str()), (409, "path/not_found"));
}

#[tokio::test]
async fn a_move_between_two_listed_folders_leaves_one_and_enters_the_other() {
    let world = World::new(&[("a/x.txt", "x"), ("b/y.txt", "y")]).await;
    let (_, in_a) = world.list("/a").await;
    let (_, in_b) = world.list("/b").await;
    world.rename("a/x.txt", "b/x.txt");
    let (left, _) = world.changes(&in_a, |entries| !entries.is_empty()).await;
    let (entered, _) = world.changes(&in_b, |entries| !entries.is_empty()).await;
    assert_eq!(
        (shape(&left), shape(&entered)),
        (vec!["deleted /a/x.txt".to_owned()], vec!["file /b/x.txt".to_owned()])
    );
}

#[tokio::test]
async fn deleted_entries_are_listed_on_request() {
    let world = World::new(FILES).await;
    let (_, cursor) = world.list("").await;
    fs::remove_file(world.path("z.txt")).unwrap();
    world.changes(&cursor, |entries| !entries.is_empty()).await;
    let page = world
        .ok("files/list_folder", json!({"path": "", "recursive": true, "include_deleted": true, "limit": 7}))
        .await;
    let (entries, _) = world.rest(page).await;
    assert_eq!(entries.len(), 8);
    assert!(has(&entries, "deleted", "/z.txt"));
    assert_eq!(
        world.ok("files/get_metadata", json!({"path": "/z.txt", "include_deleted": true})).await[".tag"],
        "deleted"
    );
}

#[tokio::test]
async fn synthetic_entries_are_listed_in_pages_and_can_be_read() {
    let world = World::with(&[("a.txt", "1")], |options| options.entries = 2345).await;
    let page = world.ok("files/list_folder", json!({"path": "", "recursive": true, "limit": 1000})).await;
    assert_eq!(page["entries"].as_array().unwrap().len(), 1000);
    let (entries, cursor) = world.rest(page).await;
    assert_eq!(entries.len(), 2347);
    let last = at(&entries, "/bulk/000002344.txt");
    assert_eq!(&world.metadata(last["id"].as_str().unwrap()).await, last);
    let rev = format!("rev:{}", last["rev"].as_str().unwrap());
    let bytes = world.download(&rev, &[]).await.bytes().await.unwrap();
    assert_eq!(bytes.len() as u64, last["size"].as_u64().unwrap());
    world.write("b.txt", "2");
    let (after, _) = world.changes(&cursor, |entries| !entries.is_empty()).await;
    assert_eq!(shape(&after), ["file /b.txt"]);
    let (inside, _) = world.list("/bulk").await;
    assert_eq!(inside.len(), 2346);
}

#[tokio::test]
async fn a_team_member_sees_the_home_by_default_and_the_team_with_the_root_header() {
    let files = [("Sandbox User/mine.txt", "1"), ("Team/ours.txt", "2")];
    let world = World::with(&files, |options| options.team = true).await;
    assert_eq!(shape(&world.list("").await.0), ["file /mine.txt"]);
    let account = world.ok("users/get_current_account", json!(null)).await;
    let root = account["root_info"]["root_namespace_id"].as_str().unwrap();
    assert_ne!(account["root_info"]["home_namespace_id"], root);
    let list = |root: String| {
        let request = world.request("files/list_folder");
        request.header("Dropbox-API-Path-Root", root).json(&json!({"path": "", "recursive": true})).send()
    };
    let response = list(json!({".tag": "root", "root": root}).to_string()).await.unwrap();
    let page = response.json().await.unwrap();
    let (entries, _) = world.rest(page).await;
    assert_eq!(
        shape(&entries),
        ["folder /sandbox user", "file /sandbox user/mine.txt", "folder /team", "file /team/ours.txt"]
    );
    let response = list(json!({".tag": "root", "root": "17"}).to_string()).await.unwrap();
    assert_eq!(response.status(), 422);
    let body: serde_json::Value = response.json().await.unwrap();
    assert_eq!(body["error"]["invalid_root"]["root_namespace_id"], root);
}

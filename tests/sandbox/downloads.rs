//! Contents and revisions.

use std::fs;

use serde_json::{Value, json};

use crate::support::{World, error_tag};

#[tokio::test]
async fn old_revisions_can_be_read_after_changes_and_deletion() {
    let world = World::new(&[("a.txt", "one")]).await;
    let (mut revs, mut cursor) = (Vec::new(), world.list("").await.1);
    revs.push(world.metadata("/a.txt").await["rev"].as_str().unwrap().to_owned());
    for content in ["two", "three"] {
        world.save("a.txt", content);
        let (entries, next) = world.changes(&cursor, |entries| !entries.is_empty()).await;
        revs.push(entries[0]["rev"].as_str().unwrap().to_owned());
        cursor = next;
    }
    fs::remove_file(world.path("a.txt")).unwrap();
    world.changes(&cursor, |entries| !entries.is_empty()).await;
    for (rev, content) in revs.iter().zip(["one", "two", "three"]) {
        let response = world.download(&format!("rev:{rev}"), &[]).await;
        assert_eq!(response.status(), 200);
        assert_eq!(response.text().await.unwrap(), content);
    }
    let (status, body) = world.rpc("files/get_metadata", json!({"path": "/a.txt"})).await;
    assert_eq!((status, error_tag(&body).as_str()), (409, "path/not_found"));
}

#[tokio::test]
async fn revisions_are_listed_newest_first_by_path_and_by_id() {
    let world = World::new(&[("a.txt", "1")]).await;
    let mut cursor = world.list("").await.1;
    let id = world.metadata("/a.txt").await["id"].as_str().unwrap().to_owned();
    for content in ["22", "333"] {
        world.save("a.txt", content);
        cursor = world.changes(&cursor, |entries| !entries.is_empty()).await.1;
    }
    world.rename("a.txt", "b.txt");
    cursor = world.changes(&cursor, |entries| !entries.is_empty()).await.1;
    world.save("b.txt", "4444");
    world.changes(&cursor, |entries| !entries.is_empty()).await;
    let sizes = |answer: &Value| -> Vec<u64> {
        answer["entries"].as_array().unwrap().iter().map(|entry| entry["size"].as_u64().unwrap()).collect()
    };
    let by_id = world.ok("files/list_revisions", json!({"path": id, "mode": "id"})).await;
    assert_eq!((sizes(&by_id), by_id["is_deleted"].clone()), (vec![4, 3, 2, 1], json!(false)));
    assert!(by_id["entries"][0].get(".tag").is_none());
    let by_path =
        world.ok("files/list_revisions", json!({"path": "/a.txt", "mode": {".tag": "path"}, "limit": 2})).await;
    assert_eq!((sizes(&by_path), by_path["is_deleted"].clone()), (vec![3, 2], json!(true)));
    assert_eq!(by_path["has_more"], true);
    let before = by_path["entries"][1]["rev"].clone();
    let rest = world.ok("files/list_revisions", json!({"path": "/a.txt", "before_rev": before})).await;
    assert_eq!(sizes(&rest), [1]);
    let (status, body) =
        world.rpc("files/list_revisions", json!({"path": id, "mode": "id", "before_rev": before})).await;
    assert_eq!((status, error_tag(&body).as_str()), (409, "before_rev_not_supported"));
    let (status, body) = world.rpc("files/list_revisions", json!({"path": "/a.txt", "before_rev": "0123456789"})).await;
    assert_eq!((status, error_tag(&body).as_str()), (409, "invalid_before_rev"));
}

#[tokio::test]
async fn a_download_carries_the_headers_of_the_protocol() {
    let world = World::new(&[("ü😀.txt", "0123456789")]).await;
    let response = world.download(world.metadata("/ü😀.txt").await["id"].as_str().unwrap(), &[]).await;
    let header = |name: &str| response.headers().get(name).unwrap().to_str().unwrap().to_owned();
    let result: Value = serde_json::from_str(&header("dropbox-api-result")).unwrap();
    assert!(header("dropbox-api-result").is_ascii());
    assert_eq!(result["name"], "ü😀.txt");
    assert!(result.get(".tag").is_none());
    assert_eq!(header("etag"), format!("W/\"{}\"", result["rev"].as_str().unwrap()));
    assert_eq!(
        (header("content-type").as_str(), header("content-length").as_str()),
        ("application/octet-stream", "10")
    );
    assert_eq!(header("x-dropbox-request-id").len(), 32);
    let etag = header("etag");
    assert_eq!(world.download(result["id"].as_str().unwrap(), &[("If-None-Match", &etag)]).await.status(), 304);
}

#[tokio::test]
async fn ranges_are_served_and_unsatisfiable_ones_refused_either_way() {
    let world = World::new(&[("a.txt", "0123456789"), ("empty", "")]).await;
    for (range, content, place) in [
        ("bytes=2-4", "234", "bytes 2-4/10"),
        ("bytes=7-", "789", "bytes 7-9/10"),
        ("bytes=-2", "89", "bytes 8-9/10"),
        ("bytes=5-99", "56789", "bytes 5-9/10"),
    ] {
        let response = world.download("/a.txt", &[("Range", range)]).await;
        assert_eq!(response.status(), 206, "{range}");
        assert_eq!(response.headers()["content-range"], place);
        assert_eq!(response.text().await.unwrap(), content);
    }
    for path in ["/a.txt", "/empty"] {
        let response = world.download(path, &[("Range", "bytes=10-")]).await;
        assert_eq!(response.status(), 409);
        assert_eq!(error_tag(&response.json().await.unwrap()), "range/not_satisfiable");
    }
    world.faults("[[dropbox]]\nfault = 'range_416'");
    assert_eq!(world.download("/empty", &[("Range", "bytes=0-")]).await.status(), 416);
    assert_eq!(world.download("/empty", &[]).await.bytes().await.unwrap().len(), 0);
}

#[tokio::test]
async fn content_of_several_blocks_is_hashed_and_served_whole() {
    let world = World::new(&[]).await;
    let (_, cursor) = world.list("").await;
    let content: Vec<u8> = (0..12_582_913u32).map(|i| u8::try_from(i % 251).unwrap()).collect();
    fs::write(world.path("big.bin"), &content).unwrap();
    let whole = |entries: &[Value]| entries.first().is_some_and(|entry| entry["size"] == 12_582_913);
    let (entries, _) = world.changes(&cursor, whole).await;
    assert_eq!(entries[0]["content_hash"], "149e99e24e72463155b8fb7a457ac9413b77e0e43a903b9ec363cfe30a1a7a8d");
    let response = world.download("/big.bin", &[("Range", "bytes=12582912-")]).await;
    assert_eq!(response.bytes().await.unwrap()[..], content[12_582_912..]);
    assert_eq!(world.download("/big.bin", &[]).await.bytes().await.unwrap(), content);
}

#[tokio::test]
async fn folders_and_absent_paths_cannot_be_downloaded() {
    let world = World::new(&[("d/a.txt", "1")]).await;
    for (path, tag) in [("/d", "path/not_file"), ("/nowhere", "path/not_found"), ("rev:0123456789", "path/not_found")] {
        let response = world.download(path, &[]).await;
        assert_eq!(response.status(), 409);
        assert_eq!(error_tag(&response.json().await.unwrap()), tag, "{path}");
    }
}

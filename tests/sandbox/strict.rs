//! Requests that Dropbox would refuse are refused, in its words.

use serde_json::{Value, json};

use crate::support::{World, error_tag};

#[tokio::test]
async fn malformed_arguments_are_400_with_a_text_that_says_what_is_wrong() {
    let world = World::new(&[("d/a.txt", "1")]).await;
    let list = "files/list_folder";
    let cases = [
        (list, json!({"path": "/"}), "Specify the root folder as an empty string rather than as \"/\"."),
        (list, json!({"path": "d"}), "did not match pattern"),
        (list, json!({"path": "/d/"}), "must not end in a slash"),
        (list, json!({"path": "/d "}), "must not end in a slash or in white space"),
        (list, json!({"path": "rev:0123456789"}), "did not match pattern"),
        (list, json!({"recursive": true}), "missing required field 'path'"),
        (list, json!({"path": "", "colour": 1}), "unknown field 'colour'"),
        (list, json!({"path": "", "recursive": "yes"}), "recursive: expected boolean"),
        (list, json!({"path": "", "limit": 0}), "limit"),
        (list, json!({"path": "", "limit": 2001}), "limit"),
        (list, json!([]), "expected object"),
        ("files/list_folder/continue", json!({"cursor": "AAxyz"}), "Invalid \"cursor\" parameter"),
        ("files/list_folder/continue", json!({"cursor": "x", "limit": 5}), "unknown field 'limit'"),
        ("files/list_folder/longpoll", json!({"cursor": "x", "timeout": 29}), "timeout"),
        ("files/list_folder/longpoll", json!({"cursor": "x", "timeout": 481}), "timeout"),
        ("files/get_metadata", json!({"path": ""}), "The root folder is unsupported"),
        ("files/get_metadata", json!({"path": "rev:XYZ"}), "did not match pattern"),
        ("files/list_revisions", json!({"path": "/d/a.txt", "limit": 101}), "limit"),
        ("users/get_current_account", json!({}), "expected null"),
        ("check/user", json!({"query": "x".repeat(501)}), "500"),
    ];
    for (route, argument, text) in cases {
        let response = world.raw(route, &argument).await;
        assert_eq!(response.status(), 400, "{route} {argument}");
        assert!(response.headers()["content-type"].to_str().unwrap().starts_with("text/plain"));
        let body = response.text().await.unwrap();
        assert!(
            body.starts_with(&format!("Error in call to API function \"{route}\": ")) && body.contains(text),
            "{body}"
        );
    }
}

#[tokio::test]
async fn lookups_that_fail_are_409_with_the_tags_of_the_route() {
    let world = World::new(&[("d/a.txt", "1")]).await;
    let cases = [
        ("files/list_folder", json!({"path": "/nowhere"}), "path/not_found"),
        ("files/list_folder", json!({"path": "/d/a.txt"}), "path/not_folder"),
        ("files/list_folder", json!({"path": "id:nothing"}), "path/not_found"),
        ("files/get_metadata", json!({"path": "id:nothing"}), "path/not_found"),
        ("files/get_metadata", json!({"path": "ns:99/d"}), "path/not_found"),
        ("files/list_revisions", json!({"path": "/d"}), "path/not_file"),
    ];
    for (route, argument, tag) in cases {
        let response = world.raw(route, &argument).await;
        assert_eq!(response.status(), 409, "{route} {argument}");
        assert_eq!(response.headers()["content-type"], "application/json");
        let body: Value = response.json().await.unwrap();
        assert_eq!(error_tag(&body), tag);
        assert_eq!(body["error"][".tag"], "path");
    }
}

#[tokio::test]
async fn answers_are_json_of_exactly_one_content_type_with_a_request_id() {
    let world = World::new(&[]).await;
    let response = world.raw("files/list_folder", &json!({"path": ""})).await;
    assert_eq!(response.headers()["content-type"], "application/json");
    assert_eq!(response.headers()["x-dropbox-request-id"].len(), 32);
    assert!(response.headers().get("dropbox-api-result").is_none());
}

#[tokio::test]
async fn the_longpoll_refuses_an_authorization_header() {
    let world = World::new(&[]).await;
    let (_, cursor) = world.list("").await;
    let request = world.request("files/list_folder/longpoll").bearer_auth(&world.token);
    let response = request.json(&json!({"cursor": cursor, "timeout": 30})).send().await.unwrap();
    assert_eq!(response.status(), 400);
    assert!(response.text().await.unwrap().contains("Authorization"));
}

#[tokio::test]
async fn content_types_are_checked_and_both_spellings_of_nothing_taken() {
    let world = World::new(&[]).await;
    let send = |kind: &'static str, body: &'static str| {
        world.request("users/get_current_account").header("Content-Type", kind).body(body).send()
    };
    for kind in ["application/json", "application/json; charset=utf-8", "text/plain; charset=dropbox-cors-hack"] {
        assert_eq!(send(kind, "null").await.unwrap().status(), 200, "{kind}");
    }
    let refused = send("application/x-www-form-urlencoded", "null").await.unwrap();
    assert_eq!(refused.status(), 400);
    assert!(refused.text().await.unwrap().contains("Bad HTTP \"Content-Type\" header"));
    let bare = world.request("users/get_current_account").send().await.unwrap();
    assert_eq!(bare.status(), 200);
    let account: Value = bare.json().await.unwrap();
    assert_eq!(account["account_id"].as_str().unwrap().len(), 40);
    assert!(account["account_id"].as_str().unwrap().starts_with("dbid:"));
    assert_eq!(account["root_info"][".tag"], "user");
    assert_eq!(world.ok("check/user", json!({"query": "foo"})).await, json!({"result": "foo"}));
}

#[tokio::test]
async fn a_download_argument_that_is_not_ascii_or_a_form_is_refused() {
    let world = World::new(&[("ü.txt", "1")]).await;
    let request = world.request("files/download");
    let raw = request.header("Dropbox-API-Arg", "{\"path\":\"/ü.txt\"}".as_bytes()).send().await.unwrap();
    assert_eq!(raw.status(), 400);
    let escaped = world.request("files/download").header("Dropbox-API-Arg", r#"{"path":"/\u00fc.txt"}"#);
    assert_eq!(escaped.send().await.unwrap().text().await.unwrap(), "1");
    let form = world.request("files/download").header("Dropbox-API-Arg", "{}");
    let form = form.header("Content-Type", "application/x-www-form-urlencoded");
    assert_eq!(form.send().await.unwrap().status(), 400);
}

#[tokio::test]
async fn only_a_loopback_host_is_answered_and_only_known_routes() {
    let world = World::new(&[]).await;
    let foreign = world.request("users/get_current_account").header("Host", "evil.example:80").send().await.unwrap();
    assert_eq!(foreign.status(), 403);
    let named = world.request("users/get_current_account").header("Host", "LOCALHOST:1").send().await.unwrap();
    assert_eq!(named.status(), 200);
    assert_eq!(world.rpc("files/delete_v2", json!({"path": "/x"})).await.0, 404);
    let get =
        world.http.get(format!("{}/2/files/list_folder", world.url)).bearer_auth(&world.token).send().await.unwrap();
    assert_eq!(get.status(), 404);
}

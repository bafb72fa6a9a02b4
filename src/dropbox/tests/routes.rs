//! What each route sends, where to, and that refusals keep their class on the way to the caller.

use super::*;

const NO_TOKEN: Option<&str> = None;

#[tokio::test]
async fn list_folder_sends_exactly_its_known_fields_with_token_and_path_root() {
    let server = Server::start(|request| (request.path == "/api/2/files/list_folder").then(empty_page)).await;
    let page = client(&server).list_folder(&root(), "id:a4ayc").await.expect("a page");
    assert_eq!(page.cursor, "AAG");
    let sent = &server.to("/api/2/files/list_folder")[0];
    let arg = json!({ "path": "id:a4ayc", "recursive": true, "include_deleted": false, "include_mounted_folders": true,
        "include_non_downloadable_files": true, "limit": 2000 });
    assert_eq!(sent.json(), arg);
    assert_eq!(sent.header("content-type"), Some("application/json"));
    assert_eq!(sent.header("authorization"), Some("Bearer t1"));
    assert_eq!(sent.header("dropbox-api-path-root"), Some(r#"{".tag":"root","root":"7"}"#));
    assert_eq!(sent.header("user-agent"), Some(concat!("droptrail/", env!("CARGO_PKG_VERSION"))));
}

#[tokio::test]
async fn continue_sends_the_cursor_only_and_get_metadata_the_path_only() {
    let server = Server::start(|request| match request.path.as_str() {
        "/api/2/files/list_folder/continue" => Some(empty_page()),
        "/api/2/files/get_metadata" => Some(Reply::json(200, json!({ ".tag": "folder", "name": "x", "id": "id:x" }))),
        _ => None,
    })
    .await;
    let client = client(&server);
    client.list_folder_continue(&root(), "AAF😀").await.expect("a page");
    client.get_metadata(&PathRoot::Home, "id:x").await.expect("a folder");
    client.get_metadata(&PathRoot::Default, "id:x").await.expect("a folder");
    let [_, continued, home, default] = &server.requests()[..] else { panic!("four requests") };
    assert_eq!(continued.json(), json!({ "cursor": "AAF😀" }));
    assert!(continued.header("dropbox-api-path-root").is_some());
    assert_eq!(home.json(), json!({ "path": "id:x" }));
    assert_eq!(home.header("dropbox-api-path-root"), Some(r#"{".tag":"home"}"#));
    assert_eq!(default.header("dropbox-api-path-root"), None);
}

#[tokio::test]
async fn get_current_account_sends_null_and_no_path_root() {
    let server = Server::start(|request| (request.path == "/api/2/users/get_current_account").then(account)).await;
    let account = client(&server).get_current_account().await.expect("an account");
    assert_eq!(account.account_id, "dbid:AAH4");
    let sent = &server.to("/api/2/users/get_current_account")[0];
    assert_eq!((sent.body.as_str(), sent.header("content-type")), ("null", Some("application/json")));
    assert_eq!(sent.header("dropbox-api-path-root"), None);
}

#[tokio::test]
async fn a_longpoll_goes_to_its_own_host_without_sign_in_or_path_root_and_with_a_timeout_that_dropbox_takes() {
    let server = Server::start(|_| Some(Reply::json(200, json!({ "changes": true, "backoff": 60 })))).await;
    let client = client(&server);
    for (asked, sent) in [(0, 30), (120, 120), (9999, 480)] {
        let ring = client.longpoll("AAG", Duration::from_secs(asked)).await.expect("a ring");
        assert_eq!((ring.changes, ring.backoff), (true, Some(Duration::from_secs(60))));
        let request = server.requests().pop().expect("a request");
        assert_eq!(request.path, "/notify/2/files/list_folder/longpoll");
        assert_eq!(request.json(), json!({ "cursor": "AAG", "timeout": sent }));
        assert_eq!((request.header("authorization"), request.header("dropbox-api-path-root")), (NO_TOKEN, None));
    }
    assert_eq!(server.requests().len(), 3, "and no token is fetched for it");
}

#[tokio::test]
async fn every_class_of_refusal_reaches_the_caller_with_its_request_id() {
    let scope = "because it does not have the required scope 'files.metadata.read'.";
    for (reply, kind) in [
        (Reply::json(409, tagged(&["path", "not_found"])), Kind::NotFound),
        (Reply::json(409, tagged(&["path", "not_folder"])), Kind::WrongType),
        (Reply::json(409, tagged(&["path", "restricted_content"])), Kind::Restricted),
        (Reply::json(409, tagged(&["reset"])), Kind::Reset),
        (Reply::json(409, tagged(&["brand_new"])), Kind::Reset),
        (Reply::json(409, json!("odd")), Kind::Reset),
        (Reply::new(400, "Invalid \"cursor\" parameter: AAFcursor"), Kind::Reset),
        (Reply::new(400, "Path root is not supported for sandbox app"), Kind::RootNotSupported),
        (Reply::new(400, scope), Kind::MissingScope("files.metadata.read".into())),
        (Reply::json(403, tagged(&["no_permission"])), Kind::Forbidden),
        (Reply::json(422, tagged(&["no_permission"])), Kind::InvalidRoot),
        (Reply::new(404, "<html>"), UNAVAILABLE),
        (Reply::new(500, ""), UNAVAILABLE),
        (Reply::new(504, ""), UNAVAILABLE),
    ] {
        let wanted = reply.clone();
        let server = Server::start(move |request| request.path.ends_with("continue").then(|| reply.clone())).await;
        let err = client(&server).list_folder_continue(&root(), "AAFcursor").await.expect_err("refused");
        assert_eq!(err.kind, kind, "{wanted:?}");
        assert_eq!(err.call, "files/list_folder/continue");
        assert!(err.request_id.as_deref().is_some_and(|id| id.starts_with("rid")), "{err:?}");
        assert!(!err.to_string().contains("AAFcursor"), "{err}");
    }
}

#[tokio::test]
async fn a_longpoll_that_is_refused_asks_for_a_new_listing() {
    for reply in [Reply::json(409, tagged(&["reset"])), Reply::json(409, tagged(&["new"])), Reply::new(409, "")] {
        let server = Server::start(move |_| Some(reply.clone())).await;
        let err = client(&server).longpoll("AAG", Duration::from_secs(30)).await.expect_err("reset");
        assert_eq!(err.kind, Kind::Reset);
    }
}

#[tokio::test]
async fn no_redirect_is_followed_and_nothing_reaches_the_other_origin() {
    let other = Server::start(|_| Some(Reply::new(200, "{}"))).await;
    for status in [301, 302, 303, 307, 308] {
        let elsewhere = format!("{}/api/2/users/get_current_account", other.url());
        let server = Server::start(move |request| {
            (!request.path.contains("oauth2")).then(|| Reply::new(status, "").header("location", &elsewhere))
        })
        .await;
        let client = client(&server);
        assert_eq!(client.get_current_account().await.expect_err("redirected").kind, UNAVAILABLE);
        assert_eq!(client.longpoll("AAG", Duration::ZERO).await.expect_err("redirected").kind, UNAVAILABLE);
        assert_eq!(client.download(&root(), "015a1afc8", 5, None).await.expect_err("redirected").kind, UNAVAILABLE);
        assert_eq!(server.requests().len(), 4, "one each, and the token");
    }
    assert!(other.requests().is_empty());
}

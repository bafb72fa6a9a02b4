//! Sign-in: what is sent, when a token is renewed, and that many callers cause one refresh.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use futures_util::future::join_all;
use secrecy::ExposeSecret as _;
use tokio::time::advance;

use super::server::token;
use super::*;

const TOKEN: &str = "/api/oauth2/token";
const ACCOUNT: &str = "/api/2/users/get_current_account";

/// The account for one bearer, 401 with `tag` for every other.
fn only_for(bearer: &'static str, tag: &'static str) -> impl Fn(&Request) -> Option<Reply> {
    move |request| {
        let good = request.header("authorization") == Some(bearer);
        (request.path == ACCOUNT).then(|| if good { account() } else { Reply::json(401, tagged(&[tag])) })
    }
}

#[tokio::test]
async fn a_refresh_sends_exactly_three_fields_and_the_secret_only_where_there_is_one() {
    let server = Server::start(|request| (request.path == ACCOUNT).then(account)).await;
    client(&server).get_current_account().await.expect("an account");
    let with_secret = Settings { app_secret: Some("app-secret".into()), ..settings(&server) };
    Client::new(with_secret).expect("a client").get_current_account().await.expect("an account");
    let sent = server.to(TOKEN);
    assert_eq!(sent[0].body, "grant_type=refresh_token&refresh_token=refresh-secret&client_id=key");
    assert_eq!(sent[1].body, format!("{}&client_secret=app-secret", sent[0].body));
    assert_eq!(sent[0].header("content-type"), Some("application/x-www-form-urlencoded"));
    assert_eq!((sent[0].header("authorization"), sent[0].header("dropbox-api-path-root")), (None, None));
}

#[tokio::test]
async fn many_callers_without_a_token_cause_one_refresh() {
    let server = Server::start(|request| (request.path == ACCOUNT).then(account)).await;
    let client = client(&server);
    let all = join_all((0..20).map(|_| client.get_current_account())).await;
    assert!(all.iter().all(Result::is_ok));
    assert_eq!(server.to(TOKEN).len(), 1);
}

#[tokio::test]
async fn many_callers_whose_token_is_refused_cause_one_refresh() {
    for tag in ["expired_access_token", "invalid_access_token"] {
        let server = Server::start(only_for("Bearer t2", tag)).await;
        let client = client(&server);
        let all = join_all((0..20).map(|_| client.get_current_account())).await;
        assert!(all.iter().all(Result::is_ok), "{all:?}");
        assert_eq!(server.to(TOKEN).len(), 2, "{tag}");
    }
}

#[tokio::test]
async fn a_401_that_a_refresh_does_not_heal_means_revoked_after_one_retry() {
    let server = Server::start(only_for("nobody", "expired_access_token")).await;
    let err = client(&server).get_current_account().await.expect_err("refused");
    assert_eq!((err.kind, err.request_id.as_deref()), (Kind::Revoked, Some("rid401")));
    assert_eq!((server.to(ACCOUNT).len(), server.to(TOKEN).len()), (2, 2));
}

#[tokio::test]
async fn a_401_that_no_refresh_could_heal_causes_none() {
    let scope = json!({ "error": { ".tag": "missing_scope", "required_scope": "files.content.read" } });
    for (body, kind) in [
        (tagged(&["user_suspended"]), Kind::Forbidden),
        (scope, Kind::MissingScope("files.content.read".into())),
        (tagged(&["route_access_denied"]), Kind::Forbidden),
    ] {
        let server =
            Server::start(move |request| (request.path == ACCOUNT).then(|| Reply::json(401, body.clone()))).await;
        let err = client(&server).get_current_account().await.expect_err("refused");
        assert_eq!(err.kind, kind);
        assert_eq!((server.to(ACCOUNT).len(), server.to(TOKEN).len()), (1, 1));
    }
}

#[tokio::test]
async fn a_revoked_sign_in_is_told_to_all_who_wait_by_one_refresh_and_without_the_secret() {
    let body = json!({ "error": "invalid_grant", "error_description": "refresh token is invalid or revoked" });
    let server = Server::start(move |request| (request.path == TOKEN).then(|| Reply::json(400, body.clone()))).await;
    let client = client(&server);
    for err in join_all((0..20).map(|_| client.get_current_account())).await {
        assert_eq!(err.expect_err("revoked").kind, Kind::Revoked);
    }
    assert_eq!(server.requests().len(), 1);
}

#[tokio::test]
async fn what_else_the_token_endpoint_says_is_classed_like_elsewhere_and_shows_no_secret() {
    for (reply, kind) in [
        (
            Reply::json(400, json!({ "error": "invalid_client: Invalid client_id or client_secret" })),
            Kind::InvalidClient,
        ),
        (Reply::new(400, "no such refresh-secret"), Kind::BadRequest),
        (Reply::new(502, "<html>"), UNAVAILABLE),
        (Reply::new(200, "<html>"), UNAVAILABLE),
        (Reply::json(200, json!({ "expires_in": 14400 })), UNAVAILABLE),
        (Reply::json(200, json!({ "access_token": "a\nb" })), UNAVAILABLE),
        (Reply::json(200, json!({ "access_token": "" })), UNAVAILABLE),
        (Reply::new(200, ""), UNAVAILABLE),
    ] {
        let server = Server::start(move |request| (request.path == TOKEN).then(|| reply.clone())).await;
        let err = client(&server).get_current_account().await.expect_err("refused");
        assert_eq!(err.kind, kind, "{err}");
        assert_eq!(err.call, "oauth2/token");
        assert!(!format!("{err} {err:?}").contains("refresh-secret"), "{err}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_token_is_renewed_300_s_before_its_end_or_at_half_its_life() {
    for (life, renewed_after) in [(14_400, 14_100), (100, 50)] {
        let server = Server::start(move |request| match request.path.as_str() {
            TOKEN => Some(Reply::json(200, json!({ "access_token": "t", "expires_in": life }))),
            _ => Some(account()),
        })
        .await;
        let client = client(&server);
        client.get_current_account().await.expect("an account");
        advance(Duration::from_secs(renewed_after - 2)).await;
        client.get_current_account().await.expect("an account");
        assert_eq!(server.to(TOKEN).len(), 1, "{life}");
        advance(Duration::from_secs(3)).await;
        client.get_current_account().await.expect("an account");
        assert_eq!(server.to(TOKEN).len(), 2, "{life}");
    }
}

#[tokio::test(start_paused = true)]
async fn while_the_token_endpoint_is_away_a_token_is_used_to_its_end() {
    let asked = Arc::new(AtomicUsize::new(0));
    let count = asked.clone();
    let server = Server::start(move |request| match request.path.as_str() {
        TOKEN if count.fetch_add(1, Ordering::Relaxed) > 0 => Some(Reply::new(503, "")),
        TOKEN => None,
        _ => Some(account()),
    })
    .await;
    let client = client(&server);
    client.get_current_account().await.expect("an account");
    advance(Duration::from_secs(14_200)).await;
    client.get_current_account().await.expect("the old token still serves");
    client.get_current_account().await.expect("the old token still serves");
    assert_eq!(asked.load(Ordering::Relaxed), 2, "a failed early refresh is not repeated at once");
    advance(Duration::from_secs(300)).await;
    assert_eq!(client.get_current_account().await.expect_err("it has ended").kind, UNAVAILABLE);
}

#[tokio::test]
async fn a_refresh_token_that_an_answer_brings_is_kept_and_used() {
    let server = Server::start(|request| match request.path.as_str() {
        TOKEN if request.body.contains("refresh_token=refresh-secret") => {
            Some(Reply::json(200, json!({ "access_token": "t1", "refresh_token": "rotated" })))
        }
        TOKEN if request.body.contains("refresh_token=rotated") => Some(token(2)),
        TOKEN => Some(Reply::new(500, "")),
        _ => only_for("Bearer t2", "expired_access_token")(request),
    })
    .await;
    let client = client(&server);
    assert!(client.rotated_refresh_token().is_none());
    client.get_current_account().await.expect("an account");
    assert_eq!(client.rotated_refresh_token().expect("rotated").expose_secret(), "rotated");
    assert_eq!(server.to(TOKEN).len(), 2);
}

#[tokio::test]
async fn a_cancelled_refresh_leaves_the_next_caller_free() {
    let asked = AtomicUsize::new(0);
    let server = Server::start(move |request| match request.path.as_str() {
        TOKEN if asked.fetch_add(1, Ordering::Relaxed) == 0 => {
            Some(Reply::new(200, "").hang().header("content-length", 9))
        }
        TOKEN => None,
        _ => Some(account()),
    })
    .await;
    let client = client(&server);
    let first = tokio::spawn({
        let client = client.clone();
        async move { client.get_current_account().await }
    });
    server.saw(1).await;
    first.abort();
    client.get_current_account().await.expect("an account");
}

#[tokio::test]
async fn debug_output_shows_no_secret() {
    let server = Server::start(|request| (request.path == ACCOUNT).then(account)).await;
    let settings = Settings { app_secret: Some("app-secret".into()), ..settings(&server) };
    let client = Client::new(settings.clone()).expect("a client");
    client.get_current_account().await.expect("an account");
    let shown = format!("{client:?} {settings:?}");
    assert!(!shown.contains("secret-") && !shown.contains("-secret") && !shown.contains("t1"), "{shown}");
}

#[test]
fn a_client_can_be_shared_between_tasks() {
    fn shared<T: Clone + Send + Sync + 'static>() {}
    shared::<Client>();
}

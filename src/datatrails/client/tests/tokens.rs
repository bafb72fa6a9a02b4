//! Sign-in: one token for all, renewed in time, and once after a 401.

use std::sync::{Arc, Barrier};

use super::*;

fn token(number: usize, lives: u64) -> Reply {
    json(200, format!(r#"{{"access_token":"t{number}","expires_in":{lives}}}"#))
}

/// Counts tokens; `reply` to everything else.
fn counting(lives: u64, reply: impl Fn(&Got) -> Reply + Send + Sync + 'static) -> Server {
    let tokens = AtomicUsize::new(0);
    Server::start(move |got| {
        if got.target.ends_with("/token") {
            token(tokens.fetch_add(1, Ordering::SeqCst) + 1, lives)
        } else {
            reply(got)
        }
    })
}

#[tokio::test]
async fn many_callers_at_once_share_one_sign_in() {
    let server = counting(3600, |_| json(200, asset_json()));
    let client = client(&server);
    let calls = (0..8).map(|_| client.create_asset("{}"));
    for asset in futures_util::future::join_all(calls).await {
        asset.expect("asset");
    }
    assert_eq!(server.got_at("/token").len(), 1);
}

#[tokio::test]
async fn many_callers_at_once_share_one_refusal() {
    let server = Server::start(|_| json(401, r#"{"error":"invalid_client","echo":"s3cr3t&+ä"}"#));
    let client = client(&server);
    let calls = (0..8).map(|_| client.create_asset("{}"));
    for error in futures_util::future::join_all(calls).await {
        let error = error.expect_err("refused");
        assert_eq!((error.kind, error.outcome), (Kind::Unauthorized, Outcome::NotMade));
    }
    assert_eq!(server.got().len(), 1);
    client.create_asset("{}").await.expect_err("refused");
    assert_eq!(server.got().len(), 2, "a later caller tries again");
}

#[tokio::test]
async fn a_401_is_healed_once_by_a_new_token_also_for_a_post() {
    let server = counting(3600, |got| match got.header("authorization") {
        Some("Bearer t1") => json(401, "{}"),
        _ => json(200, asset_json()),
    });
    client(&server).create_asset("{\"n\":1}").await.expect("asset");
    let posts = server.got_at("/v2/assets");
    assert_eq!(posts.len(), 2);
    assert_eq!((posts[0].body.as_str(), posts[1].body.as_str()), ("{\"n\":1}", "{\"n\":1}"));
    assert_eq!(server.got_at("/token").len(), 2);
}

#[tokio::test]
async fn a_second_401_is_unauthorized_and_not_made() {
    let server = counting(3600, |_| json(401, r#"{"message":"token t1 or t2 is bad"}"#));
    let error = client(&server).create_asset("{}").await.expect_err("unauthorized");
    assert_eq!((&error.kind, error.outcome), (&Kind::Unauthorized, Outcome::NotMade));
    assert!(!error.message.contains("t2"), "no token in a message: {error}");
    assert_eq!((server.got_at("/v2/assets").len(), server.got_at("/token").len()), (2, 2));
}

#[tokio::test]
async fn callers_that_are_refused_together_renew_the_token_once() {
    let together = Arc::new(Barrier::new(4));
    let server = counting(3600, move |got| match got.header("authorization") {
        Some("Bearer t1") => {
            together.wait();
            json(401, "{}")
        }
        _ => json(200, asset_json()),
    });
    let client = client(&server);
    client.sign_in().await.expect("token");
    for asset in futures_util::future::join_all((0..4).map(|_| client.create_asset("{}"))).await {
        asset.expect("asset");
    }
    assert_eq!(server.got_at("/token").len(), 2);
}

#[tokio::test]
async fn a_token_is_renewed_a_minute_early_or_at_half_of_a_short_life() {
    for (lives, still, due) in [(3600, 3530, 11), (12, 3, 4), (100, 42, 9)] {
        let server = counting(lives, |_| json(200, asset_json()));
        let client = client(&server);
        client.sign_in().await.expect("token");
        let advance = async |seconds| {
            tokio::time::pause();
            tokio::time::advance(Duration::from_secs(seconds)).await;
            tokio::time::resume();
        };
        advance(still).await;
        client.sign_in().await.expect("token");
        assert_eq!(server.got().len(), 1, "{lives}");
        advance(due).await;
        client.sign_in().await.expect("token");
        assert_eq!(server.got().len(), 2, "{lives}");
    }
}

#[tokio::test]
async fn a_token_that_is_still_valid_is_used_on_while_the_sign_in_is_away() {
    let tokens = AtomicUsize::new(0);
    let server = Server::start(move |got| match got.target.ends_with("/token") {
        true if tokens.fetch_add(1, Ordering::SeqCst) == 0 => token(1, 100),
        true => json(503, "{}"),
        false => json(200, asset_json()),
    });
    let client = client(&server);
    client.sign_in().await.expect("token");
    for (seconds, works) in [(60, true), (60, false)] {
        tokio::time::pause();
        tokio::time::advance(Duration::from_secs(seconds)).await;
        tokio::time::resume();
        assert_eq!(client.create_asset("{}").await.is_ok(), works);
    }
}

#[tokio::test]
async fn trouble_at_the_sign_in_means_that_nothing_was_made() {
    for (status, kind) in [
        (400, Kind::Unauthorized),
        (401, Kind::Unauthorized),
        (403, Kind::Unauthorized),
        (404, Kind::NotFound),
        (302, Kind::NotFound),
        (429, Kind::RateLimited { after: Duration::from_secs(1) }),
        (500, Kind::Unavailable { after: None }),
        (503, Kind::Unavailable { after: None }),
    ] {
        let server = Server::start(move |_| json(status, r#"{"error_description":"bad s3cr3t&+ä"}"#));
        let error = client(&server).create_asset("{}").await.expect_err("refused");
        assert_eq!((&error.kind, error.outcome), (&kind, Outcome::NotMade), "{status}");
        assert!(!error.to_string().contains("s3cr3t"), "{error}");
        assert!(server.got_at("/v2/").is_empty(), "{status}");
    }
    for body in ["<html>", "{}", r#"{"access_token":"a\nb"}"#] {
        let server = Server::start(move |_| json(200, body));
        let error = client(&server).create_asset("{}").await.expect_err("unreadable");
        assert_eq!((error.kind, error.outcome), (Kind::Unavailable { after: None }, Outcome::NotMade), "{body}");
    }
    let server = Server::start(|_| Reply::Cut(Vec::new()));
    let error = client(&server).create_asset("{}").await.expect_err("cut");
    assert_eq!((error.kind, error.outcome), (Kind::Unavailable { after: None }, Outcome::NotMade));
}

#[tokio::test]
async fn the_token_hints_at_its_tenancy() {
    use base64::Engine as _;
    let payload = base64::engine::general_purpose::URL_SAFE_NO_PAD
        .encode(r#"{"jit_tenant_id":"tenant/6ea5cd00-c711-3649-6914-7b125928bbb4"}"#);
    let server =
        Server::start(move |_| json(200, format!(r#"{{"access_token":"e30.{payload}.x","expires_in":"60"}}"#)));
    let client = client(&server);
    assert_eq!(client.tenant_hint(), None);
    client.sign_in().await.expect("token");
    assert_eq!(client.tenant_hint().as_deref(), Some("tenant/6ea5cd00-c711-3649-6914-7b125928bbb4"));
}

//! Signing in, tokens, scopes, revocation.

use std::sync::{Arc, Mutex};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

use crate::support::{World, error_tag};

async fn token(world: &World, form: &[(&str, &str)]) -> (u16, Value) {
    let response = world.http.post(format!("{}/oauth2/token", world.url)).form(form).send().await.unwrap();
    (response.status().as_u16(), response.json().await.unwrap())
}

async fn with_codes() -> (World, Arc<Mutex<Vec<String>>>) {
    let codes = Arc::new(Mutex::new(Vec::new()));
    let told = Arc::clone(&codes);
    let world = World::with(&[], move |options| {
        options.on_code = Arc::new(move |code| told.lock().unwrap().push(code.to_owned()));
    });
    (world.await, codes)
}

#[tokio::test]
async fn a_code_with_pkce_is_good_once_and_told_only_on_the_terminal() {
    let (world, codes) = with_codes().await;
    let key = world.sandbox.credentials().app_key;
    let verifier = "v".repeat(50);
    let challenge = URL_SAFE_NO_PAD.encode(droptrail::digest::Digest::sha256(&verifier).0);
    let authorize = format!(
        "{}/oauth2/authorize?client_id={key}&response_type=code&code_challenge={challenge}&code_challenge_method=S256\
         &token_access_type=offline&scope=account_info.read+files.metadata.read",
        world.url
    );
    for _ in 0..2 {
        let page = world.http.get(&authorize).send().await.unwrap();
        assert_eq!(page.status(), 200);
        let page = page.text().await.unwrap();
        assert!(!codes.lock().unwrap().iter().any(|code| page.contains(code)));
    }
    let codes = codes.lock().unwrap().clone();
    let form = |code, verifier| {
        [("grant_type", "authorization_code"), ("code", code), ("client_id", key.as_str()), ("code_verifier", verifier)]
    };
    let wrong = "w".repeat(50);
    assert_eq!(token(&world, &form(&codes[0], &wrong)).await.0, 400);
    let mut twice = form(&codes[1], &verifier).to_vec();
    twice.push(("code_verifier", &verifier));
    let (status, granted) = token(&world, &twice).await;
    assert_eq!(status, 200, "{granted}");
    assert_eq!(granted["scope"], "account_info.read files.metadata.read");
    assert_eq!(granted["token_type"], "bearer");
    assert!(granted["uid"].is_string() && granted["account_id"].is_string());
    let (status, again) = token(&world, &form(&codes[1], &verifier)).await;
    assert_eq!((status, again["error"].as_str().unwrap()), (400, "invalid_grant"));
    assert_eq!(again["error_description"], "code doesn't exist or has expired");
    let refresh = granted["refresh_token"].as_str().unwrap();
    let form = [("grant_type", "refresh_token"), ("refresh_token", refresh), ("client_id", &key)];
    let (status, refreshed) = token(&world, &form).await;
    assert_eq!(status, 200);
    assert!(refreshed.get("refresh_token").is_none());
    // The narrower scope holds.
    let download = world.http.post(format!("{}/2/files/download", world.url));
    let download = download.bearer_auth(refreshed["access_token"].as_str().unwrap());
    let response = download.header("Dropbox-API-Arg", "{\"path\":\"/x\"}").send().await.unwrap();
    assert_eq!(response.status(), 401);
    let body: Value = response.json().await.unwrap();
    assert_eq!(body["error"], json!({".tag": "missing_scope", "required_scope": "files.content.read"}));
}

#[tokio::test]
async fn the_old_token_address_and_basic_credentials_are_taken() {
    let world = World::new(&[]).await;
    let credentials = world.sandbox.credentials();
    let form = [("grant_type", "refresh_token"), ("refresh_token", credentials.refresh_token.as_str())];
    let request = world.http.post(format!("{}/1/oauth2/token", world.url));
    let request = request.basic_auth(&credentials.app_key, Some(&credentials.app_secret));
    assert_eq!(request.form(&form).send().await.unwrap().status(), 200);
    let request =
        world.http.post(format!("{}/oauth2/token", world.url)).basic_auth(&credentials.app_key, Some("wrong"));
    let response = request.form(&form).send().await.unwrap();
    assert_eq!(response.status(), 400);
    let body: Value = response.json().await.unwrap();
    assert_eq!(body, json!({"error": "invalid_client: Invalid client_id or client_secret"}));
}

#[tokio::test]
async fn unknown_malformed_and_missing_tokens_are_refused_each_in_its_way() {
    let mut world = World::new(&[]).await;
    let good = std::mem::replace(&mut world.token, "sl.u.foreign".to_owned());
    let response = world.raw("files/list_folder", &json!({"path": ""})).await;
    assert_eq!(response.status(), 401);
    assert_eq!(response.headers()["www-authenticate"], "Dropbox-API");
    assert_eq!(response.headers()["content-type"], "application/json");
    assert_eq!(error_tag(&response.json().await.unwrap()), "invalid_access_token");
    world.token = "not a token".to_owned();
    let (status, body) = world.rpc("files/list_folder", json!({"path": ""})).await;
    assert_eq!(status, 400);
    assert!(body.as_str().unwrap().contains("malformed"));
    let bare = world.http.post(format!("{}/2/check/user", world.url)).json(&json!({})).send().await.unwrap();
    assert_eq!(bare.status(), 400);
    assert!(bare.text().await.unwrap().contains("Must provide HTTP header \"Authorization\""));
    world.token = good;
    assert_eq!(world.rpc("check/user", json!({})).await.0, 200);
}

#[tokio::test]
async fn a_token_expires() {
    let world = World::with(&[], |options| options.expires_in = 0).await;
    let (status, body) = world.rpc("files/list_folder", json!({"path": ""})).await;
    assert_eq!((status, error_tag(&body).as_str()), (401, "expired_access_token"));
}

#[tokio::test]
async fn revoking_a_token_revokes_its_refresh_token_too() {
    let world = World::new(&[]).await;
    assert_eq!(world.ok("auth/token/revoke", json!(null)).await, Value::Null);
    let (status, body) = world.rpc("check/user", json!({})).await;
    assert_eq!((status, error_tag(&body).as_str()), (401, "invalid_access_token"));
    let credentials = world.sandbox.credentials();
    let form = [
        ("grant_type", "refresh_token"),
        ("refresh_token", credentials.refresh_token.as_str()),
        ("client_id", credentials.app_key.as_str()),
    ];
    let (status, body) = token(&world, &form).await;
    assert_eq!((status, body["error"].as_str().unwrap()), (400, "invalid_grant"));
}

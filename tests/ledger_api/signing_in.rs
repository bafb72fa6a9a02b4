//! Tokens: who gets one, what it says, when it ends.

use std::time::Duration;

use base64::Engine as _;
use serde_json::{Value, json};

use crate::support::{Tenant, World, eventually};

#[tokio::test]
async fn a_token_is_shaped_as_a_jwt_that_names_the_tenancy() {
    let world = World::new().await;
    let tenant = world.tenant("acme").await;
    let answer = tenant.ask_for_token(&tenant.credentials.client_secret).await;
    assert_eq!((&answer.json["token_type"], &answer.json["expires_in"]), (&json!("Bearer"), &json!(3600)));
    let token = answer.json["access_token"].as_str().expect("a token").to_owned();
    let payload = token.split('.').nth(1).expect("three parts");
    let payload = base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(payload).expect("base64url");
    let claims: Value = serde_json::from_slice(&payload).expect("JSON");
    assert_eq!(claims["jit_tenant_id"], tenant.credentials.tenant_identity);
    assert_eq!((&claims["sub"], &claims["client_id"]), (&claims["client_id"], &json!(tenant.credentials.client_id)));
    assert_eq!(claims["iss"], format!("{}/appidpv1", world.url));
    let lasts = claims["exp"].as_i64().expect("a number") - claims["iat"].as_i64().expect("a number");
    assert!((3600..=3602).contains(&lasts), "{lasts}");
    assert_eq!(token.split('.').count(), 3);
}

#[tokio::test]
async fn wrong_credentials_get_401_and_a_malformed_request_400() {
    let world = World::new().await;
    let tenant = world.tenant("acme").await;
    for secret in ["", "0", &"0".repeat(64)] {
        let answer = tenant.ask_for_token(secret).await;
        assert_eq!((answer.status, &answer.json["code"]), (401, &json!(16)));
        assert!(!answer.text.contains(&tenant.credentials.client_secret));
    }
    let url = format!("{}/archivist/iam/v1/appidp/token", world.url);
    let other = world.client.post(&url).form(&[("grant_type", "password")]).send().await.expect("an answer");
    assert_eq!(other.status(), 400);
    let json =
        world.client.post(&url).json(&json!({"grant_type": "client_credentials"})).send().await.expect("an answer");
    assert_eq!(json.status(), 400);
    assert_eq!(tenant.credentials.client_secret.len(), 64);
}

#[tokio::test]
async fn too_many_tries_are_told_when_to_come_back_and_lock_nobody_out() {
    let world = World::new().await;
    let tenant = world.tenant("acme").await;
    let mut limited = None;
    for _ in 0..500 {
        let answer = tenant.ask_for_token("wrong").await;
        if answer.status == 429 {
            limited = Some(answer);
            break;
        }
        assert_eq!(answer.status, 401);
    }
    let limited = limited.expect("limited after a while");
    let reset: f64 = limited.header("archivist-rate-limit-reset").expect("the header").parse().expect("seconds");
    assert!(reset > 0.0 && reset < 60.0);
    assert_eq!(limited.json["code"], 8);
    assert_eq!(tenant.ask_for_token(&tenant.credentials.client_secret).await.status, 200);
}

#[tokio::test]
async fn a_token_ends_after_its_time_and_a_new_one_can_be_had() {
    let world = World::with(|options| options.token_ttl = Duration::from_secs(1)).await;
    let tenant = world.tenant("acme").await;
    assert_eq!(tenant.get("v2/assets").await.status, 200);
    let answer =
        eventually(|| async { Some(tenant.get("v2/assets").await).filter(|answer| answer.status != 200) }).await;
    assert_eq!(answer.status, 401);
    let again = Tenant::sign_in(&world, tenant.credentials.clone()).await;
    assert_eq!(again.get("v2/assets").await.status, 200);
}

#[tokio::test]
async fn a_token_survives_a_restart_of_the_ledger_but_not_another_ledger() {
    let world = World::new().await;
    let tenant = world.tenant("acme").await;
    let elsewhere = World::new().await;
    let (data, directory) = world.stop().await;
    let world = World::on(data, |_| {}).await;
    let kept = Tenant { url: world.url.clone(), ..tenant.clone() };
    assert_eq!(kept.get("v2/assets").await.status, 200);
    let foreign = Tenant { url: elsewhere.url.clone(), ..tenant };
    assert_eq!(foreign.get("v2/assets").await.status, 401);
    drop(directory);
}

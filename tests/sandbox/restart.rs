//! A sandbox that goes on where it left off.

use std::fs;

use serde_json::json;

use crate::support::{World, at, shape, write};

#[tokio::test]
async fn ids_cursors_and_credentials_survive_a_restart_and_what_happened_meanwhile_is_noticed() {
    let world = World::new(&[("a.txt", "1"), ("moved.txt", "2"), ("d/gone.txt", "3"), ("same/x.txt", "4")]).await;
    let (before, cursor) = world.list("").await;
    let (credentials, token) = (world.sandbox.credentials(), world.token.clone());
    let mut world = world
        .restart(|folder| {
            write(&folder.join("a.txt"), "changed");
            fs::rename(folder.join("moved.txt"), folder.join("same/moved.txt")).unwrap();
            fs::remove_dir_all(folder.join("d")).unwrap();
        })
        .await;
    assert_eq!(world.sandbox.credentials(), credentials);
    world.token = token;
    let (after, next) = world.drain(&cursor).await;
    assert_eq!(shape(&after), ["deleted /d", "deleted /moved.txt", "file /a.txt", "file /same/moved.txt"]);
    assert_eq!(at(&after, "/a.txt")["id"], at(&before, "/a.txt")["id"]);
    assert_eq!(at(&after, "/same/moved.txt")["id"], at(&before, "/moved.txt")["id"]);
    let rev = format!("rev:{}", at(&before, "/a.txt")["rev"].as_str().unwrap());
    assert_eq!(world.download(&rev, &[]).await.text().await.unwrap(), "1");
    let world = world.restart(|_| ()).await;
    assert_eq!(world.drain(&next).await.0, Vec::<serde_json::Value>::new());
}

#[tokio::test]
async fn a_revoked_refresh_token_is_replaced_at_the_next_start() {
    let world = World::new(&[]).await;
    let old = world.sandbox.credentials();
    world.ok("auth/token/revoke", json!(null)).await;
    let world = world.restart(|_| ()).await;
    let new = world.sandbox.credentials();
    assert_ne!(new.refresh_token, old.refresh_token);
    assert_eq!((new.app_key, new.account_id), (old.app_key, old.account_id));
}

#[tokio::test]
async fn the_state_may_not_lie_within_the_folder() {
    let folder = tempfile::tempdir().unwrap();
    let options = droptrail::sandbox::Options::new(folder.path(), folder.path().join("state"));
    assert!(droptrail::sandbox::Sandbox::open(options).is_err());
}

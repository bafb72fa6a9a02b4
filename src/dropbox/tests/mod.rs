//! Tests of the client against a scripted server on loopback. The server shares the test's runtime, so that the paused
//! clock holds for both, and speaks just enough HTTP/1.1 to cut, stall and lie where a real one might.

mod auth;
mod bounds;
mod download;
mod routes;
mod server;
#[cfg(feature = "ledger")]
mod tls;
mod waits;

use std::time::Duration;

use serde_json::{Value, json};

use super::{Client, Kind, PathRoot, Settings};
use server::{Reply, Request, Server};

const UNAVAILABLE: Kind = Kind::Unavailable { after: None };

/// A client whose three hosts are told apart by a first path component.
fn settings(server: &Server) -> Settings {
    let url = |host: &str| format!("{}/{host}/", server.url()).parse().expect("a URL");
    Settings {
        app_key: "key".into(),
        app_secret: None,
        refresh_token: "refresh-secret".into(),
        api_url: url("api"),
        content_url: url("content"),
        notify_url: url("notify"),
        timeout: Duration::from_secs(100),
        ca_file: None,
    }
}

fn client(server: &Server) -> Client {
    Client::new(settings(server)).expect("a client")
}

fn root() -> PathRoot {
    PathRoot::Root("7".into())
}

/// Body of a 401, 403, 409 or 422 whose `.tag`s are `tags`, outermost first.
fn tagged(tags: &[&str]) -> Value {
    let inner = tags.iter().rev().fold(Value::Null, |inner, tag| {
        let mut union = json!({ ".tag": tag });
        if !inner.is_null() {
            union[tag] = inner;
        }
        union
    });
    json!({ "error_summary": "do/not/read/me/..", "error": inner })
}

fn empty_page() -> Reply {
    Reply::json(200, json!({ "entries": [], "cursor": "AAG", "has_more": false }))
}

fn account() -> Reply {
    let root = json!({ ".tag": "user", "root_namespace_id": "7", "home_namespace_id": "7" });
    Reply::json(200, json!({ "account_id": "dbid:AAH4", "email": "f@example.com", "root_info": root }))
}

//! What is refused, and how.

use std::time::Duration;

use droptrail::ledger::serve::{Limits, serve_within};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;

use crate::support::World;

#[tokio::test]
async fn bodies_and_attributes_beyond_their_limits_are_refused_with_an_error_body() {
    let world = World::new().await;
    let tenant = world.tenant("acme").await;
    let large = format!(r#"{{"attributes":{{"a":"{}"}}}}"#, "x".repeat(1024 * 1024));
    let answer = tenant.try_post("v2/assets", &large).await.expect("an answer");
    assert_eq!((answer.status, &answer.json["code"]), (413, &json!(3)));
    let many = |n: usize| {
        (0..n).map(|i| (format!("{i:04}"), Value::String("x".repeat(4092)))).collect::<serde_json::Map<_, _>>()
    };
    // 12 × 4096 is 49,152; 4 + 2044 more is 51,200.
    let mut fitting = many(12);
    fitting.insert("9999".into(), Value::String("x".repeat(2044)));
    assert_eq!(tenant.post("v2/assets", &json!({"attributes": fitting})).await.status, 200);
    fitting.insert("9999".into(), Value::String("x".repeat(2045)));
    assert_eq!(tenant.post("v2/assets", &json!({"attributes": fitting})).await.status, 400);
    for bad in [
        json!([]),
        json!("x"),
        json!({"attributes": []}),
        json!({"attributes": {"a": 1}}),
        json!({"attributes": {"a.b": "1"}}),
        json!({"public": "yes"}),
        json!({"behaviours": "x"}),
        json!({"proof_mechanism": "NONSENSE"}),
    ] {
        let answer = tenant.post("v2/assets", &bad).await;
        assert_eq!((answer.status, &answer.json["code"]), (400, &json!(3)), "{bad}");
        assert_eq!(answer.header("content-type"), Some("application/json; charset=utf-8"));
    }
    assert_eq!(tenant.try_post("v2/assets", "{not json").await.expect("an answer").status, 400);
}

#[tokio::test]
async fn an_event_needs_a_known_operation_and_readable_fields() {
    let world = World::new().await;
    let tenant = world.tenant("acme").await;
    let asset = tenant.create(true, json!({})).await;
    let good = json!({"operation": "Record", "behaviour": "RecordEvidence", "unknown": {"x": [1]}});
    assert_eq!(tenant.post(&format!("v2/{asset}/events"), &good).await.status, 200);
    for (field, value) in [
        ("operation", Value::Null),
        ("operation", json!("NewAsset")),
        ("behaviour", json!("Builtin")),
        ("behaviour", Value::Null),
        ("timestamp_declared", json!("yesterday")),
        ("timestamp_declared", json!(5)),
        ("principal_declared", json!({"age": "5"})),
        ("principal_declared", json!({"email": "x".repeat(1025)})),
        ("event_attributes", json!({"k": ["x"]})),
    ] {
        let mut bad = good.clone();
        bad[field] = value;
        assert_eq!(tenant.post(&format!("v2/{asset}/events"), &bad).await.status, 400, "{bad}");
    }
    let missing = "v2/assets/11111111-1111-4111-8111-111111111111/events";
    assert_eq!(tenant.post(missing, &good).await.status, 404);
}

#[tokio::test]
async fn unknown_paths_and_methods_get_an_error_body() {
    let world = World::new().await;
    let tenant = world.tenant("acme").await;
    let answer = tenant.get("v9/nothing").await;
    assert_eq!((answer.status, &answer.json["code"]), (404, &json!(5)));
    let asset = tenant.create(true, json!({})).await;
    let answer = tenant.post(&format!("v2/{asset}"), &json!({})).await;
    assert_eq!((answer.status, &answer.json["code"]), (405, &json!(12)));
    assert_eq!(tenant.get("v2/assets/11111111-1111-4111-8111-111111111111").await.status, 404);
    for path in ["v2/assets/%ff", "v2/assets/what", "v2/assets/-", "v2/publicassets/%00/events"] {
        let answer = tenant.get(path).await;
        assert_eq!((answer.status, &answer.json["code"]), (400, &json!(3)), "{path}");
    }
}

#[tokio::test]
async fn the_routes_can_be_merged_with_others_that_have_a_fallback_of_their_own() {
    let world = World::new().await;
    let others = axum::Router::new().route("/2/files", axum::routing::get(|| async { "files" }));
    let merged = others.fallback(|| async { "elsewhere" }).merge(world.ledger.router());
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let url = format!("http://{}", listener.local_addr().expect("an address"));
    tokio::spawn(serve_within(Limits::default(), listener, merged, None, CancellationToken::new()));
    for (path, expected) in [("/2/files", "files"), ("/what", "elsewhere"), ("/archivist/what", "Not Found")] {
        let text =
            world.client.get(format!("{url}{path}")).send().await.expect("an answer").text().await.expect("text");
        assert!(text.contains(expected), "{path}: {text}");
    }
}

#[tokio::test]
async fn headers_beyond_their_limit_are_answered_with_431() {
    let world = World::new().await;
    let mut stream = TcpStream::connect(world.url.trim_start_matches("http://")).await.expect("a connection");
    let request =
        format!("GET /archivist/publicassets/-/events HTTP/1.1\r\nhost: x\r\nlong: {}\r\n\r\n", "x".repeat(60_000));
    let (mut reader, mut writer) = stream.split();
    let send = async { drop(writer.write_all(request.as_bytes()).await) };
    let mut answer = vec![0; 64];
    let read = async { reader.read(&mut answer).await };
    let (_, read) = tokio::join!(send, read);
    let answer = String::from_utf8_lossy(&answer[..read.expect("an answer")]).into_owned();
    assert!(answer.starts_with("HTTP/1.1 431"), "{answer}");
}

#[tokio::test]
async fn headers_that_trickle_are_given_up_on_and_too_many_connections_are_told_so() {
    let world = World::new().await;
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    let limits = Limits { headers: Duration::from_millis(200), connections: 2 };
    let end = CancellationToken::new();
    let served = tokio::spawn(serve_within(limits, listener, world.ledger.router(), None, end.clone()));

    let mut slow = TcpStream::connect(address).await.expect("a connection");
    let mut silent = TcpStream::connect(address).await.expect("a connection");
    slow.write_all(b"GET /archivist/publicassets/-/events HTTP/1.1\r\nhost:").await.expect("sent");
    let mut third = TcpStream::connect(address).await.expect("a connection");
    third.write_all(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n").await.expect("sent");
    let mut told = String::new();
    third.read_to_string(&mut told).await.expect("an answer and an end");
    assert!(told.starts_with("HTTP/1.1 503") && told.ends_with(r#""details":[]}"#), "{told}");

    let mut rest = Vec::new();
    for stream in [&mut slow, &mut silent] {
        let ended = tokio::time::timeout(Duration::from_secs(5), stream.read_to_end(&mut rest)).await;
        assert!(ended.is_ok(), "the connection is closed");
    }
    let mut again = TcpStream::connect(address).await.expect("a connection");
    again
        .write_all(b"GET /archivist/publicassets/-/events HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n")
        .await
        .expect("sent");
    let mut answer = String::new();
    again.read_to_string(&mut answer).await.expect("an answer");
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    end.cancel();
    served.await.expect("an orderly end");
}

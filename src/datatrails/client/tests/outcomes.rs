//! Whether a creating request was made: the heart of "exactly once".

use super::*;

fn cut(bytes: &str) -> Reply {
    Reply::Cut(bytes.as_bytes().to_vec())
}

#[tokio::test]
async fn each_status_says_whether_the_record_was_made() {
    let cases: [(u16, Kind, Outcome); 19] = [
        (301, Kind::NotFound, Outcome::NotMade),
        (307, Kind::NotFound, Outcome::NotMade),
        (400, Kind::Invalid, Outcome::NotMade),
        (402, Kind::Quota, Outcome::NotMade),
        (403, Kind::Forbidden, Outcome::NotMade),
        (404, Kind::NotFound, Outcome::NotMade),
        (405, Kind::Refused, Outcome::Unknown),
        (408, Kind::Refused, Outcome::Unknown),
        (409, Kind::Refused, Outcome::Unknown),
        (410, Kind::NotFound, Outcome::Unknown),
        (413, Kind::Refused, Outcome::Unknown),
        (422, Kind::Refused, Outcome::Unknown),
        (499, Kind::Refused, Outcome::Unknown),
        (500, Kind::Unavailable { after: None }, Outcome::Unknown),
        (501, Kind::Refused, Outcome::NotMade),
        (502, Kind::Unavailable { after: None }, Outcome::Unknown),
        (503, Kind::Unavailable { after: None }, Outcome::Unknown),
        (504, Kind::Unavailable { after: None }, Outcome::Unknown),
        (599, Kind::Unavailable { after: None }, Outcome::Unknown),
    ];
    for (status, kind, outcome) in cases {
        let server = ledger(move |_| json(status, r#"{"code":0,"message":"told\nso"}"#));
        let client = client(&server);
        for error in [client.create_asset("{}").await.err(), client.create_event(A, "{}").await.err()] {
            let error = error.expect("refused");
            assert_eq!((&error.kind, error.outcome), (&kind, outcome), "{status}");
            assert!(error.message.contains("told\\nso"), "{error}");
        }
        assert_eq!(server.got_at("/assets").len(), 2, "{status}: sent once each");
        let read = client.get_asset(View::Own, A).await.err().map(|error| error.kind);
        assert_eq!(read, (status != 404).then_some(kind), "{status}");
    }
}

#[tokio::test]
async fn a_success_that_cannot_be_read_is_unknown_and_is_not_sent_again() {
    let chunked = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n";
    for body in ["", "{}", "<html>ok</html>", r#"{"identity":""}"#, r#"{"identity":"assets/x"}"#, r#"{"identity":5}"#] {
        let server = ledger(move |_| json(200, body));
        let error = client(&server).create_asset("{}").await.expect_err(body);
        assert_eq!((error.kind, error.outcome), (Kind::Unavailable { after: None }, Outcome::Unknown), "{body}");
        assert_eq!(server.got_at("/assets").len(), 1, "{body}");
    }
    for answer in [
        String::new(),
        "HTTP/1.1 2".into(),
        "nonsense\r\n\r\n".into(),
        "HTTP/1.1 200 OK\r\ncontent-length: 500\r\n\r\n{\"identity\":".into(),
        format!("{chunked}5\r\n{{\"ide\r\n"),
    ] {
        let reply = answer.clone();
        let server = ledger(move |_| cut(&reply));
        let client = client(&server);
        for error in [client.create_asset("{}").await.err(), client.create_event(A, "{}").await.err()] {
            let error = error.expect("cut");
            assert_eq!((error.kind, error.outcome), (Kind::Unavailable { after: None }, Outcome::Unknown), "{answer}");
        }
        assert_eq!(server.got_at("/assets").len(), 2, "{answer}");
    }
    let other = format!(r#"{{"identity":"assets/ffffffff-0000-4000-8000-000000000001/events/{E}"}}"#);
    let server = ledger(move |_| json(200, other.clone()));
    let error = client(&server).create_event(A, "{}").await.expect_err("another asset's event");
    assert_eq!(error.outcome, Outcome::Unknown);
}

#[tokio::test]
async fn a_kept_connection_that_is_cut_is_unknown_and_no_layer_sends_the_request_again() {
    let posts = AtomicUsize::new(0);
    let server = ledger(move |_| match posts.fetch_add(1, Ordering::SeqCst) {
        0 => json(200, asset_json()),
        _ => cut(""),
    });
    let client = client(&server);
    client.create_asset("{}").await.expect("asset");
    let error = client.create_asset("{}").await.expect_err("cut");
    assert_eq!(error.outcome, Outcome::Unknown);
    let got = server.got_at("/assets");
    assert_eq!(got.len(), 2);
    assert_eq!(got[0].connection, got[1].connection, "the case is about a kept connection");
}

#[tokio::test]
async fn a_request_that_never_left_is_not_made() {
    let listener = std::net::TcpListener::bind(("127.0.0.1", 0)).expect("listen");
    let port = listener.local_addr().expect("address").port();
    drop(listener);
    let server = ledger(|_| Reply::Hang);
    let signed_in = settings(&server);
    let nobody = Settings { url: format!("http://127.0.0.1:{port}").parse().expect("url"), ..signed_in };
    let error = Client::new(nobody).expect("client").create_asset("{}").await.expect_err("refused");
    assert_eq!((&error.kind, error.outcome), (&Kind::Unavailable { after: None }, Outcome::NotMade));
    assert!(error.message.contains("cannot connect"), "{error}");
}

#[tokio::test]
async fn a_ledger_that_goes_away_after_the_sign_in_has_not_made_it() {
    // The token's connection is closed by the server, and the listener is gone: the POST finds nobody.
    let listener = std::net::TcpListener::bind(("127.0.0.1", 0)).expect("listen");
    let address = listener.local_addr().expect("address");
    let gone = std::thread::spawn(move || {
        use std::io::{Read as _, Write as _};
        let (mut stream, _) = listener.accept().expect("connection");
        drop(listener);
        let mut buffer = [0; 4096];
        let _ = stream.read(&mut buffer);
        let body = r#"{"access_token":"t","expires_in":60}"#;
        let answer = format!("HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: {}\r\n\r\n{body}", body.len());
        stream.write_all(answer.as_bytes()).expect("answer");
    });
    let settings = Settings {
        url: format!("http://{address}").parse().expect("url"),
        credentials: Some(("c".into(), "s".to_owned().into())),
        timeout: Duration::from_secs(5),
        ca_file: None,
    };
    let error = Client::new(settings).expect("client").create_asset("{}").await.expect_err("gone");
    gone.join().expect("server");
    assert_eq!((error.call, error.outcome), ("create asset", Outcome::NotMade));
}

#[tokio::test]
async fn a_time_out_is_unknown_also_while_the_body_trickles() {
    for reply in ["", "HTTP/1.1 200 OK\r\ncontent-length: 500\r\n\r\n{"] {
        let server = ledger(move |_| Reply::Stall(reply.as_bytes().to_vec()));
        let settings = Settings { timeout: Duration::from_millis(1500), ..settings(&server) };
        let client = Client::new(settings).expect("client");
        let error = client.create_asset("{}").await.expect_err("too slow");
        assert_eq!((&error.kind, error.outcome), (&Kind::Unavailable { after: None }, Outcome::Unknown));
        assert!(error.message.contains("within 1.5s"), "{error}");
        assert_eq!(server.got_at("/assets").len(), 1);
    }
}

#[tokio::test]
async fn a_refusal_counts_also_where_its_body_never_ends() {
    let server = ledger(|_| Reply::Stall(b"HTTP/1.1 403 Forbidden\r\ncontent-length: 500\r\n\r\n{".to_vec()));
    let settings = Settings { timeout: Duration::from_millis(1500), ..settings(&server) };
    let error = Client::new(settings).expect("client").create_asset("{}").await.expect_err("forbidden");
    assert_eq!((error.kind, error.outcome), (Kind::Forbidden, Outcome::NotMade));
}

#[tokio::test]
async fn a_creating_request_takes_no_connection_that_was_idle_for_long() {
    let server = ledger(|_| json(200, asset_json()));
    let client = client(&server);
    client.create_asset("{}").await.expect("asset");
    tokio::time::pause();
    tokio::time::advance(Duration::from_secs(5)).await;
    tokio::time::resume();
    client.create_asset("{}").await.expect("asset");
    let got = server.got_at("/assets");
    assert_ne!(got[0].connection, got[1].connection);
}

//! The client against servers that answer as told, and cut where told.

use std::sync::atomic::{AtomicUsize, Ordering};

use super::super::testserver::{Got, Reply, Server, json};
use super::super::{Confirmation, Outcome};
use super::*;

mod outcomes;
mod tokens;

const A: &str = "a1b2c3d4-0000-4000-8000-000000000001";
const E: &str = "e1b2c3d4-0000-4000-8000-000000000002";

fn settings(server: &Server) -> Settings {
    Settings {
        url: server.url.clone(),
        credentials: Some(("client".into(), "s3cr3t&+ä".to_owned().into())),
        timeout: Duration::from_secs(5),
        ca_file: None,
    }
}

fn client(server: &Server) -> Client {
    Client::new(settings(server)).expect("client")
}

fn asset_json() -> String {
    format!(r#"{{"identity":"assets/{A}","confirmation_status":"PENDING","public":true,"attributes":{{}}}}"#)
}

fn event_json() -> String {
    format!(r#"{{"identity":"assets/{A}/events/{E}","confirmation_status":"COMMITTED","operation":"Record"}}"#)
}

/// A token for whoever asks; `reply` to everything else.
fn ledger(reply: impl Fn(&Got) -> Reply + Send + Sync + 'static) -> Server {
    Server::start(move |got| {
        if got.target.ends_with("/appidp/token") {
            json(200, r#"{"access_token":"t0ken","expires_in":3600,"token_type":"Bearer"}"#)
        } else {
            reply(got)
        }
    })
}

#[tokio::test]
async fn creating_an_asset_signs_in_and_posts_the_body_as_it_is() {
    let server = ledger(|_| json(200, asset_json()));
    let asset = client(&server).create_asset("{\"public\": true}").await.expect("asset");
    assert_eq!((asset.uuid.as_str(), asset.confirmation, asset.public), (A, Confirmation::Pending, true));
    let got = server.got();
    assert_eq!(got.len(), 2);
    assert_eq!((got[0].method.as_str(), got[0].target.as_str()), ("POST", "/archivist/iam/v1/appidp/token"));
    assert_eq!(got[0].header("authorization"), None);
    assert_eq!(got[0].header("content-type"), Some("application/x-www-form-urlencoded"));
    let mut form: Vec<(String, String)> = url::form_urlencoded::parse(got[0].body.as_bytes()).into_owned().collect();
    form.sort();
    let expected = [("client_id", "client"), ("client_secret", "s3cr3t&+ä"), ("grant_type", "client_credentials")];
    assert_eq!(form, expected.map(|(name, value)| (name.to_owned(), value.to_owned())));
    assert_eq!((got[1].method.as_str(), got[1].target.as_str()), ("POST", "/archivist/v2/assets"));
    assert_eq!(got[1].header("authorization"), Some("Bearer t0ken"));
    assert_eq!(got[1].header("content-type"), Some("application/json"));
    assert_eq!(got[1].body, "{\"public\": true}");
    for request in got {
        let product = concat!("droptrail/", env!("CARGO_PKG_VERSION"));
        assert_eq!(request.header("user-agent"), Some(product));
        assert_eq!(request.header("datatrails-user-agent"), Some(product));
    }
}

#[tokio::test]
async fn an_event_goes_to_its_asset_in_either_spelling() {
    let server = ledger(|_| json(201, event_json()));
    let client = client(&server);
    for asset in [A.to_owned(), format!("assets/{A}"), format!("publicassets/{A}")] {
        let event = client.create_event(&asset, "{}").await.expect("event");
        assert_eq!((event.asset.as_str(), event.uuid.as_str(), event.confirmation), (A, E, Confirmation::Committed));
    }
    assert_eq!(server.got_at(&format!("/archivist/v2/assets/{A}/events")).len(), 3);
    let refused = client.create_event("../tenancies", "{}").await.expect_err("no asset");
    assert_eq!((refused.kind, refused.outcome), (Kind::Invalid, Outcome::NotMade));
    assert_eq!(server.got().len(), 4);
}

#[tokio::test]
async fn the_public_view_sends_no_token_and_needs_none() {
    let server = Server::start(|got| match got.target.contains("/events") {
        true => json(206, format!(r#"{{"events":[{}],"next_page_token":"next"}}"#, event_json())),
        false => json(200, format!(r#"{{"identity":"publicassets/{A}"}}"#)),
    });
    for credentials in [None, settings(&server).credentials] {
        let client = Client::new(Settings { credentials, ..settings(&server) }).expect("client");
        assert_eq!(client.get_asset(View::Public, A).await.expect("asset").expect("found").uuid, A);
        let page = client.list_events(View::Public, None, &Query::default()).await.expect("page");
        assert_eq!((page.events.len(), page.next_page_token.as_deref()), (1, Some("next")));
    }
    assert!(server.got().iter().all(|got| got.header("authorization").is_none()));
    assert_eq!(server.got()[0].target, format!("/archivist/v2/publicassets/{A}"));
    assert_eq!(server.got()[1].target, "/archivist/v2/publicassets/-/events");
    let without = Client::new(Settings { credentials: None, ..settings(&server) }).expect("client");
    assert_eq!(without.list_assets(&Query::default()).await.expect_err("own view").kind, Kind::Unauthorized);
}

#[tokio::test]
async fn queries_are_form_encoded_and_a_page_token_replaces_the_filters() {
    let server = ledger(|got| match got.target.contains("/events") {
        true => json(200, r#"{"events":[],"next_page_token":""}"#),
        false => json(200, r#"{"assets":[],"next_page_token":""}"#),
    });
    let client = client(&server);
    let mut query = Query {
        filters: vec![("attributes.droptrail_file".into(), "a b&c".into()), ("tracked".into(), "ANY".into())],
        page_size: Some(2),
        page_token: None,
    };
    client.list_assets(&query).await.expect("page");
    query.page_token = Some("t/=+".into());
    client.list_assets(&query).await.expect("page");
    client.list_events(View::Own, Some(A), &query).await.expect("page");
    client.list_events(View::Own, None, &Query::default()).await.expect("page");
    let targets: Vec<String> = server.got().into_iter().skip(1).map(|got| got.target).collect();
    assert_eq!(
        targets,
        [
            "/archivist/v2/assets?attributes.droptrail_file=a+b%26c&tracked=ANY&page_size=2".to_owned(),
            "/archivist/v2/assets?page_size=2&page_token=t%2F%3D%2B".to_owned(),
            format!("/archivist/v2/assets/{A}/events?page_size=2&page_token=t%2F%3D%2B"),
            "/archivist/v2/assets/-/events".to_owned(),
        ]
    );
}

#[tokio::test]
async fn only_the_ledgers_own_404_says_that_a_record_is_not_there() {
    let html = || Reply::Answer(404, vec![("content-type", "text/html".into())], b"<html>gone</html>".into());
    let cut = || Reply::Cut(b"HTTP/1.1 404 Not Found\r\ncontent-length: 500\r\n\r\n{\"code\":5".to_vec());
    let replies = AtomicUsize::new(0);
    let server = ledger(move |_| match replies.fetch_add(1, Ordering::SeqCst) {
        0 | 1 => json(404, r#"{"code":5,"message":"not found"}"#),
        2 => Reply::Answer(404, Vec::new(), Vec::new()),
        3 => html(),
        4 => cut(),
        5 => Reply::Answer(404, Vec::new(), b"404 page not found\n".into()),
        6 => json(200, r#"{"identity":"assets/ffffffff-0000-4000-8000-000000000001"}"#),
        7 => Reply::Answer(302, vec![("location", "/elsewhere".into())], Vec::new()),
        _ => json(410, "{}"),
    });
    let client = client(&server);
    assert_eq!(client.get_asset(View::Own, A).await.expect("answer"), None);
    assert_eq!(client.get_event(View::Own, A, E).await.expect("answer"), None);
    assert_eq!(client.get_asset(View::Public, A).await.expect("answer"), None);
    for what in ["a web page", "a cut answer", "a router's text"] {
        assert_eq!(client.get_asset(View::Own, A).await.expect_err(what).kind, Kind::NotFound, "{what}");
    }
    let another = client.get_asset(View::Own, A).await.expect_err("another record");
    assert_eq!(another.kind, Kind::Unavailable { after: None });
    for what in ["a redirect", "410"] {
        assert_eq!(client.get_asset(View::Own, A).await.expect_err(what).kind, Kind::NotFound, "{what}");
    }
    assert!(server.got_at("elsewhere").is_empty(), "no redirect is followed");
}

#[tokio::test]
async fn bodies_beyond_their_bound_are_refused_and_error_pages_only_shortened() {
    let big = "x".repeat((1 << 20) + 1);
    let server = ledger(move |got| match got.target.as_str() {
        "/archivist/v2/assets" => json(403, big.clone()),
        target if target.contains("/events?") => json(200, format!(r#"{{"events":[],"x":"{}"}}"#, big.repeat(2))),
        target if target.contains("/events") => json(200, format!(r#"{{"events":[],"x":"{}"}}"#, "y".repeat(LIST))),
        _ => json(200, format!(r#"{{"identity":"assets/{A}","x":"{big}"}}"#)),
    });
    let client = client(&server);
    let error = client.get_asset(View::Own, A).await.expect_err("too large");
    assert_eq!(error.kind, Kind::Unavailable { after: None });
    assert!(error.message.contains("larger than 1024 KiB"), "{error}");
    let query = Query { page_size: Some(1), ..Query::default() };
    assert!(client.list_events(View::Own, None, &query).await.is_ok(), "a list may be larger than a record");
    let error = client.list_events(View::Own, None, &Query::default()).await.expect_err("too large");
    assert!(error.message.contains("larger than"), "{error}");
    let error = client.create_asset("{}").await.expect_err("forbidden");
    assert_eq!((&error.kind, error.outcome), (&Kind::Forbidden, Outcome::NotMade));
    assert!(error.message.len() < 300, "{error}");
}

#[tokio::test]
async fn a_compressed_list_is_bounded_by_what_it_unpacks_to() {
    let bomb = gzip_bomb();
    assert!(bomb.len() < 1 << 20, "{}", bomb.len());
    let server = ledger(move |_| Reply::Answer(200, vec![("content-encoding", "gzip".into())], bomb.clone()));
    let error = client(&server).list_assets(&Query::default()).await.expect_err("too large");
    assert_eq!(error.kind, Kind::Unavailable { after: None });
    assert!(error.message.contains("larger than 32768 KiB"), "{error}");
}

/// gzip of `{"assets":[],"x":"` and then far more than 32 MiB of one letter, never ended.
fn gzip_bomb() -> Vec<u8> {
    // A fixed-Huffman block: length 258, distance 1, is 8 + 5 bits; written by hand, least significant bit first.
    let mut bits = Bits::default();
    bits.push(1, 1);
    bits.push(1, 2);
    for byte in *br#"{"assets":[],"x":"y"# {
        bits.push_code(0x30 + u32::from(byte), 8);
    }
    for _ in 0..(40 << 20) / 258 {
        bits.push_code(0b1100_0101, 8);
        bits.push_code(0, 5);
    }
    let mut out = vec![0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255];
    out.extend(bits.bytes);
    out
}

#[derive(Default)]
struct Bits {
    bytes: Vec<u8>,
    used: u32,
}

impl Bits {
    fn push(&mut self, value: u32, count: u32) {
        for bit in 0..count {
            if self.used.is_multiple_of(8) {
                self.bytes.push(0);
            }
            let last = self.bytes.len() - 1;
            self.bytes[last] |= (((value >> bit) & 1) as u8) << (self.used % 8);
            self.used += 1;
        }
    }

    fn push_code(&mut self, code: u32, count: u32) {
        self.push(code.reverse_bits() >> (32 - count), count);
    }
}

#[tokio::test]
async fn a_429_closes_the_gate_for_every_request_of_this_client() {
    let replies = AtomicUsize::new(0);
    let server = ledger(move |_| match replies.fetch_add(1, Ordering::SeqCst) {
        0 => Reply::Answer(429, vec![("Archivist-Rate-Limit-Reset", "1.2".into())], b"{}".into()),
        1 => json(200, asset_json()),
        2 => Reply::Answer(503, vec![("retry-after", "900".into())], Vec::new()),
        _ => panic!("no request while the gate is closed"),
    });
    let client = client(&server);
    let began = std::time::Instant::now();
    let error = client.create_asset("{}").await.expect_err("rate limited");
    assert_eq!(error.kind, Kind::RateLimited { after: Duration::from_millis(1200) });
    assert_eq!(error.outcome, Outcome::NotMade);
    assert!(client.clone().gate().held_until().is_some());
    client.create_asset("{}").await.expect("asset");
    assert!(began.elapsed() >= Duration::from_millis(1200));
    let error = client.create_asset("{}").await.expect_err("unavailable");
    let after = Some(Duration::from_secs(900));
    assert_eq!((error.kind, error.outcome), (Kind::Unavailable { after }, Outcome::Unknown));
    assert!(client.gate().held_until().is_some());
    let waiting = tokio::time::timeout(Duration::from_millis(50), client.get_asset(View::Public, A)).await;
    assert!(waiting.is_err(), "it waits at the gate");
    assert_eq!(server.got_at("assets").len(), 3);
}

#[tokio::test]
async fn public_info_is_none_where_it_is_not_told() {
    let tenant = "tenant/6ea5cd00-c711-3649-6914-7b125928bbb4";
    let server = ledger(move |got| match got.header("authorization") {
        None => json(401, "{}"),
        Some(_) => json(200, format!(r#"{{"identity":"{tenant}","verified_domain":"example.org"}}"#)),
    });
    let anonymous = Client::new(Settings { credentials: None, ..settings(&server) }).expect("client");
    assert_eq!(anonymous.public_info(tenant).await.expect("answer"), None);
    let info = client(&server).public_info(tenant).await.expect("answer").expect("told");
    assert_eq!(info.verified_domain.as_deref(), Some("example.org"));
    let target = "/archivist/v1/tenancies/6ea5cd00-c711-3649-6914-7b125928bbb4:publicinfo";
    assert_eq!(server.got_at("tenancies")[0].target, target);
}

#[test]
fn a_certificate_authority_that_cannot_be_used_is_named() {
    let server = Server::start(|_| Reply::Hang);
    let directory = tempfile::tempdir().expect("directory");
    for (name, content) in [("missing.pem", None), ("empty.pem", Some(""))] {
        let file = directory.path().join(name);
        if let Some(content) = content {
            std::fs::write(&file, content).expect("file");
        }
        let Err(error) = Client::new(Settings { ca_file: Some(file), ..settings(&server) }) else { panic!("{name}") };
        assert!(error.message.contains(name), "{error}");
    }
}

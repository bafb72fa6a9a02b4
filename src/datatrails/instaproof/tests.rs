//! Instaproof against a public ledger of a few documents.

use super::super::testserver::{Got, Reply, Server, json};
use super::super::{Client, Settings};
use super::*;

const A: &str = "a1b2c3d4-0000-4000-8000-000000000001";
const B: &str = "b1b2c3d4-0000-4000-8000-000000000002";
const TENANT: &str = "tenant/6ea5cd00-c711-3649-6914-7b125928bbb4";

fn hash(byte: u8) -> Digest {
    Digest([byte; 32])
}

/// A publication: asset, number, attributes beyond the number, status.
fn event(asset: &str, number: u64, attributes: &[(&str, String)], status: &str) -> String {
    let attributes: Vec<String> = attributes.iter().map(|(name, value)| format!(r#""{name}":"{value}""#)).collect();
    format!(
        r#"{{"identity":"publicassets/{asset}/events/00000000-0000-4000-8000-{number:012}","operation":"Record",
        "asset_attributes":{{{}}},"confirmation_status":"{status}","tenant_identity":"{TENANT}",
        "timestamp_accepted":"2026-01-02T03:04:{:02}Z"}}"#,
        attributes.join(","),
        number * 7 % 10,
    )
}

fn version(asset: &str, number: u64, content: u8, more: &[(&str, String)]) -> String {
    let mut attributes = vec![
        ("document_hash_value", hash(content).to_string()),
        ("document_version", number.to_string()),
        ("document_status", "Published".to_owned()),
        ("droptrail_sequence", number.to_string()),
    ];
    attributes.extend_from_slice(more);
    event(asset, number, &attributes, "COMMITTED")
}

fn page(events: &[String], token: &str) -> Reply {
    json(200, format!(r#"{{"events":[{}],"next_page_token":"{token}"}}"#, events.join(",")))
}

fn asset(uuid: &str, content: u8, status: &str) -> Reply {
    json(
        200,
        format!(
            r#"{{"identity":"publicassets/{uuid}","tenant_identity":"{TENANT}","attributes":{{
            "document_hash_value":"{}","document_status":"{status}"}}}}"#,
            hash(content)
        ),
    )
}

fn client(server: &Server) -> Client {
    Client::new(Settings {
        url: server.url.clone(),
        credentials: None,
        timeout: std::time::Duration::from_secs(5),
        ca_file: None,
    })
    .expect("client")
}

/// A ledger that serves `/archivist/v2/publicassets` by `reply` (given the rest of the target) and one verified domain.
fn ledger(reply: impl Fn(&str) -> Reply + Send + Sync + 'static) -> Server {
    Server::start(move |got: &Got| match got.target.strip_prefix("/archivist/v2/publicassets/") {
        Some(rest) => reply(rest),
        None if got.target.ends_with(":publicinfo") => json(200, r#"{"verified_domain":"example.org"}"#),
        None => json(404, "{}"),
    })
}

#[tokio::test]
async fn each_version_of_a_document_is_told_apart_also_where_the_content_comes_back() {
    let (one, two, three) = (version(A, 1, 1, &[]), version(A, 2, 2, &[]), version(A, 3, 1, &[]));
    let server = ledger(move |rest| match rest {
        r if r.starts_with("-/events") && r.contains(&hash(1).to_string()) => page(&[three.clone(), one.clone()], ""),
        r if r.starts_with("-/events") => page(std::slice::from_ref(&two), ""),
        r if r.starts_with(&format!("{A}/events")) => page(&[one.clone(), three.clone(), two.clone()], ""),
        _ => asset(A, 1, "Published"),
    });
    let found = find(&client(&server), &[hash(1), hash(2), hash(1)]).await.expect("found");
    let mut told: Vec<(String, Standing)> =
        found.iter().map(|f| (f.document_version.clone().expect("version"), f.standing)).collect();
    told.sort();
    let expected = [("1", Standing::Superseded), ("2", Standing::Superseded), ("3", Standing::Latest)];
    assert_eq!(told, expected.map(|(version, standing)| (version.to_owned(), standing)));
    for record in &found {
        assert_eq!(record.tenant_identity.as_deref(), Some(TENANT));
        assert_eq!(record.verified_domain.as_deref(), Some("example.org"));
        assert_eq!(record.public_url, format!("{}archivist/publicassets/{A}", server.url));
        assert!(record.committed);
    }
    assert_eq!(server.got_at(":publicinfo").len(), 1, "a domain is asked for once");
    assert_eq!(server.got_at("/-/events").len(), 2, "the same hash is asked for once");
    let question = format!("/-/events?asset_attributes.document_hash_value={}&page_size=100", hash(1));
    assert!(server.got()[0].target.ends_with(&question), "{}", server.got()[0].target);
    assert!(server.got().iter().all(|got| got.header("authorization").is_none()));
}

#[tokio::test]
async fn a_withdrawn_document_is_withdrawn_in_all_its_versions() {
    let versions = [version(A, 2, 2, &[]), version(A, 1, 1, &[])];
    let withdrawal = [("document_status", "Withdrawn".to_owned()), ("droptrail_sequence", "3".to_owned())];
    let withdrawal = event(A, 3, &withdrawal, "COMMITTED");
    for state_is_there in [true, false] {
        let (versions, withdrawal) = (versions.clone(), withdrawal.clone());
        let server = ledger(move |rest| match rest {
            r if r.starts_with("-/events") => page(&versions, ""),
            r if r.contains("/events") => page(&[std::slice::from_ref(&withdrawal), &versions[..]].concat(), ""),
            _ if state_is_there => asset(A, 2, "Withdrawn"),
            _ => json(404, "{}"),
        });
        let found = find(&client(&server), &[hash(1)]).await.expect("found");
        assert_eq!(found.len(), 1, "only records of this very content");
        assert_eq!(found[0].standing, Standing::Withdrawn, "{state_is_there}");
    }
}

#[tokio::test]
async fn a_record_that_failed_or_is_of_another_content_does_not_count() {
    let failed = version(A, 1, 1, &[]).replace("COMMITTED", "FAILED");
    let other = version(B, 1, 9, &[]);
    let server = ledger(move |_| page(&[failed.clone(), other.clone()], ""));
    assert_eq!(find(&client(&server), &[hash(1)]).await.expect("answer"), []);
    assert_eq!(server.got().len(), 1, "nothing is asked about records that do not count");
}

#[tokio::test]
async fn a_state_newer_than_the_history_says_that_a_version_is_superseded() {
    let one = version(A, 1, 1, &[]);
    let server =
        ledger(
            move |rest| {
                if rest.contains("/events") { page(std::slice::from_ref(&one), "") } else { asset(A, 2, "Published") }
            },
        );
    let found = find(&client(&server), &[hash(1)]).await.expect("found");
    assert_eq!(found[0].standing, Standing::Superseded);
}

#[tokio::test]
async fn records_without_our_number_are_ordered_by_time_and_upper_case_hashes_match() {
    let plain = |number: u64, content: u8, at: &str| {
        let attributes = [("document_hash_value", hash(content).to_string().to_uppercase())];
        event(A, number, &attributes, "CONFIRMED").replace(&format!(":{:02}Z", number * 7 % 10), at)
    };
    let (old, new) = (plain(1, 0xab, ":01Z"), plain(2, 0xab, ":30.5Z"));
    let server = ledger(
        move |rest| {
            if rest.contains("/events") { page(&[old.clone(), new.clone()], "") } else { json(404, "{}") }
        },
    );
    let found = find(&client(&server), &[hash(0xab)]).await.expect("found");
    let told: Vec<(&str, Standing)> = found.iter().map(|f| (&f.event[35..], f.standing)).collect();
    assert_eq!(told, [("2", Standing::Latest), ("1", Standing::Superseded)]);
    assert_eq!(found[0].document_version, None);
}

#[tokio::test]
async fn all_pages_are_followed_and_a_repeated_page_token_ends_the_search() {
    let (one, two) = (version(A, 1, 1, &[]), version(B, 1, 1, &[]));
    let server = ledger(move |rest| match rest {
        r if r.starts_with("-/events") && r.contains("page_token=p2") => page(std::slice::from_ref(&two), "p2"),
        r if r.starts_with("-/events") => page(std::slice::from_ref(&one), "p2"),
        r if r.starts_with(&format!("{A}/events")) => page(std::slice::from_ref(&one), ""),
        r if r.starts_with(&format!("{B}/events")) => page(std::slice::from_ref(&two), ""),
        r if r.starts_with(A) => asset(A, 1, "Published"),
        _ => asset(B, 1, "Published"),
    });
    let found = find(&client(&server), &[hash(1)]).await.expect("found");
    assert_eq!(found.len(), 2);
    assert_eq!(server.got_at("/-/events").len(), 2);
    assert!(server.got_at("page_token=p2")[0].target.ends_with("/-/events?page_size=100&page_token=p2"));
}

#[tokio::test]
async fn a_search_that_never_ends_without_a_match_is_no_proof_of_absence() {
    let server = ledger(|_| page(&[], "again"));
    let error = find(&client(&server), &[hash(1)]).await.expect_err("endless");
    assert_eq!(error.kind, Kind::Unavailable { after: None });
    assert_eq!(server.got().len(), 2);
}

#[tokio::test]
async fn records_by_others_neither_break_nor_stretch_the_search() {
    let stranger = |n: usize| {
        let uuid = format!("f1b2c3d4-0000-4000-8000-{n:012}");
        version(&uuid, 1, 1, &[]).replace(TENANT, "tenant/00000000-0000-0000-0000-000000000000")
    };
    let mine = version(A, 1, 1, &[]);
    let mut all: Vec<String> = (0..300).map(stranger).collect();
    all.push(mine.clone());
    let server = ledger(move |rest| match rest {
        r if r.starts_with("-/events") => page(&all, ""),
        r if r.starts_with(A) && r.contains("/events") => page(std::slice::from_ref(&mine), ""),
        r if r.starts_with(A) => asset(A, 1, "Published"),
        _ => json(500, "{}"),
    });
    let mine_only = |tenant: Option<&str>, _: Option<&str>| tenant == Some(TENANT);
    let search = find_with(&client(&server), &[hash(1)], &mut Domains::default(), &mine_only).await.expect("search");
    assert_eq!(search.found.len(), 1);
    assert_eq!((search.found[0].asset.as_str(), search.found[0].standing), (A, Standing::Latest));
    assert!(search.incomplete.is_some(), "it is said that others could not be told");
    let strangers = server.got_at("/f1b2c3d4").len();
    assert!((1..=MAX_OTHERS * 2).contains(&strangers), "{strangers}");
    assert!(server.got_at(&format!("/{A}")).len() == 2);
}

#[tokio::test]
async fn a_ledger_that_knows_only_the_other_spelling_is_asked_by_it() {
    let one = version(A, 1, 1, &[]);
    let server = Server::start(move |got| match got.target.strip_prefix("/archivist/publicassets/") {
        Some(rest) if rest.contains("/events") => page(std::slice::from_ref(&one), ""),
        Some(_) => asset(A, 1, "Published"),
        None if got.target.ends_with(":publicinfo") => json(401, "{}"),
        None => Reply::Answer(404, Vec::new(), b"<html>".to_vec()),
    });
    let found = find(&client(&server), &[hash(1)]).await.expect("found");
    assert_eq!((found[0].standing, found[0].verified_domain.as_deref()), (Standing::Latest, None));
    let gone = Server::start(|_| json(404, "{}"));
    assert_eq!(find(&client(&gone), &[hash(1)]).await.expect_err("gone").kind, Kind::NotFound);
}

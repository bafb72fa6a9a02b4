//! Tests of the wire forms: the canonical shapes, and every way in which they may be bent.

use std::time::Duration;

use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;

fn bytes(value: Value) -> Vec<u8> {
    value.to_string().into_bytes()
}

fn prime_numbers() -> Value {
    json!({
        ".tag": "file", "name": "Prime_Numbers.txt", "id": "id:a4ayc_80_OEAAAAAAAAAXw",
        "path_lower": "/homework/math/prime_numbers.txt", "path_display": "/Homework/math/Prime_Numbers.txt",
        "client_modified": "2015-05-12T15:50:38Z", "server_modified": "2015-05-12T15:50:38Z",
        "rev": "015a1afc851d642000000013f0b5550", "size": 7212, "is_downloadable": true,
        "content_hash": "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    })
}

fn with(mut entry: Value, key: &str, value: Value) -> Value {
    entry[key] = value;
    entry
}

fn read_one(value: Value) -> Entry {
    let body = bytes(json!({ "entries": [value], "cursor": "AAF", "has_more": false }));
    let mut page = page(&body).expect("one entry never costs its page");
    page.entries.pop().expect("an entry")
}

#[test]
fn the_canonical_page_is_read_in_order() {
    let folder = json!({".tag":"folder","name":"math","path_lower":"/homework/math","path_display":"/Homework/math",
        "id":"id:a4ayc_80_OEAAAAAAAAAXz"});
    let deleted = json!({".tag":"deleted","name":"pi.txt","path_lower":"/homework/math/pi.txt"});
    let body = bytes(json!({ "entries": [folder, prime_numbers(), deleted], "cursor": "AAF…", "has_more": true }));
    let page = page(&body).expect("readable");
    assert_eq!((page.cursor.as_str(), page.has_more), ("AAF…", true));
    let [Entry::Folder(folder), Entry::File(file), Entry::Deleted(deleted)] = &page.entries[..] else {
        panic!("{:?}", page.entries)
    };
    assert_eq!(folder.id, "id:a4ayc_80_OEAAAAAAAAAXz");
    assert_eq!((file.size, file.rev.as_str()), (7212, "015a1afc851d642000000013f0b5550"));
    assert_eq!(file.content_hash, Some(crate::digest::Digest::EMPTY));
    assert!(file.is_downloadable && !file.is_symlink);
    assert_eq!(deleted.path_lower.as_deref(), Some("/homework/math/pi.txt"));
    assert_eq!(deleted.path_display, None);
}

#[test]
fn an_empty_page_that_has_more_is_a_page() {
    let page = page(br#"{"entries":[],"cursor":"AAG","has_more":true,"new":{}}"#).expect("readable");
    assert!(page.entries.is_empty() && page.has_more);
}

#[test]
fn absent_and_null_mean_the_same_and_unknown_fields_are_ignored() {
    let mut bare = prime_numbers();
    for key in ["path_lower", "path_display", "content_hash", "is_downloadable"] {
        bare.as_object_mut().expect("an object").remove(key);
    }
    let nulls = ["path_lower", "path_display", "content_hash", "is_downloadable", "symlink_info", "future"];
    let null = nulls.iter().fold(prime_numbers(), |entry, key| with(entry, key, Value::Null));
    let Entry::File(file) = read_one(bare.clone()) else { panic!("a file") };
    assert_eq!((file.path_lower.as_ref(), file.content_hash, file.is_downloadable), (None, None, true));
    assert_eq!(read_one(null), read_one(bare));
}

#[test]
fn a_symlink_and_a_document_that_cannot_be_downloaded_are_told_apart() {
    let Entry::File(link) = read_one(with(prime_numbers(), "symlink_info", json!({"target": "/x"}))) else {
        panic!("a file")
    };
    assert!(link.is_symlink);
    let Entry::File(paper) = read_one(with(prime_numbers(), "is_downloadable", json!(false))) else { panic!("a file") };
    assert!(!paper.is_downloadable);
}

#[test]
fn an_entry_that_cannot_be_read_becomes_unknown_and_keeps_its_tag() {
    for (key, value) in [
        ("id", Value::Null),
        ("id", json!("")),
        ("id", json!(7)),
        ("name", Value::Null),
        ("name", json!(["x"])),
        ("rev", json!({})),
        ("size", json!(-1)),
        ("size", json!("7212")),
        ("size", json!(1e300)),
        ("server_modified", json!("yesterday")),
        ("server_modified", json!("2015-05-12T15:50:38+02:00")),
        ("path_lower", json!(1)),
        ("is_downloadable", json!("no")),
    ] {
        assert_eq!(
            read_one(with(prime_numbers(), key, value.clone())),
            Entry::Unknown("file".into()),
            "{key}: {value}"
        );
    }
    for broken in [Value::Null, json!(1), json!("x"), json!([]), json!({}), json!({".tag": 3})] {
        assert_eq!(read_one(broken), Entry::Unknown(String::new()));
    }
    assert_eq!(read_one(json!({".tag": "teleported", "id": 4})), Entry::Unknown("teleported".into()));
    assert_eq!(read_one(json!({".tag": "folder", "name": "x"})), Entry::Unknown("folder".into()));
    assert_eq!(read_one(json!({".tag": "deleted"})), Entry::Unknown("deleted".into()));
}

#[test]
fn half_a_surrogate_pair_or_a_doubled_field_costs_only_its_entry() {
    let body = br#"{"entries":[{".tag":"deleted","name":"\ud800"},{".tag":"deleted","name":"a","name":"b"},
        {".tag":"deleted","name":"good"}],"cursor":"c","has_more":false}"#;
    let page = page(body).expect("readable");
    assert_eq!(page.entries[..2], [Entry::Unknown("deleted".into()), Entry::Unknown("deleted".into())]);
    assert!(matches!(&page.entries[2], Entry::Deleted(deleted) if deleted.name == "good"));
}

#[test]
fn a_content_hash_that_is_none_counts_as_absent() {
    let Entry::File(file) = read_one(with(prime_numbers(), "content_hash", json!("v2:zzz"))) else { panic!("a file") };
    assert_eq!(file.content_hash, None);
}

#[test]
fn a_page_without_its_own_fields_is_refused() {
    for body in [
        json!({"entries": [], "has_more": false}),
        json!({"entries": [], "cursor": "", "has_more": false}),
        json!({"entries": [], "cursor": "c"}),
        json!({"entries": {}, "cursor": "c", "has_more": false}),
        json!({"entries": [], "cursor": "c", "has_more": "no"}),
        json!(null),
    ] {
        assert!(page(&bytes(body.clone())).is_err(), "{body}");
    }
    assert!(page(b"<html>").is_err());
}

#[test]
fn more_entries_than_any_page_has_are_refused() {
    let body = format!(r#"{{"entries":[0{}],"cursor":"c","has_more":true}}"#, ",0".repeat(MOST_ENTRIES));
    assert!(page(body.as_bytes()).is_err());
}

#[test]
fn get_metadata_needs_a_readable_entry_but_survives_an_unknown_tag() {
    assert!(matches!(metadata(&bytes(prime_numbers())), Ok(Entry::File(_))));
    assert!(metadata(&bytes(with(prime_numbers(), "rev", Value::Null))).is_err());
    assert!(metadata(b"{}").is_err());
    assert_eq!(metadata(br#"{".tag":"new"}"#).expect("survived"), Entry::Unknown("new".into()));
}

#[test]
fn a_ring_carries_its_backoff() {
    let ring = |text: &str| super::ring(text.as_bytes());
    assert_eq!(ring(r#"{"changes":false}"#).expect("readable"), Ring { changes: false, backoff: None });
    let minute = Some(Duration::from_secs(60));
    assert_eq!(ring(r#"{"changes":true,"backoff":60}"#).expect("readable"), Ring { changes: true, backoff: minute });
    let hour = Some(Duration::from_secs(3600));
    let endless = ring(r#"{"changes":true,"backoff":18446744073709551615}"#).expect("readable");
    assert_eq!(endless, Ring { changes: true, backoff: hour });
    assert!(ring(r#"{"backoff":60}"#).is_err());
}

#[test]
fn an_account_is_read_with_its_root_and_an_unknown_kind_of_root_is_survived() {
    let body = |root: Value| {
        bytes(json!({"account_id": "dbid:AAH4", "email": "franz@example.com", "email_verified": true,
            "name": {"display_name": "Franz Ferdinand", "surname": "Ferdinand"}, "root_info": root}))
    };
    let root = |tag| json!({".tag": tag, "root_namespace_id": "7", "home_namespace_id": "1", "home_path": "/Franz"});
    let team = account(&body(root("team"))).expect("readable");
    assert_eq!((team.account_id.as_str(), team.display_name.as_str()), ("dbid:AAH4", "Franz Ferdinand"));
    let (root_ns, home_ns) = (team.root_info.root_namespace_id.as_str(), team.root_info.home_namespace_id.as_str());
    assert_eq!((team.root_info.team, root_ns, home_ns), (true, "7", "1"));
    assert!(!account(&body(root("user"))).expect("readable").root_info.team);
    assert!(!account(&body(root("galaxy"))).expect("survived").root_info.team);
    assert!(!account(&body(json!({".tag": "galaxy"}))).expect("survived").root_info.team);
    assert!(account(&body(json!({".tag": "team"}))).is_err());
    assert!(account(&body(Value::Null)).is_err());
    assert!(account(br#"{"account_id":5}"#).is_err());
}

proptest! {
    #[test]
    fn no_bytes_make_a_reader_panic(body in any::<Vec<u8>>(), text in r#"[\[\]{}":,a-z0-9\\.]{0,60}"#) {
        for body in [&body[..], text.as_bytes()] {
            let _ = (page(body), metadata(body), ring(body).is_ok(), account(body));
        }
    }
}

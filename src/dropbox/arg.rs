//! JSON that is safe in an HTTP header, as `Dropbox-API-Arg` and `Dropbox-API-Path-Root` want it. Touches nothing.

use std::fmt::Write as _;

use reqwest::header::HeaderValue;
use serde::Serialize;
use serde_json::json;

use super::PathRoot;

/// `value` as JSON in which 0x7F and every non-ASCII character is `\uXXXX`; above U+FFFF a surrogate pair, because JSON
/// escapes are UTF-16 units (<https://www.dropbox.com/developers/reference/json-encoding>).
pub(super) fn header_json(value: &impl Serialize) -> HeaderValue {
    let plain = serde_json::to_string(value).expect("our arguments have string keys and no failing serializer");
    let mut ascii = String::with_capacity(plain.len());
    for c in plain.chars() {
        if c.is_ascii() && c != '\x7f' {
            ascii.push(c);
        } else {
            for unit in c.encode_utf16(&mut [0; 2]) {
                write!(ascii, "\\u{unit:04x}").expect("writing to a String cannot fail");
            }
        }
    }
    HeaderValue::try_from(ascii).expect("serde_json escapes control characters, and the rest is visible ASCII")
}

/// The value of `Dropbox-API-Path-Root`, or `None` where the header must be absent
/// (<https://www.dropbox.com/developers/reference/path-root-header-modes>).
pub(super) fn path_root(root: &PathRoot) -> Option<HeaderValue> {
    match root {
        PathRoot::Default => None,
        PathRoot::Home => Some(header_json(&json!({ ".tag": "home" }))),
        PathRoot::Root(ns) => Some(header_json(&json!({ ".tag": "root", "root": ns }))),
        PathRoot::Namespace(ns) => Some(header_json(&json!({ ".tag": "namespace_id", "namespace_id": ns }))),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_official_example_is_escaped_as_published() {
        let value = header_json(&json!({ "field": "some_üñîcødé_and_\x7f" }));
        assert_eq!(value, r#"{"field":"some_\u00fc\u00f1\u00eec\u00f8d\u00e9_and_\u007f"}"#);
    }

    #[test]
    fn a_character_above_the_basic_plane_becomes_a_surrogate_pair() {
        assert_eq!(header_json(&json!({ "path": "/😀.txt" })), r#"{"path":"/\ud83d\ude00.txt"}"#);
    }

    #[test]
    fn each_path_root_has_its_documented_form_and_the_default_has_none() {
        let text = |root| path_root(&root).map(|value| value.to_str().expect("ASCII").to_owned());
        assert_eq!(text(PathRoot::Default), None);
        assert_eq!(text(PathRoot::Home).as_deref(), Some(r#"{".tag":"home"}"#));
        assert_eq!(text(PathRoot::Root("7".into())).as_deref(), Some(r#"{".tag":"root","root":"7"}"#));
        let namespace = text(PathRoot::Namespace("9".into()));
        assert_eq!(namespace.as_deref(), Some(r#"{".tag":"namespace_id","namespace_id":"9"}"#));
    }

    proptest! {
        #[test]
        fn any_text_survives_the_header_as_visible_ascii(text in any::<String>()) {
            let value = header_json(&text);
            prop_assert!(value.as_bytes().iter().all(|b| (0x20..0x7f).contains(b)));
            prop_assert_eq!(serde_json::from_slice::<String>(value.as_bytes()).expect("JSON"), text);
        }
    }
}

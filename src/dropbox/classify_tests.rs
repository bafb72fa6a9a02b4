//! Tests of the classes: every documented refusal, and those that nobody documented.

use std::time::Duration;

use proptest::prelude::*;

use super::*;

fn classed(call: &'static str, status: u16, body: &str) -> Kind {
    let status = StatusCode::from_u16(status).expect("a status");
    refusal(call, status, &HeaderMap::new(), body.as_bytes(), &[]).kind
}

fn tagged(tags: &str) -> String {
    let inner = tags.split('/').rev().fold(serde_json::Value::Null, |inner, tag| {
        let mut union = serde_json::json!({ ".tag": tag });
        if !inner.is_null() {
            union[tag] = inner;
        }
        union
    });
    // The summary lies on purpose: nothing may be decided by it.
    serde_json::json!({ "error_summary": "path/not_found/...", "error": inner }).to_string()
}

const UNAVAILABLE: Kind = Kind::Unavailable { after: None };

#[test]
fn a_409_is_classed_by_its_tags_and_never_by_its_summary() {
    for call in [route::METADATA, route::LIST, route::CONTINUE, route::DOWNLOAD] {
        assert_eq!(classed(call, 409, &tagged("path/not_found")), Kind::NotFound, "{call}");
        assert_eq!(classed(call, 409, &tagged("path/not_folder")), Kind::WrongType, "{call}");
        assert_eq!(classed(call, 409, &tagged("path/not_file")), Kind::WrongType, "{call}");
        assert_eq!(classed(call, 409, &tagged("path/restricted_content")), Kind::Restricted, "{call}");
        assert_eq!(classed(call, 409, &tagged("path/locked")), UNAVAILABLE, "{call}");
        for other in ["path/malformed_path", "path/unsupported_content_type", "path/of_the_future", "path"] {
            assert_eq!(classed(call, 409, &tagged(other)), Kind::Unsupported, "{call} {other}");
        }
    }
    assert_eq!(classed(route::DOWNLOAD, 409, &tagged("unsupported_file")), Kind::Unsupported);
    assert_eq!(classed(route::DOWNLOAD, 409, &tagged("brand_new")), Kind::Unsupported);
    assert_eq!(classed(route::DOWNLOAD, 409, "<html>"), UNAVAILABLE);
    let described = r#"{"error":{".tag":"path","path":{".tag":"malformed_path","malformed_path":"…"}}}"#;
    assert_eq!(classed(route::METADATA, 409, described), Kind::Unsupported);
}

#[test]
fn any_409_on_a_cursor_other_than_path_asks_for_a_new_listing() {
    for call in [route::CONTINUE, route::LONGPOLL] {
        for body in [tagged("reset"), tagged("other"), tagged("unheard_of"), String::new(), "<html>".to_owned()] {
            assert_eq!(classed(call, 409, &body), Kind::Reset, "{call} {body}");
        }
        assert_eq!(classed(call, 409, r#"{"error":"reset"}"#), Kind::Reset);
        assert_eq!(classed(call, 400, "Invalid \"cursor\" parameter"), Kind::Reset, "{call}");
    }
    assert_eq!(classed(route::LIST, 400, "Invalid something"), Kind::BadRequest);
}

#[test]
fn the_400_texts_without_a_tag_are_known() {
    for call in [route::LIST, route::CONTINUE] {
        let root = r#"Error in call to API function "files/list_folder": Path root is not supported for sandbox app"#;
        assert_eq!(classed(call, 400, root), Kind::RootNotSupported);
        let scope = r#"Error in call to API function "files/list_folder": Your app (ID: 7) is not permitted to access this endpoint because it does not have the required scope 'files.metadata.read'. The owner…"#;
        assert_eq!(classed(call, 400, scope), Kind::MissingScope("files.metadata.read".into()));
    }
}

#[test]
fn a_401_is_classed_by_its_tag() {
    let call = route::LIST;
    for tag in ["expired_access_token", "invalid_access_token", "other"] {
        assert_eq!(classed(call, 401, &tagged(tag)), Kind::Revoked, "{tag}");
    }
    assert_eq!(classed(call, 401, ""), Kind::Revoked);
    assert_eq!(classed(call, 401, &tagged("user_suspended")), Kind::Forbidden);
    let scope = r#"{"error_summary":"missing_scope/..","error":{".tag":"missing_scope","required_scope":"files.content.read"}}"#;
    assert_eq!(classed(call, 401, scope), Kind::MissingScope("files.content.read".into()));
}

#[test]
fn the_token_endpoints_refusals_are_told_apart() {
    let token = |status, body| classed(route::TOKEN, status, body);
    let revoked = r#"{"error":"invalid_grant","error_description":"refresh token is invalid or revoked"}"#;
    assert_eq!(token(400, revoked), Kind::Revoked);
    assert_eq!(token(400, r#"{"error":"invalid_client: Invalid client_id or client_secret"}"#), Kind::InvalidClient);
    assert_eq!(token(401, r#"{"error":"invalid_client"}"#), Kind::InvalidClient);
    assert_eq!(token(400, r#"{"error":"invalid_request"}"#), Kind::BadRequest);
    assert_eq!(token(400, "<html>"), Kind::BadRequest);
    assert_eq!(token(503, ""), UNAVAILABLE);
    assert_eq!(token(429, ""), Kind::RateLimited { after: Duration::from_secs(1) });
}

#[test]
fn the_other_statuses_have_their_classes() {
    for call in [route::LIST, route::CONTINUE, route::DOWNLOAD, route::LONGPOLL, route::TOKEN] {
        assert_eq!(classed(call, 403, &tagged("no_permission")), Kind::Forbidden);
        assert_eq!(classed(call, 422, &tagged("invalid_root")), Kind::InvalidRoot);
        assert_eq!(classed(call, 422, &tagged("no_permission")), Kind::InvalidRoot);
        assert_eq!(classed(call, 418, "teapot"), Kind::BadRequest);
        for status in [301, 302, 307, 308, 404, 408, 500, 502, 503, 504, 599] {
            assert_eq!(classed(call, status, ""), UNAVAILABLE, "{call} {status}");
        }
    }
}

#[test]
fn a_503_carries_the_servers_own_floor() {
    let mut headers = HeaderMap::new();
    headers.insert("retry-after", "7".parse().expect("a header"));
    headers.insert("x-dropbox-request-id", "0123456789abcdef".parse().expect("a header"));
    let err = refusal(route::LIST, StatusCode::SERVICE_UNAVAILABLE, &headers, b"", &[]);
    assert_eq!(err.floor(), Some(Duration::from_secs(7)));
    assert_eq!(err.request_id.as_deref(), Some("0123456789abcdef"));
}

#[test]
fn a_message_shows_neither_what_we_sent_nor_a_forged_line() {
    let body = b"bad cursor AAGsecretcursor\nERROR forged";
    let err = refusal(route::CONTINUE, StatusCode::BAD_REQUEST, &HeaderMap::new(), body, &["AAGsecretcursor"]);
    assert!(!err.to_string().contains("AAGsecret") && !err.to_string().contains('\n'), "{err}");
}

proptest! {
    #[test]
    fn every_status_and_body_has_a_class(status in 100u16..1000, body in any::<Vec<u8>>(), tag in "[a-z_/]{0,30}") {
        let status = StatusCode::from_u16(status).expect("a status");
        for call in [route::TOKEN, route::CONTINUE, route::LONGPOLL, route::DOWNLOAD] {
            for body in [body.clone(), tagged(&tag).into_bytes()] {
                let err = refusal(call, status, &HeaderMap::new(), &body, &[]);
                prop_assert!(!err.message.is_empty());
            }
        }
    }
}

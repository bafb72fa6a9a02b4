//! Downloads: both hashes in one pass, taken up again wherever they break, and never a hash of anything else.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::time::Instant;

use super::super::{Error, Hashed};
use super::*;
use crate::digest::Digest;
use crate::dropbox::ContentHasher;

const REV: &str = "015a1afc851d642000000013f0b5550";
const PATH: &str = "/content/2/files/download";

fn content() -> Vec<u8> {
    (0..100_000).map(|i| (i % 251) as u8).collect()
}

fn hashed(bytes: &[u8]) -> Hashed {
    let mut hasher = ContentHasher::new();
    hasher.update(bytes);
    hasher.finish()
}

/// Where the Range of a request starts.
fn start(request: &Request) -> Option<usize> {
    request.header("range")?.strip_prefix("bytes=")?.strip_suffix('-')?.parse().ok()
}

/// An honest answer: 200, or 206 of what the Range asks for.
fn honest(request: &Request) -> Reply {
    let (all, result) = (content(), json!({ "rev": REV, "size": 100_000, "name": "x" }));
    match start(request) {
        None => Reply::new(200, all),
        Some(n) => Reply::new(206, &all[n..]).header("content-range", format!("bytes {n}-99999/100000")),
    }
    .header("dropbox-api-result", result)
}

fn range_error() -> Value {
    tagged(&["range", "not_satisfiable"])
}

/// Downloads `content()` from a server that answers the nth request (from 0) as `handler` says.
async fn fetch(
    handler: impl Fn(usize, &Request) -> Reply + Send + Sync + 'static,
) -> (Result<Hashed, Error>, Vec<Request>) {
    fetch_sized(content().len() as u64, Some(hashed(&content()).content_hash), handler).await
}

async fn fetch_sized(
    size: u64,
    hash: Option<Digest>,
    handler: impl Fn(usize, &Request) -> Reply + Send + Sync + 'static,
) -> (Result<Hashed, Error>, Vec<Request>) {
    let nth = AtomicUsize::new(0);
    let server = Server::start(move |request| {
        (request.path == PATH).then(|| handler(nth.fetch_add(1, Ordering::Relaxed), request))
    })
    .await;
    let result = client(&server).download(&root(), REV, size, hash).await;
    (result, server.to(PATH))
}

fn kind(result: Result<Hashed, Error>) -> Kind {
    result.expect_err("no hash may come of this").kind
}

#[tokio::test]
async fn a_download_is_pinned_to_its_revision_and_gives_both_hashes() {
    let (result, sent) = fetch(|_, request| honest(request)).await;
    assert_eq!(result.expect("hashed"), hashed(&content()));
    assert_eq!(sent.len(), 1);
    assert_eq!(sent[0].header("dropbox-api-arg"), Some(format!(r#"{{"path":"rev:{REV}"}}"#).as_str()));
    assert_eq!(sent[0].header("authorization"), Some("Bearer t1"));
    assert_eq!(sent[0].header("dropbox-api-path-root"), Some(r#"{".tag":"root","root":"7"}"#));
    assert_eq!((sent[0].header("content-type"), sent[0].header("range")), (None, None));
    assert_eq!(sent[0].header("accept-encoding"), Some("identity"));
    assert_eq!(sent[0].body, "");
}

#[tokio::test]
async fn a_content_over_one_block_has_both_hashes_right() {
    let bytes: Vec<u8> = (0..4_194_305).map(|i| (i % 251) as u8).collect();
    let body = bytes.clone();
    let (result, _) = fetch_sized(4_194_305, None, move |_, _| Reply::new(200, body.clone())).await;
    assert_eq!(result.expect("hashed"), hashed(&bytes));
}

#[tokio::test]
async fn an_empty_content_is_hashed_without_a_request() {
    let (result, sent) = fetch_sized(0, None, |_, _| Reply::new(500, "")).await;
    assert_eq!(result.expect("hashed"), hashed(b""));
    let (result, _) = fetch_sized(0, Some(hashed(b"x").content_hash), |_, _| Reply::new(500, "")).await;
    assert_eq!(kind(result), Kind::ContentDiffers);
    assert!(sent.is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_broken_download_goes_on_where_it_broke() {
    let (result, sent) =
        fetch(|nth, request| if nth < 3 { honest(request).cut(20_000) } else { honest(request) }).await;
    assert_eq!(result.expect("hashed"), hashed(&content()));
    assert_eq!(sent.iter().map(start).collect::<Vec<_>>(), [None, Some(20_000), Some(40_000), Some(60_000)]);
    assert!(sent.iter().all(|request| request.header("dropbox-api-arg") == sent[0].header("dropbox-api-arg")));
}

#[tokio::test(start_paused = true)]
async fn a_download_that_ends_properly_but_short_goes_on() {
    let (result, sent) = fetch(|nth, request| match nth {
        0 => Reply::new(200, &content()[..30_000]),
        1 => honest(request).close_delimited().cut(30_000),
        _ => honest(request),
    })
    .await;
    assert_eq!(result.expect("hashed"), hashed(&content()));
    assert_eq!(sent.iter().map(start).collect::<Vec<_>>(), [None, Some(30_000), Some(60_000)]);
}

#[tokio::test(start_paused = true)]
async fn a_stalled_download_is_taken_up_again_after_its_idle_deadline() {
    let began = Instant::now();
    let (result, sent) = fetch(|nth, request| match nth {
        0 => honest(request).cut(50_000).hang(),
        _ => honest(request),
    })
    .await;
    assert_eq!(result.expect("hashed"), hashed(&content()));
    assert_eq!(start(&sent[1]), Some(50_000));
    assert!(began.elapsed() >= Duration::from_secs(100));
}

#[tokio::test(start_paused = true)]
async fn a_slow_but_steady_download_has_no_deadline() {
    let began = Instant::now();
    let (result, sent) = fetch(|_, request| honest(request).pace(4000, Duration::from_secs(3))).await;
    assert_eq!(result.expect("hashed"), hashed(&content()));
    assert_eq!(sent.len(), 1);
    assert!(began.elapsed() > Duration::from_secs(70));
    let (result, sent) = fetch(|_, request| honest(request).pace(20_000, Duration::from_secs(90))).await;
    assert_eq!(kind(result), UNAVAILABLE, "20 000 bytes in 90 s are less than 1 KiB/s");
    assert_eq!(sent.len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_trickle_is_given_up() {
    let began = Instant::now();
    let (result, _) = fetch(|_, request| honest(request).pace(1, Duration::from_secs(1))).await;
    assert_eq!(kind(result), UNAVAILABLE);
    assert!(began.elapsed() < Duration::from_secs(210));
}

#[tokio::test(start_paused = true)]
async fn a_whole_content_in_answer_to_a_range_is_hashed_from_its_beginning() {
    let (result, sent) = fetch(|nth, request| match nth {
        0 => honest(request).cut(20_000),
        _ => Reply::new(200, content()),
    })
    .await;
    assert_eq!(result.expect("hashed"), hashed(&content()));
    assert_eq!(sent.len(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_part_with_another_start_is_never_appended() {
    for range in ["bytes 10000-99999/100000", "bytes 30000-99999/100000", "nonsense"] {
        let (result, sent) = fetch(move |nth, request| match nth {
            0 => honest(request).cut(20_000),
            1 => Reply::new(206, &content()[20_000..]).header("content-range", range),
            _ => honest(request),
        })
        .await;
        assert_eq!(result.expect("hashed"), hashed(&content()));
        assert_eq!(sent.iter().map(start).collect::<Vec<_>>(), [None, Some(20_000), None], "{range}");
    }
    let (result, _) = fetch(|_, _| Reply::new(206, content())).await;
    assert_eq!(kind(result), UNAVAILABLE, "a part although none was asked for");
}

#[tokio::test(start_paused = true)]
async fn a_range_that_cannot_be_satisfied_starts_again_from_zero_once() {
    for refused in [Reply::json(409, range_error()), Reply::new(416, "").header("content-range", "bytes */100000")] {
        let refuse = refused.clone();
        let (result, sent) = fetch(move |nth, request| match nth {
            0 => honest(request).cut(20_000),
            1 => refuse.clone(),
            _ => honest(request),
        })
        .await;
        assert_eq!(result.expect("hashed"), hashed(&content()));
        assert_eq!(sent.iter().map(start).collect::<Vec<_>>(), [None, Some(20_000), None]);

        let refuse = refused.clone();
        let (result, sent) = fetch(move |nth, request| match nth {
            0 => honest(request).cut(20_000),
            2 => honest(request).cut(40_000),
            _ => refuse.clone(),
        })
        .await;
        assert_eq!((kind(result), sent.len()), (UNAVAILABLE, 4), "what keeps breaking may heal");

        let (result, sent) = fetch(move |_, request| match start(request) {
            None => Reply::new(200, &content()[..20_000]),
            Some(_) => refused.clone(),
        })
        .await;
        assert_eq!((kind(result), sent.len()), (Kind::ContentDiffers, 4), "a content that is shorter is another one");
    }
}

#[tokio::test(start_paused = true)]
async fn resumption_ends_after_ten_or_when_nothing_more_comes() {
    let (result, sent) = fetch(|_, request| honest(request).cut(1000)).await;
    assert_eq!((kind(result), sent.len()), (UNAVAILABLE, 11));
    let (result, sent) = fetch(|nth, request| honest(request).cut(if nth == 0 { 1000 } else { 0 })).await;
    assert_eq!((kind(result), sent.len()), (UNAVAILABLE, 4));
    let (result, sent) = fetch(|_, request| honest(request).cut(0)).await;
    assert_eq!((kind(result), sent.len()), (UNAVAILABLE, 1), "nothing to go on from: the caller's to retry");
    let (result, sent) = fetch(|_, _| Reply::new(200, "")).await;
    assert_eq!((kind(result), sent.len()), (Kind::ContentDiffers, 3));
}

#[tokio::test(start_paused = true)]
async fn more_bytes_than_the_listing_said_are_another_content() {
    let longer = || [content(), b"!".to_vec()].concat();
    let announced = Reply::new(200, longer()).cut(10).hang();
    for reply in [Reply::new(200, longer()), Reply::new(200, longer()).close_delimited(), announced] {
        let (result, sent) = fetch_sized(100_000, None, move |_, _| reply.clone()).await;
        assert_eq!((kind(result), sent.len()), (Kind::ContentDiffers, 1));
    }
    let (result, _) = fetch(|nth, request| match nth {
        0 => honest(request).cut(20_000),
        _ => Reply::new(206, &content()[20_000..]).header("content-range", "bytes 20000-99999/100001"),
    })
    .await;
    assert_eq!(kind(result), Kind::ContentDiffers);
}

#[tokio::test]
async fn other_bytes_of_the_right_size_are_another_content() {
    let other = || vec![7; 100_000];
    let (result, _) = fetch(move |_, _| Reply::new(200, other())).await;
    assert_eq!(kind(result), Kind::ContentDiffers);
    let right = hashed(&content()).content_hash;
    let (result, _) = fetch_sized(100_000, None, move |_, _| {
        Reply::new(200, other()).header("dropbox-api-result", json!({ "content_hash": right.to_string() }))
    })
    .await;
    assert_eq!(kind(result), Kind::ContentDiffers, "without a hash in the listing, the answer's own counts");
    let (result, _) = fetch_sized(100_000, None, move |_, _| Reply::new(200, other())).await;
    assert_eq!(result.expect("nothing says otherwise"), hashed(&other()));
}

#[tokio::test]
async fn an_answer_for_another_revision_size_or_hash_is_another_content() {
    let hash = hashed(b"other").content_hash.to_string();
    for result in [json!({ "rev": "015a1afc8" }), json!({ "size": 99_999 }), json!({ "content_hash": hash })] {
        let header = result.clone();
        let (outcome, _) = fetch(move |_, _| Reply::new(200, content()).header("dropbox-api-result", &header)).await;
        assert_eq!(kind(outcome), Kind::ContentDiffers, "{result}");
    }
    for harmless in
        ["not json", "{\"name\":\"raw ü 😀\"}", "{\"rev\":null,\"size\":\"x\",\"content_hash\":\"v2\"}", "[]"]
    {
        let (outcome, _) = fetch(move |_, _| Reply::new(200, content()).header("dropbox-api-result", harmless)).await;
        assert_eq!(outcome.expect("hashed"), hashed(&content()), "{harmless}");
    }
}

#[tokio::test]
async fn a_refused_download_has_its_class_and_is_not_repeated() {
    for (reply, expected) in [
        (Reply::json(409, tagged(&["path", "not_found"])), Kind::NotFound),
        (Reply::json(409, tagged(&["path", "restricted_content"])), Kind::Restricted),
        (Reply::json(409, tagged(&["path", "unsupported_content_type"])), Kind::Unsupported),
        (Reply::json(409, tagged(&["path", "not_file"])), Kind::WrongType),
        (Reply::json(409, tagged(&["path", "locked"])), UNAVAILABLE),
        (Reply::json(409, tagged(&["unsupported_file"])), Kind::Unsupported),
        (Reply::json(409, tagged(&["brand_new"])), Kind::Unsupported),
        (Reply::new(400, "Error in call"), Kind::BadRequest),
        (Reply::new(500, ""), UNAVAILABLE),
    ] {
        let (result, sent) = fetch(move |_, _| reply.clone()).await;
        assert_eq!((kind(result), sent.len()), (expected, 1));
    }
}

#[tokio::test]
async fn an_encoded_content_is_refused_because_ranges_would_count_its_encoded_bytes() {
    let (result, sent) = fetch(|_, _| Reply::new(200, content()).header("content-encoding", "gzip")).await;
    let err = result.expect_err("no hash may come of this");
    assert_eq!((err.kind, sent.len()), (UNAVAILABLE, 1));
    assert!(err.message.contains("encoded"), "{}", err.message);
}

#[tokio::test(start_paused = true)]
async fn a_deletion_in_the_middle_of_a_download_ends_it() {
    let (result, sent) = fetch(|nth, request| match nth {
        0 => honest(request).cut(20_000),
        _ => Reply::json(409, tagged(&["path", "not_found"])),
    })
    .await;
    assert_eq!((kind(result), sent.len()), (Kind::NotFound, 2));
}

#[tokio::test(start_paused = true)]
async fn a_token_that_runs_out_between_two_parts_is_renewed() {
    let (result, sent) = fetch(|nth, request| match nth {
        0 => honest(request).cut(20_000),
        1 => Reply::json(401, tagged(&["expired_access_token"])),
        _ => honest(request),
    })
    .await;
    assert_eq!(result.expect("hashed"), hashed(&content()));
    assert_eq!(sent.iter().map(start).collect::<Vec<_>>(), [None, Some(20_000), Some(20_000)]);
    assert_eq!(sent[2].header("authorization"), Some("Bearer t2"));
}

#[tokio::test(start_paused = true)]
async fn a_429_between_two_parts_is_waited_for_and_loses_nothing() {
    let asked = Arc::new(std::sync::Mutex::new(Vec::new()));
    let times = asked.clone();
    let (result, sent) = fetch(move |nth, request| {
        times.lock().expect("no panic").push(Instant::now());
        match nth {
            0 => honest(request).cut(20_000),
            1 => Reply::new(429, "").header("retry-after", 60),
            _ => honest(request),
        }
    })
    .await;
    assert_eq!(result.expect("hashed"), hashed(&content()));
    assert_eq!(start(&sent[2]), Some(20_000));
    let asked = asked.lock().expect("no panic");
    assert!(asked[2] - asked[1] >= Duration::from_secs(60));
}

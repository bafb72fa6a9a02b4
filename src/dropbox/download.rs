//! Streams one revision's content through both hashes and drops it; resumes what breaks. Touches the network through the
//! client, and no disk.
//!
//! A revision is pinned by `rev:`, so the bytes behind a Range are those of the same content. All the same nothing is
//! believed: each answer's `Dropbox-API-Result` is compared with what was asked for, bytes are only appended where a 206
//! says that they start exactly where the last ones ended, and at the end size and content hash must be right.

use std::time::Duration;

use reqwest::header::{ACCEPT_ENCODING, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_RANGE, HeaderMap, HeaderName, RANGE};
use reqwest::{Response, StatusCode};
use serde_json::{Value, json};
use tokio::time::{Instant, sleep, timeout_at};

use super::arg::header_json;
use super::classify::{request_id, route, unreadable};
use super::transport::{broken, late};
use super::{Client, ContentHasher, Error, Hashed, Kind, PathRoot};
use crate::digest::Digest;
use crate::retry::{Backoff, Policy};

const API_ARG: HeaderName = HeaderName::from_static("dropbox-api-arg");
const API_RESULT: HeaderName = HeaderName::from_static("dropbox-api-result");

/// How often one download is taken up again.
const RESUMPTIONS: u32 = 10;

/// How many tries in a row may bring nothing new.
const FRUITLESS: u32 = 3;

/// Between tries; short, because the caller has its own longer waits.
const WAITS: Policy = Policy { initial: Duration::from_millis(200), max: Duration::from_secs(5) };

/// Bytes per second below which a transfer is given up.
const TRICKLE: u64 = 1024;

/// What was asked for, and what has come.
struct Download<'a> {
    client: &'a Client,
    root: &'a PathRoot,
    rev: &'a str,
    size: u64,
    /// From the listing, else from the first answer that names one.
    content_hash: Option<Digest>,
    hasher: ContentHasher,
}

/// How one try ended, where it did not end the download with an error.
enum Try {
    /// All bytes are there.
    Complete,
    /// The transfer broke: go on from where it did.
    Broken(Error),
    /// The answer ended properly, before `size`.
    Short(Error),
    /// The server cannot serve the range that was asked for: start again without one.
    NoRange(Error),
}

/// See [`Client::download`].
pub(super) async fn download(
    client: &Client,
    root: &PathRoot,
    rev: &str,
    size: u64,
    content_hash: Option<Digest>,
) -> Result<Hashed, Error> {
    let mut download = Download { client, root, rev, size, content_hash, hasher: ContentHasher::new() };
    // An empty content is known without asking, and a Range on one would be refused.
    if size > 0 {
        download.run().await?;
    }
    let Download { content_hash, hasher, .. } = download;
    let hashed = hasher.finish();
    match content_hash {
        Some(expected) if expected != hashed.content_hash => {
            Err(differs("the content has another content hash than the listing", None))
        }
        _ => Ok(hashed),
    }
}

impl Download<'_> {
    async fn run(&mut self) -> Result<(), Error> {
        let mut waits = Backoff::new(WAITS);
        let (mut farthest, mut fruitless, mut restarted, mut last) = (0, 0, false, None);
        for resumption in 0.. {
            let outcome = self.attempt().await?;
            let came = self.hasher.size();
            fruitless = if came > farthest { 0 } else { fruitless + 1 };
            farthest = farthest.max(came);
            let worn_out = resumption == RESUMPTIONS || fruitless == FRUITLESS;
            match outcome {
                Try::Complete => break,
                // With nothing to go on from, trying again is the caller's, who knows how long to wait.
                Try::Broken(err) if came == 0 => return Err(err),
                Try::Broken(err) | Try::Short(err) if worn_out => return Err(err),
                // Not the range is the trouble then, but what made us ask for one.
                Try::NoRange(err) if worn_out || restarted => return Err(last.unwrap_or(err)),
                Try::NoRange(_) => {
                    self.hasher = ContentHasher::new();
                    restarted = true;
                }
                Try::Broken(err) | Try::Short(err) => {
                    tracing::debug!(bytes = came, %err, "a download broke off and is resumed");
                    last = Some(err);
                }
            }
            sleep(waits.next(None)).await;
        }
        Ok(())
    }

    /// Sends one request from where the last try ended, and hashes what comes.
    async fn attempt(&mut self) -> Result<Try, Error> {
        let offset = self.hasher.size();
        let arg = header_json(&json!({ "path": format!("rev:{}", self.rev) }));
        let transport = self.client.transport();
        let request = || {
            let request = transport.content("/2/files/download").header(API_ARG, arg.clone());
            let request = request.header(ACCEPT_ENCODING, "identity");
            if offset > 0 { request.header(RANGE, format!("bytes={offset}-")) } else { request }
        };
        let response = match self.client.signed(route::DOWNLOAD, self.root, request, &[]).await {
            Ok(answer) => answer.response,
            Err(err) if offset == 0 => return Err(err),
            // 409 `range/not_satisfiable` or 416: which one, nobody documents. Any such refusal is asked again without a range.
            Err(err) if matches!(err.kind, Kind::Unsupported | Kind::BadRequest) => return Ok(Try::NoRange(err)),
            Err(err) if matches!(err.kind, Kind::Unavailable { .. } | Kind::RateLimited { .. }) => {
                return Ok(Try::Broken(err));
            }
            Err(err) => return Err(err),
        };
        let headers = response.headers();
        self.compare_result(headers)?;
        if headers.get(CONTENT_ENCODING).is_some_and(|encoding| encoding != "identity") {
            return Err(unreadable(route::DOWNLOAD, headers, "the content came encoded, which was not asked for"));
        }
        if response.status() == StatusCode::PARTIAL_CONTENT {
            match content_range(headers) {
                Some((start, total)) if start == offset => {
                    if total.is_some_and(|total| total != self.size) {
                        return Err(differs("the content has another size than the listing", request_id(headers)));
                    }
                }
                _ => {
                    let err = unreadable(route::DOWNLOAD, headers, "a part came that was not asked for");
                    return if offset == 0 { Err(err) } else { Ok(Try::NoRange(err)) };
                }
            }
        } else {
            // The whole content although a part was asked for: what is there already is hashed anew.
            self.hasher = ContentHasher::new();
        }
        let length = headers.get(CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse::<u64>().ok());
        if length.is_some_and(|length| length > self.size - self.hasher.size()) {
            return Err(differs("more bytes come than the listing said", request_id(headers)));
        }
        self.receive(response).await
    }

    async fn receive(&mut self, mut response: Response) -> Result<Try, Error> {
        let timeout = self.client.transport().timeout;
        let span = timeout.saturating_mul(2);
        let (mut since, mut bytes) = (Instant::now(), 0);
        let mut idle_until = since + timeout;
        loop {
            let chunk = timeout_at(idle_until.min(since + span), response.chunk()).await;
            let now = Instant::now();
            let complete = self.hasher.size() == self.size;
            match chunk {
                Ok(Ok(Some(chunk))) => {
                    if chunk.len() as u64 > self.size - self.hasher.size() {
                        let id = request_id(response.headers());
                        return Err(differs("more bytes came than the listing said", id));
                    }
                    self.hasher.update(&chunk);
                    bytes += chunk.len() as u64;
                    idle_until = now + timeout;
                }
                // All is there: how the answer ends does not matter, the content hash decides.
                Ok(Ok(None) | Err(_)) | Err(_) if complete => return Ok(Try::Complete),
                Ok(Ok(None)) => {
                    let message = format!("it ended after {} of {} bytes", self.hasher.size(), self.size);
                    return Ok(Try::Short(differs(&message, request_id(response.headers()))));
                }
                Ok(Err(err)) => return Ok(Try::Broken(broken(route::DOWNLOAD, &err))),
                Err(_) if now >= idle_until => return Ok(Try::Broken(late(route::DOWNLOAD))),
                Err(_) => {}
            }
            if now >= since + span {
                let enough = TRICKLE.saturating_mul(span.as_millis() as u64) / 1000;
                if bytes < enough && self.hasher.size() < self.size {
                    let headers = response.headers();
                    return Err(unreadable(route::DOWNLOAD, headers, "it trickles, at less than 1 KiB/s"));
                }
                (since, bytes) = (now, 0);
            }
        }
    }

    /// Compares `Dropbox-API-Result` with what was asked for, as far as it can be read.
    fn compare_result(&mut self, headers: &HeaderMap) -> Result<(), Error> {
        let Some(header) = headers.get(API_RESULT) else { return Ok(()) };
        let result: Value = serde_json::from_str(&String::from_utf8_lossy(header.as_bytes())).unwrap_or_default();
        let other = |what: &str| Err(differs(&format!("the answer is for another {what}"), request_id(headers)));
        if result.get("rev").and_then(Value::as_str).is_some_and(|rev| rev != self.rev) {
            return other("revision");
        }
        if result.get("size").and_then(Value::as_u64).is_some_and(|size| size != self.size) {
            return other("size");
        }
        let hash = result.get("content_hash").and_then(|hash| hash.as_str()?.parse::<Digest>().ok());
        if let Some(hash) = hash
            && *self.content_hash.get_or_insert(hash) != hash
        {
            return other("content hash");
        }
        Ok(())
    }
}

fn differs(message: &str, request_id: Option<String>) -> Error {
    Error { call: route::DOWNLOAD, kind: Kind::ContentDiffers, message: message.to_owned(), request_id }
}

/// Start and total of `Content-Range: bytes 5-9/10`; a total of `*` is none.
fn content_range(headers: &HeaderMap) -> Option<(u64, Option<u64>)> {
    let text = headers.get(CONTENT_RANGE)?.to_str().ok()?.trim();
    let (range, total) = text.strip_prefix("bytes")?.trim_start().split_once('/')?;
    let (start, end) = range.split_once('-')?;
    let (start, end): (u64, u64) = (start.trim().parse().ok()?, end.trim().parse().ok()?);
    (start <= end).then(|| (start, total.trim().parse().ok()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_content_range_is_read_with_its_start_and_total() {
        let read = |text: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(CONTENT_RANGE, text.parse().expect("a header"));
            content_range(&headers)
        };
        assert_eq!(read("bytes 5-9/10"), Some((5, Some(10))));
        assert_eq!(read("bytes 0-0/*"), Some((0, None)));
        for wrong in ["bytes */10", "items 5-9/10", "bytes 9-5/10", "bytes 5-/10", "bytes 5-9", "", "bytes -1-9/10"] {
            assert_eq!(read(wrong), None, "{wrong}");
        }
    }
}

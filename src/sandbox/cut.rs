//! Answers that break off: the head and part of the body are sent, then the connection is cut. (Cutting without any answer is
//! the ledger's, and shared.)

use std::io;
use std::time::Duration;

use axum::body::{Body, HttpBody as _};
use axum::response::Response;
use bytes::Bytes;
use futures_util::{StreamExt as _, stream};
use http::{HeaderValue, header};

/// What was written must have left before the cut, or the client would see nothing but the end.
const LEAVE: Duration = Duration::from_millis(50);

/// Sends the head and at most `bytes` of the body (always less than all of it), then cuts the connection.
pub fn cut_after(response: Response, bytes: u64) -> Response {
    let (mut parts, body) = response.into_parts();
    if let Some(length) = body.size_hint().exact() {
        parts.headers.entry(header::CONTENT_LENGTH).or_insert(HeaderValue::from(length));
    }
    let declared =
        parts.headers.get(header::CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse::<u64>().ok());
    let limit = declared.map_or(bytes, |length| bytes.min(length.saturating_sub(1)));
    let shortened = body.into_data_stream().scan(limit, |left, chunk| {
        let part = chunk.ok().filter(|_| *left > 0).map(|chunk: Bytes| {
            let keep = chunk.len().min(usize::try_from(*left).unwrap_or(usize::MAX));
            *left -= keep as u64;
            chunk.slice(..keep)
        });
        std::future::ready(part.map(Ok))
    });
    let end = stream::once(async {
        tokio::time::sleep(LEAVE).await;
        Err(io::Error::from(io::ErrorKind::ConnectionAborted))
    });
    Response::from_parts(parts, Body::from_stream(shortened.chain(end)))
}

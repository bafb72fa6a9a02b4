//! Serving a router on a listener: HTTP/1 and HTTP/2 on one port, ending at once when told, and connections that are cut on
//! purpose.

use std::convert::Infallible;
use std::io;
use std::time::Duration;

use axum::Router;
use axum::body::{Body, HttpBody as _};
use axum::response::Response;
use bytes::Bytes;
use futures_util::{StreamExt as _, stream};
use http::{HeaderValue, Request, header};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tower::ServiceExt as _;

/// A request whose head takes longer is given up on.
const HEAD: Duration = Duration::from_secs(20);

/// In a response: do not answer, cut the connection.
#[derive(Debug, Clone, Copy)]
struct Cut;

/// A response that is never sent: the connection is cut instead.
pub fn cut() -> Response {
    let mut response = Response::new(Body::empty());
    response.extensions_mut().insert(Cut);
    response
}

/// Sends the head and at most `bytes` of the body (always less than all of it), then cuts the connection.
pub fn cut_after(response: Response, bytes: u64) -> Response {
    let (mut parts, body) = response.into_parts();
    let length = body.size_hint().exact();
    if let Some(length) = length {
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
    // What was written before must reach the client first, or it would see nothing but the end.
    let end = stream::once(async {
        tokio::time::sleep(Duration::from_millis(50)).await;
        Err(io::Error::from(io::ErrorKind::ConnectionAborted))
    });
    Response::from_parts(parts, Body::from_stream(shortened.chain(end)))
}

async fn respond(router: Router, request: Request<Incoming>) -> Result<Response, io::Error> {
    let answer: Result<Response, Infallible> = router.oneshot(request.map(Body::new)).await;
    let Ok(response) = answer;
    if response.extensions().get::<Cut>().is_some() {
        return Err(io::Error::from(io::ErrorKind::ConnectionAborted));
    }
    Ok(response)
}

/// Serves until told to end; then every connection is dropped.
pub async fn serve(listener: TcpListener, router: Router, shutdown: CancellationToken) {
    let mut connections = JoinSet::new();
    loop {
        let accepted = tokio::select! {
            () = shutdown.cancelled() => break,
            accepted = listener.accept() => accepted,
            Some(_) = connections.join_next() => continue,
        };
        let Ok((stream, _)) = accepted else {
            // Out of file descriptors, most likely: let some go.
            tokio::time::sleep(Duration::from_millis(50)).await;
            continue;
        };
        let _ = stream.set_nodelay(true);
        let router = router.clone();
        connections.spawn(async move {
            let service = service_fn(move |request| respond(router.clone(), request));
            let mut builder = Builder::new(TokioExecutor::new());
            builder.http1().timer(TokioTimer::new()).header_read_timeout(HEAD);
            builder.http2().timer(TokioTimer::new());
            let _ = builder.serve_connection(TokioIo::new(stream), service).await;
        });
    }
    connections.shutdown().await;
}

//! Serving a router on a listener, with limits on header time, handshake time and connections, and an orderly end. Shared
//! by the ledger and the sandbox. Touches the network only.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::response::Response;
use http::{Request, header};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tower::ServiceExt as _;

use super::Error;

/// Until a TLS handshake must be done.
const HANDSHAKE: Duration = Duration::from_secs(10);
/// Connections beyond that are told so, this many at a time; others wait in the kernel's queue or are dropped.
const TURNED_AWAY: usize = 64;
/// Bytes of headers.
const HEADER_BYTES: usize = 32 * 1024;
/// How long requests in flight may take at the end.
const GRACE: Duration = Duration::from_secs(2);

/// What a server lets its clients do.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Until the headers of a request must be there; also how long a connection may idle.
    pub headers: Duration,
    /// Connections at a time; further ones are answered 503.
    pub connections: usize,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits { headers: Duration::from_secs(30), connections: 1024 }
    }
}

/// Certificate and key of a server.
#[derive(Debug, Clone)]
pub struct Tls(Arc<ServerConfig>);

impl Tls {
    /// Reads a certificate chain and its private key (PEM). HTTP/2 and HTTP/1.1 are offered.
    ///
    /// # Errors
    /// If a file cannot be read, holds no certificate or key, or they do not belong together.
    pub fn load(certificate: &Path, key: &Path) -> Result<Tls, Error> {
        let unusable = |path: &Path, reason: &dyn std::fmt::Display| {
            Error::Tls(format!("{} cannot be used for TLS: {reason}", path.display()))
        };
        let chain: Vec<CertificateDer<'static>> = CertificateDer::pem_file_iter(certificate)
            .and_then(Iterator::collect)
            .map_err(|error| unusable(certificate, &error))?;
        if chain.is_empty() {
            return Err(unusable(certificate, &"it holds no certificate in PEM form"));
        }
        let secret = PrivateKeyDer::from_pem_file(key).map_err(|error| unusable(key, &error))?;
        let provider = Arc::new(tokio_rustls::rustls::crypto::aws_lc_rs::default_provider());
        let mut config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|error| unusable(certificate, &error))?
            .with_no_client_auth()
            .with_single_cert(chain, secret)
            .map_err(|error| unusable(certificate, &error))?;
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        Ok(Tls(Arc::new(config)))
    }
}

/// Marks an answer that is to be a cut connection instead.
#[derive(Debug, Clone, Copy)]
struct Cut;

/// An "answer" upon which [`serve`] drops the TCP connection without sending a byte. Under any other server its body
/// fails at once, which ends the connection as well.
pub fn cut() -> Response {
    let failing = futures_util::stream::once(async { Err::<bytes::Bytes, _>(std::io::Error::other("cut")) });
    let mut response = Response::new(Body::from_stream(failing));
    response.extensions_mut().insert(Cut);
    response
}

/// Serves `router` until `shutdown`; then lets requests in flight finish for at most two seconds. With `tls` HTTP/1.1 and 2
/// are spoken, without it HTTP/1.1.
pub async fn serve(listener: TcpListener, router: Router, tls: Option<Tls>, shutdown: CancellationToken) {
    serve_within(Limits::default(), listener, router, tls, shutdown).await;
}

/// As [`serve`], with other limits.
pub async fn serve_within(
    limits: Limits,
    listener: TcpListener,
    router: Router,
    tls: Option<Tls>,
    shutdown: CancellationToken,
) {
    let connections = Arc::new(Semaphore::new(limits.connections));
    let turned_away = Arc::new(Semaphore::new(TURNED_AWAY));
    let tracker = TaskTracker::new();
    let end = CancellationToken::new();
    loop {
        let accepted = tokio::select! {
            () = shutdown.cancelled() => break,
            accepted = listener.accept() => accepted,
        };
        let stream = match accepted {
            Ok((stream, _)) => stream,
            Err(error) => {
                // Out of file handles or the like: goes by, but not if hammered at.
                tracing::warn!(error = %error, "a connection could not be accepted");
                tokio::time::sleep(Duration::from_millis(100)).await;
                continue;
            }
        };
        let _ = stream.set_nodelay(true);
        let Ok(permit) = Arc::clone(&connections).try_acquire_owned() else {
            if let (None, Ok(permit)) = (&tls, Arc::clone(&turned_away).try_acquire_owned()) {
                tokio::spawn(async move {
                    turn_away(stream).await;
                    drop(permit);
                });
            }
            continue;
        };
        let (router, tls, shutdown, end) = (router.clone(), tls.clone(), shutdown.clone(), end.clone());
        tracker.spawn(async move {
            tokio::select! {
                () = end.cancelled() => {}
                () = connection(limits, stream, router, tls, shutdown) => {}
            }
            drop(permit);
        });
    }
    drop(listener);
    tracker.close();
    if tokio::time::timeout(GRACE, tracker.wait()).await.is_err() {
        end.cancel();
        tracker.wait().await;
    }
}

async fn connection(limits: Limits, stream: TcpStream, router: Router, tls: Option<Tls>, shutdown: CancellationToken) {
    let Some(Tls(config)) = tls else { return talk(limits, stream, false, router, shutdown).await };
    match tokio::time::timeout(HANDSHAKE, TlsAcceptor::from(config).accept(stream)).await {
        Ok(Ok(stream)) => {
            let http2 = stream.get_ref().1.alpn_protocol() == Some(b"h2");
            talk(limits, stream, http2, router, shutdown).await;
        }
        Ok(Err(error)) => tracing::debug!(error = %error, "a TLS handshake failed"),
        Err(_) => tracing::debug!("a TLS handshake took too long"),
    }
}

async fn talk<S>(limits: Limits, stream: S, http2: bool, router: Router, shutdown: CancellationToken)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let cut = CancellationToken::new();
    let begun = CancellationToken::new();
    let service = hyper::service::service_fn(|request: Request<hyper::body::Incoming>| {
        begun.cancel();
        let (router, cut) = (router.clone(), cut.clone());
        async move {
            let Ok(response) = router.oneshot(request.map(Body::new)).await;
            if response.extensions().get::<Cut>().is_some() {
                cut.cancel();
                std::future::pending::<()>().await;
            }
            Ok::<_, std::convert::Infallible>(response)
        }
    });
    // The version is known, so the wait for a first line that would tell it, which no limit guards, does not take place.
    let mut builder = Builder::new(TokioExecutor::new());
    builder = if http2 { builder.http2_only() } else { builder.http1_only() };
    builder
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(limits.headers)
        .max_buf_size(HEADER_BYTES)
        .half_close(false);
    builder
        .http2()
        .timer(TokioTimer::new())
        .max_concurrent_streams(128)
        .max_header_list_size(HEADER_BYTES as u32)
        .keep_alive_interval(limits.headers)
        .keep_alive_timeout(limits.headers);
    let connection = builder.serve_connection(TokioIo::new(stream), service);
    let mut connection = std::pin::pin!(connection);
    let silent = async {
        if tokio::time::timeout(limits.headers + Duration::from_secs(1), begun.cancelled()).await.is_ok() {
            std::future::pending::<()>().await;
        }
    };
    let mut silent = std::pin::pin!(silent);
    let mut ending = false;
    loop {
        tokio::select! {
            biased;
            () = cut.cancelled() => return,
            () = &mut silent => return,
            () = shutdown.cancelled(), if !ending => {
                ending = true;
                connection.as_mut().graceful_shutdown();
            }
            ended = connection.as_mut() => {
                if let Err(error) = ended {
                    tracing::debug!(error = %error, "a connection ended badly");
                }
                return;
            }
        }
    }
}

/// Says that there are too many connections.
async fn turn_away(mut stream: TcpStream) {
    let body = r#"{"code":14,"message":"too many connections","details":[]}"#;
    let answer = format!(
        "HTTP/1.1 503 Service Unavailable\r\n{}: application/json; charset=utf-8\r\n{}: {}\r\n{}: close\r\n{}: 1\r\n\r\n{body}",
        header::CONTENT_TYPE,
        header::CONTENT_LENGTH,
        body.len(),
        header::CONNECTION,
        header::RETRY_AFTER,
    );
    let talk = async {
        // What the client sends is read first, because closing on unread bytes would reset the answer away.
        let mut sent = [0; 4096];
        let _ = tokio::time::timeout(Duration::from_millis(300), stream.read(&mut sent)).await;
        let _ = stream.write_all(answer.as_bytes()).await;
        let _ = stream.shutdown().await;
    };
    let _ = tokio::time::timeout(Duration::from_secs(2), talk).await;
}

//! Sends one request and reads one answer, within bounds. Touches the network; knows no route's meaning.
//!
//! Every await on the network has a deadline:
//!
//! | await                                             | deadline                                                    |
//! | ------------------------------------------------- | ----------------------------------------------------------- |
//! | connecting                                        | `timeout`, at most 30 s; inside the next two                |
//! | an RPC or token refresh: sending, headers, body   | `timeout` in all                                            |
//! | a longpoll: sending, headers, body                | its own timeout + 90 s (server jitter) + 15 s in all        |
//! | a download: sending, headers                      | `timeout` for each try                                      |
//! | a download: each next chunk                       | `timeout`                                                   |
//! | a download: all of it                             | none, but less than 1 KiB/s over 2 × `timeout` ends it      |
//! | a download: number of tries                       | 1 + 10 resumptions, 3 in a row that bring nothing           |
//!
//! Waiting at the [`Gate`] comes before the deadline starts; the gate itself is never held for more than an hour at once.

use std::error::Error as _;
use std::future::Future;
use std::net::IpAddr;
use std::time::Duration;

use reqwest::header::HeaderMap;
use reqwest::{Certificate, RequestBuilder, Response};
use tokio::time::{Instant, timeout_at};
use url::{Host, Url};

use super::classify::{refusal, request_id, unreadable};
use super::text::quoted;
use super::{Error, Kind, Settings};
use crate::retry::Gate;

/// Longest JSON answer, in bytes after decompression.
const LONGEST_ANSWER: usize = 64 * 1024 * 1024;

/// How much of a refusal is read, in bytes.
const LONGEST_REFUSAL: usize = 64 * 1024;

/// Above this size an answer is parsed away from the threads that drive the network.
const PARSED_ASIDE: usize = 256 * 1024;

/// One of the three hosts, with a connection pool of its own.
struct Peer {
    http: reqwest::Client,
    base: String,
}

/// The three hosts and what all requests have in common.
pub(super) struct Transport {
    api: Peer,
    content: Peer,
    notify: Peer,
    /// Every request waits here.
    pub gate: Gate,
    /// `Settings::timeout`.
    pub timeout: Duration,
}

/// A 2xx whose body is still to be read.
pub(super) struct Answer {
    /// Status, headers and body.
    pub response: Response,
    call: &'static str,
    deadline: Instant,
}

impl Transport {
    /// Sets up the connection pools; nothing is sent.
    pub fn new(settings: &Settings) -> Result<Transport, Error> {
        let certificates = match &settings.ca_file {
            None => Vec::new(),
            Some(file) => {
                let pem = std::fs::read(file)
                    .map_err(|err| set_up(format!("the CA file {} cannot be read: {err}", file.display())))?;
                let certificates = Certificate::from_pem_bundle(&pem).unwrap_or_default();
                if certificates.is_empty() {
                    let message = format!("the CA file {} holds no PEM certificate", file.display());
                    return Err(set_up(message));
                }
                certificates
            }
        };
        let peer = |url: &Url, gzip: bool| {
            let mut builder = reqwest::Client::builder()
                .user_agent(concat!("droptrail/", env!("CARGO_PKG_VERSION")))
                .redirect(reqwest::redirect::Policy::none())
                .referer(false)
                .retry(reqwest::retry::never())
                .connect_timeout(settings.timeout.min(Duration::from_secs(30)))
                .tcp_keepalive(Duration::from_secs(30))
                .http2_keep_alive_interval(Duration::from_secs(30))
                .http2_keep_alive_timeout(Duration::from_secs(20))
                .gzip(gzip);
            if url.scheme() == "http" {
                // No TLS will ever be spoken here, so no certificate store is loaded.
                builder = builder.tls_certs_only([]);
            } else if !certificates.is_empty() {
                builder = builder.tls_certs_merge(certificates.iter().cloned());
            }
            if is_loopback(url) {
                builder = builder.no_proxy();
            }
            let http = builder.build().map_err(|err| set_up(format!("TLS cannot start: {}", cause(&err))))?;
            Ok::<Peer, Error>(Peer { http, base: url.as_str().trim_end_matches('/').to_owned() })
        };
        Ok(Transport {
            api: peer(&settings.api_url, true)?,
            // Ranges count the bytes of what is transferred: content must come as it is.
            content: peer(&settings.content_url, false)?,
            notify: peer(&settings.notify_url, true)?,
            gate: Gate::default(),
            timeout: settings.timeout,
        })
    }

    /// A POST to a path of the RPC host, as `/2/files/list_folder` or `/oauth2/token`.
    pub fn api(&self, path: &str) -> RequestBuilder {
        self.api.post(path)
    }

    /// A POST to a path of the content host.
    pub fn content(&self, path: &str) -> RequestBuilder {
        self.content.post(path)
    }

    /// A POST to a path of the notify host.
    pub fn notify(&self, path: &str) -> RequestBuilder {
        self.notify.post(path)
    }

    /// Waits at the gate, sends, and reads up to the headers; a refusal is read, classed, and closes the gate for as long
    /// as it asks. `within` is the deadline, from when the gate was passed, of everything up to the end of the body that
    /// [`Answer::read`] reads. `hidden` never shows up in an error.
    pub async fn send(
        &self,
        call: &'static str,
        request: RequestBuilder,
        within: Duration,
        hidden: &[&str],
    ) -> Result<Answer, Error> {
        self.gate.pass().await;
        let deadline = Instant::now() + within;
        let response = bounded(call, deadline, request.send()).await?;
        if response.status().is_success() {
            return Ok(Answer { response, call, deadline });
        }
        let (status, headers) = (response.status(), response.headers().clone());
        let mut answer = Answer { response, call, deadline };
        let mut body = Vec::new();
        // A refusal whose text breaks off is a refusal all the same.
        while body.len() < LONGEST_REFUSAL {
            let Ok(Some(chunk)) = answer.chunk().await else { break };
            body.extend_from_slice(&chunk[..chunk.len().min(LONGEST_REFUSAL - body.len())]);
        }
        let err = refusal(call, status, &headers, &body, hidden);
        if let Some(floor) = err.floor() {
            self.gate.hold(floor);
        }
        Err(err)
    }
}

impl Peer {
    fn post(&self, path: &str) -> RequestBuilder {
        self.http.post(format!("{}{path}", self.base))
    }
}

impl Answer {
    /// Reads the whole JSON body within the deadline that it was sent with.
    pub async fn read<T: Send + 'static>(
        mut self,
        parse: impl FnOnce(&[u8]) -> serde_json::Result<T> + Send + 'static,
    ) -> Result<T, Error> {
        let headers: HeaderMap = self.response.headers().clone();
        let too_long = unreadable(self.call, &headers, "it is longer than 64 MiB");
        if self.response.content_length().is_some_and(|length| length > LONGEST_ANSWER as u64) {
            return Err(too_long);
        }
        let mut body = Vec::new();
        while let Some(chunk) = self.chunk().await? {
            if body.len() + chunk.len() > LONGEST_ANSWER {
                return Err(too_long);
            }
            body.extend_from_slice(&chunk);
        }
        let parsed = if body.len() < PARSED_ASIDE {
            parse(&body)
        } else {
            let parsed = tokio::task::spawn_blocking(move || parse(&body)).await;
            parsed.map_err(|_| unreadable(self.call, &headers, "reading it was broken off"))?
        };
        parsed.map_err(|err| unreadable(self.call, &headers, &why(&err)))
    }

    async fn chunk(&mut self) -> Result<Option<bytes::Bytes>, Error> {
        let chunk = bounded(self.call, self.deadline, self.response.chunk()).await;
        chunk.map_err(|err| Error { request_id: request_id(self.response.headers()), ..err })
    }
}

/// Awaits something of the network until `deadline`.
async fn bounded<T>(
    call: &'static str,
    deadline: Instant,
    work: impl Future<Output = reqwest::Result<T>>,
) -> Result<T, Error> {
    match timeout_at(deadline, work).await {
        Ok(done) => done.map_err(|err| broken(call, &err)),
        Err(_) => Err(late(call)),
    }
}

/// The network failed.
pub(super) fn broken(call: &'static str, err: &reqwest::Error) -> Error {
    Error { call, kind: Kind::Unavailable { after: None }, message: cause(err), request_id: None }
}

/// A deadline passed.
pub(super) fn late(call: &'static str) -> Error {
    let message = "no answer in time".to_owned();
    Error { call, kind: Kind::Unavailable { after: None }, message, request_id: None }
}

/// What stands behind a transport error, without the URL.
fn cause(err: &reqwest::Error) -> String {
    let mut cause: &dyn std::error::Error = err;
    while let Some(source) = cause.source() {
        cause = source;
    }
    let what = if err.is_connect() { "cannot be reached" } else { "the connection broke" };
    match err.source() {
        Some(_) => format!("{what}: {}", quoted(&cause.to_string(), &[])),
        None => what.to_owned(),
    }
}

/// Where and how JSON was wrong, without quoting any of it: it may hold names.
fn why(err: &serde_json::Error) -> String {
    use serde_json::error::Category;
    let what = match err.classify() {
        Category::Eof => "it ends too early",
        Category::Syntax => "it is not JSON",
        Category::Data | Category::Io => "a required field is missing or of another type",
    };
    format!("{what} (line {}, column {})", err.line(), err.column())
}

fn set_up(message: String) -> Error {
    Error { call: "set-up", kind: Kind::BadRequest, message, request_id: None }
}

/// Loopback hosts are never reached through a proxy.
fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => {
            let name = name.trim_end_matches('.');
            name == "localhost" || name.ends_with(".localhost")
        }
        Some(Host::Ipv4(ip)) => ip.is_loopback(),
        Some(Host::Ipv6(ip)) => IpAddr::V6(ip).to_canonical().is_loopback(),
        None => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn loopback_hosts_are_recognised_in_every_spelling() {
        let loopback = |url: &str| is_loopback(&url.parse().expect("a URL"));
        for url in [
            "http://127.0.0.1:80",
            "http://127.9.8.7",
            "http://[::1]:1",
            "http://LOCALHOST:3",
            "http://[::ffff:127.0.0.1]",
        ] {
            assert!(loopback(url), "{url}");
        }
        for url in ["https://api.dropboxapi.com", "http://128.0.0.1", "http://localhost.example.com", "http://[::2]"] {
            assert!(!loopback(url), "{url}");
        }
    }
}

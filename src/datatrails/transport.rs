//! HTTP, and what every request has in common: the gate, the deadlines, bounded bodies, and no repetition by any layer.
//! Touches the network and reads the certificate authority's file.
//!
//! | await | deadline |
//! | --- | --- |
//! | the gate | none of its own: opens when the server said, at most 1 h after its last word |
//! | connecting (name, TCP, proxy, TLS) | 10 s, and at most three quarters of `timeout` |
//! | a request from its start to the end of the answer's body | `timeout` |
//! | the body of an answer that is no success | 5 s, within `timeout`; the status alone decides |
//! | a connection kept for the next creating request or token | idle for less than 4 s |
//! | a connection kept for the next read | idle for less than 30 s |

use std::error::Error as _;
use std::net::{Ipv4Addr, Ipv6Addr};
use std::time::Duration;

use http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderValue};
use http::{Method, StatusCode};
use reqwest::redirect;
use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::time::{Instant, timeout_at};
use url::{Host, Url};

use super::error::short;
use super::{Error, Kind, Outcome, Settings, rate, wire};
use crate::observe::escape;
use crate::retry::Gate;

/// Bound of a list's body, after decompression.
pub(super) const LIST: usize = 32 << 20;
/// Bound of a single record's body.
pub(super) const RECORD: usize = 1 << 20;
/// How much of the body of an answer that is no success is read.
const ERROR: usize = 16 << 10;
const ERROR_BODY: Duration = Duration::from_secs(5);
const CONNECT: Duration = Duration::from_secs(10);
/// A creating request never takes a connection that was idle for longer: a reset on a stale one would be an unknown
/// outcome.
const CREATE_IDLE: Duration = Duration::from_secs(4);
const READ_IDLE: Duration = Duration::from_secs(30);
/// Both as the user agent and in DataTrails' own header (the SDK leaves the ordinary one alone and adds its own).
const PRODUCT: &str = concat!("droptrail/", env!("CARGO_PKG_VERSION"));
const DATATRAILS_USER_AGENT: &str = "datatrails-user-agent";

/// One ledger's HTTP.
pub(super) struct Transport {
    pub(super) url: Url,
    pub(super) gate: Gate,
    timeout: Duration,
    reads: reqwest::Client,
    creates: reqwest::Client,
    /// One body beyond [`RECORD`] at a time, from its first byte until it is read: bounds what a ledger can make us hold.
    large: Semaphore,
}

/// One request.
pub(super) struct Ask<'a> {
    /// What is asked, for messages.
    pub(super) call: &'static str,
    pub(super) url: Url,
    pub(super) what: What<'a>,
    /// The value of `Authorization`.
    pub(super) authorization: Option<&'a HeaderValue>,
    /// Kept out of messages even if the server repeats it: the token or the client secret.
    pub(super) secret: Option<&'a str>,
    /// Bound of the body of a success.
    pub(super) limit: usize,
}

/// What kind of request it is.
#[derive(Clone, Copy)]
pub(super) enum What<'a> {
    /// A GET.
    Read,
    /// A POST of JSON that creates something: its outcome matters.
    Create(&'a str),
    /// A POST of a form to the token endpoint, which creates nothing on the ledger.
    Form(&'a str),
}

impl What<'_> {
    fn unanswered(self) -> Outcome {
        match self {
            What::Create(_) => Outcome::Unknown,
            What::Read | What::Form(_) => Outcome::NotMade,
        }
    }
}

/// An answer, whatever its status.
pub(super) struct Answer<'t> {
    call: &'static str,
    pub(super) status: StatusCode,
    /// Whole for a success; for anything else at most 16 KiB, and `whole` says whether that was all.
    pub(super) body: Vec<u8>,
    whole: bool,
    wait: Option<Duration>,
    unanswered: Outcome,
    message: String,
    _large: Option<SemaphorePermit<'t>>,
}

impl Transport {
    /// Makes both clients; nothing is sent.
    pub(super) fn new(settings: &Settings) -> Result<Transport, Error> {
        let base = || builder(settings);
        Ok(Transport {
            url: settings.url.clone(),
            gate: Gate::default(),
            large: Semaphore::new(1),
            timeout: settings.timeout,
            reads: base()?.pool_idle_timeout(READ_IDLE).pool_max_idle_per_host(8).build().map_err(|e| set_up(&e))?,
            // HTTP/1.1: one request at a time on a connection, so that another request's trouble cannot cut it off.
            creates: base()?.http1_only().pool_idle_timeout(CREATE_IDLE).build().map_err(|e| set_up(&e))?,
        })
    }

    /// The ledger's URL with `segments` as its path.
    pub(super) fn at(&self, segments: &[&str]) -> Url {
        let mut url = self.url.clone();
        if let Ok(mut path) = url.path_segments_mut() {
            path.pop_if_empty().extend(segments);
        }
        url
    }

    /// Waits at the gate, sends the request once, and reads the answer. `Err` only where there is no usable answer.
    pub(super) async fn exchange(&self, ask: Ask<'_>) -> Result<Answer<'_>, Error> {
        self.gate.pass().await;
        let (call, unanswered) = (ask.call, ask.what.unanswered());
        let deadline = Instant::now() + self.timeout;
        let sent = match timeout_at(deadline, self.request(&ask).send()).await {
            Err(_) => return Err(Error::unavailable(call, unanswered, self.too_slow())),
            Ok(Err(error)) => return Err(lost(call, unanswered, &error)),
            Ok(Ok(response)) => response,
        };
        let (status, headers) = (sent.status(), sent.headers());
        // Before the body, so that nothing slips through while it trickles in.
        let wait = self.hold(status, headers);
        let mut answer = Answer {
            call,
            status,
            body: Vec::new(),
            whole: false,
            wait,
            unanswered,
            message: status.to_string(),
            _large: None,
        };
        if status.is_success() {
            (answer.body, answer._large) = match timeout_at(deadline, self.whole(sent, ask.limit)).await {
                Err(_) => return Err(Error::unavailable(call, unanswered, self.too_slow())),
                Ok(Err(why)) => return Err(Error::unavailable(call, unanswered, format!("{status}, but {why}"))),
                Ok(Ok(body)) => body,
            };
            answer.whole = true;
        } else {
            let deadline = deadline.min(Instant::now() + ERROR_BODY);
            (answer.body, answer.whole) = beginning(sent, deadline).await;
            answer.message = answer.say(ask.secret);
        }
        Ok(answer)
    }

    fn request(&self, ask: &Ask<'_>) -> reqwest::RequestBuilder {
        let mut request = match ask.what {
            What::Read => self.reads.request(Method::GET, ask.url.clone()),
            What::Create(body) => self
                .creates
                .request(Method::POST, ask.url.clone())
                .header(CONTENT_TYPE, "application/json")
                .body(body.to_owned()),
            What::Form(body) => self
                .creates
                .request(Method::POST, ask.url.clone())
                .header(CONTENT_TYPE, "application/x-www-form-urlencoded")
                .body(body.to_owned()),
        };
        if let Some(authorization) = ask.authorization {
            request = request.header(AUTHORIZATION, authorization);
        }
        request
    }

    /// Closes the gate where the answer asks for it, and gives the wait.
    fn hold(&self, status: StatusCode, headers: &HeaderMap) -> Option<Duration> {
        let wait = match status {
            StatusCode::TOO_MANY_REQUESTS => Some(rate::rate_limit_wait(headers)),
            StatusCode::SERVICE_UNAVAILABLE => rate::retry_after(headers),
            _ => return status.is_server_error().then(|| rate::retry_after(headers)).flatten(),
        };
        if let Some(wait) = wait {
            self.gate.hold(wait);
        }
        wait
    }

    /// The whole body of a success, streamed and refused beyond `limit`.
    async fn whole(
        &self,
        mut response: reqwest::Response,
        limit: usize,
    ) -> Result<(Vec<u8>, Option<SemaphorePermit<'_>>), String> {
        let (mut body, mut large) = (Vec::new(), None);
        while let Some(chunk) = response.chunk().await.map_err(|e| format!("the body broke off: {}", causes(&e)))? {
            if body.len() + chunk.len() > limit {
                return Err(format!("the body is larger than {} KiB", limit >> 10));
            }
            if body.len() + chunk.len() > RECORD && large.is_none() {
                large = self.large.acquire().await.ok();
            }
            body.extend_from_slice(&chunk);
        }
        Ok((body, large))
    }

    fn too_slow(&self) -> String {
        format!("no whole answer within {:?}", self.timeout)
    }
}

impl Answer<'_> {
    /// A success with a body that `read` can read; anything else is an error whose outcome fits.
    pub(super) fn read<T>(self, read: impl FnOnce(&[u8]) -> Result<T, wire::Unreadable>) -> Result<T, Error> {
        if !self.status.is_success() {
            return Err(self.refusal());
        }
        read(&self.body).map_err(|why| {
            Error::unavailable(self.call, self.unanswered, format!("{}, but {}", self.status, short(&why)))
        })
    }

    /// The error that an answer other than a success is.
    pub(super) fn refusal(&self) -> Error {
        let outcome = match self.unanswered {
            Outcome::Unknown => Outcome::of(self.status),
            Outcome::NotMade => Outcome::NotMade,
        };
        Error { call: self.call, kind: Kind::of(self.status, self.wait), outcome, message: self.message.clone() }
    }

    /// A 404 of the service itself: whole, and empty or JSON. A web page or a router's text says that the service is
    /// not there, and nothing of the record.
    pub(super) fn is_clean_not_found(&self) -> bool {
        self.status == StatusCode::NOT_FOUND
            && self.whole
            && (self.body.trim_ascii().is_empty() || wire::is_object(&self.body))
    }

    fn say(&self, secret: Option<&str>) -> String {
        let told = wire::error_message(&self.body).unwrap_or_else(|| String::from_utf8_lossy(&self.body).into_owned());
        let told = match secret {
            Some(secret) if !secret.is_empty() => told.replace(secret, "[secret]"),
            _ => told,
        };
        match short(&told).as_str() {
            "" => self.status.to_string(),
            told => format!("{}: {told}", self.status),
        }
    }
}

fn builder(settings: &Settings) -> Result<reqwest::ClientBuilder, Error> {
    let mut headers = HeaderMap::new();
    headers.insert(DATATRAILS_USER_AGENT, HeaderValue::from_static(PRODUCT));
    headers.insert(ACCEPT, HeaderValue::from_static("application/json"));
    let mut builder = reqwest::Client::builder()
        .user_agent(PRODUCT)
        .default_headers(headers)
        .redirect(redirect::Policy::none())
        .referer(false)
        .retry(reqwest::retry::never())
        .connect_timeout(CONNECT.min(settings.timeout * 3 / 4));
    if is_loopback(&settings.url) {
        builder = builder.no_proxy();
    }
    if let Some(file) = &settings.ca_file {
        let refused = |why: String| {
            let message = format!("cannot use the certificate authority {}: {why}", escape(&file.to_string_lossy()));
            Error::unsent("set-up", Kind::Refused, message)
        };
        let pem = std::fs::read(file).map_err(|error| refused(error.to_string()))?;
        let authorities = reqwest::Certificate::from_pem_bundle(&pem).map_err(|error| refused(causes(&error)))?;
        if authorities.is_empty() {
            return Err(refused("it holds no PEM certificate".into()));
        }
        builder = builder.tls_certs_merge(authorities);
    }
    Ok(builder)
}

fn set_up(error: &reqwest::Error) -> Error {
    Error::unsent("set-up", Kind::Refused, format!("the TLS stack cannot start: {}", causes(error)))
}

/// Whether the host is this machine, for which no proxy is ever used.
fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => {
            let name = name.trim_end_matches('.').to_ascii_lowercase();
            name == "localhost" || name.ends_with(".localhost")
        }
        Some(Host::Ipv4(address)) => Ipv4Addr::is_loopback(&address),
        Some(Host::Ipv6(address)) => {
            Ipv6Addr::is_loopback(&address) || address.to_ipv4_mapped().is_some_and(|v4| v4.is_loopback())
        }
        None => false,
    }
}

/// A request that got no answer: nothing was made if it could not even connect.
fn lost(call: &'static str, unanswered: Outcome, error: &reqwest::Error) -> Error {
    let unsent = error.is_connect() || error.is_builder();
    let (outcome, what) = if unsent { (Outcome::NotMade, "cannot connect") } else { (unanswered, "no answer") };
    Error::unavailable(call, outcome, format!("{what}: {}", causes(error)))
}

/// The innermost cause, which says most, without the URL.
fn causes(error: &reqwest::Error) -> String {
    let mut cause: &dyn std::error::Error = match error.source() {
        Some(source) => source,
        None if error.is_timeout() => return "timed out".into(),
        None => error,
    };
    while let Some(deeper) = cause.source() {
        cause = deeper;
    }
    short(&cause.to_string())
}

/// The beginning of another answer's body, and whether it is the whole.
async fn beginning(mut response: reqwest::Response, deadline: Instant) -> (Vec<u8>, bool) {
    let mut body = Vec::new();
    loop {
        match timeout_at(deadline, response.chunk()).await {
            Ok(Ok(None)) => return (body, true),
            Ok(Ok(Some(chunk))) => {
                let room = ERROR - body.len();
                body.extend_from_slice(&chunk[..chunk.len().min(room)]);
                if chunk.len() > room {
                    return (body, false);
                }
            }
            Ok(Err(_)) | Err(_) => return (body, false),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_this_machine_is_loopback() {
        let loopback = |url: &str| is_loopback(&url.parse().expect("url"));
        for url in
            ["http://127.0.0.1:1", "http://127.9.9.9", "http://[::1]:8080", "http://LOCALHOST", "http://a.localhost"]
        {
            assert!(loopback(url), "{url}");
        }
        for url in ["https://app.datatrails.ai", "http://10.0.0.1", "http://localhost.example.org", "http://[fe80::1]"]
        {
            assert!(!loopback(url), "{url}");
        }
    }
}

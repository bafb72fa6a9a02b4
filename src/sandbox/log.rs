//! The request log: one JSON line per request, for tests that ask what was sent. Written whole lines at a time; no access token
//! is written.

use std::fs::File;
use std::io::{self, Write as _};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::Response;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::{HeaderMap, StatusCode};
use http_body_util::{BodyExt as _, Limited};
use serde_json::{Map, Value, json};

/// Bytes of a request body at most; the servers' own limits are lower.
const BODY: usize = 16 << 20;

struct Inner {
    file: Mutex<File>,
    began: Instant,
}

/// The log, shared by the servers.
#[derive(Clone)]
pub struct Log(Arc<Inner>);

impl Log {
    /// Opens the file to append to it.
    ///
    /// # Errors
    /// If it cannot be opened.
    pub fn open(path: &Path) -> io::Result<Log> {
        let file = File::options().append(true).create(true).open(path)?;
        Ok(Log(Arc::new(Inner { file: Mutex::new(file), began: Instant::now() })))
    }

    /// Puts the log around a server; `server` names it in each line.
    pub fn around(&self, server: &'static str, router: Router) -> Router {
        router.layer(from_fn_with_state((self.clone(), server), observe))
    }

    fn write(&self, line: &Value) {
        let mut text = line.to_string();
        text.push('\n');
        let mut file = self.0.file.lock().unwrap_or_else(PoisonError::into_inner);
        if let Err(error) = file.write_all(text.as_bytes()) {
            tracing::warn!(%error, "the request log cannot be written");
        }
    }
}

fn headers(headers: &HeaderMap) -> Value {
    let mut lines = Map::new();
    for (name, value) in headers {
        let mut value = String::from_utf8_lossy(value.as_bytes()).into_owned();
        if name == http::header::AUTHORIZATION {
            value = format!("{} …", value.split(' ').next().unwrap_or_default());
        }
        let value = match lines.get(name.as_str()).and_then(Value::as_str) {
            Some(before) => format!("{before}, {value}"),
            None => value,
        };
        lines.insert(name.as_str().to_owned(), json!(value));
    }
    Value::Object(lines)
}

async fn observe(State((log, server)): State<(Log, &'static str)>, request: Request, next: Next) -> Response {
    let began = Instant::now();
    let at = u64::try_from((began - log.0.began).as_millis()).unwrap_or(u64::MAX);
    let (parts, body) = request.into_parts();
    let Ok(body) = Limited::new(body, BODY).collect().await else {
        let mut response = Response::new(Body::empty());
        *response.status_mut() = StatusCode::PAYLOAD_TOO_LARGE;
        return response;
    };
    let body = body.to_bytes();
    let mut line = json!({
        "ms": at,
        "time": jiff::Timestamp::now().to_string(),
        "server": server,
        "method": parts.method.as_str(),
        "path": parts.uri.path(),
        "query": parts.uri.query(),
        "headers": headers(&parts.headers),
    });
    match std::str::from_utf8(&body) {
        Ok(text) => line["body"] = json!(text),
        Err(_) => line["body_base64"] = json!(STANDARD.encode(&body)),
    }
    // A caller that hangs up leaves its line all the same.
    let mut unfinished = Unfinished { log: log.clone(), line: Some(line), began };
    let response = next.run(Request::from_parts(parts, Body::from(body))).await;
    unfinished.finish(Some(response.status()));
    response
}

struct Unfinished {
    log: Log,
    line: Option<Value>,
    began: Instant,
}

impl Unfinished {
    fn finish(&mut self, status: Option<StatusCode>) {
        if let Some(mut line) = self.line.take() {
            line["status"] = json!(status.map(|status| status.as_u16()));
            line["duration_ms"] = json!(u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX));
            self.log.write(&line);
        }
    }
}

impl Drop for Unfinished {
    fn drop(&mut self) {
        self.finish(None);
    }
}

//! `files/download`: contents by path, id or revision, whole or in ranges, and the faults of transfers.

use std::io::Read as _;
use std::path::PathBuf;
use std::sync::Arc;

use axum::body::Body;
use axum::response::Response;
use bytes::Bytes;
use futures_util::stream;
use http::{HeaderMap, HeaderValue, StatusCode, header};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncSeekExt as _};

use super::args::{Args, revision};
use super::blobs::ContentHash;
use super::bulk;
use super::db::{Db, Entry, Kind};
use super::facts::random_rev;
use super::mangle::{self, strikes};
use super::oauth::field;
use super::reply::{self, Refusal};
use super::server::{App, Call};

const CHUNK: u64 = 64 * 1024;

/// Where the bytes come from.
#[derive(Debug)]
enum Source {
    Bytes(Vec<u8>),
    /// A blob; with the first byte turned round where a wrong content is wanted.
    Blob(PathBuf, bool),
}

/// The argument of a download: in the header, or for GET in the URL.
///
/// # Errors
/// 400 (text) if there is none, if the header is not ASCII, or for a body or a form.
pub fn argument(call: &Call, query: &str) -> Result<Bytes, Refusal> {
    let kind = call.headers.get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    let kinds = ["", "application/octet-stream", "application/octet-stream; charset=utf-8"];
    if !kinds.contains(&kind) && !kind.starts_with("text/plain") {
        let kind = kind.escape_debug();
        return Err(reply::bad_input(&call.route, format!("Bad HTTP \"Content-Type\" header: \"{kind}\".")).into());
    }
    if !call.arg.is_empty() {
        return Err(reply::bad_input(&call.route, "The request body must be empty.").into());
    }
    match call.headers.get("dropbox-api-arg") {
        Some(arg) if arg.as_bytes().is_ascii() => Ok(Bytes::copy_from_slice(arg.as_bytes())),
        Some(_) => {
            let text = "HTTP header \"Dropbox-API-Arg\": could not decode input as JSON: not ASCII";
            Err(reply::bad_input(&call.route, text).into())
        }
        None => field(query.as_bytes(), "arg").map(Bytes::from).ok_or_else(|| {
            let text = "Must provide HTTP header \"Dropbox-API-Arg\" or URL parameter \"arg\".";
            reply::bad_input(&call.route, text).into()
        }),
    }
}

/// Answers a download.
pub async fn download(app: &Arc<App>, call: Call) -> Result<Response, Refusal> {
    let headers = call.headers.clone();
    let (entry, source, mut result) = app.read(move |app, db| prepare(app, db, &call)).await??;
    let etag = format!("W/\"{}\"", entry.rev);
    let known = headers.get(header::IF_NONE_MATCH).and_then(|tags| tags.to_str().ok());
    if known.is_some_and(|tags| tags.split(',').any(|tag| tag.trim() == etag)) {
        return Ok(reply::empty(StatusCode::NOT_MODIFIED));
    }
    let strike = |fault: &str| strikes(&app.script, fault, "files/download", &entry.path_lower);
    if strike("wrong_hash_header").is_some() {
        result["content_hash"] = json!("0".repeat(64));
    }
    let range = match range(&headers, entry.size) {
        Ok(range) => range,
        Err(()) => {
            let error = json!({".tag": "range", "range": {".tag": "not_satisfiable"}});
            let mut response = reply::conflict(error);
            if strike("range_416").is_some() {
                *response.status_mut() = StatusCode::RANGE_NOT_SATISFIABLE;
            }
            return Err(response.into());
        }
    };
    let (start, end) = range.unwrap_or((0, entry.size));
    let mut length = end - start;
    if let Some(strike) = strike("truncate_download") {
        length = length.min(strike.value.map_or(length / 2, mangle::number));
    }
    let mut response = Response::new(body(source, start, length).await.map_err(reply::broken)?);
    let answer = response.headers_mut();
    let mut set = |name: &'static str, value: String| {
        if let Ok(value) = HeaderValue::from_str(&value) {
            answer.insert(name, value);
        }
    };
    set("content-type", "application/octet-stream".to_owned());
    set("content-length", length.to_string());
    set("original-content-length", entry.size.to_string());
    set("etag", etag);
    set("accept-ranges", "bytes".to_owned());
    set("dropbox-api-result", reply::header_safe(&result));
    if range.is_some() {
        set("content-range", format!("bytes {start}-{}/{}", end - 1, entry.size));
        *response.status_mut() = StatusCode::PARTIAL_CONTENT;
    }
    Ok(response)
}

/// Which revision is meant, where its bytes are, and what the header says of it.
fn prepare(app: &App, db: &Db, call: &Call) -> Result<(Entry, Source, Value), Refusal> {
    let broken = |error: rusqlite::Error| Refusal::from(reply::broken(error));
    let mut args = Args::parse(&call.route, &call.arg)?;
    let mut path = args.read_path()?;
    if let Some(rev) = args.text("rev")? {
        if !revision(&rev) {
            return Err(args.wrong("rev", "did not match pattern '[0-9a-f]{9,}'"));
        }
        path = format!("rev:{rev}");
    }
    args.finish()?;
    let found = call.view.find(db, &app.namespaces(), app.bulk, &path).map_err(broken)?;
    let Some(mut entry) = found else { return Err(reply::path("not_found").into()) };
    if entry.kind == Kind::Folder {
        return Err(reply::path("not_file").into());
    }
    let strike = |fault: &str| strikes(&app.script, fault, &call.route, &entry.path_lower);
    if strike("restricted").is_some() {
        return Err(reply::path("restricted_content").into());
    }
    if strike("not_downloadable").is_some() || entry.kind == Kind::Symlink {
        return Err(reply::conflict(json!({".tag": "unsupported_file"})).into());
    }
    let replaced = strike("replaced_between").is_some();
    let mut source = source(app, &entry);
    if replaced {
        let others = db.history(&entry.id).map_err(broken)?;
        match others.into_iter().find(|other| other.kind == Kind::File && other.sha256 != entry.sha256) {
            Some(other) => {
                entry = other;
                source = self::source(app, &entry);
            }
            None => source = another(&mut entry, source).map_err(|error| Refusal::from(reply::broken(error)))?,
        }
    }
    let mut result = call.view.metadata(&entry);
    mangle::entry(&app.script, &call.route, &mut result);
    result.as_object_mut().map(|fields| fields.remove(".tag"));
    Ok((entry, source, result))
}

fn source(app: &App, entry: &Entry) -> Source {
    match (bulk::number(entry), entry.sha256) {
        (Some(i), _) => Source::Bytes(bulk::content(i)),
        (None, Some(sha256)) => Source::Blob(app.blobs.path(&sha256), false),
        (None, None) => Source::Bytes(Vec::new()),
    }
}

/// A later revision that never was: the same bytes but for the first, honestly described.
fn another(entry: &mut Entry, source: Source) -> std::io::Result<Source> {
    let mut hash = ContentHash::default();
    let source = match source {
        Source::Blob(path, _) if entry.size > 0 => {
            let mut file = std::fs::File::open(&path)?;
            let mut buffer = vec![0; 1 << 16];
            let mut first = true;
            loop {
                let read = file.read(&mut buffer)?;
                if read == 0 {
                    break;
                }
                if std::mem::take(&mut first) {
                    buffer[0] = !buffer[0];
                }
                hash.update(&buffer[..read]);
            }
            Source::Blob(path, true)
        }
        _ => {
            let bytes = b"replaced\n".to_vec();
            entry.size = bytes.len() as u64;
            hash.update(&bytes);
            Source::Bytes(bytes)
        }
    };
    entry.rev = random_rev();
    entry.content_hash = Some(hash.finish());
    Ok(source)
}

/// The bytes that a Range asks for, as start and end; `None` for all of them, `Err` if there are none such.
fn range(headers: &HeaderMap, size: u64) -> Result<Option<(u64, u64)>, ()> {
    let Some(range) = headers.get(header::RANGE).and_then(|range| range.to_str().ok()) else { return Ok(None) };
    let Some((first, last)) = range.strip_prefix("bytes=").and_then(|range| range.split_once('-')) else {
        return Ok(None);
    };
    let bounds = match (first.parse::<u64>(), last.parse::<u64>()) {
        (Ok(first), Ok(last)) if first <= last => (first, last.saturating_add(1).min(size)),
        (Ok(first), Err(_)) if last.is_empty() => (first, size),
        (Err(_), Ok(last)) if first.is_empty() => (size.saturating_sub(last), size),
        // Not a range that we understand: all of it, as RFC 9110 allows.
        _ => return Ok(None),
    };
    if bounds.0 < bounds.1 { Ok(Some(bounds)) } else { Err(()) }
}

async fn body(source: Source, start: u64, length: u64) -> std::io::Result<Body> {
    let (path, turned) = match source {
        Source::Bytes(bytes) => {
            let index = |at: u64| usize::try_from(at).unwrap_or(usize::MAX).min(bytes.len());
            return Ok(Body::from(bytes[index(start)..index(start.saturating_add(length))].to_vec()));
        }
        Source::Blob(path, turned) => (path, turned),
    };
    let mut file = tokio::fs::File::open(path).await?;
    file.seek(std::io::SeekFrom::Start(start)).await?;
    let turn = turned && start == 0;
    let chunks = stream::try_unfold((file, length, turn), |(mut file, left, turn)| async move {
        if left == 0 {
            return Ok::<_, std::io::Error>(None);
        }
        let mut chunk = vec![0; usize::try_from(left.min(CHUNK)).unwrap_or(1)];
        file.read_exact(&mut chunk).await?;
        if turn {
            chunk[0] = !chunk[0];
        }
        let left = left - chunk.len() as u64;
        Ok(Some((Bytes::from(chunk), (file, left, false))))
    });
    Ok(Body::from_stream(chunks))
}

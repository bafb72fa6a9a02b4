//! The metadata routes of the `files` namespace: list, continue, latest cursor, metadata, revisions. Each is a function of the
//! database and its argument.

use std::collections::HashSet;

use axum::response::Response;
use http::StatusCode;
use serde_json::{Value, json};

use super::args::{Args, revision};
use super::bulk;
use super::cursor::{Cursor, Position};
use super::db::{Db, Entry, Kind};
use super::listing::{Error, Lister};
use super::mangle;
use super::names;
use super::reply::{self, Refusal};
use super::server::{App, Call};

/// Entries to a page where the caller names no limit.
const PAGE: u64 = 500;

fn broken(error: rusqlite::Error) -> Refusal {
    reply::broken(error).into()
}

impl From<Error> for Refusal {
    fn from(error: Error) -> Refusal {
        match error {
            Error::Gone => reply::path("not_found").into(),
            Error::Db(error) => broken(error),
        }
    }
}

fn lister<'a>(app: &'a App, db: &'a Db, call: &Call) -> Lister<'a> {
    let rename_breaks = app.script.strike("rename_breaks", &call.route).is_some();
    Lister { db, bulk: app.bulk, cache: &app.cache, rename_breaks }
}

/// The start of a listing: the arguments of `list_folder` and `get_latest_cursor` (`ListFolderArg`).
fn start(app: &App, db: &Db, call: &Call) -> Result<Cursor, Refusal> {
    let mut args = Args::parse(&call.route, &call.arg)?;
    let path = args.list_path()?;
    let recursive = args.flag("recursive", false)?;
    let include_deleted = args.flag("include_deleted", false)?;
    for flag in ["include_media_info", "include_has_explicit_shared_members", "include_restorable_info"] {
        args.flag(flag, false)?;
    }
    for flag in ["include_mounted_folders", "include_non_downloadable_files"] {
        args.flag(flag, true)?;
    }
    let limit = args.number("limit", 1..=2000)?.unwrap_or(PAGE);
    args.ignore(&["shared_link", "include_property_groups"]);
    args.finish()?;
    let seq = db.newest().map_err(broken)?;
    let namespaces = app.namespaces();
    let by_id = path.starts_with("id:") && !path.contains('/');
    let key = if bulk::find(&path, app.bulk).is_some() {
        Some(bulk::FOLDER.to_owned())
    } else {
        call.view.locate(db, &namespaces, &path).map_err(broken)?
    };
    let Some(key) = key else { return Err(reply::path("not_found").into()) };
    let synthetic = bulk::find(&key, app.bulk);
    let folder = if key == call.view.0 {
        None
    } else {
        match synthetic.map_or_else(|| db.at_path(&key, seq), |entry| Ok(Some(entry))).map_err(broken)? {
            Some(entry) if entry.kind == Kind::Folder => Some(entry.id),
            Some(_) => return Err(reply::path("not_folder").into()),
            // The root of another namespace that we show as the root.
            None if key.is_empty() => None,
            None => return Err(reply::path("not_found").into()),
        }
    };
    Ok(Cursor {
        account: app.account_id.clone(),
        view: call.view.0.clone(),
        folder,
        path: key,
        by_id,
        recursive,
        include_deleted,
        limit,
        at: Position::Listing(seq, String::new()),
    })
}

fn page(app: &App, db: &Db, call: &Call, cursor: &Cursor) -> Result<Response, Refusal> {
    let strike = |fault: &str| app.script.strike(fault, &call.route);
    let respond = |entries: Vec<Value>, cursor: &Cursor, has_more: bool| {
        let body = json!({"entries": entries, "cursor": cursor.encode(&app.key), "has_more": has_more});
        Ok(reply::json(StatusCode::OK, &body))
    };
    let lister = lister(app, db, call);
    if strike("empty_page").is_some() {
        return respond(Vec::new(), cursor, true);
    }
    let limit = strike("page_size").map_or(cursor.limit, |strike| strike.value.map_or(1, mangle::number));
    // Only a drain that begins now is turned round as a whole; one that is under way goes on as it began.
    let reversed = strike("reverse_move").is_some();
    let page = lister.page(cursor, limit, reversed)?;
    let mut entries: Vec<Value> = page.items.iter().filter_map(|item| call.view.item(item)).collect();
    mangle::page(&app.script, &call.route, &mut entries);
    if strike("cursor_stuck").is_some() {
        return respond(entries, cursor, true);
    }
    respond(entries, &page.cursor, page.has_more)
}

/// `files/list_folder`.
pub fn list_folder(app: &App, db: &Db, call: &Call) -> Result<Response, Refusal> {
    let cursor = start(app, db, call)?;
    page(app, db, call, &cursor)
}

/// `files/list_folder/get_latest_cursor`.
pub fn get_latest_cursor(app: &App, db: &Db, call: &Call) -> Result<Response, Refusal> {
    let cursor = start(app, db, call)?;
    let seq = db.newest().map_err(broken)?;
    let cursor = cursor.moved(Position::Idle(seq)).encode(&app.key);
    Ok(reply::json(StatusCode::OK, &json!({"cursor": cursor})))
}

/// Reads a cursor that came with a request.
///
/// # Errors
/// 400 (text) if it is not one of this account's.
pub fn cursor(app: &App, call: &Call, text: &str) -> Result<Cursor, Refusal> {
    let wrong = || reply::bad_input(&call.route, "Invalid \"cursor\" parameter").into();
    if app.script.strike("bad_cursor", &call.route).is_some() {
        return Err(wrong());
    }
    Cursor::decode(&app.key, text).filter(|cursor| cursor.account == app.account_id).ok_or_else(wrong)
}

/// The 409s that are not about a path.
pub fn refuse_cursor(app: &App, call: &Call) -> Result<(), Refusal> {
    for tag in ["reset", "other"] {
        if app.script.strike(tag, &call.route).is_some() {
            return Err(reply::conflict(json!({".tag": tag})).into());
        }
    }
    if app.script.strike("path_not_found", &call.route).is_some() {
        return Err(reply::path("not_found").into());
    }
    Ok(())
}

/// `files/list_folder/continue`.
pub fn list_folder_continue(app: &App, db: &Db, call: &Call) -> Result<Response, Refusal> {
    let mut args = Args::parse(&call.route, &call.arg)?;
    let text = args.required("cursor")?;
    args.finish()?;
    let cursor = cursor(app, call, &text)?;
    refuse_cursor(app, call)?;
    let view = super::view::View(cursor.view.clone());
    page(app, db, &Call { view, ..call.clone() }, &cursor)
}

/// `files/get_metadata`.
pub fn get_metadata(app: &App, db: &Db, call: &Call) -> Result<Response, Refusal> {
    let mut args = Args::parse(&call.route, &call.arg)?;
    let path = args.read_path()?;
    let include_deleted = args.flag("include_deleted", false)?;
    args.flag("include_media_info", false)?;
    args.flag("include_has_explicit_shared_members", false)?;
    args.ignore(&["include_property_groups"]);
    args.finish()?;
    let namespaces = app.namespaces();
    let found = call.view.find(db, &namespaces, app.bulk, &path).map_err(broken)?;
    let mut value = match found {
        Some(entry) => call.view.metadata(&entry),
        None if include_deleted && path.starts_with('/') => {
            let last = db.last_at_path(&call.view.key(&path)).map_err(broken)?;
            let Some(last) = last else { return Err(reply::path("not_found").into()) };
            call.view.deleted(&last.path_lower, &last.path_display)
        }
        None => return Err(reply::path("not_found").into()),
    };
    mangle::entry(&app.script, &call.route, &mut value);
    Ok(reply::json(StatusCode::OK, &value))
}

/// `files/list_revisions`.
pub fn list_revisions(app: &App, db: &Db, call: &Call) -> Result<Response, Refusal> {
    let mut args = Args::parse(&call.route, &call.arg)?;
    let path = args.read_path()?;
    let by_id = args.tag("mode", &["path", "id", "other"])? == Some("id");
    let limit = args.number("limit", 1..=100)?.unwrap_or(10);
    let before_rev = args.text("before_rev")?;
    args.flag("include_restorable_info", false)?;
    if before_rev.as_deref().is_some_and(|rev| !revision(rev)) {
        return Err(args.wrong("before_rev", "did not match pattern '[0-9a-f]{9,}'"));
    }
    args.finish()?;
    if by_id && before_rev.is_some() {
        return Err(reply::conflict(json!({".tag": "before_rev_not_supported"})).into());
    }
    let history = history(app, db, call, &path, by_id)?;
    let newest = history.first().ok_or_else(|| Refusal::from(reply::path("not_found")))?;
    let is_deleted = newest.died != super::db::ALIVE;
    if newest.kind == Kind::Folder && !is_deleted {
        return Err(reply::path("not_file").into());
    }
    let mut seen = HashSet::new();
    let mut revisions: Vec<&Entry> =
        history.iter().filter(|entry| entry.kind != Kind::Folder && seen.insert(entry.rev.as_str())).collect();
    if revisions.is_empty() {
        return Err(reply::path("not_file").into());
    }
    if let Some(before) = before_rev {
        let Some(at) = revisions.iter().position(|entry| entry.rev == before) else {
            return Err(reply::conflict(json!({".tag": "invalid_before_rev"})).into());
        };
        revisions.drain(..=at);
    }
    let limit = usize::try_from(limit).unwrap_or(100);
    let has_more = revisions.len() > limit;
    let entries: Vec<Value> = revisions
        .into_iter()
        .take(limit)
        .map(|entry| {
            let mut value = call.view.metadata(entry);
            mangle::entry(&app.script, &call.route, &mut value);
            // A list of `FileMetadata`, not of the union: no tag.
            value.as_object_mut().map(|fields| fields.remove(".tag"));
            value
        })
        .collect();
    Ok(reply::json(StatusCode::OK, &json!({"is_deleted": is_deleted, "entries": entries, "has_more": has_more})))
}

/// All states of what a path holds or held (mode `path`), or of the file that is there (mode `id`), newest first.
fn history(app: &App, db: &Db, call: &Call, path: &str, by_id: bool) -> Result<Vec<Entry>, Refusal> {
    let namespaces = app.namespaces();
    let found = call.view.find(db, &namespaces, app.bulk, path).map_err(broken)?;
    if let Some(entry) = found.as_ref().filter(|entry| bulk::number(entry).is_some()) {
        return Ok(vec![entry.clone()]);
    }
    let bare_id = path.starts_with("id:") && !path.contains('/');
    let key = match (by_id, found) {
        (true, Some(entry)) => Some(entry.id),
        (false, Some(entry)) => Some(entry.path_lower),
        (true, None) if bare_id => Some(path.to_owned()),
        (false, None) if bare_id => db.history(path).map_err(broken)?.first().map(|entry| entry.path_lower.clone()),
        (by_id, None) => {
            let key = call.view.locate(db, &namespaces, path).map_err(broken)?;
            let last = match key {
                Some(key) => db.last_at_path(&key).map_err(broken)?,
                None => None,
            };
            last.map(|entry| if by_id { entry.id } else { entry.path_lower })
        }
    };
    let history = key.map_or_else(|| Ok(Vec::new()), |key| db.history(&key)).map_err(broken)?;
    Ok(history.into_iter().filter(|entry| names::within(&entry.path_lower, &call.view.0)).collect())
}

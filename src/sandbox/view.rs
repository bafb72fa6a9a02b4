//! What a caller sees: the namespace folder that its paths are relative to, what a path, id or revision means there, and how an
//! entry is written as JSON.

use http::HeaderMap;
use serde_json::{Value, json};

use super::account::{HOME_PATH, Namespaces};
use super::bulk;
use super::db::{Db, Entry, Kind};
use super::listing::Item;
use super::names;
use super::reply::{self, Refusal};

/// The folder that paths are relative to, as a key; empty for the root.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct View(pub String);

/// RFC 3339, whole seconds, UTC.
pub fn timestamp(seconds: i64) -> String {
    jiff::Timestamp::from_second(seconds).unwrap_or(jiff::Timestamp::UNIX_EPOCH).to_string()
}

fn home(namespaces: &Namespaces) -> View {
    View(if namespaces.team { names::lower(HOME_PATH) } else { String::new() })
}

impl View {
    /// Reads `Dropbox-API-Path-Root`.
    ///
    /// # Errors
    /// 422 for a root that is not the account's, or a namespace that it cannot reach; 400 for what cannot be read.
    pub fn of(route: &str, headers: &HeaderMap, namespaces: &Namespaces) -> Result<View, Refusal> {
        let Some(header) = headers.get("dropbox-api-path-root") else { return Ok(home(namespaces)) };
        let wrong =
            || reply::bad_input(route, "HTTP header \"Dropbox-API-Path-Root\": could not decode input as JSON").into();
        let value: Value = serde_json::from_slice(header.as_bytes()).map_err(|_| wrong())?;
        let tag = value[".tag"].as_str().or(value.as_str());
        match (tag, value["root"].as_str(), value["namespace_id"].as_str()) {
            (Some("home"), ..) => Ok(home(namespaces)),
            (Some("root"), Some(root), _) if root == namespaces.root => Ok(View(String::new())),
            (Some("root"), Some(_), _) => {
                let error = json!({".tag": "invalid_root", "invalid_root": namespaces.root_info()});
                Err(reply::path_root(error).into())
            }
            (Some("namespace_id"), _, Some(id)) => match View::namespace(id, namespaces) {
                Some(view) => Ok(view),
                None => Err(reply::path_root(json!({".tag": "no_permission"})).into()),
            },
            _ => Err(wrong()),
        }
    }

    fn namespace(id: &str, namespaces: &Namespaces) -> Option<View> {
        if id == namespaces.root {
            Some(View(String::new()))
        } else {
            (id == namespaces.home).then(|| home(namespaces))
        }
    }

    /// The key of a path that is written relative to this view; double slashes count as one.
    pub fn key(&self, path: &str) -> String {
        path.split('/')
            .filter(|part| !part.is_empty())
            .fold(self.0.clone(), |key, part| key + "/" + &names::lower(part))
    }

    /// The key that `/…`, `ns:N/…` or `id:…/…` means now; `None` if an id or namespace is unknown. A bare id or revision is
    /// found by [`View::find`].
    pub fn locate(&self, db: &Db, namespaces: &Namespaces, name: &str) -> rusqlite::Result<Option<String>> {
        if let Some(rest) = name.strip_prefix("ns:") {
            let (id, path) = rest.split_once('/').unwrap_or((rest, ""));
            return Ok(View::namespace(id, namespaces).map(|view| view.key(path)));
        }
        if name.starts_with("id:") {
            let (id, path) = name.split_once('/').unwrap_or((name, ""));
            let folder = db.by_id(id, db.newest()?)?.map(|entry| entry.path_lower);
            let folder = folder.filter(|path| names::within(path, &self.0));
            return Ok(folder.map(|folder| View(folder).key(path)));
        }
        Ok(Some(self.key(name)))
    }

    /// What a path, id or revision means now. A revision is found also after its file is gone.
    pub fn find(&self, db: &Db, namespaces: &Namespaces, bulk: u64, name: &str) -> rusqlite::Result<Option<Entry>> {
        let synthetic = bulk::find(name.strip_prefix("rev:").unwrap_or(name), bulk);
        let synthetic = synthetic.or_else(|| bulk::find(&self.key(name), bulk));
        if let Some(entry) = synthetic.filter(|entry| self.shows(&entry.path_lower)) {
            return Ok(Some(entry));
        }
        let found = if let Some(rev) = name.strip_prefix("rev:") {
            db.by_rev(rev)?
        } else {
            match self.locate(db, namespaces, name)? {
                Some(key) => db.at_path(&key, db.newest()?)?,
                None => None,
            }
        };
        Ok(found.filter(|entry| self.shows(&entry.path_lower)))
    }

    /// Whether a key lies in this view (the view's own folder is its root, not an entry).
    pub fn shows(&self, path_lower: &str) -> bool {
        names::within(path_lower, &self.0) && path_lower != self.0
    }

    fn paths(&self, path_lower: &str, path_display: &str) -> (String, String) {
        if self.0.is_empty() {
            return (path_lower.to_owned(), path_display.to_owned());
        }
        (names::rebase(path_lower, &self.0, ""), names::rebase(path_display, &self.0, ""))
    }

    /// `FileMetadata` or `FolderMetadata`, with its tag.
    pub fn metadata(&self, entry: &Entry) -> Value {
        let (path_lower, path_display) = self.paths(&entry.path_lower, &entry.path_display);
        let name = names::name(&path_display);
        if entry.kind == Kind::Folder {
            return json!({
                ".tag": "folder", "name": name, "path_lower": path_lower, "path_display": path_display, "id": entry.id,
            });
        }
        let mut value = json!({
            ".tag": "file",
            "name": name,
            "path_lower": path_lower,
            "path_display": path_display,
            "id": entry.id,
            "client_modified": timestamp(entry.client_modified),
            "server_modified": timestamp(entry.server_modified),
            "rev": entry.rev,
            "size": entry.size,
            "is_downloadable": true,
            "content_hash": entry.content_hash.map(|hash| hash.to_string()),
        });
        if let Some(target) = &entry.target {
            value["symlink_info"] = json!({"target": target});
        }
        value
    }

    /// An item of a page; `None` for what this view does not show.
    pub fn item(&self, item: &Item) -> Option<Value> {
        match item {
            Item::Live(entry) => self.shows(&entry.path_lower).then(|| self.metadata(entry)),
            Item::Gone(path_lower, path_display) => {
                self.shows(path_lower).then(|| self.deleted(path_lower, path_display))
            }
        }
    }

    /// `DeletedMetadata`, with its tag.
    pub fn deleted(&self, path_lower: &str, path_display: &str) -> Value {
        let (path_lower, path_display) = self.paths(path_lower, path_display);
        let name = names::name(&path_display);
        json!({".tag": "deleted", "name": name, "path_lower": path_lower, "path_display": path_display})
    }
}

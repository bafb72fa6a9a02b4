//! A sandbox on a fresh folder, and a plain HTTP client for it.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use droptrail::ledger::{faults, serve};
use droptrail::sandbox::{Options, Sandbox};
use reqwest::{RequestBuilder, Response};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio_util::sync::{CancellationToken, DropGuard};

const DEADLINE: Duration = Duration::from_secs(20);

pub struct World {
    pub folder: TempDir,
    pub state: PathBuf,
    _state: Option<TempDir>,
    pub sandbox: Sandbox,
    pub url: String,
    pub http: reqwest::Client,
    pub token: String,
    shutdown: DropGuard,
}

impl World {
    pub async fn new(files: &[(&str, &str)]) -> World {
        World::with(files, |_| ()).await
    }

    pub async fn with(files: &[(&str, &str)], change: impl FnOnce(&mut Options)) -> World {
        let folder = tempfile::tempdir().unwrap();
        for (path, content) in files {
            write(&folder.path().join(path), content);
        }
        let state = tempfile::tempdir().unwrap();
        let path = state.path().to_owned();
        World::open(folder, path, Some(state), change).await
    }

    pub async fn open(
        folder: TempDir,
        state: PathBuf,
        keep: Option<TempDir>,
        change: impl FnOnce(&mut Options),
    ) -> World {
        let mut options = Options::new(folder.path(), &state);
        change(&mut options);
        let sandbox = Sandbox::open(options).unwrap();
        sandbox.ready().await.unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let shutdown = CancellationToken::new();
        tokio::spawn(serve::serve(listener, sandbox.router(), None, shutdown.clone()));
        let http = reqwest::Client::builder().no_proxy().build().unwrap();
        let mut world = World {
            folder,
            state,
            _state: keep,
            sandbox,
            url,
            http,
            token: String::new(),
            shutdown: shutdown.drop_guard(),
        };
        world.refresh().await;
        world
    }

    /// The same folder and state, in a new sandbox.
    pub async fn restart(self, between: impl FnOnce(&Path)) -> World {
        drop(self.shutdown);
        self.sandbox.close();
        between(self.folder.path());
        World::open(self.folder, self.state, self._state, |_| ()).await
    }

    pub async fn refresh(&mut self) {
        let credentials = self.sandbox.credentials();
        let form = [
            ("grant_type", "refresh_token"),
            ("refresh_token", &credentials.refresh_token),
            ("client_id", &credentials.app_key),
        ];
        let response = self.http.post(format!("{}/oauth2/token", self.url)).form(&form).send().await.unwrap();
        assert_eq!(response.status(), 200);
        self.token = response.json::<Value>().await.unwrap()["access_token"].as_str().unwrap().to_owned();
    }

    pub fn path(&self, path: &str) -> PathBuf {
        self.folder.path().join(path)
    }

    pub fn write(&self, path: &str, content: &str) {
        write(&self.path(path), content);
    }

    /// What editors do: a new file, moved over the old one.
    pub fn save(&self, path: &str, content: &str) {
        let temporary = self.path(&format!("{path}.tmp~"));
        write(&temporary, content);
        fs::rename(temporary, self.path(path)).unwrap();
    }

    pub fn rename(&self, from: &str, to: &str) {
        fs::create_dir_all(self.path(to).parent().unwrap()).unwrap();
        fs::rename(self.path(from), self.path(to)).unwrap();
    }

    pub fn faults(&self, text: &str) {
        let file: faults::File = toml::from_str(text).unwrap();
        self.sandbox.load_faults(file.seed, file.dropbox);
    }

    pub fn request(&self, route: &str) -> RequestBuilder {
        let request = self.http.post(format!("{}/2/{route}", self.url));
        if route.ends_with("longpoll") { request } else { request.bearer_auth(&self.token) }
    }

    pub async fn raw(&self, route: &str, argument: &Value) -> Response {
        self.request(route).json(argument).send().await.unwrap()
    }

    /// Status and body; a body that is not JSON comes as a JSON text.
    pub async fn rpc(&self, route: &str, argument: Value) -> (u16, Value) {
        let response = self.raw(route, &argument).await;
        let status = response.status().as_u16();
        let text = response.text().await.unwrap();
        (status, serde_json::from_str(&text).unwrap_or(Value::String(text)))
    }

    pub async fn ok(&self, route: &str, argument: Value) -> Value {
        let (status, body) = self.rpc(route, argument).await;
        assert_eq!(status, 200, "{route}: {body}");
        body
    }

    /// All entries of a recursive listing of `path`, and the last cursor.
    pub async fn list(&self, path: &str) -> (Vec<Value>, String) {
        let page = self.ok("files/list_folder", json!({"path": path, "recursive": true})).await;
        self.rest(page).await
    }

    /// A page and all that follow it.
    pub async fn rest(&self, mut page: Value) -> (Vec<Value>, String) {
        let mut entries = Vec::new();
        loop {
            entries.extend(page["entries"].as_array().unwrap().clone());
            let cursor = page["cursor"].as_str().unwrap().to_owned();
            if page["has_more"] == false {
                return (entries, cursor);
            }
            page = self.ok("files/list_folder/continue", json!({"cursor": cursor})).await;
        }
    }

    pub async fn drain(&self, cursor: &str) -> (Vec<Value>, String) {
        let page = self.ok("files/list_folder/continue", json!({"cursor": cursor})).await;
        self.rest(page).await
    }

    /// The changes since `cursor`, as soon as they are what `enough` waits for.
    pub async fn changes(&self, cursor: &str, enough: impl Fn(&[Value]) -> bool) -> (Vec<Value>, String) {
        let began = Instant::now();
        loop {
            let (entries, next) = self.drain(cursor).await;
            if enough(&entries) {
                return (entries, next);
            }
            assert!(began.elapsed() < DEADLINE, "still only {entries:#?}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    pub async fn metadata(&self, path: &str) -> Value {
        self.ok("files/get_metadata", json!({"path": path})).await
    }

    pub async fn download(&self, path: &str, headers: &[(&str, &str)]) -> Response {
        let argument = json!({"path": path}).to_string();
        let mut request = self.request("files/download").header("Dropbox-API-Arg", argument);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        request.send().await.unwrap()
    }

    pub async fn longpoll(&self, cursor: &str) -> (u16, Value) {
        self.rpc("files/list_folder/longpoll", json!({"cursor": cursor, "timeout": 30})).await
    }
}

pub fn write(path: &Path, content: &str) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, content).unwrap();
}

/// `tag path_lower` of each entry.
pub fn shape(entries: &[Value]) -> Vec<String> {
    entries
        .iter()
        .map(|entry| format!("{} {}", entry[".tag"].as_str().unwrap(), entry["path_lower"].as_str().unwrap_or("-")))
        .collect()
}

/// The entry at a path that is not a deletion.
pub fn at<'a>(entries: &'a [Value], path: &str) -> &'a Value {
    let here = |entry: &&Value| entry["path_lower"] == path && entry[".tag"] != "deleted";
    entries.iter().find(here).unwrap_or_else(|| panic!("nothing at {path} in {entries:#?}"))
}

pub fn has(entries: &[Value], tag: &str, path: &str) -> bool {
    entries.iter().any(|entry| entry[".tag"] == tag && entry["path_lower"] == path)
}

pub fn error_tag(body: &Value) -> String {
    let summary = body["error_summary"].as_str().unwrap_or_else(|| panic!("no error_summary in {body}"));
    summary.trim_end_matches('.').trim_end_matches('/').to_owned()
}

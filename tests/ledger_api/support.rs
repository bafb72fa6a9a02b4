//! A ledger on a socket, and tenants that talk to it.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use droptrail::ledger::{Credentials, Ledger, Options, faults, serve};
use reqwest::header::HeaderMap;
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

pub struct World {
    pub ledger: Ledger,
    pub url: String,
    pub script: faults::Script,
    pub client: reqwest::Client,
    pub data: PathBuf,
    end: CancellationToken,
    served: tokio::task::JoinHandle<()>,
    directory: Option<tempfile::TempDir>,
}

impl World {
    pub async fn new() -> World {
        World::with(|_| {}).await
    }

    pub async fn with(change: impl FnOnce(&mut Options)) -> World {
        let directory = tempfile::tempdir().expect("a directory");
        let mut world = World::on(directory.path().join("data"), change).await;
        world.directory = Some(directory);
        world
    }

    pub async fn on(data: PathBuf, change: impl FnOnce(&mut Options)) -> World {
        let mut options = Options { commit_delay: Duration::from_millis(6), ..Options::new(&data) };
        change(&mut options);
        let script = options.script.clone();
        let ledger = Ledger::open(options).expect("a ledger");
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let url = format!("http://{}", listener.local_addr().expect("an address"));
        ledger.set_public_url(&url);
        let end = CancellationToken::new();
        let served = tokio::spawn(serve::serve(listener, ledger.router(), None, end.clone()));
        World { ledger, url, script, client: client(), data, end, served, directory: None }
    }

    /// Ends it and gives the directory, with all that it holds.
    pub async fn stop(self) -> (PathBuf, Option<tempfile::TempDir>) {
        self.end.cancel();
        self.served.await.expect("served to the end");
        drop(self.ledger);
        (self.data, self.directory)
    }

    pub fn faults(&self, text: &str) {
        let file: faults::File = toml::from_str(text).expect("a fault script");
        self.script.load(file.seed, file.ledger);
    }

    pub async fn tenant(&self, name: &str) -> Tenant {
        let credentials = self.ledger.add_tenancy(name, Some("acme.example")).expect("a tenancy");
        Tenant::sign_in(self, credentials).await
    }

    pub fn anybody(&self) -> Tenant {
        let credentials = Credentials {
            name: String::new(),
            tenant_identity: String::new(),
            client_id: String::new(),
            client_secret: String::new(),
        };
        Tenant { url: self.url.clone(), client: self.client.clone(), token: None, credentials }
    }

    pub fn database(&self) -> rusqlite::Connection {
        rusqlite::Connection::open(self.data.join("ledger.db")).expect("the database")
    }
}

#[derive(Clone)]
pub struct Tenant {
    pub url: String,
    pub client: reqwest::Client,
    pub token: Option<String>,
    pub credentials: Credentials,
}

pub struct Answer {
    pub status: u16,
    pub headers: HeaderMap,
    pub text: String,
    pub json: Value,
}

impl Answer {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }

    pub fn identity(&self) -> String {
        self.json["identity"]
            .as_str()
            .unwrap_or_else(|| panic!("no identity in {} {}", self.status, self.text))
            .to_owned()
    }
}

impl Tenant {
    pub async fn sign_in(world: &World, credentials: Credentials) -> Tenant {
        let mut tenant = Tenant { credentials, ..world.anybody() };
        let answer = tenant.ask_for_token(&tenant.credentials.client_secret).await;
        assert_eq!(answer.status, 200, "{}", answer.text);
        tenant.token = Some(answer.json["access_token"].as_str().expect("a token").to_owned());
        tenant
    }

    pub async fn ask_for_token(&self, secret: &str) -> Answer {
        let form = [
            ("grant_type", "client_credentials"),
            ("client_id", &self.credentials.client_id),
            ("client_secret", secret),
            ("audience", "tolerated"),
        ];
        let request = self.client.post(format!("{}/archivist/iam/v1/appidp/token", self.url)).form(&form);
        read(request).await.expect("an answer")
    }

    fn signed(&self, request: reqwest::RequestBuilder) -> reqwest::RequestBuilder {
        match &self.token {
            Some(token) => request.bearer_auth(token),
            None => request,
        }
    }

    /// `path` is everything after `/archivist/`.
    pub async fn get(&self, path: &str) -> Answer {
        self.get_with(path, &[]).await
    }

    pub async fn get_with(&self, path: &str, headers: &[(&str, &str)]) -> Answer {
        let mut request = self.signed(self.client.get(format!("{}/archivist/{path}", self.url)));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        read(request).await.expect("an answer")
    }

    pub async fn try_post(&self, path: &str, body: &str) -> Result<Answer, reqwest::Error> {
        read(self.signed(self.client.post(format!("{}/archivist/{path}", self.url)).body(body.to_owned()))).await
    }

    pub async fn post(&self, path: &str, body: &Value) -> Answer {
        self.try_post(path, &body.to_string()).await.expect("an answer")
    }

    pub async fn create(&self, public: bool, attributes: Value) -> String {
        let body = json!({"behaviours": ["RecordEvidence"], "public": public, "attributes": attributes});
        self.post("v2/assets", &body).await.identity()
    }

    pub async fn record(&self, asset: &str, event: Value, attributes: Value) -> String {
        let body = json!({"operation": "Record", "behaviour": "RecordEvidence",
            "event_attributes": event, "asset_attributes": attributes});
        self.post(&format!("v2/{asset}/events"), &body).await.identity()
    }

    /// Polls until the record is confirmed.
    pub async fn confirmed(&self, identity: &str) -> Answer {
        eventually(|| async {
            let answer = self.get(&format!("v2/{identity}")).await;
            (answer.json["confirmation_status"] == "CONFIRMED").then_some(answer)
        })
        .await
    }
}

/// Costly to make (it reads the system's certificates), so there is one for each world.
fn client() -> reqwest::Client {
    reqwest::Client::builder().no_proxy().build().expect("a client")
}

async fn read(request: reqwest::RequestBuilder) -> Result<Answer, reqwest::Error> {
    let response = request.send().await?;
    let (status, headers) = (response.status().as_u16(), response.headers().clone());
    let text = response.text().await?;
    let json = serde_json::from_str(&text).unwrap_or_default();
    Ok(Answer { status, headers, text, json })
}

/// Tries until there is something, for at most ten seconds.
pub async fn eventually<T, F: Future<Output = Option<T>>>(attempt: impl Fn() -> F) -> T {
    let began = Instant::now();
    loop {
        if let Some(found) = attempt().await {
            return found;
        }
        assert!(began.elapsed() < Duration::from_secs(10), "it did not come to be");
        tokio::time::sleep(Duration::from_millis(3)).await;
    }
}

/// A field of every record of a listing.
pub fn column(answer: &Answer, field: &str) -> Vec<String> {
    let records = answer.json["assets"].as_array().or_else(|| answer.json["events"].as_array());
    let records = records.unwrap_or_else(|| panic!("no listing: {} {}", answer.status, answer.text));
    records.iter().map(|record| record.pointer(field).and_then(Value::as_str).unwrap_or_default().to_owned()).collect()
}

//! The judge: what is on the ledger, read from its own store (every asset and event of every tenancy, failed ones too) and,
//! for what the public sees, over its public HTTP interface.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::Duration;

use serde_json::Value;

use super::database::Database;

/// One event of an asset; the first is its registration.
#[derive(Debug, Clone)]
pub struct Version {
    pub uuid: String,
    /// `NewAsset` or `Record`.
    pub operation: String,
    pub status: i64,
    /// Its place in the order of commitment; `None` while it is not committed.
    pub committed: Option<i64>,
    pub asset_attributes: Value,
    pub event_attributes: Value,
    pub declared: String,
}

impl Version {
    pub fn attribute(&self, name: &str) -> &str {
        self.asset_attributes[name].as_str().unwrap_or_default()
    }

    pub fn hash(&self) -> &str {
        self.attribute("document_hash_value")
    }
}

/// One asset, with its events in the order in which they were accepted.
#[derive(Debug, Clone)]
pub struct Asset {
    pub uuid: String,
    pub tenancy: String,
    pub public: bool,
    pub status: i64,
    /// As accepted so far, all events merged in.
    pub attributes: Value,
    pub versions: Vec<Version>,
}

impl Asset {
    pub fn file(&self) -> &str {
        self.attributes["droptrail_file"].as_str().unwrap_or_default()
    }

    pub fn hashes(&self) -> Vec<&str> {
        self.versions.iter().map(Version::hash).collect()
    }

    /// Everything that holds for each asset of ours, whatever happened.
    pub fn assert_sound(&self) {
        let numbers: Vec<String> = (1..=self.versions.len()).map(|n| n.to_string()).collect();
        let all = |name: &str| self.versions.iter().map(|version| version.attribute(name)).collect::<Vec<_>>();
        assert!(self.public, "{self:#?}");
        assert_eq!(all("droptrail_sequence"), numbers, "the numbers have no gap: {self:#?}");
        assert_eq!(all("document_version"), numbers, "the versions have no gap: {self:#?}");
        let committed: Vec<i64> = self.versions.iter().filter_map(|version| version.committed).collect();
        assert_eq!(committed.len(), self.versions.len(), "everything is committed: {self:#?}");
        assert!(committed.is_sorted(), "committed in order: {self:#?}");
        let [first, later @ ..] = &self.versions[..] else { panic!("no registration: {self:#?}") };
        assert_eq!(first.operation, "NewAsset");
        assert!(later.iter().all(|version| version.operation == "Record"), "{self:#?}");
        assert!(later.iter().all(|version| version.event_attributes["arc_display_type"] == "Publish"), "{self:#?}");
        for (name, value) in [
            ("arc_profile", "Document"),
            ("arc_display_name", "xxx..."),
            ("arc_display_type", "Document"),
            ("document_status", "Published"),
        ] {
            assert_eq!(self.attributes[name], value, "{self:#?}");
        }
        let last = self.versions.last().map(Version::hash);
        assert_eq!(self.attributes["document_hash_value"].as_str(), last, "the newest version is the asset's state");
    }
}

/// Reads the ledger.
#[derive(Debug, Clone)]
pub struct LedgerView {
    store: Database,
    /// `http://127.0.0.1:…`
    pub url: String,
}

fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap()
}

impl LedgerView {
    pub fn new(store: Database, url: &str) -> LedgerView {
        LedgerView { store, url: url.to_owned() }
    }

    /// All assets, in the order in which they were accepted.
    pub fn assets(&self) -> Vec<Asset> {
        let sql = "SELECT a.uuid, t.name, a.public, a.status, a.attributes, e.uuid, e.operation, e.status, l.seq,
                       e.asset_attributes, e.event_attributes, e.declared
                   FROM assets a JOIN tenancies t ON t.id = a.tenancy JOIN events e ON e.asset = a.id
                   LEFT JOIN leaves l ON l.event = e.id ORDER BY a.id, e.id";
        let rows = self.store.rows(sql, &[], |row| {
            let text = |n: usize| row.get::<_, String>(n).unwrap();
            let version = Version {
                uuid: text(5),
                operation: text(6),
                status: row.get(7).unwrap(),
                committed: row.get(8).unwrap(),
                asset_attributes: json(&text(9)),
                event_attributes: json(&text(10)),
                declared: text(11),
            };
            let asset = Asset {
                uuid: text(0),
                tenancy: text(1),
                public: row.get(2).unwrap(),
                status: row.get(3).unwrap(),
                attributes: json(&text(4)),
                versions: Vec::new(),
            };
            (asset, version)
        });
        let mut assets: Vec<Asset> = Vec::new();
        for (asset, version) in rows {
            if assets.last().is_none_or(|last| last.uuid != asset.uuid) {
                assets.push(asset);
            }
            if let Some(last) = assets.last_mut() {
                last.versions.push(version);
            }
        }
        assets
    }

    /// The assets of one tenancy, by the ledger's name for it.
    pub fn of(&self, tenancy: &str) -> Vec<Asset> {
        self.assets().into_iter().filter(|asset| asset.tenancy == tenancy).collect()
    }

    /// How many events there are in all, registrations included.
    pub fn events(&self) -> usize {
        self.assets().iter().map(|asset| asset.versions.len()).sum()
    }

    /// What anybody gets at a path of the public interface.
    pub fn public(&self, path: &str) -> (u16, Value) {
        let (status, body) = get(&self.url, path);
        (status, serde_json::from_str(&body).unwrap_or(Value::Null))
    }
}

/// One GET without credentials: the status and the body.
pub fn get(url: &str, path: &str) -> (u16, String) {
    let host = url.strip_prefix("http://").unwrap();
    let mut stream = TcpStream::connect(host).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    write!(stream, "GET {path} HTTP/1.0\r\nHost: {host}\r\n\r\n").unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).unwrap();
    let answer = String::from_utf8_lossy(&answer).into_owned();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or((&answer, ""));
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or(0);
    (status, body.to_owned())
}

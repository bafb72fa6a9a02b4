//! A store in a temporary directory, with words for pages and for what became of them.

use tempfile::TempDir;

use crate::digest::Digest;
use crate::store::{
    Applied, Change, Current, Fixed, LinkWanted, PageOf, Policy, Publication, PublicationId, Recorded, Shown, Store,
    TenancyId, TenancyWanted, Watch,
};

pub const POLICY: Policy = Policy { dropbox_hash: false, clear_names: false, hold_above: 0 };

/// The hash that stands for a content; contents are called by one capital letter.
pub fn hash(content: &str) -> Digest {
    Digest::sha256(content)
}

fn content_of(digest: Option<Digest>) -> String {
    let known = ('A'..='Z').map(String::from).find(|content| Some(hash(content)) == digest);
    known.unwrap_or_else(|| "?".into())
}

pub fn at(second: u32) -> String {
    format!("2026-01-01T00:{:02}:{:02}Z", second / 60, second % 60)
}

pub fn shown(id: &str, rev: &str, path: &str, content: &str, second: u32) -> Shown {
    Shown {
        file_id: id.into(),
        rev: rev.into(),
        size: 1,
        content_hash: Some(hash(content)),
        server_modified: at(second),
        path_lower: path.into(),
        path_display: path.into(),
        name: path.rsplit('/').next().unwrap_or_default().into(),
        skip: None,
    }
}

pub fn file(id: &str, rev: &str, path: &str, content: &str, second: u32) -> Change {
    Change::File(shown(id, rev, path, content, second))
}

pub fn deleted(path: &str) -> Change {
    Change::Deleted { path_lower: path.into() }
}

pub fn folder(path: &str) -> Change {
    Change::Folder { path_lower: path.into() }
}

pub fn link(folder: &str, tenancy: &str) -> LinkWanted {
    LinkWanted { folder: folder.into(), tenancy: tenancy.into(), exclude: Vec::new() }
}

pub fn excluding(folder: &str, tenancy: &str, glob: &str) -> LinkWanted {
    LinkWanted { exclude: vec![glob.into()], ..link(folder, tenancy) }
}

pub fn answers(known: &[(&str, Current)]) -> Vec<(String, Current)> {
    known.iter().map(|(id, current)| ((*id).to_owned(), current.clone())).collect()
}

pub fn queued(applied: &Applied) -> u64 {
    match applied {
        Applied::Written { queued, .. } => *queued,
        other => panic!("not written: {other:?}"),
    }
}

pub struct Home {
    pub directory: TempDir,
    pub store: Store,
    pub policy: Policy,
    cursors: std::cell::Cell<u32>,
}

impl Home {
    /// A new database with these links; each folder is resolved at its own path and its empty listing is over.
    pub async fn watching(links: &[LinkWanted]) -> Home {
        let home = Home::linked(links).await;
        for watch in home.store.watches().await.expect("watches") {
            home.page(&watch.folder, vec![], false, &[]).await;
        }
        home
    }

    /// A new database with these links, nothing listed yet.
    pub async fn linked(links: &[LinkWanted]) -> Home {
        let directory = tempfile::tempdir().expect("directory");
        let (store, found) = Store::open(directory.path()).expect("opened");
        assert!(!found.unclean);
        let home = Home { directory, store, policy: POLICY, cursors: std::cell::Cell::new(0) };
        home.sync(links).await;
        home
    }

    pub async fn sync(&self, links: &[LinkWanted]) -> u64 {
        let mut names: Vec<String> = links.iter().map(|link| link.tenancy.clone()).collect();
        names.sort();
        names.dedup();
        let tenancies = names
            .into_iter()
            .map(|name| TenancyWanted { url: format!("https://{name}.example"), client_id: name.clone(), name })
            .collect();
        let cancelled = self.store.sync(tenancies, links.to_vec()).await.expect("synced").cancelled;
        for watch in self.store.watches().await.expect("watches") {
            if watch.path_lower.is_none() {
                let path = if watch.folder == "/" { String::new() } else { watch.folder.to_lowercase() };
                self.store.resolved(watch.id, None, path, "home".into(), false).await.expect("resolved");
            }
        }
        cancelled
    }

    pub async fn watch(&self, folder: &str) -> Watch {
        let watches = self.store.watches().await.expect("watches");
        watches.into_iter().find(|watch| watch.folder == folder).expect("a watch")
    }

    /// The cursor that the folder of a page has now.
    pub async fn watch_row(&self, page: &PageOf) -> Option<String> {
        self.store.watch(page.watch).await.expect("a watch").and_then(|watch| watch.cursor)
    }

    pub async fn page_of(&self, folder: &str, changes: Vec<Change>, has_more: bool) -> PageOf {
        let watch = self.watch(folder).await;
        self.cursors.set(self.cursors.get() + 1);
        let cursor = format!("cursor {}", self.cursors.get());
        PageOf { watch: watch.id, generation: watch.generation, asked_with: watch.cursor, changes, cursor, has_more }
    }

    /// The next page of a folder.
    pub async fn page(&self, folder: &str, changes: Vec<Change>, has_more: bool, known: &[(&str, Current)]) -> Applied {
        let page = self.page_of(folder, changes, has_more).await;
        self.store.apply(page, self.policy, answers(known)).await.expect("applied")
    }

    /// A whole drain in one page; gives how many publications it queued.
    pub async fn drain(&self, folder: &str, changes: Vec<Change>) -> u64 {
        queued(&self.page(folder, changes, false, &[]).await)
    }

    /// A drain that must ask about exactly these ids, and then gets the answers.
    pub async fn drain_asking(&self, folder: &str, changes: Vec<Change>, known: &[(&str, Current)]) -> u64 {
        let page = self.page_of(folder, changes, false).await;
        let asks = self.store.apply(page.clone(), self.policy, vec![]).await.expect("applied");
        assert_eq!(asks, Applied::Asks(known.iter().map(|(id, _)| (*id).to_owned()).collect()));
        queued(&self.store.apply(page, self.policy, answers(known)).await.expect("applied"))
    }

    /// Lists a folder anew.
    pub async fn relist(&self, folder: &str, changes: Vec<Change>) -> Applied {
        self.store.forget_cursor(self.watch(folder).await.id).await.expect("forgotten");
        self.page(folder, changes, false, &[]).await
    }

    pub async fn tenancy(&self, name: &str) -> TenancyId {
        let tenancies = self.store.tenancies().await.expect("tenancies");
        tenancies.into_iter().find(|tenancy| tenancy.name == name).expect("a tenancy").id
    }

    /// The contents queued for a file, in order, each asset by itself: `A B|C` are two assets. By the id that the file
    /// has now.
    pub async fn versions(&self, tenancy: &str, file_id: &str) -> String {
        let (tenancy, file_id) = (self.tenancy(tenancy).await, file_id.to_owned());
        self.store
            .read(move |connection| {
                let mut statement = connection.prepare(
                    "SELECT p.content_hash FROM publication p JOIN asset a ON a.id = p.asset
                     JOIN file f ON f.id = a.file WHERE a.tenancy = ?1 AND f.file_id = ?2 ORDER BY p.id",
                )?;
                let rows = statement.query_map(rusqlite::params![tenancy, file_id], |row| row.get(0))?;
                let contents: Vec<Option<Digest>> = rows.collect::<Result<_, _>>()?;
                Ok(contents.into_iter().map(content_of).collect::<Vec<_>>().join(" "))
            })
            .await
            .expect("versions")
    }

    /// One number from the database.
    pub async fn number(&self, sql: &str) -> i64 {
        let sql = sql.to_owned();
        self.store
            .read(move |connection| Ok(connection.query_row(&sql, [], |row| row.get(0))?))
            .await
            .expect("a number")
    }

    /// Everything that is in the database, row for row.
    pub async fn dump(&self) -> String {
        self.store
            .read(|connection| {
                let mut dump = String::new();
                let mut names =
                    connection.prepare("SELECT name FROM sqlite_schema WHERE type = 'table' ORDER BY name")?;
                let names: Vec<String> = names.query_map([], |row| row.get(0))?.collect::<Result<_, _>>()?;
                for name in names {
                    let mut statement = connection.prepare(&format!("SELECT * FROM {name}"))?;
                    let columns = statement.column_count();
                    let mut rows = statement.query([])?;
                    while let Some(row) = rows.next()? {
                        let values: Vec<_> = (0..columns).map(|n| row.get_ref(n).map(|v| format!("{v:?}"))).collect();
                        dump += &format!("{name} {values:?}\n");
                    }
                }
                Ok(dump)
            })
            .await
            .expect("a dump")
    }

    /// Hashes all that waits.
    pub async fn hash_all(&self) {
        for wanted in self.store.unhashed(10_000).await.expect("unhashed") {
            let content_hash = wanted.content_hash.expect("a content hash");
            self.store.hashed(wanted.id, content_hash, Digest::sha256(content_hash.0)).await.expect("hashed");
        }
    }

    pub async fn sendable(&self, tenancy: &str) -> Vec<Publication> {
        self.store.sendable(self.tenancy(tenancy).await, 10_000).await.expect("sendable")
    }

    /// The only publication that may be sent.
    pub async fn next(&self, tenancy: &str) -> Publication {
        let mut sendable = self.sendable(tenancy).await;
        assert_eq!(sendable.len(), 1, "{sendable:?}");
        sendable.remove(0)
    }

    pub async fn mark(&self, publication: &Publication) -> Vec<PublicationId> {
        self.store.mark_in_flight(vec![fixed(publication)]).await.expect("marked")
    }

    pub async fn record(&self, publication: &Publication) {
        self.mark(publication).await;
        self.store.recorded(publication.id, record_of(publication)).await.expect("recorded");
    }

    pub async fn confirm(&self, publication: &Publication) {
        self.record(publication).await;
        self.store.confirmed(vec![publication.id]).await.expect("confirmed");
    }

    /// Publishes all there is; gives each as `origin number.version content`.
    pub async fn publish(&self, tenancy: &str) -> Vec<String> {
        self.hash_all().await;
        let mut published = Vec::new();
        loop {
            let sendable = self.sendable(tenancy).await;
            if sendable.is_empty() {
                return published;
            }
            for publication in sendable {
                self.confirm(&publication).await;
                let Publication { origin, sequence, version, content_hash, .. } = publication;
                published.push(format!("{origin} {sequence}.{version} {}", content_of(content_hash)));
            }
        }
    }
}

pub fn fixed(publication: &Publication) -> Fixed {
    Fixed {
        id: publication.id,
        sequence: publication.sequence,
        version: publication.version,
        body: publication.body.clone().unwrap_or_else(|| format!("body {}", publication.id)),
    }
}

/// What the ledger calls it.
pub fn record_of(publication: &Publication) -> Recorded {
    let asset = publication.identity.clone().unwrap_or_else(|| format!("asset-{}", publication.id));
    Recorded { asset, event: (!publication.is_registration()).then(|| format!("event-{}", publication.id)) }
}

//! Random histories of a Dropbox, shown by several cursors in every order that they may take, against the real store.
//!
//! Of every file it is checked that no version follows its equal, that the versions are a part of the file's true history
//! in its order, and that the last one is its true content in the end. Of files that stayed where they were made, the
//! list of versions is predicted entry by entry. The ledger checks numbers, order, and that nothing is made twice.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use proptest::prelude::*;

use super::fixtures::*;
use crate::store::{Applied, Change, Current, PageOf, Recorded, Shown};

const FOLDERS: [&str; 3] = ["/a", "/a/n", "/b"];
const PATHS: [&str; 6] = ["/a/x", "/a/n/x", "/a/n/d/x", "/a/n/d/y", "/b/x", "/b/y"];
const TREE: &str = "/a/n/d";
const LINKS: [(&str, &str); 4] = [("/a", "t"), ("/a/n", "t"), ("/b", "t"), ("/a", "u")];

#[derive(Debug, Clone)]
enum Step {
    /// Creates or edits; the bool lets a second pass before.
    Write(usize, u8, bool),
    Touch(usize, bool),
    /// The bool: the deletion is shown first.
    Move(usize, usize, bool),
    Delete(usize),
    /// Brings a deleted file back in one of its former revisions.
    Restore(usize, usize),
    TreeGetsNewIds,
    Drain {
        folder: usize,
        pages: usize,
        twice: bool,
        merged: bool,
    },
    /// The cursor is dead; a listing that is cut short after so many entries, if at all.
    Relist(usize, Option<usize>),
    StalePage(usize),
    /// Goes one step with one publication.
    Publish(usize, u8),
}

fn step() -> impl Strategy<Value = Step> {
    let path = || 0..PATHS.len();
    prop_oneof![
        6 => (path(), 0..3u8, any::<bool>()).prop_map(|(path, content, tick)| Step::Write(path, content, tick)),
        1 => (path(), any::<bool>()).prop_map(|(path, tick)| Step::Touch(path, tick)),
        2 => (path(), path(), any::<bool>()).prop_map(|(from, to, first)| Step::Move(from, to, first)),
        1 => path().prop_map(Step::Delete),
        2 => (0..4usize, 0..4usize).prop_map(|(file, rev)| Step::Restore(file, rev)),
        1 => Just(Step::TreeGetsNewIds),
        6 => (0..3usize, 1..4usize, any::<bool>(), any::<bool>())
            .prop_map(|(folder, pages, twice, merged)| Step::Drain { folder, pages, twice, merged }),
        1 => (0..3usize, proptest::option::of(0..3usize)).prop_map(|(folder, cut)| Step::Relist(folder, cut)),
        1 => (0..9usize).prop_map(Step::StalePage),
        6 => (0..9usize, any::<u8>()).prop_map(|(which, how)| Step::Publish(which, how)),
    ]
}

/// What is expected of a file that stays where it was made.
#[derive(Default)]
struct Expected {
    versions: Vec<String>,
    seen: BTreeSet<String>,
    second: u32,
    cursor: Option<usize>,
}

#[derive(Clone)]
struct Revision {
    rev: String,
    content: String,
    second: u32,
}

#[derive(Default)]
struct Dropbox {
    /// Path → id.
    tree: BTreeMap<&'static str, String>,
    /// Id → all its revisions, the present one last. One that was restored is there again.
    history: BTreeMap<String, Vec<Revision>>,
    last_path: BTreeMap<String, &'static str>,
    deleted: Vec<String>,
    /// New id → the id that it had before.
    before: HashMap<String, String>,
    moved: BTreeSet<String>,
    events: Vec<(Change, String)>,
    second: u32,
    count: u32,
}

impl Dropbox {
    fn shown(&self, id: &str, path: &str) -> Shown {
        let now = self.history[id].last().expect("a revision");
        shown(id, &now.rev, path, &now.content, now.second)
    }

    fn show(&mut self, id: &str, path: &'static str) {
        let shown = self.shown(id, path);
        self.events.push((Change::File(shown), path.into()));
    }

    fn gone(&mut self, path: &str) {
        self.events.push((deleted(path), path.into()));
    }

    fn revise(&mut self, id: &str, path: &'static str, content: String) {
        self.count += 1;
        let revision = Revision { rev: format!("r{}", self.count), content, second: self.second };
        self.history.entry(id.to_owned()).or_default().push(revision);
        self.show(id, path);
    }

    fn place(&mut self, id: String, path: &'static str) {
        self.last_path.insert(id.clone(), path);
        self.tree.insert(path, id);
    }

    fn create(&mut self, path: &'static str, content: String) -> String {
        self.count += 1;
        let id = format!("id:{}", self.count);
        self.place(id.clone(), path);
        self.revise(&id, path, content);
        id
    }

    fn current(&self, id: &str) -> Current {
        match self.tree.iter().find(|(_, there)| *there == id) {
            Some((path, _)) => Current::File(self.shown(id, path)),
            None => Current::Gone,
        }
    }

    fn change(&mut self, step: &Step) {
        match *step {
            Step::Write(path, content, tick) => {
                self.second += u32::from(tick);
                let content = char::from(b'A' + content).to_string();
                match self.tree.get(PATHS[path]).cloned() {
                    Some(id) => self.revise(&id, PATHS[path], content),
                    None => drop(self.create(PATHS[path], content)),
                }
            }
            Step::Touch(path, tick) => {
                self.second += u32::from(tick);
                if let Some(id) = self.tree.get(PATHS[path]).cloned() {
                    let content = self.history[&id].last().expect("a revision").content.clone();
                    self.revise(&id, PATHS[path], content);
                }
            }
            Step::Move(from, to, deletion_first) => {
                if self.tree.contains_key(PATHS[to]) || !self.tree.contains_key(PATHS[from]) {
                    return;
                }
                let id = self.tree.remove(PATHS[from]).expect("a file");
                self.moved.insert(id.clone());
                self.place(id.clone(), PATHS[to]);
                if deletion_first {
                    self.gone(PATHS[from]);
                }
                self.show(&id, PATHS[to]);
                if !deletion_first {
                    self.gone(PATHS[from]);
                }
            }
            Step::Delete(path) => {
                if let Some(id) = self.tree.remove(PATHS[path]) {
                    self.moved.insert(id.clone());
                    self.deleted.push(id);
                    self.gone(PATHS[path]);
                }
            }
            Step::Restore(file, rev) => {
                if self.deleted.is_empty() {
                    return;
                }
                let id = self.deleted[file % self.deleted.len()].clone();
                let path = self.last_path[&id];
                if !self.tree.contains_key(path) {
                    self.deleted.retain(|other| *other != id);
                    let revisions = &self.history[&id];
                    let again = revisions[rev % revisions.len()].clone();
                    self.history.get_mut(&id).expect("a history").push(again);
                    self.place(id.clone(), path);
                    self.show(&id, path);
                }
            }
            Step::TreeGetsNewIds => {
                let below: Vec<_> = self.tree.iter().filter(|(path, _)| path.starts_with(TREE)).collect();
                let below: Vec<_> = below.into_iter().map(|(path, id)| (*path, id.clone())).collect();
                if !below.is_empty() {
                    self.gone(TREE);
                }
                for (path, old) in below {
                    self.moved.insert(old.clone());
                    let content = self.history[&old].last().expect("a revision").content.clone();
                    let new = self.create(path, content);
                    self.moved.insert(new.clone());
                    self.before.insert(new, old);
                }
            }
            _ => {}
        }
    }

    /// All contents of an asset's file in order, through its former ids; `None` where it cannot be said.
    fn timeline(&self, origin: &str, id: &str) -> Option<Vec<String>> {
        let mut ids = vec![id.to_owned()];
        while ids.last().is_some_and(|last| last != origin) {
            ids.push(self.before.get(ids.last()?)?.clone());
        }
        Some(ids.iter().rev().flat_map(|id| &self.history[id]).map(|revision| revision.content.clone()).collect())
    }
}

struct Run {
    home: Home,
    dropbox: Dropbox,
    /// How many events each cursor has seen.
    position: [usize; 3],
    expected: BTreeMap<(&'static str, String), Expected>,
    pages: Vec<PageOf>,
    /// What the ledger has: asset → its records' numbers.
    ledger: BTreeMap<String, Vec<u64>>,
    /// Publications whose request was acted on although the answer was lost.
    made: BTreeSet<i64>,
}

impl Run {
    async fn page(&mut self, folder: usize, changes: Vec<Change>, has_more: bool) {
        let page = self.home.page_of(FOLDERS[folder], changes, has_more).await;
        self.pages.push(page.clone());
        let mut known = Vec::new();
        let applied = loop {
            match self.home.store.apply(page.clone(), POLICY, known.clone()).await.expect("applied") {
                Applied::Asks(ids) => known.extend(ids.into_iter().map(|id| (id.clone(), self.dropbox.current(&id)))),
                applied => break applied,
            }
            assert!(known.len() < 99, "asks for ever");
        };
        assert!(matches!(applied, Applied::Written { .. }));
        for change in &page.changes {
            if let Change::File(shown) = change {
                for (_, tenancy) in LINKS.iter().filter(|(linked, _)| *linked == FOLDERS[folder]) {
                    self.predict(tenancy, folder, shown);
                }
            }
        }
    }

    fn predict(&mut self, tenancy: &'static str, cursor: usize, shown: &Shown) {
        let expected = self.expected.entry((tenancy, shown.file_id.clone())).or_default();
        let revisions = &self.dropbox.history[&shown.file_id];
        let this = revisions.iter().find(|revision| revision.rev == shown.rev).expect("a true revision").clone();
        let now = revisions.last().expect("a revision").clone();
        let unseen = !expected.seen.contains(&this.rev);
        let seen_now = expected.seen.contains(&now.rev);
        let last = expected.versions.last().cloned();
        let later =
            this.second > expected.second || (this.second == expected.second && expected.cursor == Some(cursor));
        let mut push = |revision: &Revision, cursor| {
            expected.versions.push(revision.content.clone());
            (expected.second, expected.cursor) = (revision.second, cursor);
        };
        if last.as_ref() == Some(&this.content) {
            if unseen && this.second > expected.second {
                (expected.second, expected.cursor) = (this.second, Some(cursor));
            } else if unseen && this.second == expected.second && expected.cursor != Some(cursor) {
                expected.cursor = None;
            }
        } else if last.is_none() {
            push(&this, Some(cursor));
        } else {
            if (unseen && later) || now.rev == this.rev {
                push(&this, Some(cursor));
            } else if last.as_ref() != Some(&now.content) && seen_now {
                push(&now, None);
            }
        }
        expected.seen.insert(this.rev);
    }

    async fn drain(&mut self, folder: usize, pages: usize, twice: bool, merged: bool) {
        let below = format!("{}/", FOLDERS[folder]);
        let news: Vec<_> = self.dropbox.events[self.position[folder]..].to_vec();
        self.position[folder] = self.dropbox.events.len();
        let mut changes: Vec<_> = news.into_iter().filter(|(_, path)| path.starts_with(&below)).collect();
        if merged {
            // As a look after a long while: of each path only what is there now.
            let last: HashMap<_, _> = changes.iter().enumerate().map(|(n, (_, path))| (path.clone(), n)).collect();
            let mut n = 0..;
            changes.retain(|(change, path)| {
                let n = n.next().expect("endless");
                last[path] == n || *change == deleted(TREE)
            });
        }
        let mut changes: Vec<_> = changes.into_iter().map(|(change, _)| change).collect();
        if twice {
            changes = changes.into_iter().flat_map(|change| [change.clone(), change]).collect();
        }
        let size = changes.len().div_ceil(pages).max(1);
        let mut rest = changes.into_iter().peekable();
        loop {
            let page: Vec<_> = rest.by_ref().take(size).collect();
            let more = rest.peek().is_some();
            self.page(folder, page, more).await;
            if !more {
                return;
            }
        }
    }

    async fn relist(&mut self, folder: usize, cut: Option<usize>) {
        let watch = self.home.watch(FOLDERS[folder]).await;
        self.home.store.forget_cursor(watch.id).await.expect("forgotten");
        let below = format!("{}/", FOLDERS[folder]);
        let there: Vec<_> = self.dropbox.tree.iter().filter(|(path, _)| path.starts_with(&below)).collect();
        let mut list: Vec<_> = there.into_iter().map(|(path, id)| Change::File(self.dropbox.shown(id, path))).collect();
        self.position[folder] = self.dropbox.events.len();
        if let Some(cut) = cut {
            self.page(folder, list.iter().take(cut).cloned().collect(), true).await;
            self.home.store.forget_cursor(watch.id).await.expect("forgotten");
        }
        let rest = list.split_off(list.len() / 2);
        self.page(folder, list, true).await;
        self.page(folder, rest, false).await;
    }

    /// The request reaches the ledger.
    fn make(&mut self, publication: &crate::store::Publication) {
        assert!(self.made.insert(publication.id.row()), "made twice: {publication:?}");
        let asset = publication.identity.clone().unwrap_or_else(|| format!("asset-{}", publication.id));
        let records = self.ledger.entry(asset).or_default();
        records.push(publication.sequence);
        let gapless: Vec<u64> = (1..=records.len() as u64).collect();
        assert_eq!(*records, gapless, "{publication:?}");
        assert_eq!(publication.sequence, publication.version, "without a Withdraw");
    }

    async fn publish(&mut self, which: usize, how: u8) {
        let store = self.home.store.clone();
        for name in ["t", "u"] {
            let tenancy = self.home.tenancy(name).await;
            if how.is_multiple_of(4) {
                self.home.hash_all().await;
            }
            let sendable = self.home.sendable(name).await;
            if let Some(publication) = sendable.get(which % sendable.len().max(1)) {
                assert_eq!(self.home.mark(publication).await, [publication.id]);
                match how % 5 {
                    0 => store.not_made(publication.id, "429".into()).await.expect("not made"),
                    1 => store.unknown(publication.id, "cut before".into()).await.expect("unknown"),
                    2 => {
                        self.make(publication);
                        store.unknown(publication.id, "cut after".into()).await.expect("unknown");
                    }
                    _ => {
                        self.make(publication);
                        store.recorded(publication.id, record_of(publication)).await.expect("recorded");
                    }
                }
            }
            if how.is_multiple_of(3) {
                for uncertain in store.uncertain(tenancy, 99).await.expect("uncertain") {
                    if self.made.contains(&uncertain.id.row()) {
                        let found: Recorded = record_of(&uncertain);
                        store.recorded(uncertain.id, found).await.expect("found");
                    } else {
                        store.absent(uncertain.id).await.expect("absent");
                    }
                }
            }
            if how.is_multiple_of(2) {
                let waiting = store.unconfirmed(tenancy, 99).await.expect("unconfirmed");
                store
                    .confirmed(waiting.into_iter().map(|publication| publication.id).collect())
                    .await
                    .expect("confirmed");
            }
        }
    }

    async fn check(&mut self) {
        for tenancy in ["t", "u"] {
            let row = self.home.tenancy(tenancy).await;
            let assets: Vec<(String, String)> = self
                .home
                .store
                .read(move |connection| {
                    let sql = "SELECT origin, file_id FROM asset JOIN file ON file.id = asset.file WHERE tenancy = ?1";
                    let mut statement = connection.prepare(sql)?;
                    let rows = statement.query_map([row], |row| Ok((row.get(0)?, row.get(1)?)))?;
                    Ok(rows.collect::<Result<_, _>>()?)
                })
                .await
                .expect("assets");
            for (origin, id) in assets {
                let text = self.home.versions(tenancy, &id).await;
                let versions: Vec<&str> = text.split(' ').collect();
                assert!(versions.windows(2).all(|two| two[0] != two[1]), "{tenancy} {id}: {text}");
                if let Some(timeline) = self.dropbox.timeline(&origin, &id) {
                    let mut rest = timeline.iter();
                    let part = versions.iter().all(|version| rest.any(|content| content == version));
                    assert!(part, "{tenancy} {id}: {text} is not a part of {timeline:?}");
                }
                if !self.dropbox.moved.contains(&id) && origin == id {
                    let expected = &self.expected[&(tenancy, id.clone())].versions;
                    assert_eq!(text, expected.join(" "), "{tenancy} {id}");
                }
            }
            for (path, id) in &self.dropbox.tree {
                if tenancy == "t" || path.starts_with("/a/") {
                    let text = self.home.versions(tenancy, id).await;
                    let now = &self.dropbox.history[id].last().expect("a revision").content;
                    assert!(text.ends_with(now), "{tenancy} {id}: {text} is not up to {now}");
                }
            }
        }
    }
}

async fn run(steps: Vec<Step>) {
    let links: Vec<_> = LINKS.iter().map(|(folder, tenancy)| link(folder, tenancy)).collect();
    let home = Home::watching(&links).await;
    home.store.read(|connection| Ok(connection.execute_batch("PRAGMA synchronous = OFF")?)).await.expect("set");
    let mut run = Run {
        home,
        dropbox: Dropbox::default(),
        position: [0; 3],
        expected: BTreeMap::new(),
        pages: Vec::new(),
        ledger: BTreeMap::new(),
        made: BTreeSet::new(),
    };
    for step in &steps {
        match *step {
            Step::Drain { folder, pages, twice, merged } => run.drain(folder, pages, twice, merged).await,
            Step::Relist(folder, cut) => run.relist(folder, cut).await,
            Step::StalePage(which) if !run.pages.is_empty() => {
                let page = run.pages[which % run.pages.len()].clone();
                if run.home.watch_row(&page).await != page.asked_with {
                    let applied = run.home.store.apply(page, POLICY, vec![]).await.expect("applied");
                    assert_eq!(applied, Applied::Dropped);
                }
            }
            Step::Publish(which, how) => run.publish(which, how).await,
            ref change => run.dropbox.change(change),
        }
    }
    for folder in 0..3 {
        run.drain(folder, 1, false, false).await;
    }
    run.check().await;
    // And all of it reaches the ledger: 48 hashes, sends, finds and confirms.
    let mut left = 1;
    for _ in 0..400 {
        run.publish(0, 48).await;
        left = 0;
        for tenancy in ["t", "u"] {
            let counts = run.home.store.counts(run.home.tenancy(tenancy).await).await.expect("counts");
            left += counts.pending + counts.in_flight + counts.uncertain + counts.recorded;
        }
        if left == 0 {
            break;
        }
    }
    assert_eq!(left, 0);
    run.check().await;
}

#[test]
fn whatever_happens_every_version_shown_is_recorded_once_and_in_order() {
    let set = std::env::var_os("PROPTEST_CASES").is_some();
    let default = ProptestConfig::default();
    let cases = if set { default.cases } else { 128 };
    let config = ProptestConfig { cases, failure_persistence: None, ..default };
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    proptest!(config, |(steps in proptest::collection::vec(step(), 1..60))| {
        runtime.block_on(run(steps));
    });
}

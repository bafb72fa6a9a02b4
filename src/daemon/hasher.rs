//! The hasher: content that no hash is known of is streamed from Dropbox by rev, hashed, and dropped.
//!
//! Content that waits in several publications is read once. A hash is used only if what came is what the listing said.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::Instant;

use super::context::Context;
use super::session::Trouble;
use crate::digest::Digest;
use crate::dropbox::{Client, Entry, Error, Hashed, Kind, PathRoot};
use crate::observe::{Code, Happening};
use crate::retry::Backoff;
use crate::store::{PublicationId, Unhashed};

/// A version that Dropbox does not have, or forbids, is asked for so often.
const TRIES: u32 = 3;
/// Content that keeps differing from what the listing said is asked for so often before a person must look.
const TRIES_DIFFERING: u32 = 10;
/// After so many failures with no success between them the trouble is not with single versions: everything waits.
const GENERAL: u32 = 8;

struct Hasher {
    context: Context,
    client: Client,
    root: PathRoot,
    running: JoinSet<(Unhashed, Result<Hashed, Error>)>,
    busy: HashMap<PublicationId, Option<Digest>>,
    delayed: HashMap<PublicationId, Instant>,
    paused_until: Option<Instant>,
    backoff: Backoff,
}

/// Runs until the shift ends or the session is no longer valid.
pub(super) async fn run(context: Context, client: Client, root: PathRoot) -> Result<(), Trouble> {
    let backoff = context.backoff();
    let mut hasher = Hasher {
        context,
        client,
        root,
        running: JoinSet::new(),
        busy: HashMap::new(),
        delayed: HashMap::new(),
        paused_until: None,
        backoff,
    };
    let mut work = hasher.context.work.subscribe();
    let mut nudge = hasher.context.nudge.subscribe();
    loop {
        work.mark_unchanged();
        let wait = match hasher.fill().await {
            Ok(()) if hasher.is_full() => None,
            Ok(()) => hasher.paused_until.or_else(|| hasher.delayed.values().min().copied()),
            Err(error) => {
                hasher.context.conditions.store_failed(&error).await;
                Some(Instant::now() + hasher.backoff.next(Some(Duration::from_millis(200))))
            }
        };
        tokio::select! {
            () = hasher.context.stop.cancelled() => return Ok(()),
            _ = work.changed() => {}
            _ = nudge.changed() => {
                hasher.delayed.clear();
                hasher.paused_until = None;
            }
            () = sleep_until(wait) => {}
            Some(done) = hasher.running.join_next() => match done {
                Ok((version, outcome)) => hasher.done(version, outcome).await?,
                Err(panic) => std::panic::resume_unwind(panic.into_panic()),
            },
        }
    }
}

/// A version that the content host does not have although it is still the file's present one will be had in a while.
async fn doubted(client: &Client, root: &PathRoot, version: &Unhashed, error: Error) -> Error {
    match client.get_metadata(root, &version.file_id).await {
        Ok(Entry::File(file)) if file.rev == version.rev => Error { kind: Kind::Unavailable { after: None }, ..error },
        Ok(_) => error,
        Err(asked) if matches!(asked.kind, Kind::NotFound | Kind::WrongType) => error,
        Err(asked) => asked,
    }
}

/// Sleeps until then, or for ever.
pub(super) async fn sleep_until(until: Option<Instant>) {
    match until {
        Some(until) => tokio::time::sleep_until(until).await,
        None => std::future::pending().await,
    }
}

impl Hasher {
    /// No slot is free: only the end of a download can help.
    fn is_full(&self) -> bool {
        self.running.len() >= self.context.config.publish.downloads
    }

    /// Starts downloads up to the limit.
    async fn fill(&mut self) -> Result<(), crate::store::Error> {
        let free = self.context.config.publish.downloads.saturating_sub(self.running.len());
        if free == 0 {
            return Ok(());
        }
        let now = Instant::now();
        self.paused_until = self.paused_until.filter(|until| *until > now);
        if self.paused_until.is_some() {
            return Ok(());
        }
        self.delayed.retain(|_, until| *until > now);
        let versions = self.context.store.unhashed(free + self.busy.len() + self.delayed.len() + 8).await?;
        let mut contents: HashSet<Digest> = self.busy.values().flatten().copied().collect();
        let mut started = 0;
        for version in versions {
            let taken = self.busy.contains_key(&version.id)
                || self.delayed.contains_key(&version.id)
                || version.content_hash.is_some_and(|content_hash| contents.contains(&content_hash));
            if taken || started == free {
                continue;
            }
            started += 1;
            contents.extend(version.content_hash);
            self.busy.insert(version.id, version.content_hash);
            let (client, root) = (self.client.clone(), self.root.clone());
            self.running.spawn(async move {
                let outcome = match client.download(&root, &version.rev, version.size, version.content_hash).await {
                    Err(error) if error.kind == Kind::NotFound => Err(doubted(&client, &root, &version, error).await),
                    outcome => outcome,
                };
                (version, outcome)
            });
        }
        Ok(())
    }

    async fn done(&mut self, version: Unhashed, outcome: Result<Hashed, Error>) -> Result<(), Trouble> {
        self.busy.remove(&version.id);
        let written = match outcome {
            Ok(hashed) => {
                self.backoff.reset();
                self.context.conditions.end(Code::DropboxScopeMissing, "").await;
                let written = self.context.store.hashed(version.id, hashed.content_hash, hashed.sha256).await;
                self.context.ring();
                written
            }
            Err(error) => self.failed(&version, error).await?,
        };
        if let Err(error) = written {
            self.context.conditions.store_failed(&error).await;
            self.delay(&version, Some(Duration::from_secs(1)));
        }
        Ok(())
    }

    /// What to do about content that did not come. The database's own answer is the inner result.
    async fn failed(&mut self, version: &Unhashed, error: Error) -> Result<Result<(), crate::store::Error>, Trouble> {
        let store = self.context.store.clone();
        let again = version.attempts + 1;
        let gone = match &error.kind {
            Kind::Revoked | Kind::InvalidClient | Kind::RootNotSupported => return Err(Trouble::Dropbox(error)),
            Kind::NotFound | Kind::WrongType if again >= TRIES => Some(None),
            Kind::Restricted if again >= TRIES => Some(Some("restricted")),
            Kind::Unsupported => Some(Some("unsupported")),
            _ => None,
        };
        if let Some(skip) = gone {
            let reason = error.to_string();
            let publication = version.id.row();
            Happening::Unreadable { tenancy: "", publication, reason: &reason }.emit();
            let written = store.unreadable(version.id, reason, skip).await;
            self.context.ring();
            return Ok(written);
        }
        let written = match &error.kind {
            Kind::NotFound | Kind::WrongType | Kind::Restricted => {
                self.delay(version, Some(Duration::from_millis(500)));
                store.attempted(version.id).await
            }
            Kind::ContentDiffers if again >= TRIES_DIFFERING => store.park(version.id, error.to_string()).await,
            Kind::ContentDiffers => {
                self.delay(version, None);
                store.attempted(version.id).await
            }
            Kind::MissingScope(scope) => {
                let text = format!("the access lacks {scope}; grant it, or set publish.hash = \"dropbox\"");
                self.context.conditions.begin(Code::DropboxScopeMissing, "", text).await;
                self.delay(version, Some(self.context.config.dropbox.poll));
                Ok(())
            }
            Kind::InvalidRoot | Kind::BadRequest => {
                self.delay(version, Some(Duration::from_secs(5)));
                Ok(())
            }
            _ => {
                self.delay(version, error.floor());
                Ok(())
            }
        };
        Ok(written)
    }

    /// Not again before a while. Failures in a row share one backoff: they mostly have one cause.
    fn delay(&mut self, version: &Unhashed, floor: Option<Duration>) {
        let until = Instant::now() + self.backoff.next(floor);
        self.delayed.insert(version.id, until);
        if self.backoff.failures() >= GENERAL {
            self.paused_until = Some(until);
        }
    }
}

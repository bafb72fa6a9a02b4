//! Fills a link from the database: a tenancy added to a folder that is watched already, or globs that let more in. In
//! chunks, so that nobody else waits for long.

use std::time::Duration;

use super::context::Context;
use super::session::Trouble;
use super::watcher::ask;
use crate::dropbox::{Client, Kind, PathRoot};
use crate::observe::Code;
use crate::store::{Applied, Error};

/// Fills whatever is to be filled, then waits: a listing that ends, or another configuration, may bring more.
pub(super) async fn run(context: Context, client: Client, root: PathRoot) -> Result<(), Trouble> {
    let mut backoff = context.backoff();
    let mut work = context.work.subscribe();
    let stop = context.stop.clone();
    if let Err(error) = note_held(&context).await {
        context.conditions.store_failed(&error).await;
    }
    loop {
        work.mark_unchanged();
        match chunk(&context, &client, &root).await {
            Ok(true) => backoff.reset(),
            Ok(false) => tokio::select! {
                () = stop.cancelled() => return Ok(()),
                _ = work.changed() => {}
            },
            Err(Trouble::Dropbox(error)) if ends_the_session(&error.kind) => return Err(Trouble::Dropbox(error)),
            Err(trouble) => {
                let floor = if let Trouble::Dropbox(error) = &trouble { error.floor() } else { None };
                let wait = backoff.next(floor.or(Some(Duration::from_millis(200))));
                if !context.pause(wait).await {
                    return Ok(());
                }
            }
        }
        if context.stop.is_cancelled() {
            return Ok(());
        }
    }
}

/// Whether no request of this session can succeed any more.
fn ends_the_session(kind: &Kind) -> bool {
    matches!(kind, Kind::Revoked | Kind::InvalidClient | Kind::RootNotSupported | Kind::InvalidRoot)
}

/// One chunk; `false` when there is nothing to fill.
async fn chunk(context: &Context, client: &Client, root: &PathRoot) -> Result<bool, Trouble> {
    let Some(link) = context.store.to_fill().await? else { return Ok(false) };
    let mut answers = Vec::new();
    loop {
        match context.store.fill(link, context.policy(), answers.clone()).await? {
            Applied::Dropped => return Ok(true),
            Applied::Written { queued, .. } => {
                if queued > 0 {
                    context.ring();
                }
                note_held(context).await?;
                return Ok(true);
            }
            Applied::Asks(ids) => answers.extend(ask(context, client, root, ids).await?),
        }
    }
}

/// Shows which folders wait for an approval.
pub(super) async fn note_held(context: &Context) -> Result<(), Error> {
    let held = context.store.held().await?;
    for (folder, tenancy, n) in &held {
        let text = format!("{folder} would register {n} files with {tenancy}");
        context.conditions.begin(Code::PublicationsHeld, folder, text).await;
    }
    let folders: Vec<&str> = held.iter().map(|(folder, ..)| folder.as_str()).collect();
    context
        .conditions
        .forget_subjects(|code, subject| code != Code::PublicationsHeld || folders.contains(&subject))
        .await;
    Ok(())
}

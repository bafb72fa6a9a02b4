//! A Dropbox session: from a refresh token to running watchers, and back when the access ends.
//!
//! A token is used for nothing but `get_current_account` until that has named the account that the database belongs to.
//! An access that was revoked stops the watchers and waits for a new token, without hammering and without exiting.

use std::path::Path;
use std::sync::atomic::Ordering;
use std::time::{Duration, SystemTime};

use tokio::task::JoinSet;
use tokio::time::Instant;

use super::context::Context;
use super::hasher;
use super::watcher::Watcher;
use crate::config::{self, Root};
use crate::dropbox::{self, Account, Client, Kind, PathRoot, Settings};
use crate::observe::{Code, Happening};
use crate::store;

/// How often a token or secret file is looked at for a change while something waits for it.
pub(super) const FILE_LOOK: Duration = Duration::from_secs(2);

/// What stops a task of the session for now.
#[derive(Debug, thiserror::Error)]
pub(super) enum Trouble {
    #[error(transparent)]
    Dropbox(#[from] dropbox::Error),
    #[error(transparent)]
    Store(#[from] store::Error),
}

/// Why a session ended.
pub(super) enum End {
    /// The shift is over.
    Over,
    /// The database belongs to another Dropbox account than the token: a person must act.
    Foreign {
        /// What it belongs to.
        stored: String,
        /// What the token names.
        named: String,
    },
}

/// Runs sessions until the shift ends.
pub(super) async fn run(context: Context) -> End {
    let mut no_path_root = false;
    let mut backoff = context.backoff();
    loop {
        let file = context.config.dropbox.refresh_token_file.clone();
        let stamp = stamp(&file);
        let Some(client) = sign_in(&context).await else {
            if context.stop.is_cancelled() {
                return End::Over;
            }
            wait_for_change(&context, &file, stamp).await;
            continue;
        };
        let account = match account(&context, &client).await {
            Ok(Some(account)) => account,
            Ok(None) => {
                if context.stop.is_cancelled() {
                    return End::Over;
                }
                wait_for_change(&context, &file, stamp).await;
                continue;
            }
            Err(end) => return end,
        };
        let root = if no_path_root { PathRoot::Default } else { path_root(&context.config.dropbox.root, &account) };
        let began = Instant::now();
        match work(&context, &client, &root, stamp).await {
            Ended::Over => return End::Over,
            Ended::NewToken => {}
            Ended::StartOver(why) => {
                // A session that worked for a while may start over at once; one that ends again and again may not.
                if began.elapsed() > Duration::from_secs(60) {
                    backoff.reset();
                }
                let wait = backoff.next(Some(context.config.retry.initial));
                context.say_waiting("dropbox", wait, &why);
                context.pause(wait).await;
            }
            Ended::NoPathRoot => no_path_root = true,
            Ended::Revoked(error) => {
                let text = format!("{error}; put a valid refresh token into {}", file.display());
                let code = if error.kind == Kind::InvalidClient {
                    Code::DropboxAppRefused
                } else {
                    Code::DropboxAccessRevoked
                };
                context.conditions.begin(code, "", text).await;
                wait_for_change(&context, &file, stamp).await;
            }
        }
        if context.stop.is_cancelled() {
            return End::Over;
        }
    }
}

fn path_root(root: &Root, account: &Account) -> PathRoot {
    match root {
        Root::Auto if account.root_info.team => PathRoot::Root(account.root_info.root_namespace_id.clone()),
        Root::Auto => PathRoot::Default,
        Root::Home => PathRoot::Home,
        Root::Namespace(id) => PathRoot::Namespace(id.clone()),
    }
}

/// A client from the token file; `None` while there is no usable one, with the condition set.
async fn sign_in(context: &Context) -> Option<Client> {
    let dropbox = &context.config.dropbox;
    let not_connected = async |text: String| {
        context.conditions.begin(Code::DropboxNotConnected, "", text).await;
    };
    let refresh_token = match config::read_secret(&dropbox.refresh_token_file, &context.environment) {
        Ok(token) => token,
        Err(error) => {
            not_connected(error.to_string()).await;
            return None;
        }
    };
    let app_secret = match &dropbox.app_secret_file {
        None => None,
        Some(file) => match config::read_secret(file, &context.environment) {
            Ok(secret) => Some(secret),
            Err(error) => {
                not_connected(error.to_string()).await;
                return None;
            }
        },
    };
    let settings = Settings {
        app_key: dropbox.app_key.clone(),
        app_secret,
        refresh_token,
        api_url: dropbox.api_url.clone(),
        content_url: dropbox.content_url.clone(),
        notify_url: dropbox.notify_url.clone(),
        timeout: dropbox.timeout,
        ca_file: dropbox.ca_file.clone(),
    };
    match Client::new(settings) {
        Ok(client) => Some(client),
        Err(error) => {
            not_connected(error.to_string()).await;
            None
        }
    }
}

/// Whose token it is. `Ok(None)`: not usable, the condition says why, and only a change of the token file or a SIGHUP
/// helps.
async fn account(context: &Context, client: &Client) -> Result<Option<Account>, End> {
    let mut backoff = context.backoff();
    loop {
        let asked = tokio::select! {
            () = context.stop.cancelled() => return Ok(None),
            asked = client.get_current_account() => asked,
        };
        let error = match asked {
            Ok(account) => return admit(context, account).await,
            Err(error) => error,
        };
        let conditions = &context.conditions;
        match &error.kind {
            Kind::Revoked => {
                conditions.end(Code::DropboxNotConnected, "").await;
                conditions.begin(Code::DropboxAccessRevoked, "", error.to_string()).await;
                return Ok(None);
            }
            Kind::InvalidClient | Kind::BadRequest => {
                conditions.begin(Code::DropboxAppRefused, "", error.to_string()).await;
                return Ok(None);
            }
            Kind::MissingScope(scope) => {
                conditions.begin(Code::DropboxScopeMissing, "", format!("the access lacks {scope}: {error}")).await;
                return Ok(None);
            }
            _ => {
                let wait = backoff.next(error.floor());
                context.say_waiting("dropbox", wait, &error.to_string());
                conditions.begin(Code::DropboxUnreachable, "", error.to_string()).await;
                if !context.pause(wait).await {
                    return Ok(None);
                }
            }
        }
    }
}

/// Lets an account in if it is the one that the database belongs to.
async fn admit(context: &Context, account: Account) -> Result<Option<Account>, End> {
    let conditions = &context.conditions;
    let reached = [
        Code::DropboxNotConnected,
        Code::DropboxAccessRevoked,
        Code::DropboxAppRefused,
        Code::DropboxScopeMissing,
        Code::DropboxUnreachable,
    ];
    conditions.end_all(&reached, "").await;
    let stored = match context.store.claim(&account.account_id).await {
        Ok(stored) => stored,
        Err(error) => {
            conditions.store_failed(&error).await;
            context.pause(Duration::from_secs(1)).await;
            return Ok(None);
        }
    };
    if stored == account.account_id {
        context.admitted.store(true, Ordering::Relaxed);
        conditions.end(Code::DropboxAccountDiffers, "").await;
        context.account.send_replace(Some(stored));
        return Ok(Some(account));
    }
    if !context.admitted.load(Ordering::Relaxed) {
        return Err(End::Foreign { stored, named: account.account_id });
    }
    let text = format!("the new token is for account {}, this state belongs to {stored}", account.account_id);
    conditions.begin(Code::DropboxAccountDiffers, "", text).await;
    Ok(None)
}

enum Ended {
    Over,
    Revoked(dropbox::Error),
    NewToken,
    /// The account's root changed, or the database failed: everything is found out anew.
    StartOver(String),
    NoPathRoot,
}

/// Runs watchers and hasher until one of them says that the session is no longer valid.
async fn work(context: &Context, client: &Client, root: &PathRoot, stamp: Stamp) -> Ended {
    let mut child = context.clone();
    child.stop = context.stop.child_token();
    let _stop_at_the_end = child.stop.clone().drop_guard();
    let mut tasks: JoinSet<Result<(), Trouble>> = JoinSet::new();
    let watches = loop {
        match context.store.watches().await {
            Ok(watches) => break watches,
            Err(error) => {
                context.conditions.store_failed(&error).await;
                if !context.pause(Duration::from_secs(1)).await {
                    return Ended::Over;
                }
            }
        }
    };
    for watch in &watches {
        tasks.spawn(Watcher::new(child.clone(), client.clone(), watch, root.clone()).run());
    }
    tasks.spawn(super::filler::run(child.clone(), client.clone(), root.clone()));
    tasks.spawn(hasher::run(child.clone(), client.clone(), root.clone()));
    let file = &context.config.dropbox.refresh_token_file;
    let mut look = tokio::time::interval_at(Instant::now() + FILE_LOOK, FILE_LOOK);
    look.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let mut known = stamp;
    let ended = loop {
        tokio::select! {
            () = context.stop.cancelled() => break Ended::Over,
            _ = look.tick() => {
                if let Some(token) = client.rotated_refresh_token() {
                    keep_rotated(file, &token);
                    known = self::stamp(file);
                }
                note_limits(context, client).await;
                if self::stamp(file) != known {
                    break Ended::NewToken;
                }
            }
            Some(ended) = tasks.join_next() => match ended {
                Ok(Ok(())) => {}
                Ok(Err(Trouble::Dropbox(error))) => match error.kind {
                    Kind::RootNotSupported => break Ended::NoPathRoot,
                    Kind::InvalidRoot => break Ended::StartOver(error.to_string()),
                    _ => break Ended::Revoked(error),
                },
                Ok(Err(Trouble::Store(error))) => {
                    // Watchers and hasher wait out a failing store by themselves; one that could not starts over.
                    context.conditions.store_failed(&error).await;
                    break Ended::StartOver(error.to_string());
                }
                Err(panic) => std::panic::resume_unwind(panic.into_panic()),
            },
        }
    };
    child.stop.cancel();
    let _ = tokio::time::timeout(Duration::from_secs(2), async { while tasks.join_next().await.is_some() {} }).await;
    ended
}

/// Says so while Dropbox limits the rate.
async fn note_limits(context: &Context, client: &Client) {
    match client.gate().held_until() {
        Some(until) => {
            let wait = until.duration_since(Instant::now());
            let text = format!("Dropbox asks to wait until {}", super::context::wall_text(wait));
            context.conditions.begin(Code::RateLimited, "dropbox", text).await;
        }
        None => context.conditions.end(Code::RateLimited, "dropbox").await,
    }
}

/// What a file looked like: enough to notice that it was replaced.
pub(super) type Stamp = Option<(SystemTime, u64, u64)>;

pub(super) fn stamp(file: &Path) -> Stamp {
    use std::os::unix::fs::MetadataExt as _;
    let metadata = std::fs::metadata(file).ok()?;
    Some((metadata.modified().ok()?, metadata.len(), metadata.ino()))
}

/// Waits until the file is another one, or a SIGHUP. A slow trial all the same, in case the trouble went by itself.
pub(super) async fn wait_for_change(context: &Context, file: &Path, known: Stamp) {
    let mut nudge = context.nudge.subscribe();
    let trial = Instant::now() + context.config.retry.max.max(Duration::from_secs(60));
    loop {
        tokio::select! {
            () = context.stop.cancelled() => return,
            _ = nudge.changed() => return,
            () = tokio::time::sleep_until(trial) => return,
            () = tokio::time::sleep(FILE_LOOK) => if stamp(file) != known { return },
        }
    }
}

/// Keeps a refresh token that Dropbox replaced: atomically, 0600.
fn keep_rotated(file: &Path, token: &secrecy::SecretString) {
    use secrecy::ExposeSecret as _;
    use std::io::Write as _;
    use std::os::unix::fs::OpenOptionsExt as _;
    if std::fs::read_to_string(file).is_ok_and(|present| present.trim() == token.expose_secret()) {
        return;
    }
    let new = file.with_extension("new");
    let written = (|| {
        let mut out = std::fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&new)?;
        writeln!(out, "{}", token.expose_secret())?;
        out.sync_all()?;
        std::fs::rename(&new, file)
    })();
    if let Err(error) = written {
        let text = format!("a replaced refresh token could not be written to {}: {error}", file.display());
        Happening::Summary { text: &text }.emit();
    }
}

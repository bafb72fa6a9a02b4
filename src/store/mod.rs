//! SQLite; the only room of the daemon with SQL: schema, cursors, files, publications, assets. Knows no network.
//!
//! One thread owns the writing connection and takes typed requests. Requests that wait together share one commit, and
//! nobody hears of success before that commit is on the disk (`synchronous = FULL`). Commands read through
//! [`report::Report`], a read-only connection of their own.
//!
//! Invariants kept here: a cursor and the work that it implies are one commit; what is `in_flight` was committed before
//! anybody may send it; nothing queued is merged or replaced; an asset's publications are numbered without gaps.

mod gone;
mod links;
mod model;
mod news;
mod open;
mod page;
mod publications;
pub mod report;
mod requests;
mod schema;
mod settle;
mod tenancies;
#[cfg(test)]
mod tests;

use std::sync::mpsc;

use rusqlite::Connection;
use tokio::sync::oneshot;

pub use links::{LinkWanted, Synced, WatchLink};
pub use model::{
    ALG_DROPBOX, ALG_SHA256, Applied, AssetId, Change, Current, Kind, LinkId, Policy, Publication, PublicationId,
    Shown, Tenancy, TenancyId, Unhashed, Watch, WatchId,
};
pub use open::{FILE_NAME, Found, OpenError};
pub use page::PageOf;
pub use publications::{Counts, Fixed, Recorded};
pub use requests::{Request, ask};
pub use tenancies::TenancyWanted;

/// A request to the store that failed; nothing of it was written.
#[derive(Debug, Clone, thiserror::Error)]
pub enum Error {
    /// SQLite refused for any other reason.
    #[error("database: {0}")]
    Sqlite(String),
    /// No room on the disk.
    #[error("database: the disk is full")]
    DiskFull,
    /// The disk, or its file system, did not let it be read or written: an input/output error, a file system that became
    /// read-only, a file that cannot be opened any more. May heal.
    #[error("database: the file cannot be read or written: {0}")]
    Io(String),
    /// The file is damaged.
    #[error("database: the file is damaged")]
    Damaged,
    /// The store was closed.
    #[error("database: closed")]
    Closed,
    /// Not a failure: rolls back a page about which these ids must be asked first. Never leaves this room.
    #[error("database: undecided")]
    Undecided(Vec<String>),
}

impl From<rusqlite::Error> for Error {
    fn from(error: rusqlite::Error) -> Self {
        use rusqlite::ErrorCode;
        match error.sqlite_error_code() {
            Some(ErrorCode::DiskFull) => Error::DiskFull,
            Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => Error::Damaged,
            Some(
                ErrorCode::SystemIoFailure | ErrorCode::ReadOnly | ErrorCode::CannotOpen | ErrorCode::PermissionDenied,
            ) => Error::Io(error.to_string()),
            _ => Error::Sqlite(error.to_string()),
        }
    }
}

/// The result of a store request.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Tells a waiting request how the shared commit went.
type Answer = Box<dyn FnOnce(Result<()>) + Send>;
/// Runs in the shared transaction, or hears why there is none.
type Job = Box<dyn FnOnce(Result<&Connection>) -> Answer + Send>;

enum Message {
    /// Runs inside the shared transaction.
    Write(Job),
    /// Runs between transactions.
    Read(Box<dyn FnOnce(&Connection) + Send>),
    Close(oneshot::Sender<()>),
}

/// At most so many requests share a commit.
const GROUP: usize = 64;

/// A handle on the owner thread. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Store {
    messages: mpsc::Sender<Message>,
}

impl Store {
    fn start(connection: Connection) -> std::io::Result<Store> {
        let (messages, inbox) = mpsc::channel();
        std::thread::Builder::new().name("store".into()).spawn(move || own(connection, &inbox))?;
        Ok(Store { messages })
    }

    /// Runs `work` in a transaction. When this returns `Ok`, what it wrote is on the disk.
    async fn write<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Connection) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let (reply, answer) = oneshot::channel();
        let job: Job = Box::new(move |connection| {
            let result = connection.and_then(|connection| in_savepoint(connection, work));
            Box::new(move |committed| {
                let _ = reply.send(match (result, committed) {
                    (Ok(value), Ok(())) => Ok(value),
                    (Err(error), _) | (Ok(_), Err(error)) => Err(error),
                });
            })
        });
        self.messages.send(Message::Write(job)).map_err(|_| Error::Closed)?;
        answer.await.unwrap_or(Err(Error::Closed))
    }

    /// Runs `work`, which only reads.
    async fn read<T: Send + 'static>(&self, work: impl FnOnce(&Connection) -> Result<T> + Send + 'static) -> Result<T> {
        let (reply, answer) = oneshot::channel();
        let job = Box::new(move |connection: &Connection| {
            let _ = reply.send(work(connection));
        });
        self.messages.send(Message::Read(job)).map_err(|_| Error::Closed)?;
        answer.await.unwrap_or(Err(Error::Closed))
    }

    /// Ends the owner thread after what waits, marks the end as clean and closes the database.
    pub async fn close(&self) {
        let (done, closed) = oneshot::channel();
        if self.messages.send(Message::Close(done)).is_ok() {
            let _ = closed.await;
        }
    }
}

/// A job that fails leaves nothing behind, and does not spoil those that share its commit.
fn in_savepoint<T>(connection: &Connection, work: impl FnOnce(&Connection) -> Result<T>) -> Result<T> {
    connection.execute_batch("SAVEPOINT job")?;
    let result = work(connection);
    let end = if result.is_ok() { "RELEASE job" } else { "ROLLBACK TO job; RELEASE job" };
    match (result, connection.execute_batch(end)) {
        (Ok(_), Err(error)) => Err(error.into()),
        (result, _) => result,
    }
}

fn own(mut connection: Connection, inbox: &mpsc::Receiver<Message>) {
    while let Ok(message) = inbox.recv() {
        match message {
            Message::Read(job) => job(&connection),
            Message::Write(job) => {
                if let Some(done) = write_group(&mut connection, job, inbox) {
                    drop(connection);
                    let _ = done.send(());
                    return;
                }
            }
            Message::Close(done) => {
                open::mark_clean(&connection);
                drop(connection);
                let _ = done.send(());
                return;
            }
        }
    }
}

/// Commits `first` and whatever else waits by now in one transaction. Gives the closing message if one came among them.
fn write_group(
    connection: &mut Connection,
    first: Job,
    inbox: &mpsc::Receiver<Message>,
) -> Option<oneshot::Sender<()>> {
    let mut closing = None;
    let mut reads = Vec::new();
    let mut answers = Vec::new();
    let committed = (|| {
        let transaction = match connection.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate) {
            Ok(transaction) => transaction,
            Err(error) => {
                answers.push(first(Err(error.into())));
                return Ok(());
            }
        };
        answers.push(first(Ok(&transaction)));
        // Some failures (a full disk, for one) make SQLite roll the whole transaction back by itself. What came after
        // would then be committed piece by piece although everybody here is about to be told that it was not.
        while answers.len() < GROUP && closing.is_none() && !transaction.is_autocommit() {
            match inbox.try_recv() {
                Ok(Message::Write(job)) => answers.push(job(Ok(&transaction))),
                Ok(Message::Read(job)) => reads.push(job),
                Ok(Message::Close(done)) => closing = Some(done),
                Err(_) => break,
            }
        }
        transaction.commit()?;
        Ok(())
    })();
    for answer in answers {
        answer(committed.clone());
    }
    for read in reads {
        read(connection);
    }
    if closing.is_some() {
        open::mark_clean(connection);
    }
    closing
}

//! The one writer: a thread that owns the writing connection and commits all writes that wait in one transaction. An
//! answer leaves only after that transaction is synced to disk.

use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::sync::{Mutex, PoisonError};
use std::thread::JoinHandle;

use rusqlite::Connection;
use tokio::sync::oneshot;

use super::Error;

/// Told whether the transaction was committed; answers whoever asked.
type Reply = Box<dyn FnOnce(Result<(), String>) + Send>;
/// Does its work on the connection, or learns why there is none.
type Job = Box<dyn FnOnce(Result<&Connection, &str>) -> Reply + Send>;

/// Writes that may share one transaction.
const BATCH: usize = 256;
/// Writes that may wait.
const WAITING: usize = 4096;

/// The handle of the writer thread.
#[derive(Debug)]
pub(super) struct Writer {
    queue: Mutex<Option<SyncSender<Job>>>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

impl Writer {
    pub(super) fn start(connection: Connection) -> Result<Writer, Error> {
        let (queue, waiting) = sync_channel(WAITING);
        let thread = std::thread::Builder::new()
            .name("ledger-writer".into())
            .spawn(move || run(&connection, &waiting))
            .map_err(Error::io("start the thread", "ledger-writer"))?;
        Ok(Writer { queue: Mutex::new(Some(queue)), thread: Mutex::new(Some(thread)) })
    }

    /// Runs `work` in a transaction and gives its result once it is durable. If `work` fails, nothing of it is kept.
    pub(super) async fn write<T, E>(
        &self,
        work: impl FnOnce(&Connection) -> Result<T, E> + Send + 'static,
    ) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<Error> + Send + 'static,
    {
        self.submit(work)?.await.unwrap_or_else(|_| Err(Error::Closed.into()))
    }

    /// As [`Writer::write`], for a thread that may block.
    pub(super) fn write_blocking<T, E>(
        &self,
        work: impl FnOnce(&Connection) -> Result<T, E> + Send + 'static,
    ) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<Error> + Send + 'static,
    {
        let (answer, end) = std::sync::mpsc::channel();
        self.queue(job(work, move |result| drop(answer.send(result))))?;
        end.recv().unwrap_or_else(|_| Err(Error::Closed.into()))
    }

    fn submit<T, E>(
        &self,
        work: impl FnOnce(&Connection) -> Result<T, E> + Send + 'static,
    ) -> Result<oneshot::Receiver<Result<T, E>>, Error>
    where
        T: Send + 'static,
        E: From<Error> + Send + 'static,
    {
        let (answer, end) = oneshot::channel();
        self.queue(job(work, move |result| drop(answer.send(result))))?;
        Ok(end)
    }

    fn queue(&self, job: Job) -> Result<(), Error> {
        match self.queue.lock().unwrap_or_else(PoisonError::into_inner).as_ref() {
            None => Err(Error::Closed),
            Some(queue) => queue.try_send(job).map_err(|refused| match refused {
                TrySendError::Full(_) => Error::Busy,
                TrySendError::Disconnected(_) => Error::Closed,
            }),
        }
    }

    /// Finishes what waits and ends the thread.
    pub(super) fn close(&self) {
        drop(self.queue.lock().unwrap_or_else(PoisonError::into_inner).take());
        let thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(thread) = thread {
            let _ = thread.join();
        }
    }
}

/// Wraps work in a savepoint of its own, so that its failure leaves the rest of the batch alone.
fn job<T, E>(
    work: impl FnOnce(&Connection) -> Result<T, E> + Send + 'static,
    answer: impl FnOnce(Result<T, E>) + Send + 'static,
) -> Job
where
    T: Send + 'static,
    E: From<Error> + Send + 'static,
{
    Box::new(move |connection| {
        let result = match connection {
            Err(reason) => Err(Error::Commit(reason.to_owned()).into()),
            Ok(connection) => apart(connection, work),
        };
        Box::new(move |committed| {
            answer(match committed {
                Ok(()) => result,
                Err(reason) => result.and_then(|_| Err(Error::Commit(reason).into())),
            });
        })
    })
}

fn apart<T, E: From<Error>>(connection: &Connection, work: impl FnOnce(&Connection) -> Result<T, E>) -> Result<T, E> {
    connection.execute_batch("SAVEPOINT job").map_err(Error::from)?;
    let result = work(connection);
    let end = if result.is_ok() { "RELEASE job" } else { "ROLLBACK TO job; RELEASE job" };
    connection.execute_batch(end).map_err(Error::from)?;
    result
}

fn run(connection: &Connection, waiting: &Receiver<Job>) {
    while let Ok(first) = waiting.recv() {
        let mut batch = vec![first];
        while batch.len() < BATCH {
            let Ok(job) = waiting.try_recv() else { break };
            batch.push(job);
        }
        let begun = connection.execute_batch("BEGIN IMMEDIATE").map_err(|error| error.to_string());
        let replies: Vec<Reply> = batch
            .into_iter()
            .map(|job| match &begun {
                Err(reason) => job(Err(reason)),
                // Some failures (disk full) make SQLite end the whole transaction; what follows must not run outside of one.
                Ok(()) if connection.is_autocommit() => job(Err("the transaction was ended by a failure before")),
                Ok(()) => job(Ok(connection)),
            })
            .collect();
        let committed = begun.and_then(|()| {
            connection.execute_batch("COMMIT").map_err(|error| {
                if !connection.is_autocommit() {
                    let _ = connection.execute_batch("ROLLBACK");
                }
                error.to_string()
            })
        });
        for reply in replies {
            reply(committed.clone());
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    fn table() -> (tempfile::TempDir, Arc<Writer>, Connection) {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("db");
        let connection = Connection::open(&path).expect("a database");
        connection.execute_batch("PRAGMA journal_mode = WAL; CREATE TABLE t (n INTEGER UNIQUE)").expect("SQL");
        let reader = Connection::open(&path).expect("a database");
        (directory, Arc::new(Writer::start(connection).expect("a thread")), reader)
    }

    fn numbers(reader: &Connection) -> Vec<i64> {
        let mut statement = reader.prepare("SELECT n FROM t ORDER BY n").expect("SQL");
        let rows = statement.query_map([], |row| row.get(0)).expect("rows");
        rows.collect::<Result<_, _>>().expect("rows")
    }

    #[tokio::test]
    async fn a_write_that_fails_keeps_nothing_and_leaves_the_others_of_its_batch_alone() {
        let (_directory, writer, reader) = table();
        let writes = (0..40_i64).map(|n| {
            let writer = Arc::clone(&writer);
            async move {
                let work = move |connection: &Connection| {
                    connection.execute("INSERT INTO t VALUES (?1)", [n])?;
                    if n % 4 == 3 { Err(Error::Tenancy("no".into())) } else { Ok(n) }
                };
                writer.write(work).await
            }
        });
        let results = futures_util::future::join_all(writes).await;
        let kept: Vec<i64> = results.into_iter().filter_map(Result::ok).collect();
        assert_eq!(kept.len(), 30);
        assert_eq!(numbers(&reader), kept);
    }

    #[tokio::test]
    async fn what_waits_is_written_before_the_writer_ends_and_nothing_after() {
        let (_directory, writer, reader) = table();
        let insert = |connection: &Connection| Ok::<_, Error>(connection.execute("INSERT INTO t VALUES (1)", [])?);
        let waiting = writer.submit(insert).expect("queued");
        writer.close();
        assert_eq!(waiting.await.expect("answered").expect("written"), 1);
        assert!(matches!(writer.write(insert).await, Err(Error::Closed)));
        assert_eq!(numbers(&reader), [1]);
    }

    #[tokio::test]
    async fn when_the_transaction_cannot_be_committed_nobody_is_told_that_it_was() {
        let (directory, writer, reader) = table();
        // A deferred foreign key is looked at only by COMMIT.
        let other = Connection::open(directory.path().join("db")).expect("a database");
        let child = "CREATE TABLE child (n INTEGER REFERENCES t (n) DEFERRABLE INITIALLY DEFERRED)";
        other.execute_batch(child).expect("SQL");
        let pragma = |connection: &Connection| Ok::<_, Error>(connection.execute_batch("INSERT INTO t VALUES (2)")?);
        writer.write(pragma).await.expect("written");
        let orphan = |connection: &Connection| {
            connection.execute_batch(
                "PRAGMA defer_foreign_keys = ON; INSERT INTO child VALUES (9); INSERT INTO t VALUES (3)",
            )?;
            Ok::<_, Error>(())
        };
        let failed = writer.write(orphan).await;
        assert!(matches!(failed, Err(Error::Commit(_))), "{failed:?}");
        assert_eq!(numbers(&reader), [2]);
        writer
            .write(|connection| Ok::<_, Error>(connection.execute("INSERT INTO t VALUES (4)", [])?))
            .await
            .expect("goes on");
        assert_eq!(numbers(&reader), [2, 4]);
    }
}

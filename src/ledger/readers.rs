//! The reading connections: a small pool, each used by one request at a time, off the async threads. A request that is
//! given up interrupts its query.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use rusqlite::{Connection, InterruptHandle};
use tokio::sync::Semaphore;

use super::{Error, schema};

/// Queries that may run at a time.
const CONCURRENT: usize = 8;

/// The pool.
#[derive(Debug)]
pub(super) struct Readers {
    data: PathBuf,
    idle: Mutex<Vec<Connection>>,
    permits: Arc<Semaphore>,
}

/// Interrupts the query when dropped while it still runs.
struct Interrupt(Arc<Mutex<Option<InterruptHandle>>>);

impl Interrupt {
    /// The query is over: from now on its connection may be somebody else's.
    fn disarm(&self) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }
}

impl Drop for Interrupt {
    fn drop(&mut self) {
        if let Some(handle) = &*self.0.lock().unwrap_or_else(PoisonError::into_inner) {
            handle.interrupt();
        }
    }
}

impl Readers {
    pub(super) fn new(data: PathBuf) -> Readers {
        Readers { data, idle: Mutex::default(), permits: Arc::new(Semaphore::new(CONCURRENT)) }
    }

    fn idle(&self) -> std::sync::MutexGuard<'_, Vec<Connection>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Runs `work` on one snapshot of the database.
    pub(super) async fn read<T, E>(
        self: &Arc<Self>,
        work: impl FnOnce(&Connection) -> Result<T, E> + Send + 'static,
    ) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<Error> + Send + 'static,
    {
        let permit = Arc::clone(&self.permits).acquire_owned().await.map_err(|_| Error::Closed)?;
        let pooled = self.idle().pop();
        let connection = match pooled {
            Some(connection) => connection,
            None => schema::open_to_read(&self.data)?,
        };
        let interrupt = Interrupt(Arc::new(Mutex::new(Some(connection.get_interrupt_handle()))));
        let running = Interrupt(Arc::clone(&interrupt.0));
        let pool = Arc::clone(self);
        let end = tokio::task::spawn_blocking(move || {
            let result = snapshot(&connection, work);
            running.disarm();
            pool.idle().push(connection);
            drop(permit);
            result
        })
        .await;
        end.unwrap_or_else(|_| Err(Error::Closed.into()))
    }

    pub(super) fn close(&self) {
        self.permits.close();
        self.idle().clear();
    }
}

fn snapshot<T, E: From<Error>>(
    connection: &Connection,
    work: impl FnOnce(&Connection) -> Result<T, E>,
) -> Result<T, E> {
    let transaction = connection.unchecked_transaction().map_err(Error::from)?;
    let result = work(connection);
    transaction.finish().map_err(Error::from)?;
    result
}

//! Opening: made whole, or refused with a word, and never replaced.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use rusqlite::Connection;

use crate::store::report::Report;
use crate::store::{Error, FILE_NAME, OpenError, Store};

fn refused(directory: &Path) -> OpenError {
    let path = directory.join(FILE_NAME);
    let before = std::fs::read(&path).ok();
    let error = match Store::open(directory) {
        Ok(_) => panic!("opened"),
        Err(error) => error,
    };
    assert_eq!(std::fs::read(&path).ok(), before, "touched");
    error
}

#[tokio::test]
async fn a_new_database_is_readable_by_its_owner_only_and_leaves_nothing_beside_it() {
    let directory = tempfile::tempdir().expect("directory");
    let (store, found) = Store::open(directory.path()).expect("opened");
    assert!(!found.unclean);
    for entry in directory.path().read_dir().expect("listed") {
        let entry = entry.expect("entry");
        assert_eq!(entry.metadata().expect("metadata").permissions().mode() & 0o777, 0o600, "{entry:?}");
        assert!(!entry.file_name().to_string_lossy().contains("new"), "{entry:?}");
    }
    store.close().await;
    let names: Vec<_> = directory.path().read_dir().expect("listed").map(|e| e.expect("entry").file_name()).collect();
    assert_eq!(names, [FILE_NAME], "the log was folded into the file");
}

#[tokio::test]
async fn an_orderly_end_is_told_from_another_one() {
    let directory = tempfile::tempdir().expect("directory");
    let (store, _) = Store::open(directory.path()).expect("opened");
    assert_eq!(store.claim("dbid:1").await.expect("claimed"), "dbid:1");
    store.close().await;
    let (store, found) = Store::open(directory.path()).expect("opened again");
    assert!(!found.unclean);
    assert_eq!(store.claim("dbid:2").await.expect("claimed"), "dbid:1", "bound for good");
    // As a kill leaves it: a copy of the files while the store is open.
    let killed = tempfile::tempdir().expect("directory");
    for entry in directory.path().read_dir().expect("listed") {
        let entry = entry.expect("entry");
        std::fs::copy(entry.path(), killed.path().join(entry.file_name())).expect("copied");
    }
    let (store, found) = Store::open(killed.path()).expect("opened after the kill");
    assert!(found.unclean);
    assert_eq!(store.account().await.expect("account").as_deref(), Some("dbid:1"));
    assert_eq!(Store::check(killed.path()).expect("checked"), None);
}

#[test]
fn a_start_that_was_cut_short_does_not_stand_in_the_way_of_the_next() {
    let directory = tempfile::tempdir().expect("directory");
    std::fs::write(directory.path().join(format!("{FILE_NAME}.new")), b"half").expect("written");
    std::fs::write(directory.path().join(format!("{FILE_NAME}.new-wal")), b"half").expect("written");
    assert!(Store::open(directory.path()).is_ok());
}

#[test]
fn garbage_and_an_empty_file_are_refused_and_stay_as_they_are() {
    for content in [&b""[..], b"hello", &[7; 5000]] {
        let directory = tempfile::tempdir().expect("directory");
        let path = directory.path().join(FILE_NAME);
        std::fs::write(&path, content).expect("written");
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644)).expect("set");
        let error = refused(directory.path());
        assert!(matches!(error, OpenError::Foreign(_)), "{error:?}");
        assert_eq!(path.metadata().expect("metadata").permissions().mode() & 0o777, 0o644, "not ours to change");
        assert!(Report::open(directory.path()).is_err());
    }
}

#[test]
fn a_foreign_database_is_refused() {
    let directory = tempfile::tempdir().expect("directory");
    let foreign = Connection::open(directory.path().join(FILE_NAME)).expect("made");
    foreign.execute_batch("CREATE TABLE theirs (x); PRAGMA user_version = 1").expect("filled");
    foreign.close().expect("closed");
    assert!(matches!(refused(directory.path()), OpenError::Foreign(_)));
}

#[tokio::test]
async fn a_newer_database_is_refused_by_its_number() {
    let directory = tempfile::tempdir().expect("directory");
    Store::open(directory.path()).expect("opened").0.close().await;
    let newer = Connection::open(directory.path().join(FILE_NAME)).expect("opened");
    newer.pragma_update(None, "user_version", 99).expect("set");
    newer.close().map_err(|(_, error)| error).expect("closed");
    let error = refused(directory.path());
    assert!(matches!(error, OpenError::Newer(_, 99)), "{error:?}");
}

#[tokio::test]
async fn a_database_that_lost_its_file_but_not_its_log_is_not_replaced_by_an_empty_one() {
    let directory = tempfile::tempdir().expect("directory");
    let (store, _) = Store::open(directory.path()).expect("opened");
    store.claim("dbid:1").await.expect("claimed");
    std::fs::remove_file(directory.path().join(FILE_NAME)).expect("removed");
    let error = refused(directory.path());
    assert!(matches!(error, OpenError::Damaged(..)), "{error:?}");
    assert!(!directory.path().join(FILE_NAME).exists());
}

#[tokio::test]
async fn a_damaged_page_is_found_by_the_check() {
    let directory = tempfile::tempdir().expect("directory");
    Store::open(directory.path()).expect("opened").0.close().await;
    let path = directory.path().join(FILE_NAME);
    let mut bytes = std::fs::read(&path).expect("read");
    let page = bytes.len() / 4096 / 2 * 4096;
    bytes[page..page + 4096].fill(0xaa);
    std::fs::write(&path, bytes).expect("written");
    assert!(!matches!(Store::check(directory.path()), Ok(None)));
}

#[test]
fn a_directory_that_is_not_there_may_heal() {
    let directory = tempfile::tempdir().expect("directory");
    let error = Store::open(&directory.path().join("missing")).map(|_| ()).expect_err("no directory");
    assert!(matches!(error, OpenError::Unusable(..)), "{error:?}");
    assert!(matches!(Report::open(&directory.path().join("missing")), Ok(None)));
}

#[tokio::test]
async fn a_disk_that_does_not_let_the_database_be_written_is_told_from_a_full_one_and_from_damage() {
    let directory = tempfile::tempdir().expect("directory");
    let (store, _) = Store::open(directory.path()).expect("opened");
    store.read(|connection| Ok(connection.pragma_update(None, "query_only", true)?)).await.expect("set");
    let refused = store.claim("dbid:1").await.expect_err("read-only");
    assert!(matches!(refused, Error::Io(_)), "{refused:?}");
    assert!(store.account().await.expect("still read").is_none());
    use rusqlite::ffi::{SQLITE_BUSY, SQLITE_CANTOPEN, SQLITE_CORRUPT, SQLITE_FULL, SQLITE_IOERR, SQLITE_IOERR_FSYNC};
    let error = |code| Error::from(rusqlite::Error::SqliteFailure(rusqlite::ffi::Error::new(code), None));
    for code in [SQLITE_IOERR, SQLITE_IOERR_FSYNC, SQLITE_CANTOPEN] {
        assert!(matches!(error(code), Error::Io(_)), "{code}");
    }
    assert!(matches!(error(SQLITE_FULL), Error::DiskFull));
    assert!(matches!(error(SQLITE_CORRUPT), Error::Damaged));
    assert!(matches!(error(SQLITE_BUSY), Error::Sqlite(_)));
}

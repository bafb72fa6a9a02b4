//! The database: its schema, with the triggers that make it append-only, and how connections to it are opened.
//!
//! An event's row never changes but in its status; what commits it (sequence, MMR index, idtimestamp, the leaf fields) is a
//! row of `leaves`, which never changes at all. Assets keep a merged state, once as accepted and once as committed. `terms`
//! is a derived index for equality look-ups.

use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::{Connection, OpenFlags};
use rusqlite_migration::{M, Migrations};

use super::Error;

/// The database file inside a data directory.
pub(super) fn database(data: &Path) -> PathBuf {
    data.join("ledger.db")
}

const FIRST: &str = r"
CREATE TABLE keys (name TEXT PRIMARY KEY, value BLOB NOT NULL) STRICT, WITHOUT ROWID;

CREATE TABLE tenancies (
  id INTEGER PRIMARY KEY,
  uuid TEXT NOT NULL UNIQUE,
  name TEXT NOT NULL UNIQUE,
  verified_domain TEXT NOT NULL,
  client_id TEXT NOT NULL UNIQUE,
  secret_hash BLOB NOT NULL,
  created_ms INTEGER NOT NULL
) STRICT;

-- Times are milliseconds since 1970; status is the API's enum number (1 PENDING, 4 STORED, 5 COMMITTED, 2 CONFIRMED, 3 FAILED).
CREATE TABLE assets (
  id INTEGER PRIMARY KEY,
  uuid TEXT NOT NULL UNIQUE,
  tenancy INTEGER NOT NULL REFERENCES tenancies (id),
  public INTEGER NOT NULL,
  behaviours TEXT NOT NULL,
  proof_mechanism TEXT NOT NULL,
  chain_id TEXT NOT NULL,
  created_ms INTEGER NOT NULL,
  status INTEGER NOT NULL,
  tracked INTEGER NOT NULL,
  attributes TEXT NOT NULL,
  at_ms INTEGER NOT NULL,
  committed_attributes TEXT NOT NULL,
  committed_at_ms INTEGER NOT NULL
) STRICT;
CREATE INDEX assets_tenancy ON assets (tenancy, id);
CREATE INDEX assets_open ON assets (status, id) WHERE status IN (1, 3, 4, 5);

CREATE TABLE events (
  id INTEGER PRIMARY KEY,
  uuid TEXT NOT NULL UNIQUE,
  asset INTEGER NOT NULL REFERENCES assets (id),
  tenancy INTEGER NOT NULL REFERENCES tenancies (id),
  public INTEGER NOT NULL,
  operation TEXT NOT NULL,
  behaviour TEXT NOT NULL,
  event_attributes TEXT NOT NULL,
  asset_attributes TEXT NOT NULL,
  declared TEXT NOT NULL,
  declared_us INTEGER NOT NULL,
  accepted_ms INTEGER NOT NULL,
  principal_declared TEXT NOT NULL,
  principal_accepted TEXT NOT NULL,
  doomed INTEGER NOT NULL,
  status INTEGER NOT NULL
) STRICT;
CREATE INDEX events_asset ON events (asset, id);
CREATE INDEX events_tenancy ON events (tenancy, id);
CREATE INDEX events_public ON events (id) WHERE public = 1 AND status IN (2, 5, 6);
CREATE INDEX events_open ON events (status, id) WHERE status IN (1, 3, 4, 5);

-- One row per committed event, in commit order from 0 without a gap. fields: the eleven leaf fields as answered.
CREATE TABLE leaves (
  seq INTEGER PRIMARY KEY,
  event INTEGER NOT NULL UNIQUE REFERENCES events (id),
  mmr_index INTEGER NOT NULL UNIQUE,
  idtimestamp TEXT NOT NULL UNIQUE,
  committed_ms INTEGER NOT NULL,
  fields TEXT NOT NULL
) STRICT;

-- space: a tenancy, or 0 for what the public may see. term: a digest of scope, path and value. subject: an asset or event.
CREATE TABLE terms (
  space INTEGER NOT NULL,
  term BLOB NOT NULL,
  subject INTEGER NOT NULL,
  PRIMARY KEY (space, term, subject)
) STRICT, WITHOUT ROWID;

CREATE TRIGGER events_are_kept BEFORE DELETE ON events BEGIN SELECT RAISE(ABORT, 'events are never deleted'); END;
CREATE TRIGGER events_are_not_replaced BEFORE INSERT ON events
WHEN EXISTS (SELECT 1 FROM events WHERE id = NEW.id OR uuid = NEW.uuid)
BEGIN SELECT RAISE(ABORT, 'events are never replaced'); END;
CREATE TRIGGER events_begin_pending BEFORE INSERT ON events WHEN NEW.status <> 1
BEGIN SELECT RAISE(ABORT, 'events begin as PENDING'); END;
CREATE TRIGGER events_are_fixed BEFORE UPDATE OF id, uuid, asset, tenancy, public, operation, behaviour, event_attributes,
  asset_attributes, declared, declared_us, accepted_ms, principal_declared, principal_accepted, doomed ON events
BEGIN SELECT RAISE(ABORT, 'what an event says never changes'); END;
CREATE TRIGGER events_go_forward BEFORE UPDATE OF status ON events
WHEN NOT ((OLD.status = 1 AND NEW.status IN (3, 4)) OR (OLD.status = 4 AND NEW.status = 3)
  OR (OLD.status = 4 AND NEW.status = 5 AND EXISTS (SELECT 1 FROM leaves WHERE event = OLD.id))
  OR (OLD.status = 5 AND NEW.status = 2) OR (OLD.status = 2 AND NEW.status = 6))
BEGIN SELECT RAISE(ABORT, 'an event''s status only goes forward'); END;

CREATE TRIGGER leaves_are_kept BEFORE DELETE ON leaves BEGIN SELECT RAISE(ABORT, 'leaves are never deleted'); END;
CREATE TRIGGER leaves_are_fixed BEFORE UPDATE ON leaves BEGIN SELECT RAISE(ABORT, 'leaves never change'); END;
CREATE TRIGGER leaves_follow_each_other BEFORE INSERT ON leaves
WHEN NEW.seq <> (SELECT coalesce(max(seq), -1) + 1 FROM leaves)
  OR EXISTS (SELECT 1 FROM leaves WHERE event = NEW.event OR mmr_index >= NEW.mmr_index OR idtimestamp >= NEW.idtimestamp)
BEGIN SELECT RAISE(ABORT, 'leaves follow each other without a gap'); END;

CREATE TRIGGER assets_are_kept BEFORE DELETE ON assets BEGIN SELECT RAISE(ABORT, 'assets are never deleted'); END;
CREATE TRIGGER assets_are_not_replaced BEFORE INSERT ON assets
WHEN EXISTS (SELECT 1 FROM assets WHERE id = NEW.id OR uuid = NEW.uuid)
BEGIN SELECT RAISE(ABORT, 'assets are never replaced'); END;
CREATE TRIGGER assets_are_fixed
BEFORE UPDATE OF id, uuid, tenancy, public, behaviours, proof_mechanism, chain_id, created_ms ON assets
BEGIN SELECT RAISE(ABORT, 'what an asset is never changes'); END;
CREATE TRIGGER assets_go_forward BEFORE UPDATE OF status ON assets
WHEN NOT ((OLD.status = 1 AND NEW.status IN (3, 4)) OR (OLD.status = 4 AND NEW.status IN (3, 5))
  OR (OLD.status = 5 AND NEW.status = 2) OR (OLD.status = 2 AND NEW.status = 6))
BEGIN SELECT RAISE(ABORT, 'an asset''s status only goes forward'); END;

CREATE TRIGGER tenancies_are_kept BEFORE DELETE ON tenancies
BEGIN SELECT RAISE(ABORT, 'tenancies are never deleted'); END;
CREATE TRIGGER tenancies_are_fixed BEFORE UPDATE OF id, uuid, name, client_id, created_ms ON tenancies
BEGIN SELECT RAISE(ABORT, 'who a tenancy is never changes'); END;
";

/// Opens the database for writing, and brings its schema up to date.
pub(super) fn open(data: &Path) -> Result<Connection, Error> {
    let path = database(data);
    // Made here, so that nobody but the owner can read it, whatever the umask; SQLite's other files follow its mode.
    let made = std::fs::OpenOptions::new().create(true).truncate(false).write(true).mode(0o600).open(&path);
    made.map_err(Error::io("open the database", &path))?;
    let mut connection = Connection::open(&path)?;
    connection.busy_timeout(Duration::from_secs(10))?;
    connection.pragma_update(None, "journal_mode", "WAL")?;
    connection.pragma_update(None, "synchronous", "FULL")?;
    connection.pragma_update(None, "foreign_keys", true)?;
    connection.pragma_update(None, "recursive_triggers", true)?;
    connection.pragma_update(None, "trusted_schema", false)?;
    connection.pragma_update(None, "cache_size", -65_536)?;
    connection.set_prepared_statement_cache_capacity(64);
    Migrations::new(vec![M::up(FIRST)]).to_latest(&mut connection)?;
    Ok(connection)
}

/// Opens the database for reading only.
pub(super) fn open_to_read(data: &Path) -> Result<Connection, Error> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(database(data), flags)?;
    connection.busy_timeout(Duration::from_secs(10))?;
    connection.pragma_update(None, "trusted_schema", false)?;
    connection.pragma_update(None, "query_only", true)?;
    connection.set_prepared_statement_cache_capacity(64);
    Ok(connection)
}

//! The schema and its migrations, forward only. A released migration is never edited.

use rusqlite_migration::{M, Migrations};

/// `PRAGMA application_id`: "dtrl". A file with another id is not ours.
pub(super) const APPLICATION_ID: i32 = 0x6474_726c;

/// How many migrations this binary knows; a higher `user_version` was written by a newer one.
pub(super) const VERSION: i32 = 1;

/// All migrations, oldest first.
pub(super) fn migrations() -> Migrations<'static> {
    Migrations::new(vec![M::up(V1)])
}

const V1: &str = "
-- Single values: 'account_id' once known, 'clean' while no process has the database open.
CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT, WITHOUT ROWID;

CREATE TABLE tenancy (
    id              INTEGER PRIMARY KEY,
    name            TEXT NOT NULL,
    url             TEXT NOT NULL,
    client_id       TEXT NOT NULL,
    tenant_identity TEXT,                          -- learned from the first record of ours
    own_listing     INTEGER NOT NULL DEFAULT 0,    -- the tenancy's own listing has shown a record of ours
    public_listing  INTEGER NOT NULL DEFAULT 0,    -- the public listing has
    connected       INTEGER NOT NULL DEFAULT 1,    -- in the configuration
    state           TEXT NOT NULL DEFAULT 'starting',
    held_until      TEXT
) STRICT;

-- A linked folder, however many tenancies it is linked in.
CREATE TABLE watch (
    id         INTEGER PRIMARY KEY,
    folder     TEXT NOT NULL UNIQUE,               -- as configured
    folder_id  TEXT,                               -- wins over the path as long as it resolves
    path_lower TEXT,                               -- where the folder is, in the server's lower case; '' is the root
    root       TEXT,                               -- the path root that it was resolved under
    linked     INTEGER NOT NULL DEFAULT 1,
    generation INTEGER NOT NULL DEFAULT 1,         -- counts links anew; a page of an older one is dropped
    cursor     TEXT,
    listing    INTEGER NOT NULL DEFAULT 0,         -- the listing under way, 0 while watching
    listings   INTEGER NOT NULL DEFAULT 0,         -- listings begun so far
    drained_at TEXT,                               -- when the last drain was complete
    state      TEXT NOT NULL DEFAULT 'starting'
) STRICT;

CREATE TABLE link (
    id       INTEGER PRIMARY KEY,
    watch    INTEGER NOT NULL REFERENCES watch,
    tenancy  INTEGER NOT NULL REFERENCES tenancy,
    exclude  TEXT NOT NULL DEFAULT '[]',           -- the globs, as JSON
    linked   INTEGER NOT NULL DEFAULT 1,
    approved INTEGER NOT NULL DEFAULT 0,
    held     INTEGER NOT NULL DEFAULT 0,           -- a complete listing would register too many files
    fill     TEXT,                                 -- filled from the database up to this path; NULL: nothing to fill
    UNIQUE (watch, tenancy)
) STRICT;

-- A Dropbox file as it was shown last.
CREATE TABLE file (
    id              INTEGER PRIMARY KEY,
    file_id         TEXT NOT NULL UNIQUE,
    rev             TEXT NOT NULL,
    size            INTEGER NOT NULL,
    content_hash    BLOB,
    server_modified TEXT NOT NULL,
    path_display    TEXT NOT NULL,
    skip            TEXT                           -- why its content is not published, whatever the link
) STRICT;

-- Where the files of a linked folder are.
CREATE TABLE place (
    watch      INTEGER NOT NULL REFERENCES watch,
    path_lower TEXT NOT NULL,
    file       INTEGER NOT NULL REFERENCES file,
    seen       INTEGER NOT NULL,                   -- the listing that showed it last
    PRIMARY KEY (watch, path_lower)
) STRICT, WITHOUT ROWID;
CREATE INDEX place_file ON place (file);

-- Places that went in the drain under way.
CREATE TABLE gone (
    watch      INTEGER NOT NULL REFERENCES watch,
    path_lower TEXT NOT NULL,
    file       INTEGER NOT NULL REFERENCES file,
    by_tree    INTEGER NOT NULL,                   -- went with a folder, not by itself
    PRIMARY KEY (watch, path_lower)
) STRICT, WITHOUT ROWID;

CREATE TABLE skipped (
    link       INTEGER NOT NULL REFERENCES link,
    path_lower TEXT NOT NULL,
    reason     TEXT NOT NULL,
    PRIMARY KEY (link, path_lower)
) STRICT, WITHOUT ROWID;

-- One file in one tenancy.
CREATE TABLE asset (
    id              INTEGER PRIMARY KEY,
    tenancy         INTEGER NOT NULL REFERENCES tenancy,
    file            INTEGER NOT NULL REFERENCES file,
    origin          TEXT NOT NULL,                 -- what its reference on the ledger was made of: the file's first id (news::origin)
    identity        TEXT,                          -- its uuid there
    sequence        INTEGER NOT NULL DEFAULT 0,    -- the number fixed last
    version         INTEGER NOT NULL DEFAULT 0,    -- the document_version fixed last
    queued_rev      TEXT,                          -- the version queued last: one of its revisions,
    queued_hash     BLOB,                          -- its content hash, NULL while unknown,
    queued_modified TEXT,                          -- the latest server_modified seen with it,
    queued_watch    INTEGER,                       -- and the linked folder that showed it
    withdrawn       INTEGER NOT NULL DEFAULT 0,    -- what was queued last is a Withdraw
    UNIQUE (tenancy, file)
) STRICT;
CREATE UNIQUE INDEX asset_origin ON asset (tenancy, origin);
CREATE INDEX asset_file ON asset (file);
CREATE INDEX asset_identity ON asset (identity) WHERE identity IS NOT NULL;

-- Revisions that were shown for an asset, by any cursor of its tenancy.
CREATE TABLE shown (
    asset INTEGER NOT NULL REFERENCES asset,
    rev   TEXT NOT NULL,
    PRIMARY KEY (asset, rev)
) STRICT, WITHOUT ROWID;

CREATE TABLE content (
    content_hash BLOB PRIMARY KEY,
    sha256       BLOB NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE publication (
    id              INTEGER PRIMARY KEY,
    tenancy         INTEGER NOT NULL REFERENCES tenancy,
    asset           INTEGER NOT NULL REFERENCES asset,
    kind            TEXT NOT NULL CHECK (kind IN ('version', 'withdraw')),
    state           TEXT NOT NULL CHECK (state IN
        ('pending', 'hashed', 'in_flight', 'uncertain', 'recorded', 'confirmed', 'parked', 'unreadable')),
    via             INTEGER NOT NULL REFERENCES link, -- the link that queued it
    open            INTEGER NOT NULL DEFAULT 1,    -- later publications of the asset wait for it
    held_by         INTEGER REFERENCES link,       -- waits for the approval of this link
    file_id         TEXT NOT NULL,
    rev             TEXT NOT NULL,
    size            INTEGER NOT NULL,
    content_hash    BLOB,                          -- NULL until it is hashed, where the listing had none
    server_modified TEXT NOT NULL,
    alg             TEXT NOT NULL,
    document_hash   BLOB,
    clear_name      TEXT,
    sequence        INTEGER,
    version         INTEGER,
    body            TEXT,                          -- the request, byte for byte, from in_flight to recorded
    event           TEXT,                          -- uuid of the event; NULL for a registration
    attempts        INTEGER NOT NULL DEFAULT 0,
    reason          TEXT,
    sent_at         TEXT,
    recorded_at     TEXT,
    confirmed_at    TEXT
) STRICT;
CREATE INDEX publication_of_asset ON publication (asset, id);
CREATE INDEX publication_open ON publication (asset, id) WHERE open = 1;
CREATE INDEX publication_work ON publication (tenancy, state) WHERE open = 1 AND held_by IS NULL; -- in the order of rows
CREATE INDEX publication_unhashed ON publication (content_hash) WHERE state = 'pending';
CREATE INDEX publication_pending ON publication (id) WHERE state = 'pending' AND held_by IS NULL;
CREATE INDEX publication_unreadable ON publication (tenancy) WHERE state = 'unreadable';
CREATE INDEX publication_held ON publication (held_by) WHERE held_by IS NOT NULL;
CREATE INDEX publication_via ON publication (via) WHERE open = 1;
CREATE INDEX publication_recorded ON publication (tenancy, recorded_at) WHERE recorded_at IS NOT NULL;

-- How many publications of a tenancy are in each state, kept by triggers so that nobody has to count.
CREATE TABLE tally (
    tenancy INTEGER NOT NULL,
    state   TEXT NOT NULL,
    n       INTEGER NOT NULL,
    PRIMARY KEY (tenancy, state)
) STRICT, WITHOUT ROWID;
CREATE TRIGGER tally_insert AFTER INSERT ON publication BEGIN
    INSERT INTO tally VALUES (new.tenancy, new.state, 1) ON CONFLICT DO UPDATE SET n = n + 1;
END;
CREATE TRIGGER tally_delete AFTER DELETE ON publication BEGIN
    UPDATE tally SET n = n - 1 WHERE tenancy = old.tenancy AND state = old.state;
END;
CREATE TRIGGER tally_update AFTER UPDATE OF state ON publication WHEN old.state <> new.state BEGIN
    UPDATE tally SET n = n - 1 WHERE tenancy = old.tenancy AND state = old.state;
    INSERT INTO tally VALUES (new.tenancy, new.state, 1) ON CONFLICT DO UPDATE SET n = n + 1;
END;

-- Records of ours on the ledger that we passed over: duplicates of an adopted one.
CREATE TABLE passed_over (
    tenancy INTEGER NOT NULL REFERENCES tenancy,
    uuid    TEXT NOT NULL,
    PRIMARY KEY (tenancy, uuid)
) STRICT, WITHOUT ROWID;

CREATE TABLE condition (
    code    TEXT NOT NULL,
    subject TEXT NOT NULL,
    since   TEXT NOT NULL,
    text    TEXT NOT NULL,
    PRIMARY KEY (code, subject)
) STRICT, WITHOUT ROWID;

-- What commands ask of the daemon.
CREATE TABLE request (
    id    INTEGER PRIMARY KEY,
    kind  TEXT NOT NULL,
    arg   TEXT NOT NULL,
    asked TEXT NOT NULL
) STRICT;
";

#[cfg(test)]
mod tests {
    #[test]
    fn the_migrations_are_valid_and_counted() {
        super::migrations().validate().expect("valid migrations");
        let mut connection = rusqlite::Connection::open_in_memory().expect("memory");
        super::migrations().to_latest(&mut connection).expect("migrated");
        let version: i32 = connection.query_row("PRAGMA user_version", [], |row| row.get(0)).expect("version");
        assert_eq!(version, super::VERSION);
    }
}

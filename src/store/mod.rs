//! SQLite; the only room of the daemon with SQL.

//! The run: the only room that joins Dropbox, the store and the ledger.

//! Instaproof against a small public ledger.

//! What `verify` says of a file: for people within 80 columns, or as one line of JSON. Touches what it
//! is given to write to.

use std::io;
use std::path::Path;

use serde::Serialize;
use url::Url;

use super::accept::Accepted;
use super::base;
use crate::datatrails::instaproof::{Found, Standing};
use crate::digest::Digest;
use crate::observe::escape;

/// Widest line, in columns.
const WIDTH: usize = 80;
/// Records by others that are shown to people; there may be any number.
const OTHERS: usize = 5;

/// A file and its records.
pub(super) struct Report {
    file: String,
    sha256: Digest,
    content_hash: Digest,
    records: Vec<Record>,
}

struct Record {
    found: Found,
    accepted: bool,
    ledger: String,
}

#[derive(Serialize)]
struct Json<'a> {
    file: &'a str,
    sha256: String,
    content_hash: String,
    found: bool,
    records: Vec<JsonRecord<'a>>,
}

#[derive(Serialize)]
struct JsonRecord<'a> {
    ledger: &'a str,
    tenant_identity: Option<&'a str>,
    verified_domain: Option<&'a str>,
    asset: &'a str,
    event: &'a str,
    document_version: Option<&'a str>,
    document_hash_alg: Option<&'a str>,
    status: &'static str,
    recorded_at: Option<&'a str>,
    committed: bool,
    public_url: &'a str,
    accepted: bool,
}

impl Record {
    fn proves(&self) -> bool {
        self.accepted && self.found.standing != Standing::Withdrawn
    }
}

impl Report {
    /// No records yet.
    pub(super) fn new(file: &Path, sha256: Digest, content_hash: Digest) -> Report {
        Report { file: file.to_string_lossy().into_owned(), sha256, content_hash, records: Vec::new() }
    }

    /// Adds what a ledger had.
    pub(super) fn add(&mut self, found: Vec<Found>, accepted: &Accepted, ledger: &Url) {
        let ledger = base(ledger).to_owned();
        self.records.extend(found.into_iter().map(|found| Record {
            accepted: accepted.has(found.tenant_identity.as_deref(), found.verified_domain.as_deref()),
            ledger: ledger.clone(),
            found,
        }));
        // What counts first, the latest before the superseded; the order of time stays within.
        self.records.sort_by_key(|record| (!record.proves(), !record.accepted, record.found.standing));
    }

    /// Whether there is a record that counts.
    pub(super) fn is_found(&self) -> bool {
        self.records.iter().any(Record::proves)
    }

    /// Writes it to `out`.
    pub(super) fn print(&self, out: &mut dyn io::Write, json: bool) -> io::Result<()> {
        let text = if json { self.json() } else { self.text() };
        writeln!(out, "{text}")?;
        out.flush()
    }

    pub(super) fn json(&self) -> String {
        let records = self.records.iter().map(|Record { found, accepted, ledger }| JsonRecord {
            ledger,
            tenant_identity: found.tenant_identity.as_deref(),
            verified_domain: found.verified_domain.as_deref(),
            asset: &found.asset,
            event: &found.event,
            document_version: found.document_version.as_deref(),
            document_hash_alg: found.document_hash_alg.as_deref(),
            status: found.standing.as_str(),
            recorded_at: Some(found.recorded_at.as_str()).filter(|at| !at.is_empty()),
            committed: found.committed,
            public_url: &found.public_url,
            accepted: *accepted,
        });
        let report = Json {
            file: &self.file,
            sha256: self.sha256.to_string(),
            content_hash: self.content_hash.to_string(),
            found: self.is_found(),
            records: records.collect(),
        };
        serde_json::to_string(&report).expect("strings and booleans always serialise")
    }

    pub(super) fn text(&self) -> String {
        let mut lines = wrapped(&escape(&self.file), WIDTH);
        lines.push(format!("  {}", self.verdict()));
        lines.push(format!("  sha256        {}", self.sha256));
        lines.push(format!("  content hash  {}", self.content_hash));
        let (mine, others): (Vec<_>, Vec<_>) = self.records.iter().partition(|record| record.accepted);
        for record in mine.iter().chain(others.iter().take(OTHERS)) {
            self.describe(record, &mut lines);
        }
        if others.len() > OTHERS {
            lines.push(format!(
                "  … and {} more by others, which prove nothing (--json has all)",
                others.len() - OTHERS
            ));
        }
        lines.push(String::new());
        lines.join("\n")
    }

    fn verdict(&self) -> &'static str {
        let best = self.records.iter().find(|record| record.proves()).map(|record| record.found.standing);
        match best {
            Some(Standing::Latest) => "FOUND: the latest version of its document",
            Some(_) => "FOUND: an earlier version, a newer one has been published",
            None if self.records.is_empty() => "NOT FOUND: this content has no record",
            None if self.records.iter().any(|record| record.accepted) => "NOT FOUND: its record was withdrawn",
            None => "NOT FOUND: recorded by others only, which proves nothing",
        }
    }

    fn describe(&self, record: &Record, lines: &mut Vec<String>) {
        let found = &record.found;
        let version =
            found.document_version.as_deref().map_or_else(String::new, |v| format!(" version {}", fit(v, 20)));
        let mut about = |label: &str, value: String| lines.push(format!("    {label:<9} {value}"));
        let proof = if record.accepted { "" } else { " (by others: not proof)" };
        about("record", format!("{}{version}{proof}", found.standing.as_str()));
        let pending = if found.committed { "" } else { ", not committed yet" };
        let recorded_at = if found.recorded_at.is_empty() { "at an unknown time" } else { &found.recorded_at };
        about("recorded", format!("{}{pending}", fit(recorded_at, 32)));
        about("by", found.tenant_identity.as_deref().map_or_else(|| "unknown".into(), |tenant| fit(tenant, 60)));
        if let Some(domain) = &found.verified_domain {
            about("domain", format!("{} (verified by the ledger)", fit(domain, 40)));
        }
        if found.hash != self.sha256 {
            about("found by", "its Dropbox content hash".into());
        }
        about("ledger", fit(&record.ledger, 60));
        about("address", format!("/archivist/publicassets/{}", fit(&found.asset, 36)));
    }
}

/// `text`, escaped and cut to at most `width` columns.
fn fit(text: &str, width: usize) -> String {
    let text = escape(text);
    let mut lines = wrapped(&text, width);
    if lines.len() > 1 {
        lines = wrapped(&text, width - 1);
        lines[0].push('…');
    }
    lines.swap_remove(0)
}

/// `text` in lines of at most `width` columns, counting wide characters as two.
fn wrapped(text: &str, width: usize) -> Vec<String> {
    let (mut lines, mut line, mut used) = (Vec::new(), String::new(), 0);
    for character in text.chars() {
        let columns = columns(character);
        if used + columns > width {
            lines.push(std::mem::take(&mut line));
            used = 0;
        }
        line.push(character);
        used += columns;
    }
    lines.push(line);
    lines
}

/// Columns of a character on a terminal, rather too many than too few.
fn columns(character: char) -> usize {
    if u32::from(character) >= 0x1100 && character != '…' { 2 } else { 1 }
}

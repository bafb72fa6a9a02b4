//! How a file's record is shown: the JSON contract, a line, and a block with everything. Prints only.

use std::io::Write;

use serde::Serialize;

use crate::cli::state::{plural, time};
use crate::cli::{Failure, Output};
use crate::digest::Digest;
use crate::store::report::{AssetReport, SkippedReport};

/// One file in one tenancy; its fields are the JSON contract.
#[derive(Debug, Serialize)]
pub(super) struct Asset {
    tenancy: String,
    path: String,
    file_id: String,
    asset: Option<String>,
    public_url: Option<String>,
    document_version: Option<u64>,
    document_hash_value: Option<String>,
    document_hash_alg: String,
    dropbox_content_hash: Option<String>,
    state: String,
    reason: Option<String>,
    recorded_at: Option<String>,
    waiting: u64,
    withdrawn: bool,
}

impl From<AssetReport> for Asset {
    fn from(row: AssetReport) -> Asset {
        let url = row.url.trim_end_matches('/');
        Asset {
            public_url: row.asset.as_ref().map(|asset| format!("{url}/archivist/publicassets/{asset}")),
            tenancy: row.tenancy,
            path: row.path,
            file_id: row.file_id,
            asset: row.asset,
            document_version: row.document_version,
            document_hash_value: hex(row.document_hash_value),
            document_hash_alg: row.document_hash_alg,
            dropbox_content_hash: hex(row.dropbox_content_hash),
            state: row.state,
            reason: row.reason,
            recorded_at: row.recorded_at,
            waiting: row.waiting,
            withdrawn: row.withdrawn,
        }
    }
}

/// One file that a link does not publish; its fields are the JSON contract.
#[derive(Debug, Serialize)]
pub(super) struct Skipped {
    tenancy: String,
    folder: String,
    path: String,
    file_id: String,
    dropbox_content_hash: Option<String>,
    state: &'static str,
    reason: String,
}

impl From<SkippedReport> for Skipped {
    fn from(row: SkippedReport) -> Skipped {
        Skipped {
            tenancy: row.tenancy,
            folder: row.folder,
            path: row.path,
            file_id: row.file_id,
            dropbox_content_hash: hex(row.dropbox_content_hash),
            state: "skipped",
            reason: row.reason,
        }
    }
}

fn hex(digest: Option<Digest>) -> Option<String> {
    digest.map(|digest| digest.to_string())
}

/// Above the lines of [`line()`]. What may be long comes last, because nothing is known of the lines to come.
pub(super) const HEADINGS: &str = "STATE       VERSION  RECORDED              TENANCY           PATH";
/// Above the lines of skipped files.
pub(super) const SKIPPED_HEADINGS: &str = "REASON              TENANCY           PATH";

/// One line, and another one where there is a reason.
pub(super) fn line<W: Write>(asset: &Asset, output: &mut Output<W>) -> Result<(), Failure> {
    let state = if asset.withdrawn && asset.waiting == 0 { "withdrawn" } else { &asset.state };
    output.line(&format!(
        "{state:<10}  {:>7}  {:<20}  {:<16}  {}",
        asset.document_version.map_or_else(|| "-".to_owned(), |version| version.to_string()),
        asset.recorded_at.as_deref().map_or_else(|| "-".to_owned(), time),
        asset.tenancy,
        asset.path
    ))?;
    match asset.reason.as_deref() {
        Some(reason) => output.line(&format!("            {reason}")),
        None => Ok(()),
    }
}

/// Everything that is known, and an empty line.
pub(super) fn block<W: Write>(asset: &Asset, output: &mut Output<W>) -> Result<(), Failure> {
    output.line(&asset.path)?;
    let mut say = |name: &str, text: Option<&str>| match text {
        Some(text) => output.line(&format!("    {name:<14}{text}")),
        None => Ok(()),
    };
    let version = asset.document_version.map(|version| version.to_string());
    let waiting =
        (asset.waiting > 0).then(|| format!("{}, the next one {}", plural(asset.waiting, "version"), asset.state));
    say("file", Some(&asset.file_id))?;
    say("tenancy", Some(&asset.tenancy))?;
    say("public record", asset.public_url.as_deref())?;
    say("version", version.as_deref())?;
    say(&asset.document_hash_alg, asset.document_hash_value.as_deref())?;
    say("content hash", asset.dropbox_content_hash.as_deref())?;
    say("recorded", asset.recorded_at.as_deref().map(time).as_deref())?;
    say("withdrawn", asset.withdrawn.then_some("yes, by the newest record"))?;
    match &waiting {
        Some(waiting) => say("waits", Some(waiting))?,
        None => say("state", Some(&asset.state))?,
    }
    say("reason", asset.reason.as_deref())?;
    output.line("")
}

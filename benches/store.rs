//! How long a large listing takes in the store, and how large the database gets: `cargo bench --bench store`, or with
//! another number of files `cargo bench --bench store -- 1000000`. Figures are printed, never asserted.

#![allow(clippy::print_stdout, reason = "a benchmark prints its figures")]

use std::time::Instant;

use droptrail::digest::Digest;
use droptrail::store::{
    Applied, Change, FILE_NAME, Fixed, LinkWanted, PageOf, Policy, Recorded, Shown, Store, TenancyWanted, Watch,
};

/// Entries in a page, as Dropbox is asked for.
const PAGE: u64 = 2000;
/// Publications that are taken through their states one by one.
const SINGLY: usize = 1000;

fn file(n: u64) -> Change {
    let path = format!("/f/some folder {}/a file with a usual name {n:07}.docx", n / 100);
    Change::File(Shown {
        file_id: format!("id:a4ayc_80_OEAAAAAAA{n:07}"),
        rev: format!("015f9c6b7e0{n:07}"),
        size: n,
        content_hash: Some(Digest::sha256(n.to_le_bytes())),
        server_modified: "2026-01-02T03:04:05Z".into(),
        path_lower: path.clone(),
        path_display: path,
        name: format!("a file with a usual name {n:07}.docx"),
        skip: None,
    })
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let files: u64 = std::env::args().filter_map(|word| word.parse().ok()).next().unwrap_or(100_000);
    let directory = tempfile::tempdir()?;
    let (store, _) = Store::open(directory.path())?;
    let tenancy = TenancyWanted { name: "t".into(), url: "https://ledger.example".into(), client_id: "c".into() };
    let link = LinkWanted { folder: "/f".into(), tenancy: "t".into(), exclude: Vec::new() };
    store.sync(vec![tenancy], vec![link]).await?;
    let id = store.watches().await?.remove(0).id;
    store.resolved(id, Some("id:f".into()), "/f".into(), "default".into(), false).await?;
    for pass in ["first listing", "listing again"] {
        store.forget_cursor(id).await?;
        let (whole, mut longest) = (Instant::now(), 0.0f64);
        for page in 0..files.div_ceil(PAGE) {
            let watch = store.watch(id).await?.ok_or("unlinked")?;
            let one = Instant::now();
            list(&store, &watch, page, files).await?;
            longest = longest.max(one.elapsed().as_secs_f64());
        }
        let seconds = whole.elapsed().as_secs_f64();
        println!(
            "{pass}: {files} entries in {seconds:.2} s, {:.0}/s, longest page {longest:.3} s",
            files as f64 / seconds
        );
    }
    let tenancy = store.tenancies().await?.remove(0).id;
    let start = Instant::now();
    for unhashed in store.unhashed(SINGLY).await? {
        store.hashed(unhashed.id, unhashed.content_hash.ok_or("no hash")?, Digest::EMPTY).await?;
    }
    println!("hashed, one commit each: {:.3} ms", start.elapsed().as_secs_f64() * 1e3 / SINGLY as f64);
    let (start, sendable) = (Instant::now(), store.sendable(tenancy, SINGLY).await?);
    println!("{} found sendable in {:.3} ms", sendable.len(), start.elapsed().as_secs_f64() * 1e3);
    let start = Instant::now();
    for publication in &sendable {
        let (id, sequence, version) = (publication.id, publication.sequence, publication.version);
        store.mark_in_flight(vec![Fixed { id, sequence, version, body: "{}".into() }]).await?;
        store.recorded(id, Recorded { asset: uuid::Uuid::new_v4().to_string(), event: None }).await?;
        store.confirmed(vec![id]).await?;
    }
    println!(
        "marked, recorded, confirmed, three commits each: {:.3} ms",
        start.elapsed().as_secs_f64() * 1e3 / SINGLY as f64
    );
    store.close().await;
    let bytes = std::fs::metadata(directory.path().join(FILE_NAME))?.len();
    println!("database: {} MiB, {} bytes a file", bytes >> 20, bytes / files);
    Ok(())
}

async fn list(store: &Store, watch: &Watch, page: u64, files: u64) -> Result<(), Box<dyn std::error::Error>> {
    let end = files.min((page + 1) * PAGE);
    let page = PageOf {
        watch: watch.id,
        generation: watch.generation,
        asked_with: watch.cursor.clone(),
        changes: (page * PAGE..end).map(file).collect(),
        cursor: format!("cursor {page}"),
        has_more: end < files,
    };
    let policy = Policy { dropbox_hash: false, clear_names: false, hold_above: 0 };
    match store.apply(page, policy, Vec::new()).await? {
        Applied::Written { .. } => Ok(()),
        other => Err(format!("not written: {other:?}").into()),
    }
}

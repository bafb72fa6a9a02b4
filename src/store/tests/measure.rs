//! How long a large listing takes and how large the database gets. Printed, not asserted, and only when asked for.

use std::time::Instant;

use super::fixtures::*;
use crate::store::{Change, FILE_NAME};

#[tokio::test]
#[ignore = "a measurement: cargo test --lib store::tests::measure -- --ignored --nocapture"]
#[allow(clippy::print_stdout)]
async fn a_hundred_thousand_entries_in_pages_of_two_thousand() {
    let home = Home::linked(&[link("/f", "t")]).await;
    let page = |n: u32| -> Vec<Change> {
        (n * 2000..(n + 1) * 2000)
            .map(|n| {
                let path = format!("/f/some folder {}/a file with a usual name {n:07}.docx", n / 100);
                let id = format!("id:a4ayc_80_OEAAAAAAA{n:07}");
                let mut shown = shown(&id, &format!("015f9c6b7e0{n:07}"), &path, "A", 1);
                shown.content_hash = Some(hash(&n.to_string()));
                Change::File(shown)
            })
            .collect()
    };
    let size = || std::fs::metadata(home.directory.path().join(FILE_NAME)).expect("metadata").len() >> 20;
    for pass in ["first listing", "new listing"] {
        home.store.forget_cursor(home.watch("/f").await.id).await.expect("forgotten");
        let start = Instant::now();
        let mut longest = 0;
        for n in 0..50 {
            let page = page(n);
            let one = Instant::now();
            home.page("/f", page, n < 49, &[]).await;
            longest = longest.max(one.elapsed().as_millis());
        }
        println!("{pass}: {:?}, longest page {longest} ms, database {} MiB", start.elapsed(), size());
    }
    let start = Instant::now();
    let mut hashed = 0;
    for _ in 0..20 {
        for wanted in home.store.unhashed(100).await.expect("unhashed") {
            home.store.hashed(wanted.id, wanted.content_hash.expect("a hash"), hash("x")).await.expect("hashed");
            hashed += 1;
        }
    }
    println!("{hashed} hashed one by one: {:?}", start.elapsed());
    let start = Instant::now();
    let sendable = home.sendable("t").await;
    println!("{} sendable: {:?}", sendable.len(), start.elapsed());
    let start = Instant::now();
    for publication in sendable.iter().take(200) {
        home.confirm(publication).await;
    }
    println!("200 marked, recorded and confirmed one by one: {:?}", start.elapsed());
    let start = Instant::now();
    println!("{} cancelled: {:?}", home.sync(&[]).await, start.elapsed());
    home.store.close().await;
    println!("database after closing {} MiB", size());
}

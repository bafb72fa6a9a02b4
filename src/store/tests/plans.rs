//! How the frequent queries find their rows: by an index, without looking at a whole table and without sorting it.

use std::sync::{Arc, Mutex};

use rusqlite::trace::{TraceEvent, TraceEventCodes};

use super::fixtures::*;
use crate::store::Request;

static SEEN: Mutex<Vec<String>> = Mutex::new(Vec::new());

fn note(event: TraceEvent<'_>) {
    if let TraceEvent::Stmt(_, sql) = event {
        SEEN.lock().expect("seen").push(sql.to_owned());
    }
}

/// What may be looked at whole: tables that stay small, one made-up row, what waits to be hashed (in order, up to the
/// limit), and the few that are under way.
const MAY: [&str; 11] = [
    "SCAN request",
    "SCAN tenancy",
    "FROM tenancy WHERE connected = 1 ORDER BY",
    "SCAN watch",
    "SCAN link",
    "SCAN gone",
    "SCAN cancelled",
    "SCAN c\n",
    "SCAN (subquery",
    "SCAN p USING INDEX publication_pending",
    "p.state IN ('in_flight', 'uncertain') ORDER BY",
];

#[tokio::test]
async fn no_frequent_query_scans_or_sorts_a_table_that_grows() {
    let home = Home::linked(&[link("/f", "t"), link("/f/g", "t"), excluding("/f", "u", "*.tmp")]).await;
    home.store
        .read(|c| {
            c.trace_v2(TraceEventCodes::SQLITE_TRACE_STMT, Some(note));
            Ok(())
        })
        .await
        .expect("traced");
    // Everything that happens once per page, file, publication or look.
    home.page("/f", (0..9).map(|n| file(&format!("id:{n}"), "1", &format!("/f/g/{n}"), "A", n)).collect(), true, &[])
        .await;
    home.page("/f", vec![file("id:20", "1", "/f/x.tmp", "A", 1), file("id:0", "2", "/f/g/0", "B", 90)], false, &[])
        .await;
    home.page("/f/g", vec![file("id:1", "1", "/f/g/1", "A", 1)], false, &[]).await;
    home.page("/f", vec![deleted("/f/g/4"), deleted("/f/q"), folder("/f/z")], false, &[]).await;
    home.hash_all().await;
    let tenancy = home.tenancy("t").await;
    let all = home.sendable("t").await;
    home.confirm(&all[0]).await;
    home.record(&all[1]).await;
    home.mark(&all[2]).await;
    home.store.unknown(all[2].id, "cut".into()).await.expect("unknown");
    home.store.absent(all[2].id).await.expect("absent");
    home.record(&all[3]).await;
    home.store.failed(all[3].id).await.expect("failed");
    home.mark(&all[4]).await;
    home.store.not_made(all[4].id, "429".into()).await.expect("not made");
    home.store.park(all[4].id, "400".into()).await.expect("parked");
    home.store.unpark().await.expect("unparked");
    home.store.doubt_in_flight().await.expect("doubted");
    home.drain("/f", vec![file("id:5", "2", "/f/g/5", "C", 99)]).await;
    for wanted in home.store.unhashed(10).await.expect("unhashed") {
        home.store.attempted(wanted.id).await.expect("attempted");
        home.store.unreadable(wanted.id, "x".into(), Some("restricted")).await.expect("unreadable");
    }
    home.store.unpark().await.expect("unparked, with something unreadable");
    home.store.uncertain(tenancy, 9).await.expect("uncertain");
    home.store.under_way(tenancy, 9).await.expect("under way");
    home.store.unconfirmed(tenancy, 9).await.expect("unconfirmed");
    home.store.newest_record(tenancy).await.expect("newest");
    home.store.counts(tenancy).await.expect("counts");
    home.store.recognise(tenancy, vec![("a".into(), "e".into(), Some(1))]).await.expect("recognised");
    home.store.knows(tenancy, "a", "e", Some(1)).await.expect("known");
    crate::store::ask(home.directory.path(), &Request::Retry).expect("asked");
    home.store.requests().await.expect("requests");
    home.store
        .read(|c| {
            c.trace_v2(TraceEventCodes::empty(), None);
            Ok(())
        })
        .await
        .expect("no more");

    let mut seen = std::mem::take(&mut *SEEN.lock().expect("seen"));
    seen.sort();
    seen.dedup();
    let bad = Arc::new(Mutex::new(Vec::new()));
    let found = bad.clone();
    home.store
        .read(move |connection| {
            for sql in seen {
                let first = sql.split_whitespace().next().unwrap_or_default();
                if sql.starts_with("--") || !["SELECT", "UPDATE", "INSERT", "DELETE"].contains(&first) {
                    continue;
                }
                let mut statement = connection.prepare(&format!("EXPLAIN QUERY PLAN {sql}"))?;
                // Its parameters are left unbound: a plan does not need them.
                let mut steps = statement.raw_query();
                while let Some(row) = steps.next()? {
                    let step: String = row.get(3)?;
                    let scans = step.starts_with("SCAN") && !step.contains("CONSTANT ROW");
                    if scans || step.contains("TEMP B-TREE") {
                        found.lock().expect("found").push(format!("{step}\n    in {sql}"));
                    }
                }
            }
            Ok(())
        })
        .await
        .expect("planned");
    let bad = bad.lock().expect("bad");
    let bad: Vec<_> = bad.iter().filter(|step| !MAY.iter().any(|may| step.contains(may))).collect();
    assert!(bad.is_empty(), "{bad:#?}");
}

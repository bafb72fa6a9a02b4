//! From queued to confirmed: order, numbers, unknown outcomes.

use super::fixtures::*;
use crate::store::{Error, Publication, PublicationId, Recorded, Request, ask};

/// A watched folder with file `id:1` queued in these contents.
async fn queued_in(contents: &[&str]) -> Home {
    let home = Home::watching(&[link("/f", "t")]).await;
    for (n, content) in contents.iter().enumerate() {
        home.drain("/f", vec![file("id:1", &format!("r{n}"), "/f/a", content, n as u32)]).await;
    }
    home
}

/// The uuid on the ledger of a publication's asset.
async fn identity(home: &Home, publication: &Publication) -> Option<String> {
    let asset = publication.asset;
    let read = move |connection: &rusqlite::Connection| {
        Ok(connection.query_row("SELECT identity FROM asset WHERE id = ?1", [asset], |row| row.get(0))?)
    };
    home.store.read(read).await.expect("an asset")
}

#[tokio::test]
async fn the_next_publication_of_an_asset_waits_until_the_one_before_is_confirmed() {
    let home = queued_in(&["A", "B", "C"]).await;
    home.hash_all().await;
    for expected in ["A", "B", "C"] {
        let next = home.next("t").await;
        assert_eq!(next.content_hash, Some(hash(expected)));
        home.mark(&next).await;
        assert_eq!(home.sendable("t").await, []);
        home.store.recorded(next.id, record_of(&next)).await.expect("recorded");
        assert_eq!(home.sendable("t").await, []);
        let waiting = home.store.unconfirmed(home.tenancy("t").await, 10).await.expect("unconfirmed");
        assert_eq!(waiting.len(), 1);
        home.store.confirmed(vec![next.id]).await.expect("confirmed");
    }
    assert_eq!(home.sendable("t").await, []);
    assert_eq!(home.store.counts(home.tenancy("t").await).await.expect("counts").confirmed, 3);
}

#[tokio::test]
async fn an_unhashed_head_holds_back_a_hashed_version_behind_it() {
    let home = queued_in(&["A", "B"]).await;
    let wanted = home.store.unhashed(10).await.expect("unhashed");
    home.store.hashed(wanted[1].id, hash("B"), hash("b")).await.expect("hashed");
    assert_eq!(home.sendable("t").await, []);
}

#[tokio::test]
async fn different_assets_do_not_wait_for_each_other() {
    let home = queued_in(&["A", "B"]).await;
    home.drain("/f", vec![file("id:2", "2", "/f/b", "C", 9)]).await;
    home.hash_all().await;
    assert_eq!(home.sendable("t").await.len(), 2);
}

#[tokio::test]
async fn a_parked_publication_holds_back_the_later_ones_until_it_is_tried_again() {
    let home = queued_in(&["A", "B"]).await;
    home.hash_all().await;
    let head = home.next("t").await;
    home.mark(&head).await;
    home.store.park(head.id, "400".into()).await.expect("parked");
    assert_eq!(home.sendable("t").await, []);
    assert_eq!(home.store.unpark().await.expect("unparked"), 1);
    let again = home.next("t").await;
    assert_eq!((again.id, again.sequence, again.body), (head.id, 1, Some(fixed(&head).body)));
    assert_eq!(home.publish("t").await, ["id:1 1.1 A", "id:1 2.2 B"]);
}

#[tokio::test]
async fn a_parked_version_that_was_never_hashed_is_hashed_when_it_is_tried_again() {
    let home = queued_in(&["A"]).await;
    let wanted = home.store.unhashed(10).await.expect("unhashed").remove(0);
    home.store.park(wanted.id, "differs".into()).await.expect("parked");
    assert_eq!(home.store.unhashed(10).await.expect("unhashed"), []);
    home.store.unpark().await.expect("unparked");
    assert_eq!(home.store.unhashed(10).await.expect("unhashed").len(), 1);
}

#[tokio::test]
async fn numbers_have_no_gaps_over_what_was_not_made_or_failed_or_could_not_be_read() {
    let home = queued_in(&["A", "B", "C", "D"]).await;
    let wanted = home.store.unhashed(10).await.expect("unhashed");
    home.store.unreadable(wanted[0].id, "gone".into(), None).await.expect("unreadable");
    home.store.unreadable(wanted[2].id, "gone".into(), None).await.expect("unreadable");
    home.hash_all().await;
    let head = home.next("t").await;
    assert!(head.is_registration(), "the next version goes on as the registration");
    assert_eq!((head.content_hash, head.sequence, head.version), (Some(hash("B")), 1, 1));
    home.mark(&head).await;
    home.store.not_made(head.id, "503 before a byte".into()).await.expect("not made");
    let again = home.next("t").await;
    assert_eq!((again.sequence, again.version, again.body.clone()), (1, 1, Some(fixed(&head).body)));
    home.record(&again).await;
    home.store.failed(again.id).await.expect("failed");
    assert_eq!(home.publish("t").await, ["id:1 1.1 B", "id:1 2.2 D"]);
    assert_eq!(home.store.counts(home.tenancy("t").await).await.expect("counts").unreadable, 2);
}

#[tokio::test]
async fn a_failed_registration_is_made_again_with_number_one_and_a_new_identity() {
    let home = queued_in(&["A", "B"]).await;
    home.hash_all().await;
    let head = home.next("t").await;
    home.record(&head).await;
    assert_eq!(identity(&home, &head).await, Some(format!("asset-{}", head.id)));
    home.store.failed(head.id).await.expect("failed");
    assert_eq!(identity(&home, &head).await, None);
    let again = home.next("t").await;
    assert!(again.is_registration());
    assert_eq!((again.id, again.recorded_at.clone()), (head.id, None));
    home.mark(&again).await;
    home.store.recorded(again.id, Recorded { asset: "second".into(), event: None }).await.expect("recorded");
    assert_eq!(identity(&home, &head).await.as_deref(), Some("second"));
}

#[tokio::test]
async fn a_failed_event_keeps_its_asset_and_is_made_again_with_its_number() {
    let home = queued_in(&["A", "B"]).await;
    home.hash_all().await;
    home.confirm(&home.next("t").await).await;
    let event = home.next("t").await;
    home.record(&event).await;
    home.store.failed(event.id).await.expect("failed");
    let again = home.next("t").await;
    assert_eq!((again.id, again.sequence, again.version, again.event), (event.id, 2, 2, None));
    assert_eq!(again.identity, event.identity);
}

#[tokio::test]
async fn an_unknown_outcome_is_uncertain_and_sent_again_only_when_it_is_absent() {
    let home = queued_in(&["A", "B"]).await;
    home.hash_all().await;
    let head = home.next("t").await;
    home.mark(&head).await;
    home.store.unknown(head.id, "time-out".into()).await.expect("unknown");
    assert_eq!(home.sendable("t").await, []);
    let tenancy = home.tenancy("t").await;
    let uncertain = home.store.uncertain(tenancy, 10).await.expect("uncertain");
    assert_eq!((uncertain.len(), uncertain[0].body.clone()), (1, Some(fixed(&head).body)));
    home.store.absent(head.id).await.expect("absent");
    let again = home.next("t").await;
    assert_eq!((again.id, again.sequence, again.body.clone()), (head.id, 1, Some(fixed(&head).body)));
    home.mark(&again).await;
    home.store.unknown(head.id, "cut".into()).await.expect("unknown");
    home.store.recorded(head.id, record_of(&head)).await.expect("found");
    assert_eq!(home.store.uncertain(tenancy, 10).await.expect("uncertain"), []);
}

#[tokio::test]
async fn what_was_in_flight_when_the_daemon_died_is_uncertain_at_the_next_start() {
    let home = queued_in(&["A"]).await;
    home.hash_all().await;
    home.mark(&home.next("t").await).await;
    let tenancy = home.tenancy("t").await;
    assert_eq!(home.store.under_way(tenancy, 10).await.expect("under way").len(), 1);
    assert_eq!(home.store.doubt_in_flight().await.expect("doubted"), 1);
    assert_eq!(home.store.doubt_in_flight().await.expect("doubted"), 0);
    assert_eq!(home.store.uncertain(tenancy, 10).await.expect("uncertain").len(), 1);
}

#[tokio::test]
async fn a_late_answer_does_not_change_what_was_settled_otherwise() {
    let home = queued_in(&["A"]).await;
    home.hash_all().await;
    let head = home.next("t").await;
    home.record(&head).await;
    let late = Recorded { asset: "another".into(), event: None };
    home.store.recorded(head.id, late).await.expect("ignored");
    home.store.not_made(head.id, "late".into()).await.expect("ignored");
    home.store.unknown(head.id, "late".into()).await.expect("ignored");
    home.store.absent(head.id).await.expect("ignored");
    home.store.park(head.id, "late".into()).await.expect("ignored");
    assert_eq!(identity(&home, &head).await, Some(format!("asset-{}", head.id)));
    assert_eq!(home.store.counts(home.tenancy("t").await).await.expect("counts").recorded, 1);
}

#[tokio::test]
async fn only_what_is_hashed_can_be_marked_and_only_once() {
    let home = queued_in(&["A"]).await;
    home.hash_all().await;
    let head = home.next("t").await;
    assert_eq!(home.mark(&head).await, [head.id]);
    assert_eq!(home.mark(&head).await, [], "already in flight");
    let other = crate::store::Fixed { id: PublicationId(99), ..fixed(&head) };
    assert_eq!(home.store.mark_in_flight(vec![other]).await.expect("marked"), []);
}

#[tokio::test]
async fn the_ledgers_events_are_recognised_by_uuid_or_by_number_one() {
    let home = queued_in(&["A", "B"]).await;
    home.hash_all().await;
    let tenancy = home.tenancy("t").await;
    let head = home.next("t").await;
    home.record(&head).await;
    let asset = format!("asset-{}", head.id);
    let recognise = async |asset: &str, event: &str, number| {
        let events = vec![(asset.to_owned(), event.to_owned(), number)];
        home.store.recognise(tenancy, events).await.expect("recognised").remove(0)
    };
    assert_eq!(recognise(&asset, "any", Some(1)).await, Some(head.id));
    assert_eq!(recognise(&asset, "any", Some(2)).await, None);
    assert_eq!(recognise(&asset, "any", None).await, None);
    assert_eq!(recognise("another", "any", Some(1)).await, None);
    home.store.confirmed(vec![head.id]).await.expect("confirmed");
    let event = home.next("t").await;
    home.record(&event).await;
    let uuid = format!("event-{}", event.id);
    assert_eq!(recognise(&asset, &uuid, None).await, Some(event.id));
    assert_eq!(recognise(&asset, "another", Some(2)).await, None);
    assert_eq!(recognise(&asset, "any", Some(1)).await, None, "confirmed already");
    for (asset, event, number, known) in [
        (asset.as_str(), "any", Some(1), true),
        (asset.as_str(), uuid.as_str(), Some(2), true),
        (asset.as_str(), "another", Some(3), false),
        ("another", "any", Some(1), false),
        ("duplicate", "any", Some(1), false),
    ] {
        assert_eq!(home.store.knows(tenancy, asset, event, number).await.expect("known"), known, "{asset} {event}");
    }
    home.store.passed_over(tenancy, vec!["duplicate".into()]).await.expect("noted");
    assert!(home.store.knows(tenancy, "duplicate", "any", Some(1)).await.expect("known"));
    let newest = home.store.newest_record(tenancy).await.expect("newest").expect("one");
    assert_eq!(newest.id, event.id);
}

#[tokio::test]
async fn one_failing_request_does_not_spoil_those_that_share_its_commit() {
    let home = queued_in(&[]).await;
    let store = &home.store;
    let good = |key: &'static str| {
        store.write(move |connection| Ok(connection.execute("INSERT INTO meta VALUES (?1, 'x')", [key])?))
    };
    let bad = store.write(|connection| {
        connection.execute("INSERT INTO meta VALUES ('half', 'x')", [])?;
        Ok(connection.execute("INSERT INTO meta VALUES ('half', 'y')", [])?)
    });
    let (first, failed, second) = tokio::join!(good("first"), bad, good("second"));
    assert!(first.is_ok() && second.is_ok());
    assert!(matches!(failed, Err(Error::Sqlite(_))), "{failed:?}");
    assert_eq!(home.number("SELECT count(*) FROM meta WHERE value = 'x'").await, 2);
}

#[tokio::test]
async fn when_sqlite_rolls_a_shared_commit_back_nothing_of_it_is_written_or_called_written() {
    let home = queued_in(&[]).await;
    let store = &home.store;
    // The first one keeps the owner busy until all the others wait.
    let (go, wait) = std::sync::mpsc::channel::<()>();
    let first = store.write(move |connection| {
        wait.recv().expect("a word");
        Ok(connection.execute("INSERT INTO meta VALUES ('first', 'x')", [])?)
    });
    let full = store.write(|connection| Ok(connection.execute_batch("ROLLBACK")?));
    let last = store.write(|connection| Ok(connection.execute("INSERT INTO meta VALUES ('last', 'x')", [])?));
    let (first, full, last, ()) = tokio::join!(first, full, last, async { go.send(()).expect("sent") });
    assert!(first.is_err() && full.is_err(), "{first:?} {full:?}");
    assert!(last.is_ok(), "it came after, in a commit of its own");
    assert_eq!(home.number("SELECT count(*) FROM meta WHERE value = 'x'").await, 1);
}

#[tokio::test]
async fn requests_of_commands_wait_in_order_until_they_are_carried_out() {
    let home = queued_in(&[]).await;
    let wanted = [Request::Approve("/Führung\n'; --".into()), Request::Retry];
    for request in &wanted {
        ask(home.directory.path(), request).expect("asked beside the running store");
    }
    let found = home.store.requests().await.expect("requests");
    assert_eq!(found.iter().map(|(_, request)| request.clone()).collect::<Vec<_>>(), wanted);
    home.store.request_done(found[0].0).await.expect("done");
    assert_eq!(home.store.requests().await.expect("requests").len(), 1);
}

#[tokio::test]
async fn counts_follow_every_state() {
    let home = queued_in(&["A"]).await;
    for (id, path) in [("id:2", "/f/b"), ("id:3", "/f/c"), ("id:4", "/f/d"), ("id:5", "/f/e"), ("id:6", "/f/g")] {
        home.drain("/f", vec![file(id, "1", path, "A", 1)]).await;
    }
    home.hash_all().await;
    let all = home.sendable("t").await;
    home.confirm(&all[0]).await;
    home.record(&all[1]).await;
    home.mark(&all[2]).await;
    home.mark(&all[3]).await;
    home.store.unknown(all[3].id, "cut".into()).await.expect("unknown");
    home.store.park(all[4].id, "400".into()).await.expect("parked");
    let counts = home.store.counts(home.tenancy("t").await).await.expect("counts");
    let numbers =
        [counts.confirmed, counts.recorded, counts.in_flight, counts.uncertain, counts.parked, counts.pending];
    assert_eq!(numbers, [1; 6]);
}

#[tokio::test]
async fn a_version_given_up_as_unreadable_is_tried_again_where_it_still_is_the_last_of_a_file_that_is_there() {
    let home = Home::watching(&[link("/f", "t"), link("/gone", "t")]).await;
    let ids = ["id:1", "id:2", "id:3", "id:4"];
    home.drain(
        "/f",
        ids.iter().zip(["A", "B", "C", "D"]).map(|(id, c)| file(id, "1", &format!("/f/{id}"), c, 1)).collect(),
    )
    .await;
    home.drain("/gone", vec![file("id:5", "1", "/gone/a", "E", 1)]).await;
    for (wanted, skip) in
        home.store.unhashed(9).await.expect("unhashed").iter().zip([None, None, None, Some("restricted"), None])
    {
        home.store.unreadable(wanted.id, "not found".into(), skip).await.expect("unreadable");
    }
    // One has a later version, one went, one is restricted, one is in a folder that is linked no more.
    home.drain("/f", vec![file("id:2", "2", "/f/id:2", "F", 2), deleted("/f/id:3")]).await;
    home.sync(&[link("/f", "t")]).await;
    assert_eq!(home.store.unpark().await.expect("tried again"), 1);
    assert_eq!(home.store.unpark().await.expect("tried again"), 0);
    let counts = home.store.counts(home.tenancy("t").await).await.expect("counts");
    assert_eq!((counts.unreadable, counts.pending), (4, 2));
    // It is known content again.
    assert_eq!(home.drain("/f", vec![file("id:1", "3", "/f/id:1", "A", 3)]).await, 0);
    assert_eq!(home.publish("t").await, ["id:1 1.1 A", "id:2 1.1 F"]);
}

#[tokio::test]
async fn what_is_tried_again_waits_for_the_records_before_it_and_needs_no_download_if_its_content_is_known_by_now() {
    let home = queued_in(&["A", "B"]).await;
    let wanted = home.store.unhashed(10).await.expect("unhashed");
    home.store.hashed(wanted[0].id, hash("A"), hash("a")).await.expect("hashed");
    home.store.unreadable(wanted[1].id, "not found".into(), None).await.expect("unreadable");
    let first = home.next("t").await;
    home.record(&first).await;
    home.drain("/f", vec![file("id:9", "9", "/f/copy", "B", 9)]).await;
    home.hash_all().await;
    home.store.unpark().await.expect("tried again");
    assert_eq!(home.store.unhashed(10).await.expect("unhashed"), []);
    assert_eq!(home.next("t").await.file_id, "id:9", "the first is not confirmed yet");
    home.store.confirmed(vec![first.id]).await.expect("confirmed");
    let mut published = home.publish("t").await;
    published.sort();
    assert_eq!(published, ["id:1 2.2 B", "id:9 1.1 B"]);
}

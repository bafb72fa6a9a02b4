//! Linking, unlinking, filling a further tenancy from the database.

use super::fixtures::*;
use crate::store::{Applied, Change, Current, LinkId, Policy};

fn many(n: u32) -> Vec<Change> {
    (0..n).map(|n| file(&format!("id:{n}"), "1", &format!("/f/{n:05}"), "A", 1)).collect()
}

/// Fills all that is to be filled; gives how many chunks it took and how many publications it queued.
async fn fill(home: &Home, known: &[(&str, Current)]) -> (u64, u64) {
    let (mut chunks, mut total) = (0, 0);
    while let Some(id) = home.store.to_fill().await.expect("to fill") {
        total += queued(&home.store.fill(id, home.policy, answers(known)).await.expect("filled"));
        chunks += 1;
    }
    (chunks, total)
}

#[tokio::test]
async fn a_second_tenancy_is_filled_from_the_database_in_chunks_and_without_a_download() {
    let home = Home::linked(&[link("/f", "t")]).await;
    home.page("/f", many(1200), false, &[]).await;
    home.hash_all().await;
    home.sync(&[link("/f", "t"), link("/f", "u")]).await;
    assert_eq!(fill(&home, &[]).await, (3, 1200));
    assert_eq!(home.store.unhashed(1).await.expect("unhashed"), []);
    assert_eq!(home.sendable("u").await.len(), 1200);
    assert_eq!(fill(&home, &[]).await, (0, 0));
}

#[tokio::test]
async fn a_filling_above_the_limit_waits_for_an_approval_too() {
    let mut home = Home::linked(&[link("/f", "t")]).await;
    home.page("/f", many(5), false, &[]).await;
    home.policy = Policy { hold_above: 4, ..POLICY };
    home.sync(&[link("/f", "t"), link("/f", "u")]).await;
    fill(&home, &[]).await;
    assert_eq!(home.store.held().await.expect("held"), [("/f".to_owned(), "u".to_owned(), 5)]);
    home.hash_all().await;
    assert_eq!(home.sendable("u").await, []);
}

#[tokio::test]
async fn a_link_added_while_its_folder_is_listed_is_held_for_all_of_it_together() {
    for fill_last in [true, false] {
        let mut home = Home::linked(&[link("/f", "t")]).await;
        home.policy = Policy { hold_above: 4, ..POLICY };
        home.page("/f", many(3), true, &[]).await;
        home.sync(&[link("/f", "t"), link("/f", "u")]).await;
        if !fill_last {
            fill(&home, &[]).await;
        }
        home.page("/f", many(6), false, &[]).await;
        fill(&home, &[]).await;
        home.hash_all().await;
        assert_eq!(home.sendable("u").await, [], "{fill_last}");
        assert_eq!(home.store.held().await.expect("held").len(), 2);
    }
}

#[tokio::test]
async fn a_filling_waits_for_the_listing_anew_of_its_folder_and_lets_nothing_go_that_the_whole_of_it_holds() {
    let mut home = Home::linked(&[link("/f", "t")]).await;
    home.policy = Policy { hold_above: 4, ..POLICY };
    home.page("/f", many(3), true, &[]).await;
    let filling = [excluding("/f", "t", "*.tmp")];
    home.sync(&filling).await;
    home.store.forget_cursor(home.watch("/f").await.id).await.expect("forgotten");
    for _ in 0..2 {
        assert_eq!(home.store.to_fill().await.expect("to fill"), None);
        let link = LinkId(home.number("SELECT id FROM link").await);
        assert_eq!(home.store.fill(link, home.policy, vec![]).await.expect("asked for"), Applied::Dropped);
        home.hash_all().await;
        assert_eq!(home.sendable("t").await, []);
        home.page("/f", many(3), true, &[]).await;
    }
    home.page("/f", many(6), false, &[]).await;
    assert_eq!(fill(&home, &[]).await, (1, 0));
    assert_eq!(home.store.held().await.expect("held"), [("/f".to_owned(), "t".to_owned(), 6)]);
    home.hash_all().await;
    assert_eq!(home.sendable("t").await, []);
}

#[tokio::test]
async fn a_tenancy_added_while_its_folder_is_listed_anew_gets_no_file_that_is_not_there_any_more() {
    let home = Home::linked(&[link("/f", "t")]).await;
    home.page("/f", many(3), false, &[]).await;
    home.store.forget_cursor(home.watch("/f").await.id).await.expect("forgotten");
    home.page("/f", many(1), true, &[]).await;
    home.sync(&[link("/f", "t"), link("/f", "u")]).await;
    assert_eq!(fill(&home, &[]).await, (0, 0));
    home.page("/f", vec![file("id:1", "1", "/f/00001", "A", 1)], false, &[]).await;
    assert_eq!(fill(&home, &[]).await, (1, 1));
    assert_eq!(home.publish("u").await.len(), 2);
}

#[tokio::test]
async fn a_changed_glob_lets_files_in_without_a_new_listing_and_publishes_no_other_twice() {
    let home = Home::watching(&[excluding("/f", "t", "*.tmp")]).await;
    home.drain("/f", vec![file("id:1", "1", "/f/a", "A", 1), file("id:2", "1", "/f/b.tmp", "B", 1)]).await;
    home.sync(&[excluding("/f", "t", "*.bak")]).await;
    assert_eq!(fill(&home, &[]).await, (1, 1));
    assert_eq!(home.versions("t", "id:2").await, "B");
    assert_eq!(home.number("SELECT count(*) FROM skipped").await, 0);
    home.sync(&[excluding("/f", "t", "b.tmp")]).await;
    assert_eq!(fill(&home, &[]).await, (1, 0));
    assert_eq!(home.number("SELECT count(*) FROM skipped WHERE reason = 'excluded'").await, 1);
    // The same configuration again fills nothing.
    home.sync(&[excluding("/f", "t", "b.tmp")]).await;
    assert_eq!(fill(&home, &[]).await, (0, 0));
}

#[tokio::test]
async fn a_file_let_in_again_in_other_content_is_asked_about_and_published() {
    let home = Home::watching(&[link("/f", "t")]).await;
    home.drain("/f", vec![file("id:1", "1", "/f/a", "A", 1)]).await;
    home.sync(&[excluding("/f", "t", "a")]).await;
    fill(&home, &[]).await;
    home.drain("/f", vec![file("id:1", "2", "/f/a", "B", 2)]).await;
    home.sync(&[link("/f", "t")]).await;
    let id = home.store.to_fill().await.expect("to fill").expect("one");
    let asks = home.store.fill(id, POLICY, vec![]).await.expect("filled");
    assert_eq!(asks, Applied::Asks(vec!["id:1".into()]));
    let now = Current::File(shown("id:1", "2", "/f/a", "B", 2));
    assert_eq!(fill(&home, &[("id:1", now)]).await, (1, 1));
    assert_eq!(home.versions("t", "id:1").await, "A B");
}

#[tokio::test]
async fn unlinking_cancels_what_is_not_in_flight_and_linking_again_queues_it_again() {
    let home = Home::watching(&[link("/f", "t")]).await;
    home.drain("/f", vec![file("id:1", "1", "/f/a", "A", 1), file("id:2", "1", "/f/b", "B", 1)]).await;
    home.publish("t").await;
    home.drain("/f", vec![file("id:1", "2", "/f/a", "C", 2), file("id:3", "1", "/f/c", "D", 2)]).await;
    assert_eq!(home.sync(&[]).await, 2);
    home.hash_all().await;
    assert_eq!(home.number("SELECT count(*) FROM publication WHERE state <> 'confirmed'").await, 0);
    home.sync(&[link("/f", "t")]).await;
    let listing =
        vec![file("id:1", "2", "/f/a", "C", 2), file("id:2", "1", "/f/b", "B", 1), file("id:3", "1", "/f/c", "D", 2)];
    assert_eq!(home.drain("/f", listing).await, 2);
    assert_eq!(home.publish("t").await, ["id:1 2.2 C", "id:3 1.1 D"]);
}

#[tokio::test]
async fn a_number_that_was_fixed_but_not_used_is_free_again_after_unlinking() {
    let home = Home::watching(&[link("/f", "t")]).await;
    home.drain("/f", vec![file("id:1", "1", "/f/a", "A", 1)]).await;
    home.publish("t").await;
    home.drain("/f", vec![file("id:1", "2", "/f/a", "B", 2), file("id:1", "3", "/f/a", "C", 3)]).await;
    home.hash_all().await;
    let event = home.next("t").await;
    home.mark(&event).await;
    home.store.not_made(event.id, "429".into()).await.expect("not made");
    assert_eq!(home.sync(&[]).await, 2);
    home.sync(&[link("/f", "t")]).await;
    assert_eq!(home.drain("/f", vec![file("id:1", "3", "/f/a", "C", 3)]).await, 1);
    assert_eq!(home.publish("t").await, ["id:1 2.2 C"]);
}

#[tokio::test]
async fn what_another_link_of_the_tenancy_holds_goes_over_to_it() {
    let home = Home::watching(&[link("/f", "t"), link("/f/g", "t"), link("/f/g", "u")]).await;
    home.drain("/f", vec![file("id:1", "1", "/f/g/a", "A", 1), file("id:2", "1", "/f/b", "B", 1)]).await;
    home.drain("/f/g", vec![file("id:1", "1", "/f/g/a", "A", 1)]).await;
    assert_eq!(home.sync(&[link("/f/g", "t"), link("/f/g", "u")]).await, 1);
    assert_eq!(home.publish("t").await, ["id:1 1.1 A"]);
    // And it is the other link's now.
    home.drain("/f/g", vec![file("id:1", "2", "/f/g/a", "C", 2)]).await;
    assert_eq!(home.sync(&[link("/f/g", "u")]).await, 1);
}

#[tokio::test]
async fn two_links_that_go_together_spare_each_others_files_not() {
    let home = Home::watching(&[link("/f", "t"), link("/f/g", "t")]).await;
    home.drain("/f", vec![file("id:1", "1", "/f/g/a", "A", 1)]).await;
    home.drain("/f/g", vec![file("id:1", "1", "/f/g/a", "A", 1)]).await;
    assert_eq!(home.sync(&[]).await, 1);
}

#[tokio::test]
async fn a_link_that_excludes_a_file_does_not_hold_it() {
    let home = Home::watching(&[link("/f", "t"), excluding("/f/g", "t", "a")]).await;
    home.drain("/f", vec![file("id:1", "1", "/f/g/a", "A", 1)]).await;
    home.drain("/f/g", vec![file("id:1", "1", "/f/g/a", "A", 1)]).await;
    assert_eq!(home.sync(&[excluding("/f/g", "t", "a")]).await, 1);
}

#[tokio::test]
async fn what_waits_for_an_approval_is_not_let_go_by_going_over_to_another_link() {
    let mut home = Home::linked(&[link("/f", "t"), link("/f/g", "t")]).await;
    home.policy = Policy { hold_above: 2, ..POLICY };
    let changes = || (0..3).map(|n| file(&format!("id:{n}"), "1", &format!("/f/g/{n}"), "A", 1)).collect::<Vec<_>>();
    home.page("/f", changes(), false, &[]).await;
    home.page("/f/g", changes(), false, &[]).await;
    assert_eq!(home.sync(&[link("/f/g", "t")]).await, 0);
    home.hash_all().await;
    assert_eq!(home.sendable("t").await, []);
    fill(&home, &[]).await;
    assert_eq!(home.store.held().await.expect("held"), [("/f/g".to_owned(), "t".to_owned(), 3)]);
    home.policy = Policy { hold_above: 3, ..POLICY };
    home.relist("/f/g", changes()).await;
    assert_eq!(home.publish("t").await.len(), 3);
}

#[tokio::test]
async fn what_is_in_flight_survives_unlinking_and_is_never_sent_again() {
    for outcome in ["absent", "not made", "failed", "parked", "found"] {
        let home = Home::watching(&[link("/f", "t"), link("/other", "t")]).await;
        home.drain("/f", vec![file("id:1", "1", "/f/a", "A", 1)]).await;
        home.hash_all().await;
        let head = home.next("t").await;
        home.mark(&head).await;
        assert_eq!(home.sync(&[link("/other", "t")]).await, 0);
        let store = &home.store;
        match outcome {
            "absent" => {
                store.unknown(head.id, "cut".into()).await.expect("unknown");
                assert_eq!(store.uncertain(home.tenancy("t").await, 9).await.expect("uncertain").len(), 1);
                store.absent(head.id).await.expect("absent");
            }
            "not made" => store.not_made(head.id, "429".into()).await.expect("not made"),
            "failed" => {
                store.recorded(head.id, record_of(&head)).await.expect("recorded");
                store.failed(head.id).await.expect("failed");
            }
            "parked" => {
                store.park(head.id, "400".into()).await.expect("parked");
                store.unpark().await.expect("unparked");
            }
            _ => store.recorded(head.id, record_of(&head)).await.expect("recorded"),
        }
        assert_eq!(home.sendable("t").await, [], "{outcome}");
        let left = i64::from(outcome == "found");
        assert_eq!(home.number("SELECT count(*) FROM publication").await, left, "{outcome}");
        // Linked again, it is recorded once in all.
        home.sync(&[link("/f", "t"), link("/other", "t")]).await;
        home.drain("/f", vec![file("id:1", "1", "/f/a", "A", 1)]).await;
        let expected = if outcome == "found" { vec![] } else { vec!["id:1 1.1 A"] };
        assert_eq!(home.publish("t").await, expected, "{outcome}");
    }
}

#[tokio::test]
async fn an_uncertain_one_whose_link_is_back_is_sent_again_when_it_is_absent() {
    let home = Home::watching(&[link("/f", "t")]).await;
    home.drain("/f", vec![file("id:1", "1", "/f/a", "A", 1)]).await;
    home.hash_all().await;
    let head = home.next("t").await;
    home.mark(&head).await;
    home.store.unknown(head.id, "cut".into()).await.expect("unknown");
    home.sync(&[]).await;
    home.sync(&[link("/f", "t")]).await;
    assert_eq!(home.drain("/f", vec![file("id:1", "1", "/f/a", "A", 1)]).await, 0);
    home.store.absent(head.id).await.expect("absent");
    assert_eq!(home.publish("t").await, ["id:1 1.1 A"]);
}

#[tokio::test]
async fn a_filling_ends_with_its_link_and_does_not_go_on_with_what_was_known_then() {
    let home = Home::linked(&[link("/f", "t")]).await;
    home.page("/f", many(3), false, &[]).await;
    home.sync(&[link("/f", "t"), link("/f", "u")]).await;
    assert!(home.store.to_fill().await.expect("to fill").is_some());
    home.sync(&[]).await;
    home.sync(&[link("/f", "t"), link("/f", "u")]).await;
    assert_eq!(home.store.to_fill().await.expect("to fill"), None, "it is listed anew");
}

#[tokio::test]
async fn disconnecting_a_tenancy_leaves_the_other_ones_work_alone() {
    let home = Home::watching(&[link("/f", "t"), link("/f", "u")]).await;
    home.drain("/f", vec![file("id:1", "1", "/f/a", "A", 1)]).await;
    let cursor = home.watch("/f").await.cursor;
    assert_eq!(home.sync(&[link("/f", "u")]).await, 1);
    assert_eq!(home.watch("/f").await.cursor, cursor, "still watched");
    assert_eq!(home.publish("u").await, ["id:1 1.1 A"]);
    // Connected again, it is filled from what is known.
    home.sync(&[link("/f", "t"), link("/f", "u")]).await;
    assert_eq!(fill(&home, &[]).await, (1, 1));
    assert_eq!(home.publish("t").await, ["id:1 1.1 A"]);
}

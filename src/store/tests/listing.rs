//! Pages, cursors, generations; listings, and what waits for an approval.

use super::fixtures::*;
use crate::store::{Applied, Current, Policy};

fn many(n: u32, folder: &str) -> Vec<crate::store::Change> {
    (0..n).map(|n| file(&format!("id:{n}"), "1", &format!("{folder}/{n:05}"), "A", 1)).collect()
}

#[tokio::test]
async fn a_cursor_and_its_work_commit_together_and_an_empty_page_stores_its_cursor_too() {
    let home = Home::linked(&[link("/f", "t")]).await;
    assert!(!home.watch("/f").await.listing);
    home.page("/f", many(1, "/f"), true, &[]).await;
    let watch = home.watch("/f").await;
    assert_eq!((watch.cursor.as_deref(), watch.listing), (Some("cursor 1"), true));
    home.page("/f", vec![], false, &[]).await;
    let watch = home.watch("/f").await;
    assert_eq!((watch.cursor.as_deref(), watch.listing), (Some("cursor 2"), false));
    assert_eq!(home.versions("t", "id:0").await, "A");
}

#[tokio::test]
async fn a_drain_is_dated_when_it_is_complete_only() {
    let home = Home::linked(&[link("/f", "t")]).await;
    home.page("/f", vec![], true, &[]).await;
    assert_eq!(home.number("SELECT drained_at IS NULL FROM watch").await, 1);
    home.page("/f", vec![], false, &[]).await;
    home.page("/f", vec![], true, &[]).await;
    assert_eq!(home.number("SELECT drained_at IS NULL FROM watch").await, 0);
}

#[tokio::test]
async fn a_page_that_comes_twice_is_dropped() {
    let home = Home::watching(&[link("/f", "t")]).await;
    let page = home.page_of("/f", vec![file("id:1", "1", "/f/a", "A", 1)], false).await;
    assert_eq!(queued(&home.store.apply(page.clone(), POLICY, vec![]).await.expect("applied")), 1);
    let before = home.dump().await;
    assert_eq!(home.store.apply(page, POLICY, vec![]).await.expect("applied"), Applied::Dropped);
    assert_eq!(home.dump().await, before);
}

#[tokio::test]
async fn entries_that_come_twice_change_nothing() {
    let home = Home::watching(&[link("/f", "t")]).await;
    let changes = vec![file("id:1", "1", "/f/a", "A", 1), file("id:1", "2", "/f/a", "B", 2)];
    assert_eq!(home.drain("/f", changes.clone()).await, 2);
    let now = Current::File(shown("id:1", "2", "/f/a", "B", 2));
    assert_eq!(home.drain_asking("/f", changes, &[("id:1", now)]).await, 0);
    assert_eq!(home.versions("t", "id:1").await, "A B");
}

#[tokio::test]
async fn a_page_of_an_older_generation_of_the_link_is_dropped() {
    let home = Home::linked(&[link("/f", "t")]).await;
    let page = home.page_of("/f", vec![file("id:1", "1", "/f/a", "A", 1)], false).await;
    home.sync(&[]).await;
    assert_eq!(home.store.apply(page.clone(), POLICY, vec![]).await.expect("applied"), Applied::Dropped);
    home.sync(&[link("/f", "t")]).await;
    assert_eq!(home.store.apply(page, POLICY, vec![]).await.expect("applied"), Applied::Dropped);
    assert_eq!(home.number("SELECT count(*) FROM publication").await, 0);
}

#[tokio::test]
async fn a_new_listing_publishes_nothing_twice_and_sweeps_what_it_does_not_show() {
    let home = Home::linked(&[link("/f", "t")]).await;
    home.page("/f", many(3, "/f"), false, &[]).await;
    let mut entries = many(3, "/f");
    entries.remove(1);
    let applied = home.relist("/f", entries).await;
    assert_eq!(applied, Applied::Written { queued: 0, held: vec![], swept: 1 });
    assert_eq!(home.number("SELECT count(*) FROM place").await, 2);
    // What was swept and is back is gone and back.
    let back = shown("id:1", "9", "/f/00001", "B", 9);
    let known = [("id:1", Current::File(back.clone()))];
    assert_eq!(home.drain_asking("/f", vec![crate::store::Change::File(back)], &known).await, 1);
}

#[tokio::test]
async fn a_listing_cut_short_by_a_reset_sweeps_nothing_until_the_next_one_is_complete() {
    let home = Home::linked(&[link("/f", "t")]).await;
    home.page("/f", many(3, "/f"), false, &[]).await;
    home.store.forget_cursor(home.watch("/f").await.id).await.expect("forgotten");
    home.page("/f", many(1, "/f"), true, &[]).await;
    home.store.forget_cursor(home.watch("/f").await.id).await.expect("forgotten");
    assert_eq!(home.number("SELECT count(*) FROM place").await, 3);
    home.page("/f", many(1, "/f"), true, &[]).await;
    let end = home.page("/f", vec![file("id:1", "1", "/f/00001", "A", 1)], false, &[]).await;
    assert_eq!(end, Applied::Written { queued: 0, held: vec![], swept: 1 });
}

#[tokio::test]
async fn a_new_listing_goes_on_with_the_asset_of_a_file_whose_id_is_new() {
    let home = Home::linked(&[link("/f", "t")]).await;
    home.page("/f", vec![file("id:1", "1", "/f/a", "A", 1)], false, &[]).await;
    home.store.forget_cursor(home.watch("/f").await.id).await.expect("forgotten");
    let asked = [("id:1", Current::Gone)];
    assert_eq!(home.drain_asking("/f", vec![file("id:2", "2", "/f/a", "A", 2)], &asked).await, 0);
    assert_eq!(home.versions("t", "id:2").await, "A");
}

#[tokio::test]
async fn a_folder_found_at_another_place_is_listed_anew_and_the_same_place_goes_on() {
    let home = Home::linked(&[link("/f", "t")]).await;
    home.page("/f", many(2, "/f"), false, &[]).await;
    let watch = home.watch("/f").await;
    home.store.resolved(watch.id, Some("id:f".into()), "/f".into(), "home".into(), false).await.expect("resolved");
    assert!(home.watch("/f").await.cursor.is_some());
    home.store.resolved(watch.id, Some("id:f".into()), "/g".into(), "home".into(), false).await.expect("resolved");
    assert_eq!(home.watch("/f").await.cursor, None);
    let applied = home.page("/f", many(2, "/g"), false, &[]).await;
    assert_eq!(applied, Applied::Written { queued: 0, held: vec![], swept: 2 });
}

#[tokio::test]
async fn a_listing_of_more_files_than_allowed_waits_for_an_approval() {
    let mut home = Home::linked(&[link("/f", "t")]).await;
    home.policy = Policy { hold_above: 3, ..POLICY };
    home.page("/f", many(2, "/f"), true, &[]).await;
    home.hash_all().await;
    assert_eq!(home.sendable("t").await, [], "nothing goes before the listing's end");
    let mut rest = many(4, "/f");
    rest.drain(..2);
    let Applied::Written { held, .. } = home.page("/f", rest, false, &[]).await else { panic!("written") };
    assert_eq!(held.iter().map(|(_, n)| *n).collect::<Vec<_>>(), [4]);
    assert_eq!(home.store.held().await.expect("held"), [("/f".to_owned(), "t".to_owned(), 4)]);
    // What comes while it waits, waits too.
    home.drain("/f", vec![file("id:9", "1", "/f/new", "A", 2), file("id:0", "2", "/f/00000", "B", 2)]).await;
    assert_eq!(home.store.unhashed(10).await.expect("unhashed").len(), 1, "a change of a held file, behind it");
    assert_eq!(home.publish("t").await, [""; 0]);
    assert_eq!(home.store.approve("/F").await.expect("approved"), 1);
    assert_eq!(home.store.held().await.expect("held"), []);
    assert_eq!(home.publish("t").await.len(), 6);
    home.drain("/f", vec![file("id:10", "1", "/f/later", "A", 3)]).await;
    assert_eq!(home.publish("t").await.len(), 1);
}

#[tokio::test]
async fn a_listing_at_the_limit_or_approved_before_or_without_a_limit_goes_on() {
    for (limit, approved) in [(4, false), (3, true), (0, false)] {
        let mut home = Home::linked(&[link("/f", "t")]).await;
        home.policy = Policy { hold_above: limit, ..POLICY };
        if approved {
            home.store.approve("/f").await.expect("approved");
        }
        let applied = home.page("/f", many(4, "/f"), false, &[]).await;
        assert_eq!(applied, Applied::Written { queued: 4, held: vec![], swept: 0 });
        assert_eq!(home.publish("t").await.len(), 4);
    }
}

#[tokio::test]
async fn a_reset_does_not_let_go_what_waits_and_counts_it_again() {
    let mut home = Home::linked(&[link("/f", "t")]).await;
    home.policy = Policy { hold_above: 3, ..POLICY };
    home.page("/f", many(3, "/f"), true, &[]).await;
    let Applied::Written { held, .. } = home.relist("/f", many(5, "/f")).await else { panic!("written") };
    assert_eq!(held[0].1, 5);
}

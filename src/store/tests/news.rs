//! What is news, and what is not.

use super::fixtures::*;
use crate::store::{Applied, Change, Current, Policy};

async fn home() -> Home {
    Home::watching(&[link("/f", "t")]).await
}

#[tokio::test]
async fn a_new_file_is_one_publication_and_a_changed_one_another_of_the_same_asset() {
    let home = home().await;
    assert_eq!(home.drain("/f", vec![file("id:1", "1", "/f/a", "A", 1)]).await, 1);
    assert_eq!(home.drain("/f", vec![file("id:1", "2", "/f/a", "B", 2)]).await, 1);
    assert_eq!(home.publish("t").await, ["id:1 1.1 A", "id:1 2.2 B"]);
}

#[tokio::test]
async fn a_touched_file_with_a_new_rev_and_the_same_hash_is_no_news() {
    let home = home().await;
    home.drain("/f", vec![file("id:1", "1", "/f/a", "A", 1)]).await;
    assert_eq!(home.drain("/f", vec![file("id:1", "2", "/f/a", "A", 2)]).await, 0);
    assert_eq!(home.drain("/f", vec![file("id:1", "3", "/f/a", "B", 3)]).await, 1);
    assert_eq!(home.versions("t", "id:1").await, "A B");
}

#[tokio::test]
async fn there_and_back_again_is_three_publications_also_within_one_second_and_one_page() {
    let home = home().await;
    let changes = ["A", "B", "A"].iter().zip(["1", "2", "3"]).map(|(c, rev)| file("id:1", rev, "/f/a", c, 1)).collect();
    assert_eq!(home.drain("/f", changes).await, 3);
    assert_eq!(home.publish("t").await, ["id:1 1.1 A", "id:1 2.2 B", "id:1 3.3 A"]);
}

#[tokio::test]
async fn a_copy_of_known_content_needs_no_download() {
    let home = home().await;
    home.drain("/f", vec![file("id:1", "1", "/f/a", "A", 1)]).await;
    home.hash_all().await;
    assert_eq!(home.drain("/f", vec![file("id:2", "2", "/f/b", "A", 2)]).await, 1);
    assert_eq!(home.store.unhashed(10).await.expect("unhashed"), []);
    assert_eq!(home.sendable("t").await.len(), 2);
}

#[tokio::test]
async fn content_that_waits_in_several_publications_is_hashed_for_all_of_them_at_once() {
    let home = home().await;
    home.drain("/f", vec![file("id:1", "1", "/f/a", "A", 1), file("id:2", "2", "/f/b", "A", 1)]).await;
    let wanted = home.store.unhashed(10).await.expect("unhashed");
    assert_eq!(wanted.len(), 2);
    home.store.hashed(wanted[0].id, hash("A"), hash("plain")).await.expect("hashed");
    assert_eq!(home.store.unhashed(10).await.expect("unhashed"), []);
    assert!(home.sendable("t").await.iter().all(|publication| publication.document_hash == Some(hash("plain"))));
}

#[tokio::test]
async fn an_empty_file_and_a_dropbox_hash_need_no_download() {
    let mut home = home().await;
    let mut empty = shown("id:1", "1", "/f/a", "A", 1);
    empty.content_hash = Some(crate::digest::Digest::EMPTY);
    home.drain("/f", vec![Change::File(empty)]).await;
    home.policy.dropbox_hash = true;
    home.drain("/f", vec![file("id:2", "2", "/f/b", "B", 1)]).await;
    assert_eq!(home.store.unhashed(10).await.expect("unhashed"), []);
    let sendable = home.sendable("t").await;
    assert_eq!(sendable[1].document_hash, Some(hash("B")));
    assert_eq!(sendable[1].alg, crate::store::ALG_DROPBOX);
}

#[tokio::test]
async fn a_rev_is_asked_about_when_its_file_was_deleted_and_restored_and_is_news_if_the_content_differs() {
    let home = home().await;
    home.drain("/f", vec![file("id:1", "1", "/f/a", "A", 1), file("id:1", "2", "/f/a", "B", 2)]).await;
    home.drain("/f", vec![deleted("/f/a")]).await;
    let back = shown("id:1", "1", "/f/a", "A", 1);
    let known = [("id:1", Current::File(back.clone()))];
    assert_eq!(home.drain_asking("/f", vec![Change::File(back)], &known).await, 1);
    assert_eq!(home.versions("t", "id:1").await, "A B A");
}

#[tokio::test]
async fn a_file_restored_with_the_content_queued_last_is_no_news() {
    let home = home().await;
    home.drain("/f", vec![file("id:1", "1", "/f/a", "A", 1), file("id:1", "2", "/f/a", "B", 2)]).await;
    home.drain("/f", vec![deleted("/f/a")]).await;
    assert_eq!(home.drain("/f", vec![file("id:1", "2", "/f/a", "B", 2)]).await, 0);
    home.drain("/f", vec![deleted("/f/a")]).await;
    assert_eq!(home.drain("/f", vec![file("id:1", "9", "/f/a", "B", 9)]).await, 0);
    assert_eq!(home.versions("t", "id:1").await, "A B");
}

#[tokio::test]
async fn a_deletion_and_restoration_between_two_looks_is_seen_by_the_old_rev_alone() {
    let home = home().await;
    home.drain("/f", vec![file("id:1", "1", "/f/a", "A", 1)]).await;
    home.drain("/f", vec![file("id:1", "2", "/f/a", "B", 2)]).await;
    let back = shown("id:1", "1", "/f/a", "A", 1);
    let known = [("id:1", Current::File(back.clone()))];
    assert_eq!(home.drain_asking("/f", vec![Change::File(back)], &known).await, 1);
    assert_eq!(home.versions("t", "id:1").await, "A B A");
}

#[tokio::test]
async fn a_stale_answer_by_a_file_that_went_again_queues_nothing() {
    let home = home().await;
    home.drain("/f", vec![file("id:1", "1", "/f/a", "A", 1), file("id:1", "2", "/f/a", "B", 2)]).await;
    home.drain("/f", vec![deleted("/f/a")]).await;
    let change = file("id:1", "1", "/f/a", "A", 1);
    assert_eq!(home.drain_asking("/f", vec![change], &[("id:1", Current::Gone)]).await, 0);
}

#[tokio::test]
async fn an_older_or_equally_old_entry_by_another_cursor_asks_and_a_stale_one_queues_nothing() {
    let home = Home::watching(&[link("/f", "t"), link("/f/g", "t")]).await;
    home.drain("/f", vec![file("id:1", "1", "/f/g/a", "A", 1), file("id:1", "3", "/f/g/a", "C", 3)]).await;
    let now = Current::File(shown("id:1", "3", "/f/g/a", "C", 3));
    for second in [2, 3] {
        let (rev, content) = (format!("2{second}"), if second == 2 { "B" } else { "D" });
        let stale = file("id:1", &rev, "/f/g/a", content, second);
        assert_eq!(home.drain_asking("/f/g", vec![stale], &[("id:1", now.clone())]).await, 0);
    }
    assert_eq!(home.versions("t", "id:1").await, "A C");
    let newest = shown("id:1", "4", "/f/g/a", "E", 3);
    let known = [("id:1", Current::File(newest.clone()))];
    assert_eq!(home.drain_asking("/f/g", vec![Change::File(newest)], &known).await, 1);
    assert_eq!(home.versions("t", "id:1").await, "A C E");
}

#[tokio::test]
async fn in_the_second_of_a_touch_by_another_cursor_neither_cursor_is_believed() {
    let home = Home::watching(&[link("/f", "t"), link("/f/g", "t")]).await;
    home.drain("/f", vec![file("id:1", "1", "/f/g/a", "A", 1)]).await;
    // Between the two revisions with content A there was one with content X, in one second; the other cursor skips it.
    home.drain("/f/g", vec![file("id:1", "3", "/f/g/a", "A", 2)]).await;
    let now = Current::File(shown("id:1", "3", "/f/g/a", "A", 2));
    assert_eq!(home.drain_asking("/f", vec![file("id:1", "2", "/f/g/a", "X", 2)], &[("id:1", now)]).await, 0);
    assert_eq!(home.versions("t", "id:1").await, "A");
    // The same in the very second in which the version was queued.
    home.drain("/f", vec![file("id:2", "1", "/f/g/b", "A", 1)]).await;
    home.drain("/f/g", vec![file("id:2", "3", "/f/g/b", "A", 1)]).await;
    let now = Current::File(shown("id:2", "3", "/f/g/b", "A", 1));
    assert_eq!(home.drain_asking("/f", vec![file("id:2", "2", "/f/g/b", "X", 1)], &[("id:2", now)]).await, 0);
    assert_eq!(home.versions("t", "id:2").await, "A");
}

#[tokio::test]
async fn skipped_files_are_stored_with_the_reason_and_published_when_it_ends() {
    let home = home().await;
    for (reason, id) in [("not-downloadable", "id:1"), ("symlink", "id:2")] {
        let mut skipped = shown(id, "1", &format!("/f/{reason}"), "A", 1);
        skipped.skip = Some(reason);
        assert_eq!(home.drain("/f", vec![Change::File(skipped)]).await, 0);
    }
    assert_eq!(home.number("SELECT count(*) FROM file").await, 2);
    assert_eq!(home.number("SELECT count(*) FROM skipped WHERE reason IN ('symlink', 'not-downloadable')").await, 2);
    assert_eq!(home.drain("/f", vec![file("id:1", "2", "/f/not-downloadable", "A", 2)]).await, 1);
    assert_eq!(home.number("SELECT count(*) FROM skipped").await, 1);
    home.drain("/f", vec![deleted("/f/symlink")]).await;
    assert_eq!(home.number("SELECT count(*) FROM skipped").await, 0);
}

#[tokio::test]
async fn without_a_content_hash_the_dropbox_hash_skips_and_sha256_learns_it_by_reading() {
    let mut home = home().await;
    let bare = |rev: &str, second| {
        let mut shown = shown("id:1", rev, "/f/a", "A", second);
        shown.content_hash = None;
        vec![Change::File(shown)]
    };
    home.policy = Policy { dropbox_hash: true, ..POLICY };
    assert_eq!(home.drain("/f", bare("1", 1)).await, 0);
    assert_eq!(home.number("SELECT count(*) FROM skipped WHERE reason = 'no-content-hash'").await, 1);
    home.policy = POLICY;
    assert_eq!(home.drain("/f", bare("1", 1)).await, 1);
    // The same rev is not asked for again while its hash is unknown.
    assert_eq!(home.drain("/f", bare("1", 1)).await, 0);
    let wanted = home.store.unhashed(10).await.expect("unhashed");
    home.store.hashed(wanted[0].id, hash("A"), hash("a")).await.expect("hashed");
    assert_eq!(home.drain("/f", vec![file("id:1", "2", "/f/a", "A", 2)]).await, 0);
    assert_eq!(home.publish("t").await, ["id:1 1.1 A"]);
}

#[tokio::test]
async fn content_that_proves_to_be_what_was_recorded_last_is_dropped_whoever_had_no_hash() {
    let home = home().await;
    home.drain("/f", vec![file("id:1", "1", "/f/a", "A", 1)]).await;
    let mut bare = shown("id:1", "2", "/f/a", "A", 2);
    bare.content_hash = None;
    assert_eq!(home.drain("/f", vec![Change::File(bare)]).await, 1);
    assert_eq!(home.drain("/f", vec![file("id:1", "3", "/f/a", "A", 3)]).await, 1);
    let wanted = home.store.unhashed(10).await.expect("unhashed");
    for wanted in wanted {
        home.store.hashed(wanted.id, hash("A"), hash("a")).await.expect("hashed");
    }
    assert_eq!(home.drain("/f", vec![file("id:1", "4", "/f/a", "B", 4)]).await, 1);
    assert_eq!(home.publish("t").await, ["id:1 1.1 A", "id:1 2.2 B"]);
    assert_eq!(home.number("SELECT count(*) FROM publication").await, 2);
}

#[tokio::test]
async fn a_restricted_file_stays_skipped_until_its_rev_changes() {
    let home = Home::watching(&[link("/f", "t"), link("/f", "u")]).await;
    home.drain("/f", vec![file("id:1", "1", "/f/a", "A", 1)]).await;
    for wanted in home.store.unhashed(10).await.expect("unhashed") {
        home.store.unreadable(wanted.id, "restricted".into(), Some("restricted")).await.expect("unreadable");
    }
    let restricted = "SELECT count(*) FROM skipped WHERE reason = 'restricted'";
    assert_eq!(home.number(restricted).await, 2);
    assert_eq!(home.drain("/f", vec![file("id:1", "1", "/f/a", "A", 1)]).await, 0);
    assert_eq!(home.number(restricted).await, 2, "shown again, still not silent");
    home.relist("/f", vec![file("id:1", "1", "/f/a", "A", 1)]).await;
    assert_eq!(home.store.unhashed(10).await.expect("unhashed"), []);
    assert_eq!(home.drain("/f", vec![file("id:1", "2", "/f/a", "A", 2)]).await, 2);
    assert_eq!(home.number(restricted).await, 0);
    assert_eq!(home.publish("t").await, ["id:1 1.1 A"]);
}

#[tokio::test]
async fn a_page_with_questions_writes_nothing_at_all_and_asks_each_id_once() {
    let home = Home::watching(&[link("/f", "t"), link("/f", "u")]).await;
    home.drain("/f", vec![file("id:1", "1", "/f/a", "A", 1), file("id:1", "2", "/f/a", "B", 2)]).await;
    home.drain("/f", vec![deleted("/f/a")]).await;
    let before = home.dump().await;
    let changes = vec![file("id:2", "5", "/f/new", "C", 5), file("id:1", "1", "/f/a", "A", 1), deleted("/f/x")];
    assert_eq!(home.page("/f", changes, false, &[]).await, Applied::Asks(vec!["id:1".into()]));
    assert_eq!(home.dump().await, before);
}

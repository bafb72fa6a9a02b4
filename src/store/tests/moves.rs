//! Renames, moves, deletions, and trees that come back under new ids.

use super::fixtures::*;
use crate::store::{Applied, Change, Current};

fn moved() -> Change {
    file("id:1", "1", "/f/b", "A", 1)
}

#[tokio::test]
async fn a_rename_is_no_news_in_either_order_of_its_halves_and_across_pages() {
    for deletion_first in [true, false] {
        for split in [true, false] {
            let home = Home::watching(&[link("/f", "t")]).await;
            home.drain("/f", vec![file("id:1", "1", "/f/a", "A", 1)]).await;
            let mut halves = vec![deleted("/f/a"), moved()];
            if !deletion_first {
                halves.reverse();
            }
            if split {
                let last = halves.split_off(1);
                assert_eq!(queued(&home.page("/f", halves, true, &[]).await), 0);
                assert_eq!(queued(&home.page("/f", last, false, &[]).await), 0);
            } else {
                assert_eq!(home.drain("/f", halves).await, 0);
            }
            assert_eq!(home.versions("t", "id:1").await, "A");
            assert_eq!(home.number("SELECT count(*) FROM place").await, 1);
            assert_eq!(home.number("SELECT count(*) FROM place WHERE path_lower = '/f/b'").await, 1);
            assert_eq!(home.number("SELECT count(*) FROM file WHERE path_display = '/f/b'").await, 1);
        }
    }
}

#[tokio::test]
async fn a_move_between_two_linked_folders_of_a_tenancy_is_no_news() {
    for deletion_first in [true, false] {
        let home = Home::watching(&[link("/f", "t"), link("/g", "t")]).await;
        home.drain("/f", vec![file("id:1", "1", "/f/a", "A", 1)]).await;
        let arrival = vec![file("id:1", "1", "/g/a", "A", 1)];
        if deletion_first {
            home.drain("/f", vec![deleted("/f/a")]).await;
            assert_eq!(home.drain("/g", arrival).await, 0);
        } else {
            assert_eq!(home.drain("/g", arrival).await, 0);
            home.drain("/f", vec![deleted("/f/a")]).await;
        }
        assert_eq!(home.drain("/g", vec![file("id:1", "2", "/g/a", "B", 2)]).await, 1);
        assert_eq!(home.versions("t", "id:1").await, "A B");
    }
}

#[tokio::test]
async fn a_move_between_folders_of_two_tenancies_is_a_new_asset_in_the_second() {
    let home = Home::watching(&[link("/f", "t"), link("/g", "u")]).await;
    home.drain("/f", vec![file("id:1", "1", "/f/a", "A", 1)]).await;
    home.drain("/f", vec![deleted("/f/a")]).await;
    assert_eq!(home.drain("/g", vec![file("id:1", "1", "/g/a", "A", 1)]).await, 1);
    assert_eq!(home.versions("u", "id:1").await, "A");
}

#[tokio::test]
async fn a_deletion_alone_publishes_nothing_and_cancels_nothing() {
    let home = Home::watching(&[link("/f", "t")]).await;
    home.drain("/f", vec![file("id:1", "1", "/f/a", "A", 1)]).await;
    assert_eq!(home.drain("/f", vec![deleted("/f/a")]).await, 0);
    assert_eq!(home.publish("t").await, ["id:1 1.1 A"]);
}

#[tokio::test]
async fn a_file_deleted_by_itself_and_a_new_id_at_its_path_is_a_new_asset_without_a_question() {
    let home = Home::watching(&[link("/f", "t")]).await;
    home.drain("/f", vec![file("id:1", "1", "/f/d/a", "A", 1)]).await;
    assert_eq!(home.drain("/f", vec![deleted("/f/d/a"), file("id:2", "2", "/f/d/a", "A", 2)]).await, 1);
    assert_eq!(home.publish("t").await, ["id:1 1.1 A", "id:2 1.1 A"]);
}

#[tokio::test]
async fn a_new_id_straight_over_an_old_one_in_a_drain_is_a_new_asset() {
    let home = Home::watching(&[link("/f", "t")]).await;
    home.drain("/f", vec![file("id:1", "1", "/f/a", "A", 1)]).await;
    assert_eq!(home.drain("/f", vec![file("id:2", "2", "/f/a", "A", 2)]).await, 1);
}

#[tokio::test]
async fn a_tree_deleted_and_added_again_with_new_ids_in_one_drain_goes_on_with_its_assets() {
    let home = Home::watching(&[link("/f", "t")]).await;
    home.drain("/f", vec![folder("/f/d"), file("id:1", "1", "/f/d/a", "A", 1)]).await;
    home.publish("t").await;
    assert_eq!(queued(&home.page("/f", vec![deleted("/f/d")], true, &[]).await), 0);
    let again = vec![folder("/f/d"), file("id:2", "2", "/f/d/a", "A", 2)];
    assert_eq!(home.drain_asking("/f", again, &[("id:1", Current::Gone)]).await, 0);
    assert_eq!(home.drain("/f", vec![file("id:2", "3", "/f/d/a", "B", 3)]).await, 1);
    assert_eq!(home.publish("t").await, ["id:1 2.2 B"], "the reference stays that of the first id");
}

#[tokio::test]
async fn a_tree_that_comes_back_is_new_where_the_old_id_lives_elsewhere_or_the_content_differs_or_another_drain() {
    let start = async || {
        let home = Home::watching(&[link("/f", "t")]).await;
        home.drain("/f", vec![folder("/f/d"), file("id:1", "1", "/f/d/a", "A", 1)]).await;
        home
    };
    let same = || file("id:2", "2", "/f/d/a", "A", 2);
    let home = start().await;
    let elsewhere = Current::File(shown("id:1", "1", "/outside/a", "A", 1));
    assert_eq!(home.drain_asking("/f", vec![deleted("/f/d"), same()], &[("id:1", elsewhere)]).await, 1);

    let home = start().await;
    assert_eq!(home.drain("/f", vec![deleted("/f/d"), file("id:2", "2", "/f/d/a", "B", 2)]).await, 1);

    let home = start().await;
    home.drain("/f", vec![deleted("/f/d")]).await;
    assert_eq!(home.drain("/f", vec![same()]).await, 1, "another drain");

    let home = start().await;
    let copied_first = vec![file("id:1", "1", "/f/moved", "A", 1), deleted("/f/d"), same()];
    assert_eq!(home.drain("/f", copied_first).await, 1, "the old file only moved");
}

#[tokio::test]
async fn a_version_of_a_tree_that_came_back_is_read_by_its_new_revision_when_the_old_one_cannot_be() {
    let home = Home::watching(&[link("/f", "t")]).await;
    home.drain("/f", vec![file("id:1", "1", "/f/d/a", "A", 1)]).await;
    home.drain_asking("/f", vec![deleted("/f/d"), file("id:2", "2", "/f/d/a", "A", 2)], &[("id:1", Current::Gone)])
        .await;
    let wanted = home.store.unhashed(10).await.expect("unhashed").remove(0);
    assert_eq!(wanted.rev, "1");
    home.store.unreadable(wanted.id, "gone".into(), None).await.expect("unreadable");
    let wanted = home.store.unhashed(10).await.expect("unhashed").remove(0);
    assert_eq!((wanted.rev.as_str(), wanted.file_id.as_str(), wanted.attempts), ("2", "id:2", 0));
    home.store.unreadable(wanted.id, "gone".into(), None).await.expect("unreadable");
    assert_eq!(home.store.unhashed(10).await.expect("unhashed"), []);
}

#[tokio::test]
async fn a_folder_deletion_takes_everything_below_it_and_nothing_beside_it() {
    let home = Home::watching(&[link("/f", "t")]).await;
    let paths = ["/f/d/a", "/f/d/e/b", "/f/d.txt", "/f/d0", "/f/da", "/f/d-x/c"];
    let changes = paths.iter().enumerate().map(|(n, path)| file(&format!("id:{n}"), "1", path, "A", 1)).collect();
    home.drain("/f", changes).await;
    home.drain("/f", vec![deleted("/f/d")]).await;
    assert_eq!(home.number("SELECT count(*) FROM place").await, 4);
    assert_eq!(home.number("SELECT count(*) FROM place WHERE path_lower LIKE '/f/d/%'").await, 0);
    // A file where a folder was, and a folder where a file was.
    home.drain("/f", vec![file("id:9", "1", "/f/d-x", "B", 1), folder("/f/da")]).await;
    assert_eq!(home.number("SELECT count(*) FROM place WHERE path_lower IN ('/f/d-x/c', '/f/da')").await, 0);
}

#[tokio::test]
async fn nested_links_make_one_asset_per_file() {
    let home = Home::watching(&[link("/", "t"), link("/f", "t")]).await;
    let changes = || vec![file("id:1", "1", "/f/a", "A", 1), file("id:1", "2", "/f/a", "B", 1)];
    assert_eq!(home.drain("/", changes()).await, 2);
    let now = Current::File(shown("id:1", "2", "/f/a", "B", 1));
    assert_eq!(home.drain_asking("/f", changes(), &[("id:1", now)]).await, 0);
    assert_eq!(home.versions("t", "id:1").await, "A B");
}

#[tokio::test]
async fn one_folder_in_two_tenancies_is_published_in_both() {
    let home = Home::watching(&[link("/f", "t"), link("/f", "u")]).await;
    assert_eq!(home.drain("/f", vec![file("id:1", "1", "/f/a", "A", 1)]).await, 2);
    assert_eq!(home.publish("t").await, ["id:1 1.1 A"]);
    assert_eq!(home.publish("u").await, ["id:1 1.1 A"]);
}

#[tokio::test]
async fn becoming_excluded_publishes_nothing_and_coming_back_goes_on_with_the_asset() {
    let home = Home::watching(&[excluding("/f", "t", "**/~*")]).await;
    assert_eq!(home.drain("/f", vec![file("id:0", "1", "/f/x/~lock", "A", 1)]).await, 0);
    assert_eq!(home.number("SELECT count(*) FROM skipped WHERE reason = 'excluded'").await, 1);
    home.drain("/f", vec![file("id:1", "1", "/f/a", "A", 1)]).await;
    assert_eq!(home.drain("/f", vec![deleted("/f/a"), file("id:1", "1", "/f/~a", "A", 1)]).await, 0);
    assert_eq!(home.drain("/f", vec![file("id:1", "2", "/f/~a", "B", 2)]).await, 0);
    let back = shown("id:1", "2", "/f/a", "B", 2);
    let known = [("id:1", Current::File(back.clone()))];
    assert_eq!(home.drain_asking("/f", vec![deleted("/f/~a"), Change::File(back)], &known).await, 1);
    assert_eq!(home.versions("t", "id:1").await, "A B");
}

#[tokio::test]
async fn a_file_is_in_if_any_link_of_the_tenancy_lets_it_in() {
    let home = Home::watching(&[excluding("/", "t", "**/*.tmp"), link("/f", "t")]).await;
    assert_eq!(home.drain("/", vec![file("id:1", "1", "/f/a.tmp", "A", 1)]).await, 0);
    assert_eq!(home.drain("/f", vec![file("id:1", "1", "/f/a.tmp", "A", 1)]).await, 1);
    assert!(matches!(home.page("/", vec![], false, &[]).await, Applied::Written { .. }));
}

#[tokio::test]
async fn a_file_that_is_back_after_another_id_went_on_with_its_asset_gets_an_asset_with_a_reference_of_its_own() {
    let home = Home::watching(&[link("/f", "t"), link("/f", "u")]).await;
    home.drain("/f", vec![file("id:1", "1", "/f/d/a", "A", 1)]).await;
    home.publish("u").await;
    let gone = [("id:1", Current::Gone)];
    let remounted = |id: &str, rev: &str| vec![deleted("/f/d"), file(id, rev, "/f/d/a", "A", 2)];
    assert_eq!(home.drain_asking("/f", remounted("id:2", "2"), &gone).await, 0);
    assert_eq!(home.drain("/f", vec![file("id:1", "5", "/f/e/a", "B", 5)]).await, 2);
    assert_eq!(home.publish("t").await, ["id:1 1.1 A", "id:1\n5 1.1 B"]);
    // And once more, with that one.
    let again = vec![deleted("/f/e"), file("id:3", "6", "/f/e/a", "B", 6)];
    assert_eq!(home.drain_asking("/f", again, &gone).await, 0);
    let back = shown("id:1", "5", "/f/g/a", "B", 5);
    assert_eq!(home.drain("/f", vec![Change::File(back)]).await, 2);
    assert_eq!(home.publish("t").await, ["id:1\n5\n5 1.1 B"]);
    // Each goes on by itself, and the one that was there all along as it was.
    home.drain("/f", vec![file("id:2", "7", "/f/d/a", "C", 7), file("id:1", "8", "/f/g/a", "D", 8)]).await;
    assert_eq!(home.publish("t").await, ["id:1 2.2 C", "id:1\n5\n5 2.2 D"]);
}

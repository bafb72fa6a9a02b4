//! What is a new revision, what is a move, what is a new file.

use std::fs;
use std::os::unix::fs::symlink;

use serde_json::json;

use crate::support::{World, at, has, shape};

#[tokio::test]
async fn a_file_saved_as_editors_save_is_a_new_revision_of_the_same_id() {
    let world = World::new(&[("Note.txt", "one")]).await;
    let (before, cursor) = world.list("").await;
    world.save("Note.txt", "two");
    let (after, _) = world.changes(&cursor, |entries| has(entries, "file", "/note.txt")).await;
    assert_eq!(shape(&after), ["file /note.txt"]);
    assert_eq!(after[0]["id"], before[0]["id"]);
    assert_ne!(after[0]["rev"], before[0]["rev"]);
    assert_ne!(after[0]["content_hash"], before[0]["content_hash"]);
    assert_eq!(after[0]["name"], "Note.txt");
}

#[tokio::test]
async fn a_file_written_in_place_is_a_new_revision_of_the_same_id() {
    let world = World::new(&[("a.txt", "one")]).await;
    let (before, cursor) = world.list("").await;
    world.write("a.txt", "two");
    let (after, _) = world.changes(&cursor, |entries| !entries.is_empty()).await;
    assert_eq!(after[0]["id"], before[0]["id"]);
    assert_eq!(after[0]["size"], 3);
}

#[tokio::test]
async fn a_touched_file_has_a_new_revision_with_the_same_content_hash() {
    let world = World::new(&[("a.txt", "one")]).await;
    let (before, cursor) = world.list("").await;
    let file = fs::File::options().append(true).open(world.path("a.txt")).unwrap();
    file.set_modified(std::time::SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(1_000_000_000)).unwrap();
    let (after, _) = world.changes(&cursor, |entries| !entries.is_empty()).await;
    assert_ne!(after[0]["rev"], before[0]["rev"]);
    assert_eq!(after[0]["content_hash"], before[0]["content_hash"]);
    assert_eq!(after[0]["client_modified"], "2001-09-09T01:46:40Z");
}

#[tokio::test]
async fn a_moved_file_keeps_its_id() {
    let world = World::new(&[("a.txt", "one"), ("b/c.txt", "two")]).await;
    let (before, cursor) = world.list("").await;
    world.rename("a.txt", "b/z.txt");
    let (after, _) = world.changes(&cursor, |entries| entries.len() == 2).await;
    assert_eq!(shape(&after), ["deleted /a.txt", "file /b/z.txt"]);
    assert!(after[0].get("id").is_none());
    assert_eq!(after[1]["id"], at(&before, "/a.txt")["id"]);
}

#[tokio::test]
async fn a_moved_folder_keeps_its_id_and_those_of_all_below_it() {
    let world = World::new(&[("x/a.txt", "1"), ("x/y/b.txt", "2"), ("k.txt", "3")]).await;
    let (before, cursor) = world.list("").await;
    world.rename("x", "New/Place");
    let (after, _) = world.changes(&cursor, |entries| has(entries, "file", "/new/place/y/b.txt")).await;
    let expected = [
        "deleted /x",
        "folder /new",
        "folder /new/place",
        "file /new/place/a.txt",
        "folder /new/place/y",
        "file /new/place/y/b.txt",
    ];
    assert_eq!(shape(&after), expected);
    for (old, new) in [("/x", "/new/place"), ("/x/y", "/new/place/y"), ("/x/y/b.txt", "/new/place/y/b.txt")] {
        assert_eq!(at(&before, old)["id"], at(&after, new)["id"]);
    }
    assert_eq!(at(&after, "/new/place/y/b.txt")["path_display"], "/New/Place/y/b.txt");
    let content = world.download("/New/Place/y/b.txt", &[]).await.text().await.unwrap();
    assert_eq!(content, "2");
}

#[tokio::test]
async fn a_copy_is_a_new_file_with_the_same_content_hash() {
    let world = World::new(&[("a.txt", "one")]).await;
    let (before, cursor) = world.list("").await;
    fs::copy(world.path("a.txt"), world.path("copy.txt")).unwrap();
    let (after, _) = world.changes(&cursor, |entries| !entries.is_empty()).await;
    assert_eq!(shape(&after), ["file /copy.txt"]);
    assert_ne!(after[0]["id"], before[0]["id"]);
    assert_eq!(after[0]["content_hash"], before[0]["content_hash"]);
}

#[tokio::test]
async fn a_file_made_where_another_was_deleted_is_another_file() {
    let world = World::new(&[("a.txt", "one")]).await;
    let (before, cursor) = world.list("").await;
    fs::remove_file(world.path("a.txt")).unwrap();
    let (gone, next) = world.changes(&cursor, |entries| !entries.is_empty()).await;
    assert_eq!(shape(&gone), ["deleted /a.txt"]);
    world.write("a.txt", "one");
    let (back, _) = world.changes(&next, |entries| !entries.is_empty()).await;
    assert_eq!(shape(&back), ["file /a.txt"]);
    assert_ne!(back[0]["id"], before[0]["id"]);
    // Seen from before both, the path changed hands.
    let (both, _) = world.drain(&cursor).await;
    assert_eq!(shape(&both), ["deleted /a.txt", "file /a.txt"]);
}

#[tokio::test]
async fn a_file_restored_under_its_old_id_can_be_simulated() {
    let world = World::new(&[("a.txt", "one")]).await;
    world.faults("[[dropbox]]\nfault = 'restore_same_id'\ntext = 'rev'");
    let (before, cursor) = world.list("").await;
    fs::remove_file(world.path("a.txt")).unwrap();
    let (_, next) = world.changes(&cursor, |entries| !entries.is_empty()).await;
    world.write("a.txt", "one");
    let (back, _) = world.changes(&next, |entries| !entries.is_empty()).await;
    assert_eq!((&back[0]["id"], &back[0]["rev"]), (&before[0]["id"], &before[0]["rev"]));
}

#[tokio::test]
async fn a_rename_in_case_only_is_not_told_but_shown() {
    let world = World::new(&[("docs/a.txt", "one")]).await;
    let (_, cursor) = world.list("").await;
    world.rename("docs", "Docs");
    world.write("b.txt", "b");
    let (after, _) = world.changes(&cursor, |entries| !entries.is_empty()).await;
    assert_eq!(shape(&after), ["file /b.txt"]);
    assert_eq!(world.metadata("/docs/a.txt").await["path_display"], "/Docs/a.txt");
    assert_eq!(world.download("/docs/a.txt", &[]).await.text().await.unwrap(), "one");
}

#[tokio::test]
async fn a_file_that_becomes_a_folder_is_replaced() {
    let world = World::new(&[("x", "file")]).await;
    let (before, cursor) = world.list("").await;
    fs::remove_file(world.path("x")).unwrap();
    world.write("x/y.txt", "inside");
    let (after, _) = world.changes(&cursor, |entries| has(entries, "file", "/x/y.txt")).await;
    assert_eq!(shape(&after), ["deleted /x", "folder /x", "file /x/y.txt"]);
    assert_ne!(at(&after, "/x")["id"], before[0]["id"]);
}

#[tokio::test]
async fn names_that_dropbox_would_not_store_and_second_spellings_are_left_out() {
    let world =
        World::new(&[("ok.txt", "1"), ("OK.TXT", "2"), ("bad\\name", "3"), ("trailing ", "4"), ("new\nline😀", "5")])
            .await;
    let (entries, _) = world.list("").await;
    assert_eq!(shape(&entries), ["file /new\nline😀", "file /ok.txt"]);
}

#[tokio::test]
async fn decomposed_names_have_a_composed_key() {
    let world = World::new(&[("cafe\u{301}.txt", "1")]).await;
    let (entries, _) = world.list("").await;
    assert_eq!(entries[0]["path_lower"], "/caf\u{e9}.txt");
    assert_eq!(world.metadata("/CAFE\u{301}.txt").await["id"], entries[0]["id"]);
    assert_eq!(world.download(entries[0]["id"].as_str().unwrap(), &[]).await.text().await.unwrap(), "1");
}

#[tokio::test]
async fn a_symbolic_link_is_shown_and_not_followed() {
    let world = World::new(&[("dir/a.txt", "one")]).await;
    let (_, cursor) = world.list("").await;
    symlink("dir", world.path("link")).unwrap();
    let (after, _) = world.changes(&cursor, |entries| !entries.is_empty()).await;
    assert_eq!(shape(&after), ["file /link"]);
    assert_eq!(after[0]["symlink_info"], json!({"target": "dir"}));
}

#[tokio::test]
async fn a_move_can_be_made_to_change_the_revision() {
    let world = World::new(&[("a.txt", "one")]).await;
    world.faults("[[dropbox]]\nfault = 'move_new_rev'");
    let (before, cursor) = world.list("").await;
    world.rename("a.txt", "b.txt");
    let (after, _) = world.changes(&cursor, |entries| entries.len() == 2).await;
    assert_eq!(after[1]["id"], before[0]["id"]);
    assert_ne!(after[1]["rev"], before[0]["rev"]);
}

#[tokio::test]
async fn a_file_saved_by_way_of_a_backup_keeps_its_id() {
    let world = World::new(&[("a.txt", "one")]).await;
    let (before, cursor) = world.list("").await;
    world.rename("a.txt", "a.txt~");
    world.write("a.txt", "two");
    fs::remove_file(world.path("a.txt~")).unwrap();
    let (after, _) = world.changes(&cursor, |entries| has(entries, "file", "/a.txt")).await;
    assert_eq!(shape(&after), ["file /a.txt"]);
    assert_eq!(after[0]["id"], before[0]["id"]);
}

#[tokio::test]
async fn a_folder_and_a_file_of_it_that_move_apart_both_keep_their_ids() {
    let world = World::new(&[("x/a.txt", "1"), ("x/b.txt", "2")]).await;
    let (before, cursor) = world.list("").await;
    world.rename("x/a.txt", "0.txt");
    world.rename("x", "y");
    let (after, _) = world.changes(&cursor, |entries| has(entries, "file", "/y/b.txt")).await;
    assert_eq!(shape(&after), ["deleted /x", "file /0.txt", "folder /y", "file /y/b.txt"]);
    for (old, new) in [("/x", "/y"), ("/x/a.txt", "/0.txt"), ("/x/b.txt", "/y/b.txt")] {
        assert_eq!(at(&before, old)["id"], at(&after, new)["id"]);
    }
}

#[tokio::test]
async fn a_file_that_is_being_written_ends_as_what_was_written_last() {
    let world = World::new(&[]).await;
    let (_, cursor) = world.list("").await;
    let path = world.path("log.txt");
    let writer = std::thread::spawn(move || {
        for i in 0..60 {
            fs::write(&path, format!("{i:02}").repeat(5_000)).unwrap();
            std::thread::sleep(std::time::Duration::from_millis(7));
        }
    });
    // Whatever revision is shown meanwhile can be read, and is what its hash says.
    let mut rev = String::new();
    let mut seen = 0;
    let began = std::time::Instant::now();
    loop {
        assert!(began.elapsed() < std::time::Duration::from_secs(20), "the last content never showed");
        let over = writer.is_finished();
        let (entries, _) = world.drain(&cursor).await;
        if let Some(entry) = entries.first().filter(|entry| entry["rev"] != rev.as_str()) {
            seen += 1;
            rev = entry["rev"].as_str().unwrap().to_owned();
            let bytes = world.download(&format!("rev:{rev}"), &[]).await.bytes().await.unwrap();
            let block = droptrail::digest::Digest::sha256(&bytes);
            let whole = droptrail::digest::Digest::sha256(block.0);
            assert!(bytes.is_empty() || entry["content_hash"] == whole.to_string());
            if over && bytes[..] == *"59".repeat(5_000).as_bytes() {
                break;
            }
        } else if over && !rev.is_empty() {
            let bytes = world.download("/log.txt", &[]).await.bytes().await.unwrap();
            if bytes[..] == *"59".repeat(5_000).as_bytes() {
                break;
            }
        }
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
    assert!(seen > 0);
}

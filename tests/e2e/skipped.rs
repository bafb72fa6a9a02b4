//! What is not published is stored and shown with its reason, never silently left out.

use std::os::unix::fs::symlink;

use crate::support::Stage;

fn skipped(stage: &Stage) -> Vec<(String, String)> {
    stage.database().skipped()
}

fn pair(path: &str, reason: &str) -> (String, String) {
    (path.to_owned(), reason.to_owned())
}

#[test]
fn what_cannot_be_downloaded_and_symlinks_are_skipped_with_the_reason() {
    let mut stage = Stage::new();
    stage.dropbox_fault("not_downloadable", "text = 'paper'");
    stage.write("notes.paper", "rich text");
    stage.write("a.txt", "one");
    symlink("a.txt", stage.path("link.txt")).unwrap();
    stage.run();
    stage.assert_exact(&[("a.txt", &["one"])]);
    assert_eq!(skipped(&stage), [pair("/link.txt", "symlink"), pair("/notes.paper", "not-downloadable")]);
    // What can be downloaded later is published then.
    stage.faults("");
    stage.write("notes.paper", "plain text");
    stage.assert_exact(&[("a.txt", &["one"]), ("notes.paper", &["plain text"])]);
    assert_eq!(skipped(&stage), [pair("/link.txt", "symlink")]);
}

#[test]
fn a_restricted_file_is_asked_for_at_most_three_times_until_its_rev_changes() {
    let mut stage = Stage::new();
    stage.dropbox_fault("restricted", "text = 'film'");
    stage.write("film.mp4", "protected");
    stage.write("a.txt", "one");
    stage.run();
    stage.assert_exact(&[("a.txt", &["one"])]);
    assert_eq!(skipped(&stage), [pair("/film.mp4", "restricted")]);
    let asked = |stage: &Stage| stage.sandbox.requests().iter().filter(|line| line["status"] == 409).count();
    assert!((1..=3).contains(&asked(&stage)), "{}", asked(&stage));
    let before = asked(&stage);
    // Neither time nor a restart makes it ask again, a new rev does.
    stage.stop();
    stage.run();
    stage.assert_exact(&[("a.txt", &["one"])]);
    assert_eq!(asked(&stage), before);
    stage.faults("");
    stage.write("film.mp4", "free");
    stage.assert_exact(&[("a.txt", &["one"]), ("film.mp4", &["free"])]);
    assert_eq!(skipped(&stage), []);
}

#[test]
fn an_excluded_file_is_skipped_and_a_rename_or_a_changed_glob_lets_it_in() {
    let mut stage = Stage::new();
    stage.configure(|conf| conf.links[0].exclude = vec!["**/*.TMP".into()]);
    for (path, content) in [("a.tmp", "one"), ("x/b.Tmp", "two"), ("c.txt", "three")] {
        stage.write(path, content);
    }
    stage.run();
    stage.assert_exact(&[("c.txt", &["three"])]);
    assert_eq!(skipped(&stage), [pair("/a.tmp", "excluded"), pair("/x/b.tmp", "excluded")]);
    stage.rename("a.tmp", "a.txt");
    stage.assert_exact(&[("c.txt", &["three"]), ("a.txt", &["one"])]);
    stage.configure(|conf| conf.links[0].exclude.clear());
    stage.reload();
    stage.wait_until("the excluded file is published", || stage.database().queued("/x/b.Tmp") == 1);
    let all: &[(&str, &[&str])] = &[("c.txt", &["three"]), ("a.txt", &["one"]), ("x/b.Tmp", &["two"])];
    stage.assert_exact(all);
    // Becoming excluded publishes nothing and withdraws nothing.
    stage.rename("a.txt", "a.tmp");
    stage.configure(|conf| conf.links[0].exclude = vec!["*.tmp".into()]);
    stage.reload();
    stage.wait_until("it is excluded", || skipped(&stage) == [pair("/a.tmp", "excluded")]);
    stage.write("a.tmp", "not published");
    stage.assert_exact(&[("c.txt", &["three"]), ("a.tmp", &["one"]), ("x/b.Tmp", &["two"])]);
}

//! What the outputs show, and that nobody can forge a line in any of them.

use std::io;
use std::sync::{Arc, Mutex};

use super::*;
use crate::observe::{Code, Happening, kind};

/// A place to write to that can be looked at.
#[derive(Clone, Default)]
struct Sink(Arc<Mutex<Vec<u8>>>);

impl io::Write for Sink {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().expect("not poisoned").write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// What `work` logs, at `level`, as text and as JSON.
fn logged(level: &str, work: impl Fn()) -> [String; 2] {
    [true, false].map(|as_text| {
        let sink = Sink::default();
        let writer = sink.clone();
        let output = if as_text { text(move || writer.clone()) } else { json(move || writer.clone()) };
        let subscriber = tracing_subscriber::registry().with(filter(level)).with(output);
        tracing::subscriber::with_default(subscriber, &work);
        let bytes = sink.0.lock().expect("not poisoned").clone();
        String::from_utf8(bytes).expect("UTF-8")
    })
}

fn object(line: &str) -> serde_json::Value {
    serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"))
}

#[test]
fn an_answer_full_of_controls_stays_one_line_in_every_output() {
    let evil = "x\n2026-01-01T00:00:00Z ERROR forged\r\u{1b}[31m\u{202e}\u{200b}\u{2028}\0";
    let [text, json] = logged("info", || {
        Happening::ConditionBegan { code: Code::LedgerUnreachable, subject: evil, text: evil }.emit();
        tracing::info!(answer = evil, debug = ?evil, "{evil}");
        tracing::error!(error = &io::Error::other(evil) as &dyn std::error::Error, "failed");
    });
    for output in [&text, &json] {
        assert_eq!(output.lines().count(), 3, "{output:?}");
        assert!(!output.chars().any(|c| c != '\n' && crate::observe::is_unsafe(c)), "{output:?}");
        assert!(output.ends_with('\n') && output.contains("forged"));
    }
    for line in json.lines() {
        object(line);
    }
}

#[test]
fn a_json_line_has_the_fields_at_its_top_with_numbers_as_numbers() {
    let [text, json] = logged("info", || Happening::FolderListed { folder: "/a b", files: 3 }.emit());
    let object = object(&json);
    assert_eq!(object["level"], "INFO");
    assert_eq!(object["message"], "/a b is listed: 3 files");
    assert_eq!(object["MESSAGE_ID"], kind::FOLDER_LISTED.id);
    assert_eq!((object["FOLDER"].as_str(), object["FILES"].as_u64()), (Some("/a b"), Some(3)));
    assert!(object["timestamp"].is_string());
    assert!(text.contains(" INFO /a b is listed: 3 files"), "{text}");
    assert!(text.contains("FOLDER=\"/a b\" FILES=3"), "{text}");
}

#[test]
fn files_are_told_at_debug_only_and_their_paths_only_if_that_is_wanted() {
    let registered = || Happening::Registered { tenancy: "acme", asset: "assets/1", path: "/Secret plan.pdf" }.emit();
    assert_eq!(logged("info", registered), ["", ""]);
    assert!(logged("debug", registered).iter().all(|output| output.contains("/Secret plan.pdf")));
    show_paths(false);
    let hidden = logged("debug", registered);
    show_paths(true);
    assert!(hidden.iter().all(|output| output.contains("(hidden)") && !output.contains("Secret")), "{hidden:?}");
}

#[test]
fn libraries_are_heard_from_warnings_on_and_never_at_trace() {
    let library = || {
        tracing::warn!(target: "hyper::client", "warning");
        tracing::debug!(target: "hyper::client", "detail");
        tracing::trace!(target: "h2::hpack", "authorization: Bearer token");
        tracing::debug!(target: "droptrail::dropbox", "ours");
    };
    let count = |level| logged(level, library)[0].lines().count();
    assert_eq!([count("off"), count("error"), count("info"), count("debug")], [0, 0, 1, 2]);
    assert_eq!(count("hyper=debug,droptrail=off"), 2);
    assert!(!logged("trace,h2=trace,hyper=trace", library)[1].contains("Bearer"));
}

#[test]
fn spans_bring_nothing_unescaped_into_a_line() {
    let [text, json] = logged("trace", || {
        let span = tracing::error_span!(target: "droptrail::x", "request", answer = "a\nb\u{202e}");
        span.in_scope(|| tracing::info!(target: "droptrail::x", "inside"));
    });
    assert_eq!((text.lines().count(), json.lines().count()), (1, 1));
    assert!(text.contains("inside") && !text.contains('\u{202e}'));
}

#[test]
fn every_happening_is_told_with_its_message_id() {
    let all = [
        Happening::Started { version: "1", links: 1, tenancies: 2 },
        Happening::Stopping,
        Happening::Reloaded,
        Happening::ReloadRefused { error: "e" },
        Happening::NeedsRestart { key: "state_dir" },
        Happening::FolderListed { folder: "/", files: 1 },
        Happening::Registered { tenancy: "t", asset: "a", path: "/p" },
        Happening::Published { tenancy: "t", asset: "a", event: "e", document_version: 2, path: "/p" },
        Happening::Confirmed { tenancy: "t", n: 1 },
        Happening::ConditionEnded { code: Code::DiskFull, subject: "" },
        Happening::Waiting { service: "s", until: jiff::Timestamp::UNIX_EPOCH, why: "w" },
        Happening::Uncertain { tenancy: "t", publication: 1, why: "w" },
        Happening::Resolved { tenancy: "t", publication: 1, how: "found" },
        Happening::DuplicateFound { tenancy: "t", adopted: "a", others: "b" },
        Happening::Failed { tenancy: "t", record: "r" },
        Happening::Parked { tenancy: "t", publication: 1, reason: "r" },
        Happening::Unreadable { tenancy: "t", publication: 1, reason: "r" },
        Happening::Skipped { folder: "/", reason: "r", n: 1 },
        Happening::Held { folder: "/", n: 1 },
        Happening::Approved { folder: "/" },
        Happening::SecretChanged { tenancy: "t" },
        Happening::Summary { text: "t" },
    ];
    let [_, json] = logged("debug", || all.iter().for_each(Happening::emit));
    let told: Vec<_> = json.lines().map(|line| object(line)["MESSAGE_ID"].as_str().map(str::to_owned)).collect();
    let known: Vec<_> = kind::ALL.iter().map(|kind| Some(kind.id.to_owned())).collect();
    assert_eq!(told, known);
    for code in Code::ALL {
        let [_, json] = logged("warn", || Happening::ConditionBegan { code: *code, subject: "x", text: "" }.emit());
        let object = object(&json);
        assert_eq!(
            (object["MESSAGE_ID"].as_str(), object["CONDITION"].as_str()),
            (Some(code.message_id()), Some(code.as_str()))
        );
        assert!(object["message"].as_str().is_some_and(|message| message.ends_with(code.mend())), "{json}");
    }
}

#[test]
fn standard_error_is_the_journal_only_if_device_and_inode_say_so() {
    assert!(is_stream("8:42", 8, 42));
    for other in ["8:43", "9:42", "8", "8:", ":42", "8:42:1", ""] {
        assert!(!is_stream(other, 8, 42), "{other}");
    }
}

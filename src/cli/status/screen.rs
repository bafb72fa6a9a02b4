//! The status for people: fits a terminal of 80 columns, and one of 24 rows unless there is much to say. Prints only.

use std::io::Write;
use std::path::Path;

use super::{Condition, Link, Status, Stuck, Tenancy};
use crate::cli::state::{plural, time};
use crate::cli::{Failure, Output};
use crate::observe::{Code, escape};

const WIDTH: usize = 80;
const HEIGHT: usize = 24;
/// So many of the publications that are stuck are shown in any case.
const FEW: usize = 3;
/// The first column is never cut below this.
const LEAST: usize = 12;

/// Prints all of it; `file` is the configuration's.
pub(super) fn show<W: Write>(status: &Status, file: &Path, output: &mut Output<W>) -> Result<(), Failure> {
    let mut lines = vec![
        match (status.running, status.process) {
            (true, Some(process)) => format!("droptrail is running (process {process})"),
            (true, None) => "droptrail is running".to_owned(),
            (false, _) => "droptrail is NOT running; what follows is as it was when it last ran".to_owned(),
        },
        match &status.account {
            Some(account) => format!("Dropbox account {account}"),
            None => "Dropbox account not known yet: the daemon has not been connected with it so far".to_owned(),
        },
        String::new(),
    ];
    if status.links.is_empty() {
        lines.push(format!("no folder is linked: add a [[link]] to {}", file.display()));
    } else {
        let rows: Vec<_> = status.links.iter().map(link).collect();
        grid(["LINKED FOLDER", "TENANCY", "STATE", "FILES", "SKIPPED"], &rows, &mut lines);
    }
    lines.push(String::new());
    if status.tenancies.is_empty() {
        lines.push(format!("no tenancy to publish to: add a [[tenancy]] to {}", file.display()));
    } else {
        let rows: Vec<_> = status.tenancies.iter().map(tenancy).collect();
        let headings = ["TENANCY", "STATE", "PENDING", "UNCERTAIN", "RECORDED", "CONFIRMED", "PARKED"];
        grid(headings, &rows, &mut lines);
    }
    lines.push(String::new());
    if status.conditions.is_empty() {
        lines.push(if status.running { "no trouble" } else { "no trouble was left" }.to_owned());
    }
    for condition in &status.conditions {
        show_condition(condition, &mut lines);
    }
    show_stuck(status, &mut lines);
    lines.iter().try_for_each(|line| output.line(line))
}

type Row<const N: usize> = ([String; N], Vec<String>);

fn link(link: &Link) -> Row<5> {
    let skipped: u64 = link.skipped.values().sum();
    let mut below = Vec::new();
    if skipped > 0 {
        let reasons: Vec<String> = link.skipped.iter().map(|(reason, n)| format!("{n} {reason}")).collect();
        below.push(format!("skipped: {}", reasons.join(", ")));
    }
    if !link.configured {
        below.push("no longer in the configuration: unlinked at the next reload or start".to_owned());
    }
    let cells =
        [link.folder.clone(), link.tenancy.clone(), link.state.clone(), link.files.to_string(), skipped.to_string()];
    (cells, below)
}

fn tenancy(tenancy: &Tenancy) -> Row<7> {
    let mut more = Vec::new();
    if let Some(until) = &tenancy.held_until {
        more.push(format!("waits until {}", time(until)));
    }
    if tenancy.in_flight > 0 {
        more.push(format!("{} in flight", tenancy.in_flight));
    }
    if tenancy.unreadable > 0 {
        more.push(format!("{} unreadable", tenancy.unreadable));
    }
    if !tenancy.configured {
        more.push("no longer in the configuration".to_owned());
    }
    let numbers = [tenancy.pending, tenancy.uncertain, tenancy.recorded, tenancy.confirmed, tenancy.parked];
    let [pending, uncertain, recorded, confirmed, parked] = numbers.map(|n| n.to_string());
    let cells = [tenancy.name.clone(), tenancy.state.clone(), pending, uncertain, recorded, confirmed, parked];
    (cells, if more.is_empty() { more } else { vec![more.join(", ")] })
}

fn show_condition(condition: &Condition, lines: &mut Vec<String>) {
    let subject = if condition.subject.is_empty() { String::new() } else { format!(" ({})", condition.subject) };
    wrap(&format!("{}{subject} since {}", condition.code, time(&condition.since)), 0, lines);
    wrap(&condition.text, 4, lines);
    if let Ok(code) = condition.code.parse::<Code>() {
        wrap(&format!("what to do: {}", code.mend()), 4, lines);
    }
}

/// Publications that a person may have to look at, under what they have in common; as many as the screen has room for,
/// and a few in any case.
fn show_stuck(status: &Status, lines: &mut Vec<String>) {
    let Some(first) = status.stuck.first() else { return };
    lines.push(String::new());
    let common = |stuck: &Stuck| {
        let reason = stuck.reason.as_deref().filter(|reason| !reason.is_empty()).unwrap_or("no reason is known");
        format!("{} in {}: {reason}", stuck.state, stuck.tenancy)
    };
    let mut heading = common(first);
    wrap(&heading, 0, lines);
    let mut shown = 0;
    for stuck in &status.stuck {
        // Two lines: the prompt's, and the one that says how many more there are.
        if shown >= FEW && lines.len() + 2 >= HEIGHT {
            break;
        }
        if common(stuck) != heading {
            heading = common(stuck);
            wrap(&heading, 0, lines);
        }
        lines.push(format!("    {}", cut(&escape(&stuck.path), WIDTH - 4)));
        shown += 1;
    }
    let all: u64 = status.tenancies.iter().map(|tenancy| tenancy.parked + tenancy.uncertain).sum();
    match all.saturating_sub(shown as u64) {
        0 => {}
        more => lines.push(format!("    and {}", plural(more, "more publication"))),
    }
}

/// Rows under headings, numbers to the right; what does not fit is taken from the first column. Further lines stand
/// indented below their row.
fn grid<const N: usize>(headings: [&str; N], rows: &[Row<N>], lines: &mut Vec<String>) {
    let is_number = |cell: &str| !cell.is_empty() && cell.bytes().all(|byte| byte.is_ascii_digit());
    let right: [bool; N] = std::array::from_fn(|column| rows.iter().all(|(cells, _)| is_number(&cells[column])));
    let mut all = vec![headings.map(str::to_owned)];
    all.extend(rows.iter().map(|(cells, _)| cells.each_ref().map(|cell| escape(cell).into_owned())));
    let mut widths: [usize; N] =
        std::array::from_fn(|column| all.iter().map(|cells| cells[column].chars().count()).max().unwrap_or(0));
    let others: usize = widths[1..].iter().map(|width| width + 2).sum();
    widths[0] = widths[0].min(WIDTH.saturating_sub(others).max(LEAST));
    let below = std::iter::once(&[][..]).chain(rows.iter().map(|(_, below)| &below[..]));
    for (cells, below) in all.iter().zip(below) {
        let padded: [String; N] = std::array::from_fn(|column| {
            let (cell, width) = (cut(&cells[column], widths[column]), widths[column]);
            if right[column] { format!("{cell:>width$}") } else { format!("{cell:<width$}") }
        });
        lines.push(padded.join("  ").trim_end().to_owned());
        for line in below {
            wrap(line, 4, lines);
        }
    }
}

/// At most `width` characters: an ellipsis stands for what was taken from the middle, because the ends of a path say
/// most.
fn cut(text: &str, width: usize) -> String {
    let n = text.chars().count();
    if n <= width {
        return text.to_owned();
    }
    let tail = width.saturating_sub(1) * 2 / 3;
    let head = width.saturating_sub(1 + tail);
    let start: String = text.chars().take(head).collect();
    let end: String = text.chars().skip(n - tail).collect();
    format!("{start}…{end}")
}

/// Text broken at spaces, every line indented.
fn wrap(text: &str, indent: usize, lines: &mut Vec<String>) {
    let mut line = String::new();
    for word in escape(text).split(' ') {
        let full = indent + line.chars().count() + 1 + word.chars().count() > WIDTH;
        if full && !line.is_empty() {
            lines.push(format!("{:indent$}{line}", ""));
            line.clear();
        }
        if !line.is_empty() {
            line.push(' ');
        }
        line.push_str(word);
    }
    lines.push(format!("{:indent$}{line}", ""));
}

#[cfg(test)]
mod tests {
    use super::*;

    fn printed(status: &Status) -> String {
        let mut bytes = Vec::new();
        let mut output = Output::to(&mut bytes);
        show(status, Path::new("/etc/droptrail/config.toml"), &mut output).expect("printed");
        output.finish().expect("flushed");
        String::from_utf8(bytes).expect("UTF-8")
    }

    fn full() -> Status {
        let long = "/Very/long/".to_owned() + &"x".repeat(90) + "/end";
        Status {
            account: Some("dbid:AAH4f99T0taONIb-OurWxbNQ6ywGRopQngc".into()),
            running: true,
            process: Some(4711),
            links: vec![
                Link {
                    folder: long.clone(),
                    tenancy: "a-longer-name".into(),
                    state: "folder-missing".into(),
                    files: 1_234_567,
                    skipped: [("excluded".to_owned(), 12), ("symlink".to_owned(), 3)].into(),
                    configured: false,
                },
                Link {
                    folder: "/A\n\u{202e}B".into(),
                    tenancy: "acme".into(),
                    state: "watching".into(),
                    files: 2,
                    skipped: Default::default(),
                    configured: true,
                },
            ],
            tenancies: vec![Tenancy {
                name: "a-longer-name".into(),
                state: "database-behind".into(),
                held_until: Some("2026-03-01T04:05:06.000Z".into()),
                pending: 1_234_567,
                in_flight: 8,
                confirmed: 9_876_543,
                parked: 12,
                configured: true,
                ..Tenancy::default()
            }],
            conditions: vec![Condition {
                code: Code::DatabaseBehind.to_string(),
                subject: "a-longer-name".into(),
                since: "2026-03-01T04:05:06.789Z".into(),
                text: "the newest record ".repeat(8),
            }],
            stuck: (0..10)
                .map(|n| Stuck {
                    tenancy: "acme".into(),
                    path: format!("{long}{n}"),
                    state: "parked".into(),
                    reason: Some("the ledger answered 400".into()),
                })
                .collect(),
        }
    }

    #[test]
    fn one_screen_of_80_by_24_says_it_all() {
        let text = printed(&full());
        assert!(text.lines().count() <= 24, "{text}");
        assert!(text.lines().all(|line| line.chars().count() <= 80), "{text}");
        for part in [
            "running (process 4711)",
            "Dropbox account dbid:AAH4f99T0taONIb-OurWxbNQ6ywGRopQngc",
            "1234567",
            "skipped: 12 excluded, 3 symlink",
            "no longer in the configuration",
            "waits until 2026-03-01 04:05:06Z, 8 in flight",
            "9876543",
            "database-behind (a-longer-name) since 2026-03-01 04:05:06Z",
            "what to do: stop the daemon and put the newest copy",
            "parked in acme: the ledger answered 400\n    /Very",
            "…xxx",
            "/end0\n",
            "more publications",
        ] {
            assert!(text.contains(part), "{part:?} is missing:\n{text}");
        }
    }

    #[test]
    fn no_name_can_forge_a_line_or_turn_one_around() {
        let text = printed(&full());
        assert!(text.contains("/A\\n\\u{202e}B"), "{text}");
        assert!(text.chars().all(|c| c == '\n' || !crate::observe::is_unsafe(c)));
    }

    #[test]
    fn what_is_missing_is_said_with_the_mend() {
        let empty = Status {
            account: None,
            running: false,
            process: None,
            links: Vec::new(),
            tenancies: Vec::new(),
            conditions: Vec::new(),
            stuck: Vec::new(),
        };
        let text = printed(&empty);
        for part in ["NOT running", "account not known yet", "add a [[link]] to /etc/droptrail", "add a [[tenancy]]"] {
            assert!(text.contains(part), "{part:?} is missing:\n{text}");
        }
    }

    #[test]
    fn the_exit_status_tells_health_from_trouble_and_from_no_daemon() {
        let mut status = full();
        assert_eq!(status.exit(), 4);
        status.running = false;
        assert_eq!(status.exit(), 3, "that it does not run comes first");
        status.conditions.clear();
        assert_eq!(status.exit(), 3);
        status.running = true;
        assert_eq!(status.exit(), 0);
    }
}

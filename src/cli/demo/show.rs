//! What the demo shows: a bar for the first pass, then a line for each record, and a summary.

use std::io::IsTerminal as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::cli::state::plural;
use crate::cli::{Failure, Output};
use crate::config::Config;
use crate::daemon::{Notice, NoticeKind};
use crate::observe::escape;
use crate::store::report::Report;

/// Records of the first pass that are listed one by one; the rest is counted.
const LISTED: usize = 12;
/// Without a terminal there is a line instead of a bar, so often.
const LINE: Duration = Duration::from_secs(5);

pub(super) struct Show {
    out: Output,
    bar: ProgressBar,
    url: String,
    folder: PathBuf,
    began: Instant,
    last_line: Instant,
    first: Vec<Notice>,
    registered: u64,
    published: u64,
}

impl Show {
    pub fn new(url: &str, folder: &Path) -> Result<Show, Failure> {
        let bar = ProgressBar::new(0);
        bar.set_draw_target(if std::io::stderr().is_terminal() {
            ProgressDrawTarget::stderr()
        } else {
            ProgressDrawTarget::hidden()
        });
        let style = ProgressStyle::with_template("{bar:40} {pos} of {len} recorded, {elapsed}")
            .unwrap_or_else(|_| ProgressStyle::default_bar());
        bar.set_style(style);
        let mut show = Show {
            out: Output::stdout(),
            bar,
            url: url.to_owned(),
            folder: folder.to_owned(),
            began: Instant::now(),
            last_line: Instant::now(),
            first: Vec::new(),
            registered: 0,
            published: 0,
        };
        show.say(&format!("recording {} on a ledger of its own at {url}", folder.display()))?;
        Ok(show)
    }

    /// A line for people.
    pub fn say(&mut self, text: &str) -> Result<(), Failure> {
        self.out.line(&escape(text))?;
        self.out.flush()
    }

    /// How far the first pass is.
    pub fn progress(&mut self, done: u64, total: u64) {
        self.bar.set_length(total);
        self.bar.set_position(done);
        if self.bar.is_hidden() && self.last_line.elapsed() > LINE {
            self.last_line = Instant::now();
            let _ = self.say(&format!("{done} of {total} recorded"));
        }
    }

    /// A record of the first pass.
    pub fn count(&mut self, notice: Notice) -> Result<(), Failure> {
        self.tally(&notice);
        if self.first.len() < LISTED {
            self.first.push(notice);
        }
        Ok(())
    }

    /// The first pass is over.
    pub fn passed(&mut self) -> Result<(), Failure> {
        self.bar.finish_and_clear();
        for notice in std::mem::take(&mut self.first) {
            self.line(&notice)?;
        }
        let more = (self.registered + self.published).saturating_sub(LISTED as u64);
        if more > 0 {
            self.say(&format!("… and {more} more"))?;
        }
        if self.registered + self.published == 0 {
            self.say("everything here is recorded already")?;
        }
        self.out.flush()
    }

    /// A record made later.
    pub fn record(&mut self, notice: &Notice) -> Result<(), Failure> {
        self.tally(notice);
        self.line(notice)?;
        self.out.flush()
    }

    fn tally(&mut self, notice: &Notice) {
        match notice.kind {
            NoticeKind::Registered => self.registered += 1,
            NoticeKind::Published => self.published += 1,
        }
    }

    fn line(&mut self, notice: &Notice) -> Result<(), Failure> {
        let what = match notice.kind {
            NoticeKind::Registered => "registered",
            NoticeKind::Published => "published ",
        };
        self.out.line(&format!("{what} version {} of {}", notice.document_version, escape(&notice.path)))?;
        self.out.line(&format!("           SHA-256 {}", notice.document_hash_value))?;
        self.out.line(&format!("           {}/archivist/publicassets/{}", self.url, notice.asset))
    }

    /// What to try now.
    pub fn invite(&mut self) -> Result<(), Failure> {
        let folder = self.folder.display().to_string();
        self.say("")?;
        self.say("Now change or add a file there, in another terminal:")?;
        self.say(&format!("  echo hello >> {}", shell_word(&format!("{folder}/hello.txt"))))?;
        self.say("Each change becomes a record here within a moment. Ctrl-C ends the demo.")?;
        self.say("")
    }

    /// The last words.
    pub fn summary(&mut self, config: &Config, kept: bool) -> Result<(), Failure> {
        self.bar.finish_and_clear();
        let seconds = self.began.elapsed().as_secs_f64();
        let report = Report::open(&config.state_dir).ok().flatten();
        let tenancies = report.and_then(|report| report.tenancies().ok()).unwrap_or_default();
        let confirmed: u64 = tenancies.iter().map(|tenancy| tenancy.counts.confirmed).sum();
        let (registered, published) = (self.registered, self.published);
        self.say(&format!(
            "{} registered and {} published in {seconds:.1} s; {} committed by the ledger in all",
            plural(registered, "file"),
            plural(published, "change"),
            plural(confirmed, "record")
        ))?;
        let state = config.state_dir.parent().unwrap_or(&config.state_dir);
        if kept {
            self.say(&format!("everything is kept in {}", state.display()))?;
        }
        self.out.flush()
    }
}

/// A path as one word of a shell.
fn shell_word(text: &str) -> String {
    format!("'{}'", text.replace('\'', "'\\''"))
}

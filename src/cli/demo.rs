//! `droptrail demo [FOLDER]`: sandbox, ledger and the very same daemon on one local folder, with nothing to set up.
//! Shows each record as it is made; `--once` walks through the whole story by itself and says whether it was true.

mod samples;
mod show;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use tokio::sync::mpsc;

use self::show::Show;
use super::stage::{Stage, StageOptions};
use super::{Failure, Global, run, verify};
use crate::config::{self, Config, Environment};
use crate::daemon::{self, Notice, NoticeKind, Options, Signal};
use crate::observe;
use crate::store::report::Report;

/// Options of `demo`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The folder to record; a fresh one with a few sample files if left out
    #[arg(value_name = "FOLDER")]
    folder: Option<PathBuf>,
    /// Record what is there, change one file, verify one by its content, and end
    #[arg(long)]
    once: bool,
    /// Keep everything (identities, ledger, database) in this directory; started on it again, nothing is recorded twice
    #[arg(long, value_name = "DIR")]
    state: Option<PathBuf>,
    /// Where the simulated services listen; loopback only
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:0")]
    listen: SocketAddr,
    /// Faults to suffer on the way: see docs/faults.md
    #[arg(long, value_name = "FILE")]
    faults: Option<PathBuf>,
}

/// `--once` gives up when nothing was recorded for so long.
const STUCK: Duration = Duration::from_secs(120);
/// How often the state of things is looked at.
const LOOK: Duration = Duration::from_millis(100);

/// Runs the command.
///
/// # Errors
/// 2: the folder or the state cannot be used. 1: something failed, and is said.
pub fn run(args: Args, _global: &Global) -> Result<ExitCode, Failure> {
    if !args.listen.ip().is_loopback() {
        return Err(Failure::person(format!("--listen {}: the demo listens on loopback addresses only", args.listen)));
    }
    let home = Home::make(&args)?;
    let runtime = tokio::runtime::Runtime::new()
        .map_err(|error| Failure::transient(format!("the runtime cannot start: {error}")))?;
    let end = runtime.block_on(perform(&args, &home));
    runtime.shutdown_timeout(Duration::from_millis(500));
    end.map(|()| ExitCode::SUCCESS)
}

/// Where the demo lives; a temporary state goes with it.
struct Home {
    state: PathBuf,
    folder: PathBuf,
    /// We made the folder, so that we may change files in it.
    ours: bool,
    temporary: bool,
}

impl Home {
    fn make(args: &Args) -> Result<Home, Failure> {
        use std::os::unix::fs::DirBuilderExt as _;
        let refuse = |path: &Path, error: std::io::Error| Failure::person(format!("{}: {error}", path.display()));
        let (state, temporary) = match &args.state {
            Some(state) => (state.clone(), false),
            None => (std::env::temp_dir().join(format!("droptrail-demo-{}", uuid::Uuid::new_v4())), true),
        };
        let mut builder = std::fs::DirBuilder::new();
        builder.recursive(true).mode(0o700).create(&state).map_err(|error| refuse(&state, error))?;
        let state = state.canonicalize().map_err(|error| refuse(&state, error))?;
        let home = |folder, ours| Home { state: state.clone(), folder, ours, temporary };
        let Some(folder) = &args.folder else {
            let home = home(state.join("files"), true);
            samples::make(&home.folder).map_err(|error| refuse(&home.folder, error))?;
            return Ok(home);
        };
        let folder = folder.canonicalize().map_err(|error| refuse(folder, error))?;
        if !folder.is_dir() {
            return Err(Failure::person(format!("{}: not a folder", folder.display())));
        }
        if state.starts_with(&folder) {
            return Err(Failure::person(format!("--state {}: must not be inside the folder", state.display())));
        }
        Ok(home(folder, false))
    }
}

impl Drop for Home {
    fn drop(&mut self) {
        if self.temporary {
            let _ = std::fs::remove_dir_all(&self.state);
        }
    }
}

async fn perform(args: &Args, home: &Home) -> Result<(), Failure> {
    let mut interrupts = run::signals().map_err(|error| Failure::transient(format!("cannot take signals: {error}")))?;
    let stage = Stage::open(StageOptions {
        listen: args.listen,
        faults: args.faults.clone(),
        ..StageOptions::new(&home.folder, &home.state)
    })
    .await?;
    stage.ready().await?;
    let config = config::load(&stage.config)?;
    observe::start(&config::Log { level: "error".into(), ..config.log.clone() });
    let (signals, taken) = mpsc::channel(4);
    let (told, mut notices) = mpsc::channel(256);
    let file = stage.config.clone();
    let options = Options {
        signals: taken,
        reload: Box::new(move || config::load(&file)),
        environment: Environment::default(),
        notices: Some(told),
    };
    let mut daemon = tokio::spawn(daemon::run(config.clone(), options));
    let mut show = Show::new(&stage.url, &home.folder)?;
    let story = async {
        first_pass(&config, &mut notices, &mut show).await?;
        if args.once {
            once(home, &stage, &config, &mut notices, &mut show).await
        } else {
            show.invite()?;
            while let Some(notice) = notices.recv().await {
                show.record(&notice)?;
            }
            Ok(())
        }
    };
    let told = tokio::select! {
        told = story => told,
        _ = interrupts.recv() => Ok(()),
        ended = &mut daemon => return Err(match ended {
            Ok(Err(failure)) => run::explain(failure),
            _ => Failure::transient("the daemon ended by itself"),
        }),
    };
    let _ = signals.send(Signal::Stop).await;
    notices.close();
    let ended = daemon.await;
    show.summary(&config, !home.temporary)?;
    stage.close().await;
    told?;
    match ended {
        Ok(Ok(())) => Ok(()),
        Ok(Err(failure)) => Err(run::explain(failure)),
        Err(error) => Err(Failure::transient(format!("the daemon failed: {error}"))),
    }
}

/// How far things are: waiting (hashing, sending, confirming), done, and stuck for good.
struct Progress {
    listed: bool,
    waiting: u64,
    done: u64,
    stuck: u64,
}

fn progress(config: &Config) -> Progress {
    let mut progress = Progress { listed: false, waiting: 0, done: 0, stuck: 0 };
    let Ok(Some(report)) = Report::open(&config.state_dir) else { return progress };
    progress.listed =
        report.links().is_ok_and(|links| !links.is_empty() && links.iter().all(|l| l.state == "watching"));
    for tenancy in report.tenancies().unwrap_or_default() {
        let counts = tenancy.counts;
        progress.waiting += counts.pending + counts.in_flight + counts.uncertain + counts.recorded;
        progress.done += counts.confirmed;
        progress.stuck += counts.parked + counts.unreadable;
    }
    progress
}

/// Until everything that was there when the demo began is recorded.
async fn first_pass(config: &Config, notices: &mut mpsc::Receiver<Notice>, show: &mut Show) -> Result<(), Failure> {
    let mut advanced = Instant::now();
    let mut last = 0;
    loop {
        while let Ok(notice) = notices.try_recv() {
            show.count(notice)?;
        }
        let now = progress(config);
        show.progress(now.done, now.done + now.waiting);
        if now.listed && now.waiting == 0 {
            return show.passed();
        }
        if now.done != last {
            (advanced, last) = (Instant::now(), now.done);
        }
        if advanced.elapsed() > STUCK {
            let why = conditions(config);
            return Err(Failure::transient(format!("nothing was recorded for {} s{why}", STUCK.as_secs())));
        }
        tokio::time::sleep(LOOK).await;
    }
}

fn conditions(config: &Config) -> String {
    let report = Report::open(&config.state_dir).ok().flatten();
    let conditions = report.and_then(|report| report.conditions().ok()).unwrap_or_default();
    conditions.iter().map(|condition| format!("; {}: {}", condition.code, condition.text)).collect()
}

/// The rest of the story: a change becomes a Publish event, and a copy under another name is found by its content.
async fn once(
    home: &Home,
    stage: &Stage,
    config: &Config,
    notices: &mut mpsc::Receiver<Notice>,
    show: &mut Show,
) -> Result<(), Failure> {
    let fail = |error: std::io::Error| Failure::transient(format!("the demo's own file: {error}"));
    // Somebody else's files are not ours to change: there the demo brings one of its own.
    let file = samples::subject(&home.folder, home.ours);
    if !home.ours {
        show.say(&format!("adding a file of the demo's own: {}", file.display()))?;
        samples::write(&file).map_err(fail)?;
        await_record(config, notices, show, NoticeKind::Registered, &file).await?;
    }
    show.say(&format!("changing {}", file.display()))?;
    samples::append(&file).map_err(fail)?;
    await_record(config, notices, show, NoticeKind::Published, &file).await?;
    let copy = home.state.join("the-same-content-under-another-name.bin");
    std::fs::copy(&file, &copy).map_err(fail)?;
    show.say("verifying a copy of it under another name, by its content alone")?;
    let global = Global { config: stage.config.clone() };
    let checked = tokio::task::spawn_blocking(move || verify::run(verify::Args::of(copy), &global)).await;
    let found = checked.map_err(|error| Failure::transient(format!("verify failed: {error}")))??;
    if !home.ours {
        std::fs::remove_file(&file).map_err(fail)?;
    }
    if found == ExitCode::SUCCESS { Ok(()) } else { Err(Failure::transient("the copy was not found on the ledger")) }
}

/// Waits for the record of one file, and until the ledger has committed everything.
async fn await_record(
    config: &Config,
    notices: &mut mpsc::Receiver<Notice>,
    show: &mut Show,
    kind: NoticeKind,
    file: &Path,
) -> Result<(), Failure> {
    let name = file.file_name().unwrap_or_default().to_string_lossy().to_lowercase();
    let stuck = || Failure::transient(format!("no record of {} came{}", file.display(), conditions(config)));
    let wait = async {
        loop {
            let notice = notices.recv().await.ok_or_else(stuck)?;
            show.record(&notice)?;
            if notice.kind == kind && notice.path.to_lowercase().ends_with(&name) {
                break;
            }
        }
        while progress(config).waiting > 0 {
            tokio::time::sleep(LOOK).await;
        }
        Ok(())
    };
    tokio::time::timeout(STUCK, wait).await.map_err(|_| stuck())?
}

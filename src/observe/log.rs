//! Starts logging and changes it later: text or JSON lines on standard error, or the journal's native protocol. Reads
//! `$JOURNAL_STREAM`; writes to standard error and the journal.

use std::sync::OnceLock;

use tracing::Subscriber;
use tracing_journald::{Priority, PriorityMappings};
use tracing_subscriber::field::MakeExt as _;
use tracing_subscriber::fmt::{self, MakeWriter};
use tracing_subscriber::layer::{Layered, SubscriberExt as _};
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::{EnvFilter, Layer, Registry, reload};

use super::escaping::Escaping;
use super::text::show_paths;
use crate::config::{Log, LogFormat};

type Filtered = Layered<reload::Layer<EnvFilter, Registry>, Registry>;
type Output<S> = Box<dyn Layer<S> + Send + Sync>;

struct Handles {
    filter: reload::Handle<EnvFilter, Registry>,
    output: reload::Handle<Output<Filtered>, Filtered>,
}

/// `None`: this process logs through a subscriber that is not ours.
static HANDLES: OnceLock<Option<Handles>> = OnceLock::new();

/// Starts logging as `[log]` says. Called again, as at a reload, it changes level, format and paths of what runs.
pub fn start(log: &Log) {
    show_paths(log.paths);
    let mut fresh = false;
    let handles = HANDLES.get_or_init(|| {
        fresh = true;
        let (filter, filter_handle) = reload::Layer::new(filter(&log.level));
        let (output, output_handle) = reload::Layer::new(output(log.format));
        let subscriber = tracing_subscriber::registry().with(filter).with(output);
        // Fails only if somebody else, a test harness say, has set one already.
        let set = tracing::subscriber::set_global_default(subscriber);
        set.ok().map(|()| Handles { filter: filter_handle, output: output_handle })
    });
    if let Some(handles) = handles.as_ref().filter(|_| !fresh) {
        let _ = handles.output.reload(output(log.format));
        let _ = handles.filter.reload(filter(&log.level));
    }
}

/// Changes the level of the running log: a level name or directives, as `log.level`.
pub fn set_level(level: &str) {
    if let Some(Some(handles)) = HANDLES.get() {
        // Fails only if the subscriber is gone, and then there is nothing to change.
        let _ = handles.filter.reload(filter(level));
    }
}

/// Whether a word is a level: off, error, warn, info, debug or trace.
pub fn is_level(word: &str) -> bool {
    ["off", "error", "warn", "info", "debug", "trace"].contains(&word)
}

/// Whether a text is a list of filter directives.
pub fn is_filter(text: &str) -> bool {
    EnvFilter::builder().with_regex(false).parse(text).is_ok()
}

/// A bare level is meant for droptrail; libraries are then heard from warnings on. What cannot be read means `info`.
fn filter(level: &str) -> EnvFilter {
    let directives = match level {
        "off" | "error" => level.to_owned(),
        level if is_level(level) => format!("warn,droptrail={level}"),
        level => level.to_owned(),
    };
    let parse = |text: &str| EnvFilter::builder().with_regex(false).parse(text);
    parse(&directives).unwrap_or_else(|_| EnvFilter::builder().parse_lossy("warn,droptrail=info"))
}

fn output<S>(format: LogFormat) -> Output<S>
where
    S: Subscriber + for<'a> LookupSpan<'a>,
{
    match format {
        LogFormat::Auto => journal().unwrap_or_else(|| text(std::io::stderr)),
        LogFormat::Text => text(std::io::stderr),
        LogFormat::Json => json(std::io::stderr),
    }
}

/// The journal, if standard error leads there.
fn journal<S>() -> Option<Output<S>>
where
    S: Subscriber + for<'a> LookupSpan<'a>,
{
    let stream = std::env::var("JOURNAL_STREAM").ok()?;
    let stat = rustix::fs::fstat(std::io::stderr()).ok()?;
    if !is_stream(&stream, stat.st_dev, stat.st_ino) {
        return None;
    }
    let priorities =
        PriorityMappings { info: Priority::Informational, debug: Priority::Debug, ..PriorityMappings::new() };
    // With the default prefix MESSAGE_ID would arrive as F_MESSAGE_ID, and the catalog would never be found.
    let journal = tracing_journald::layer().ok()?.with_field_prefix(None).with_priority_mappings(priorities);
    Some(Box::new(Escaping(journal.with_syslog_identifier("droptrail".into()))))
}

/// Whether `$JOURNAL_STREAM` (`device:inode`, decimal, systemd.exec(5)) names this file.
fn is_stream(stream: &str, device: u64, inode: u64) -> bool {
    stream.split_once(':').is_some_and(|(d, i)| d.parse() == Ok(device) && i.parse() == Ok(inode))
}

/// Lines for people: time, level, words, then the fields that are not a machine's.
fn text<S, W>(writer: W) -> Output<S>
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    W: for<'w> MakeWriter<'w> + Send + Sync + 'static,
{
    let fields = fmt::format::debug_fn(|writer, field, value| match field.name() {
        "message" => write!(writer, "{value:?}"),
        name => {
            let value = format!("{value:?}");
            let plain = !value.is_empty() && !value.contains([' ', '"', '=']);
            if plain {
                write!(writer, "{name}={value}")
            } else {
                write!(writer, "{name}=\"{}\"", value.replace('"', "\\\""))
            }
        }
    });
    let layer = fmt::layer().with_ansi(false).with_target(false).log_internal_errors(false);
    Box::new(Escaping(layer.fmt_fields(fields.delimited(" ")).with_writer(writer)))
}

/// One JSON object a line.
fn json<S, W>(writer: W) -> Output<S>
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    W: for<'w> MakeWriter<'w> + Send + Sync + 'static,
{
    let layer = fmt::layer().json().flatten_event(true).with_current_span(false).with_span_list(false);
    Box::new(Escaping(layer.log_internal_errors(false).with_writer(writer)))
}

#[cfg(test)]
#[path = "log_tests.rs"]
mod tests;

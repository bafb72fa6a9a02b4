//! Each observable happening, defined once: log line, fields, `MESSAGE_ID`. Starts logging; touches the journal and
//! standard error, nothing else.

mod text;

pub use text::{escape, excerpt, is_unsafe, path, show_paths};

/// Whether a word is a level: off, error, warn, info, debug or trace.
pub fn is_level(word: &str) -> bool {
    ["off", "error", "warn", "info", "debug", "trace"].contains(&word)
}

/// Whether the text is a list of filter directives.
pub fn is_filter(text: &str) -> bool {
    tracing_subscriber::EnvFilter::builder().with_regex(false).parse(text).is_ok()
}

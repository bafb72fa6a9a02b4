//! Each observable happening, defined once: log line, fields, `MESSAGE_ID`. Starts logging; touches the journal,
//! standard error and systemd's notification socket, nothing else.

mod condition;
mod escaping;
mod happening;
pub mod kind;
mod log;
pub mod notify;
mod text;

pub use condition::{Code, UnknownCode};
pub use happening::Happening;
pub use log::{is_filter, is_level, set_level, start};
pub use text::{escape, excerpt, is_unsafe, path, show_paths};

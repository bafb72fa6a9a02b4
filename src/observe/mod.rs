//! Each observable happening, defined once: log line, fields, `MESSAGE_ID`. Starts logging; touches the journal and
//! standard error, nothing else.

//! What systemd is told, and what it asks for. Without `$NOTIFY_SOCKET` every call does nothing. Touches that socket
//! only; a message that cannot be delivered is dropped, because the daemon's work matters more.

use std::time::Duration;

use sd_notify::NotifyState;

use super::text::excerpt;

/// Longest status line, in characters.
const STATUS: usize = 400;

/// `READY=1`: started, or done with a reload.
pub fn ready() {
    send(&[NotifyState::Ready]);
}

/// `STATUS=`: one line that says how things stand.
pub fn status(text: &str) {
    send(&[NotifyState::Status(&excerpt(text, STATUS))]);
}

/// `STOPPING=1`.
pub fn stopping() {
    send(&[NotifyState::Stopping]);
}

/// `RELOADING=1` with the `MONOTONIC_USEC` that systemd 253 and newer want beside it (sd_notify(3)).
pub fn reloading() {
    match NotifyState::monotonic_usec_now() {
        Ok(now) => send(&[NotifyState::Reloading, now]),
        Err(_) => send(&[NotifyState::Reloading]),
    }
}

/// `WATCHDOG=1`: real progress was made.
pub fn watchdog() {
    send(&[NotifyState::Watchdog]);
}

/// How often [`watchdog`] is expected, if it is (`$WATCHDOG_USEC`, `$WATCHDOG_PID`). Notify at half of it.
pub fn watchdog_interval() -> Option<Duration> {
    sd_notify::watchdog_enabled().filter(|interval| !interval.is_zero())
}

fn send(state: &[NotifyState<'_>]) {
    let _ = sd_notify::notify(state);
}

//! `files/list_folder/longpoll`: the doorbell. Waits without holding anything; rings when something in the cursor's folder
//! changed.

use std::sync::Arc;
use std::time::Duration;

use axum::response::Response;
use http::StatusCode;
use serde_json::json;

use super::args::Args;
use super::files;
use super::listing::Lister;
use super::reply::{self, Refusal};
use super::server::{App, Call};

/// A random extra wait at most; Dropbox's own is up to 90 s.
const JITTER: Duration = Duration::from_millis(500);

/// Answers when there is something to fetch, or at the time-out.
pub async fn longpoll(app: &Arc<App>, call: &Call) -> Result<Response, Refusal> {
    let mut args = Args::parse(&call.route, &call.arg)?;
    let text = args.required("cursor")?;
    let timeout = args.number("timeout", 30..=480)?.unwrap_or(30);
    args.finish()?;
    let cursor = files::cursor(app, call, &text)?;
    files::refuse_cursor(app, call)?;
    let strike = |fault: &str| app.script.strike(fault, &call.route);
    let backoff = strike("backoff").map(|strike| strike.value.map_or(5, super::mangle::number));
    let answer = |changes: bool| {
        let mut body = json!({"changes": changes});
        if let Some(seconds) = backoff {
            body["backoff"] = json!(seconds);
        }
        Ok(reply::json(StatusCode::OK, &body))
    };
    if let Some(strike) = strike("spurious_ring") {
        tokio::time::sleep(Duration::from_secs_f64(strike.value.unwrap_or(0.0).clamp(0.0, 1e6))).await;
        return answer(true);
    }
    let anywhere = strike("imprecise_ring").is_some();
    let deaf = strike("missed_ring").is_some();
    let rename_breaks = strike("rename_breaks").is_some();
    let end = tokio::time::sleep(Duration::from_secs(timeout) + JITTER.mul_f64(rand::random()));
    tokio::pin!(end);
    let mut newest = app.newest.clone();
    loop {
        newest.borrow_and_update();
        if !deaf {
            let cursor = cursor.clone();
            let rings =
                app.read(move |app, db| Lister { db, bulk: app.bulk, cache: &app.cache, rename_breaks }.rings(&cursor));
            if rings.await?.map_err(reply::broken)? {
                return answer(true);
            }
        }
        tokio::select! {
            () = &mut end => return answer(false),
            changed = newest.changed() => if changed.is_err() {
                // The scanner has ended: nothing will ever ring.
                end.as_mut().await;
                return answer(false);
            } else if anywhere {
                return answer(true);
            },
        }
    }
}

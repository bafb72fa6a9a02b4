//! What a review of the daemon found, each fault as the promise that it broke: on the ledger's side and on Dropbox's.

use serde_json::Value;

use crate::support::{Proxy, Recorded, Stage};

mod dropbox;
mod ledger;

/// Sends all that the daemon asks of Dropbox through here.
fn through_proxy(stage: &mut Stage) -> Proxy {
    let proxy = Proxy::start(stage.sandbox.url());
    let url = proxy.url().to_owned();
    stage.configure(|conf| conf.dropbox_url = url);
    proxy
}

/// Sends all that the daemon asks of the ledger through here.
fn ledger_through_proxy(stage: &mut Stage) -> Proxy {
    let proxy = Proxy::start(stage.sandbox.url());
    let url = proxy.url().to_owned();
    stage.configure(|conf| conf.tenancies[0].url = url);
    proxy
}

/// The object in an answer; `None` while it has not come whole.
fn answered(request: &Recorded) -> Option<Value> {
    let text = String::from_utf8_lossy(&request.answer).into_owned();
    let (_, body) = text.split_once("\r\n\r\n")?;
    serde_json::from_str(&body[body.find('{')?..=body.rfind('}')?]).ok()
}

/// How often a condition began, in all runs so far.
fn began(stage: &Stage, code: &str) -> usize {
    let over = format!("{code}: over");
    let begins = |line: &&str| line.contains(code) && !line.contains(&over) && line.contains("WARN");
    stage.log_text().lines().filter(begins).count()
}

fn present(stage: &Stage, code: &str) -> bool {
    stage.database().conditions().iter().any(|present| present == code)
}

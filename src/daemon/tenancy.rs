//! One tenancy's side of a shift: connects, then publishes, settles and confirms until the shift ends. One tenancy's
//! trouble never holds back another.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::task::JoinSet;

use super::connect::{Check, check};
use super::context::Context;
use super::desk::{Desk, End, Proven};
use super::session::{Stamp, stamp, wait_for_change};
use super::{confirmer, publisher, settler};
use crate::config::{self, Tenancy as Configured};
use crate::datatrails::{Client, Error, Kind, Settings};
use crate::observe::{Code, Happening};
use crate::store::Tenancy;

/// Runs until the shift ends.
pub(super) async fn run(context: Context, configured: Configured, row: Tenancy) {
    let Some(account) = context.known_account().await else { return };
    let mut backoff = context.backoff();
    let proven = Arc::new(Mutex::new(Proven {
        own: row.own_listing,
        public: row.public_listing,
        identity: row.tenant_identity.clone(),
    }));
    loop {
        let file = configured.client_secret_file.clone();
        let known = stamp(&file);
        let client = match client(&context, &configured) {
            Ok(client) => client,
            Err(text) => {
                context.conditions.begin(Code::LedgerSecretRefused, &row.name, text).await;
                let _ = context.store.tenancy_state(row.id, "secret-refused", None).await;
                wait_for_change(&context, &file, known).await;
                if context.stop.is_cancelled() {
                    return;
                }
                continue;
            }
        };
        let desk = Desk::new(context.clone(), client, &row, &account, proven.clone());
        let refused = match connect(&desk, &mut backoff).await {
            Some(Ok(())) => {
                backoff.reset();
                match work(&desk).await {
                    End::Over => return,
                    End::Secret(error) => error,
                    End::Differs(text) => {
                        context.conditions.begin(Code::TenancyDiffers, &row.name, text).await;
                        desk.state("tenancy-differs", None).await;
                        wait_for_replacement(&context, &file, known).await;
                        if context.stop.is_cancelled() {
                            return;
                        }
                        continue;
                    }
                }
            }
            Some(Err(error)) => error,
            None => return,
        };
        let wait = backoff.next(Some(context.config.retry.initial));
        context.conditions.begin(Code::LedgerSecretRefused, &row.name, refused.to_string()).await;
        desk.state("secret-refused", Some(wait)).await;
        tokio::select! {
            () = wait_for_change(&context, &file, known) => {}
            going = context.pause(wait) => if !going { return },
        }
        if stamp(&file) != known {
            Happening::SecretChanged { tenancy: &row.name }.emit();
        }
        if context.stop.is_cancelled() {
            return;
        }
    }
}

/// Waits until the secret file is another one, or the shift ends: nothing else can make a tenancy the right one.
async fn wait_for_replacement(context: &Context, file: &std::path::Path, known: Stamp) {
    while !context.stop.is_cancelled() && stamp(file) == known {
        wait_for_change(context, file, known).await;
    }
}

fn client(context: &Context, configured: &Configured) -> Result<Client, String> {
    let secret =
        config::read_secret(&configured.client_secret_file, &context.environment).map_err(|error| error.to_string())?;
    Client::new(Settings {
        url: configured.url.clone(),
        credentials: Some((configured.client_id.clone(), secret)),
        timeout: configured.timeout,
        ca_file: configured.ca_file.clone(),
    })
    .map_err(|error| error.to_string())
}

/// Makes sure, before anything is published, that the database knows what the ledger shows. `None`: the shift is over.
/// `Some(Err)`: the secret was refused.
async fn connect(desk: &Desk, backoff: &mut crate::retry::Backoff) -> Option<Result<(), Error>> {
    let conditions = &desk.context.conditions;
    let held = [Code::DatabaseBehind, Code::TenancyDiffers, Code::RecordsNotFound, Code::LedgerNotFound];
    loop {
        let checked = tokio::select! {
            () = desk.context.stop.cancelled() => return None,
            checked = check(desk) => checked,
        };
        let wait = match checked {
            Ok(Check::Known) => {
                conditions.end_all(&held, &desk.name).await;
                desk.reached().await;
                desk.state("ok", None).await;
                return Some(Ok(()));
            }
            Ok(Check::Held { code, state, text }) => {
                for other in held.iter().filter(|other| **other != code) {
                    conditions.end(*other, &desk.name).await;
                }
                desk.reached().await;
                conditions.begin(code, &desk.name, text).await;
                let wait = backoff.next(Some(Duration::from_secs(1)));
                desk.state(state, Some(wait)).await;
                wait
            }
            Err(error) if error.kind == Kind::Unauthorized => return Some(Err(error)),
            Err(error) => {
                let wait = backoff.next(error.floor());
                desk.context.say_waiting(&desk.name, wait, &error.to_string());
                conditions.begin(Code::LedgerUnreachable, &desk.name, error.to_string()).await;
                desk.state("unreachable", Some(wait)).await;
                wait
            }
        };
        if !desk.context.pause(wait).await {
            return None;
        }
    }
}

/// Publishes, settles and confirms.
async fn work(desk: &Desk) -> End {
    let stop = desk.context.stop.child_token();
    let mut child = desk.clone();
    child.context.stop = stop.clone();
    let mut tasks: JoinSet<End> = JoinSet::new();
    tasks.spawn(publisher::run(child.clone()));
    tasks.spawn(settler::run(child.clone()));
    tasks.spawn(confirmer::run(child));
    let mut end = End::Over;
    while let Some(ended) = tasks.join_next().await {
        match ended {
            Ok(End::Over) => {}
            // The others finish what is in flight before the tenancy starts over.
            Ok(refused) => {
                end = refused;
                stop.cancel();
            }
            Err(panic) => std::panic::resume_unwind(panic.into_panic()),
        }
    }
    end
}

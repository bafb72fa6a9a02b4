//! The settler of one tenancy: looks up what has an unknown outcome, until the ledger has answered.
//!
//! "Absent" is believed only after `publish.settle` of answered look-ups, on a monotonic clock that begins with the first
//! of them, anew after a restart; and only of a listing that shows the tenancy's newest record. The tenancy's own listing
//! counts once it has shown a record of ours; the public one shows committed records only.

use std::collections::HashMap;
use std::time::Duration;

use tokio::time::Instant;

use super::hasher::sleep_until;
use super::lookup::{Seen, look, shows_newest};
use super::publisher::announce;
use super::tenancy::{Desk, End};
use crate::datatrails::{Error, Kind, View};
use crate::observe::{Code, Happening};
use crate::store::{self, Publication, PublicationId, Recorded};

/// Look-ups follow each other after at least, and at most, this.
const SOONEST: Duration = Duration::from_millis(100);
const LATEST: Duration = Duration::from_secs(10);

/// The look-ups of one publication so far, in this run.
struct Case {
    began: Instant,
    own_since: Option<Instant>,
    public_since: Option<Instant>,
    wait: Duration,
    next: Instant,
}

/// What came of a round of look-ups.
enum Verdict {
    Found(Recorded, View, Option<String>),
    Absent,
    /// Absent as far as can be told in a tenancy that has shown nothing yet and has no public listing.
    Blind,
    Open,
}

/// Runs until the shift ends.
pub(super) async fn run(desk: Desk) -> End {
    let mut work = desk.context.work.subscribe();
    let mut nudge = desk.context.nudge.subscribe();
    let stop = desk.context.stop.clone();
    let mut cases: HashMap<PublicationId, Case> = HashMap::new();
    loop {
        work.mark_unchanged();
        let wake = match round(&desk, &mut cases).await {
            Ok(wake) => wake,
            Err(error) => {
                desk.context.conditions.store_failed(&error).await;
                Some(Instant::now() + Duration::from_secs(1))
            }
        };
        tokio::select! {
            () = stop.cancelled() => return End::Over,
            _ = work.changed() => {}
            _ = nudge.changed() => cases.values_mut().for_each(|case| case.next = Instant::now()),
            () = sleep_until(wake) => {}
        }
    }
}

/// A request whose end could not be written down: as after a crash, its outcome is unknown. Tried until the database
/// takes it, because nothing else may be decided about it before.
pub(super) async fn doubt(desk: &Desk, id: PublicationId) {
    let (desk, stop) = (desk.clone(), desk.context.stop.clone());
    tokio::spawn(async move {
        while !stop.is_cancelled() {
            let written = desk.context.store.unknown(id, "its end could not be written down".into()).await;
            if written.is_ok() {
                desk.context.ring();
                return;
            }
            desk.context.pause(Duration::from_secs(1)).await;
        }
    });
}

/// Looks up what is due; gives when the next one is.
async fn round(desk: &Desk, cases: &mut HashMap<PublicationId, Case>) -> store::Result<Option<Instant>> {
    let uncertain = desk.context.store.uncertain(desk.id, 1024).await?;
    cases.retain(|id, _| uncertain.iter().any(|publication| publication.id == *id));
    let settle = desk.context.config.publish.settle;
    for publication in &uncertain {
        let now = Instant::now();
        let case = cases.entry(publication.id).or_insert(Case {
            began: now,
            own_since: None,
            public_since: None,
            wait: SOONEST,
            next: now,
        });
        if case.next > now || desk.context.stop.is_cancelled() {
            continue;
        }
        let verdict = tokio::select! {
            () = desk.context.stop.cancelled() => return Ok(None),
            verdict = examine(desk, publication, case) => verdict,
        };
        case.wait = (case.wait * 2).clamp(SOONEST, (settle / 8).clamp(SOONEST, LATEST));
        case.next = Instant::now() + case.wait;
        close(desk, publication, verdict).await?;
    }
    note(desk, cases).await;
    Ok(cases.values().map(|case| case.next).min())
}

/// Writes a verdict down.
async fn close(desk: &Desk, publication: &Publication, verdict: Verdict) -> store::Result<()> {
    let (tenancy, row) = (desk.name.as_str(), publication.id.row());
    match verdict {
        Verdict::Open => return Ok(()),
        Verdict::Found(record, view, identity) => {
            desk.context.store.recorded(publication.id, record.clone()).await?;
            desk.prove(view == View::Own, view == View::Public, identity.as_deref()).await;
            Happening::Resolved { tenancy, publication: row, how: "it was made: a look-up found it" }.emit();
            announce(desk, publication, &record).await;
        }
        Verdict::Absent => {
            desk.context.store.absent(publication.id).await?;
            Happening::Resolved { tenancy, publication: row, how: "it was not made: no listing shows it" }.emit();
        }
        Verdict::Blind => {
            desk.context.store.absent(publication.id).await?;
            let how = "no listing can be used yet: it is sent again, and a duplicate is possible (give the integration \
                       the permission to read)";
            Happening::Uncertain { tenancy, publication: row, why: how }.emit();
        }
    }
    desk.context.ring();
    Ok(())
}

/// One round of look-ups for one publication.
async fn examine(desk: &Desk, publication: &Publication, case: &mut Case) -> Verdict {
    let settle = desk.context.config.publish.settle;
    let own = look(desk, View::Own, publication).await;
    if let Ok(Seen::Found { record, identity }) = own {
        return Verdict::Found(record, View::Own, identity);
    }
    note_answer(&own, &mut case.own_since);
    let proven = desk.proven();
    let elapsed = |since: Option<Instant>| since.map_or(Duration::ZERO, |since| since.elapsed());
    let own_answered = matches!(own, Ok(Seen::Absent));
    if proven.own && own_answered && elapsed(case.own_since) >= settle && believes(desk, View::Own).await {
        return Verdict::Absent;
    }
    let public = look(desk, View::Public, publication).await;
    if let Ok(Seen::Found { record, identity }) = public {
        return Verdict::Found(record, View::Public, identity);
    }
    let answered = matches!(public, Ok(Seen::Absent)) && (proven.public || !proven.any());
    if matches!(public, Ok(Seen::Unclear)) {
        case.public_since = None;
    } else {
        note_answer(&public, &mut case.public_since);
    }
    if answered && elapsed(case.public_since) >= settle && believes(desk, View::Public).await {
        return Verdict::Absent;
    }
    let no_public = matches!(&public, Err(error) if refused(error));
    if !proven.any() && no_public && own_answered && elapsed(case.own_since) >= settle * 2 && alone(desk).await {
        return Verdict::Blind;
    }
    Verdict::Open
}

/// A view that is not there or may not be asked, as against one that did not answer this time.
fn refused(error: &Error) -> bool {
    matches!(error.kind, Kind::NotFound | Kind::Forbidden | Kind::Unauthorized | Kind::Refused | Kind::Invalid)
}

/// The clock of a listing begins with its first answer.
fn note_answer(answer: &Result<Seen, Error>, since: &mut Option<Instant>) {
    if answer.is_ok() && since.is_none() {
        *since = Some(Instant::now());
    }
}

async fn believes(desk: &Desk, view: View) -> bool {
    shows_newest(desk, view).await.unwrap_or(false)
}

/// Whether nothing of this tenancy was ever recorded.
async fn alone(desk: &Desk) -> bool {
    matches!(desk.context.store.newest_record(desk.id).await, Ok(None))
}

/// Says so where look-ups cannot tell for long.
async fn note(desk: &Desk, cases: &HashMap<PublicationId, Case>) {
    let long = desk.context.config.publish.settle * 2;
    let lasting = cases.values().filter(|case| case.began.elapsed() > long).count();
    if lasting > 0 {
        let text = format!("{lasting} records of {} may have been made or not; no listing can tell yet", desk.name);
        desk.context.conditions.begin(Code::PublicationsUncertain, &desk.name, text).await;
    } else {
        desk.context.conditions.end(Code::PublicationsUncertain, &desk.name).await;
    }
}

//! The settler of one tenancy: looks up what has an unknown outcome, until the ledger has answered.
//!
//! "Absent" is believed only after `publish.settle` of answered look-ups, on a monotonic clock that runs only between
//! answers, anew after a restart; and only of a listing that shows the tenancy's newest record. The tenancy's own listing
//! counts once it has shown a record of ours. The public one shows committed records only, so that a committer that stalls
//! looks like absence: unless it shows a record that was made later, it must say so for longer.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use tokio::time::Instant;

use super::desk::{Desk, End, Setback, may_not_ask};
use super::hasher::sleep_until;
use super::lookup::{Seen, look, shows_newest};
use crate::datatrails::{Error, Kind, View};
use crate::observe::{Code, Happening};
use crate::store::{self, Publication, PublicationId, Recorded};

/// Look-ups follow each other after at least, and at most, this.
const SOONEST: Duration = Duration::from_millis(100);
const LATEST: Duration = Duration::from_secs(10);

/// The public listing is believed without a later record only after so many times `settle`.
const PATIENCE: u32 = 3;

/// How long a listing has been answering without showing the record. Time in which it did not answer does not count.
#[derive(Default)]
struct Clock {
    last: Option<Instant>,
    total: Duration,
}

impl Clock {
    fn note(&mut self, answered: bool) {
        let now = Instant::now();
        self.total += self.last.filter(|_| answered).map_or(Duration::ZERO, |last| now - last);
        self.last = answered.then_some(now);
    }
}

/// The look-ups for one request so far, in this run. A publication that was sent again is another case: what was answered
/// about the request before says nothing about this one.
struct Case {
    /// When the request was marked in flight.
    sent_at: Option<String>,
    began: Instant,
    own: Clock,
    public: Clock,
    /// The public listing has answered something: it is there.
    public_is_there: bool,
    wait: Duration,
    next: Instant,
}

/// What came of a round of look-ups.
enum Verdict {
    Found(Recorded, View, Option<String>),
    Absent,
    /// Absent as far as can be told in a tenancy that has shown nothing yet and has no public listing.
    Blind,
    /// The client secret was refused.
    Secret(Error),
    Open,
}

/// Runs until the shift ends or the secret is refused.
pub(super) async fn run(desk: Desk) -> End {
    let mut work = desk.context.work.subscribe();
    let mut nudge = desk.context.nudge.subscribe();
    let stop = desk.context.stop.clone();
    let mut cases = HashMap::new();
    let mut resent = HashSet::new();
    loop {
        work.mark_unchanged();
        let wake = match round(&desk, &mut cases, &mut resent).await {
            Ok(wake) => wake,
            Err(Setback::Secret(error)) => return End::Secret(error),
            Err(Setback::Store(error)) => {
                desk.context.conditions.store_failed(&error).await;
                Some(Instant::now() + Duration::from_secs(1))
            }
        };
        tokio::select! {
            () = stop.cancelled() => return End::Over,
            _ = work.changed() => {}
            _ = nudge.changed() => cases.values_mut().for_each(|case: &mut Case| case.next = Instant::now()),
            () = sleep_until(wake) => {}
        }
    }
}

/// A request whose end could not be written down: as after a crash, its outcome is unknown. Tried until the database
/// takes it, because nothing else may be decided about it before.
pub(super) fn doubt(desk: &Desk, id: PublicationId) {
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
async fn round(
    desk: &Desk,
    cases: &mut HashMap<PublicationId, Case>,
    resent: &mut HashSet<PublicationId>,
) -> Result<Option<Instant>, Setback> {
    let uncertain = desk.context.store.uncertain(desk.id, 1024).await?;
    cases.retain(|id, case| uncertain.iter().any(|now| now.id == *id && now.sent_at == case.sent_at));
    let settle = desk.context.config.publish.settle;
    for publication in &uncertain {
        let now = Instant::now();
        let case = cases.entry(publication.id).or_insert_with(|| Case {
            sent_at: publication.sent_at.clone(),
            began: now,
            own: Clock::default(),
            public: Clock::default(),
            public_is_there: false,
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
        match verdict {
            Verdict::Secret(error) => return Err(Setback::Secret(error)),
            // Once: a ledger that acts on every request and answers none would collect duplicates.
            Verdict::Blind if !resent.insert(publication.id) => {}
            verdict => {
                let closed = !matches!(verdict, Verdict::Open);
                close(desk, publication, verdict).await?;
                if closed {
                    cases.remove(&publication.id);
                }
            }
        }
    }
    note(desk, cases).await;
    Ok(cases.values().map(|case| case.next).min())
}

/// Writes a verdict down.
async fn close(desk: &Desk, publication: &Publication, verdict: Verdict) -> store::Result<()> {
    let (tenancy, row) = (desk.name.as_str(), publication.id.row());
    match verdict {
        Verdict::Open | Verdict::Secret(_) => return Ok(()),
        Verdict::Found(record, view, identity) => {
            desk.context.store.recorded(publication.id, record.clone()).await?;
            desk.prove(view == View::Own, view == View::Public, identity.as_deref()).await;
            Happening::Resolved { tenancy, publication: row, how: "it was made: a look-up found it" }.emit();
            desk.announce(publication, &record).await;
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
    let proven = desk.proven();
    let own = match look(desk, View::Own, publication).await {
        Ok(Seen::Found { record, identity }) => return Verdict::Found(record, View::Own, identity),
        Err(error) if error.kind == Kind::Unauthorized => return Verdict::Secret(error),
        own => own,
    };
    let own_answered = matches!(own, Ok(Seen::Absent));
    case.own.note(own_answered);
    if proven.own && own_answered && case.own.total >= settle && shows_newest(desk, View::Own).await.unwrap_or(false) {
        return Verdict::Absent;
    }
    let public = match look(desk, View::Public, publication).await {
        Ok(Seen::Found { record, identity }) => return Verdict::Found(record, View::Public, identity),
        public => public,
    };
    case.public_is_there |= public.is_ok();
    let answered = matches!(public, Ok(Seen::Absent)) && (proven.public || !proven.any());
    case.public.note(answered);
    let enough = if later_record(desk, publication).await { settle } else { settle * PATIENCE };
    if answered && case.public.total >= enough && shows_newest(desk, View::Public).await.unwrap_or(false) {
        return Verdict::Absent;
    }
    if let (Err(own), Err(_)) = (&own, &public)
        && !may_not_ask(View::Own, own)
    {
        desk.failed(own).await;
    }
    let no_own = matches!(&own, Err(error) if may_not_ask(View::Own, error));
    let no_public = !case.public_is_there && matches!(&public, Err(error) if may_not_ask(View::Public, error));
    let waited = case.own.total >= settle * 2 || (no_own && case.began.elapsed() >= settle * 2);
    if !proven.any() && no_public && waited && nothing_recorded(desk).await {
        return Verdict::Blind;
    }
    Verdict::Open
}

/// Whether this tenancy has recorded something after this request left: a listing that shows that one has had time.
async fn later_record(desk: &Desk, publication: &Publication) -> bool {
    let newest = desk.context.store.newest_record(desk.id).await.ok().flatten();
    newest.and_then(|newest| newest.recorded_at) > publication.sent_at
}

/// Whether nothing of this tenancy was ever recorded.
async fn nothing_recorded(desk: &Desk) -> bool {
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

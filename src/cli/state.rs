//! What the commands that look at a state share: opening the database beside a daemon or without one, saying what is
//! wrong with it, and showing times. Writes nothing.

use std::fs::File;
use std::io::ErrorKind;
use std::path::Path;

use super::Failure;
use crate::store::report::Report;
use crate::store::{Error, FILE_NAME, OpenError};

/// The database in `state_dir`, to read; `None` where no daemon has made one yet.
///
/// # Errors
/// A person must act where it is foreign, newer, damaged or not readable by this user; else it may heal.
pub(super) fn report(state_dir: &Path) -> Result<Option<Report>, Failure> {
    let path = state_dir.join(FILE_NAME);
    match File::open(&path).and_then(|file| file.metadata()) {
        // Made by a process that has not written to it yet.
        Ok(file) if file.is_file() && file.len() == 0 => Ok(None),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) if error.kind() == ErrorKind::PermissionDenied => {
            Err(Failure::person(format!("cannot read {}: permission denied", path.display()))
                .hint("run this as the user that the daemon runs as, or as root"))
        }
        _ => Ok(Report::open(state_dir)?),
    }
}

impl From<OpenError> for Failure {
    fn from(error: OpenError) -> Failure {
        let message = error.to_string();
        match error {
            OpenError::Foreign(_) => Failure::person(message)
                .hint("correct state_dir, or put the database back; it is never replaced by an empty one"),
            OpenError::Newer(..) => Failure::person(message).hint("run the newer droptrail that wrote it"),
            OpenError::Damaged(..) => Failure::person(message).hint("stop the daemon and put back a backup"),
            OpenError::Unusable(..) => {
                Failure::transient(message).hint("see to the disk and to permissions, try again")
            }
        }
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Failure {
        let message = format!("reading {FILE_NAME} in state_dir: {error}");
        match error {
            Error::Damaged => Failure::person(message).hint("stop the daemon and put back a backup"),
            _ => Failure::transient(message).hint("see to the disk and to permissions, try again"),
        }
    }
}

/// An RFC 3339 time of the database for people: to the second, UTC. Anything else stays as it is.
pub(super) fn time(text: &str) -> String {
    match text.parse::<jiff::Timestamp>() {
        Ok(time) => time.strftime("%Y-%m-%d %H:%M:%SZ").to_string(),
        Err(_) => text.to_owned(),
    }
}

/// `1 file`, `2 files`.
pub(super) fn plural(n: u64, one: &str) -> String {
    if n == 1 { format!("1 {one}") } else { format!("{n} {one}s") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_shown_to_the_second_and_what_is_no_time_stays() {
        assert_eq!(time("2026-03-01T04:05:06.789Z"), "2026-03-01 04:05:06Z");
        assert_eq!(time("2026-03-01T04:05:06+02:00"), "2026-03-01 02:05:06Z");
        assert_eq!(time("soon"), "soon");
    }

    #[test]
    fn only_what_may_heal_by_itself_ends_with_1() {
        let path = || "/state/droptrail.db".into();
        for (error, status) in [
            (OpenError::Foreign(path()), 2),
            (OpenError::Newer(path(), 9), 2),
            (OpenError::Damaged(path(), "x".into()), 2),
            (OpenError::Unusable(path(), "busy".into()), 1),
        ] {
            let failure = Failure::from(error);
            assert_eq!(failure.status, status, "{}", failure.message);
            assert!(failure.message.contains("/state/droptrail.db") && failure.hint.is_some());
        }
        assert_eq!(Failure::from(Error::Damaged).status, 2);
        assert_eq!(Failure::from(Error::Sqlite("busy".into())).status, 1);
    }
}

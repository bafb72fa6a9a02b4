//! The kinds of message that the daemon gives, each with its name, its level, its `MESSAGE_ID` and the text that a
//! message catalog shows. Ids are for ever: people search the journal by them. Pure data.

use tracing::Level;

/// A kind of message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Kind {
    /// Stable name, kebab-case.
    pub name: &'static str,
    /// `MESSAGE_ID` in the journal: 32 lower-case hex digits, drawn at random once.
    pub id: &'static str,
    /// How loud.
    pub level: Level,
    /// What happened, and what a person is to do.
    pub catalog: &'static str,
}

macro_rules! kinds {
    ($($constant:ident, $name:literal, $level:ident, $id:literal, $catalog:literal;)*) => {
        $(
            #[doc = $catalog]
            pub const $constant: Kind = Kind { name: $name, id: $id, level: Level::$level, catalog: $catalog };
        )*
        /// Every kind, conditions aside (`Code::ALL` has those).
        pub const ALL: &[Kind] = &[$($constant),*];
    };
}

kinds! {
    STARTED, "started", INFO, "2289ae116b92a633e3dcff0187672a4f",
        "The daemon has started and is ready. Nothing to do.";
    STOPPING, "stopping", INFO, "ee43bb8b04a681f28d11ec467fd60a9a",
        "The daemon was told to stop: it lets requests in flight finish and goes. Nothing to do.";
    RELOADED, "reloaded", INFO, "2a0c25b013d1ef468436169d47c0f437",
        "The configuration was read again and is in force. Nothing to do.";
    RELOAD_REFUSED, "reload-refused", ERROR, "b084d1a08b3c31728a068cc9b08262e0",
        "The configuration that was read again is not valid; the old one stays in force. Mend the place that the \
         message names and reload again.";
    NEEDS_RESTART, "needs-restart", WARN, "1c4ecd4b46d7473a95c3ed317b047f02",
        "A key was changed that a reload cannot apply; its old value stays in force. Restart the daemon.";
    FOLDER_LISTED, "folder-listed", INFO, "71248d0deb2977714bf552861f278801",
        "A linked folder has been listed completely. Nothing to do.";
    REGISTERED, "registered", DEBUG, "9222396119461f5f7d6fa8d5042a125f",
        "A new file has its public asset on the ledger. Nothing to do.";
    PUBLISHED, "published", DEBUG, "0ab1912bcdf951330e561cc4001d6efc",
        "A new version of a file is on the ledger as an event. Nothing to do.";
    CONFIRMED, "confirmed", INFO, "888453601c46b09fc029075702980c58",
        "The ledger has committed records. Nothing to do.";
    CONDITION_ENDED, "condition-ended", INFO, "9cc15c9f80443dd1d4106f071d694b6d",
        "A trouble that was reported earlier is over. Nothing to do.";
    WAITING, "waiting", INFO, "8c4e56508047332d15c9e67b9af5149a",
        "A service asked for patience or could not be reached; the daemon goes on by itself at the time named. \
         Nothing to do, unless it lasts.";
    UNCERTAIN, "uncertain", INFO, "8655463b9675866ec69efc7bb640614c",
        "Whether a record was made is not known (a connection broke, say). The daemon looks it up before it sends \
         anything again. Nothing to do, unless it lasts.";
    RESOLVED, "resolved", INFO, "70361f3669b897ca84846a0f80162759",
        "It is known by now whether an uncertain record was made. Nothing to do.";
    DUPLICATE_FOUND, "duplicate-found", ERROR, "5fbf9faffad1fb25a3cd509996461da8",
        "The ledger has more than one asset for one file; the oldest is used from now on. Records are for ever, so \
         nothing can be undone; report how it came about.";
    FAILED, "failed", ERROR, "b7d632ff9fa04381ec0e982f0ed94fdb",
        "The ledger has answered that a record has FAILED; the daemon makes it again. If it happens often, ask \
         whoever runs the ledger.";
    PARKED, "parked", WARN, "05e43f2b3aac867d6824f7e171c2b3d9",
        "A record cannot be made and no repetition would help, for the reason named. Mend the cause; it is tried \
         again at a reload (SIGHUP).";
    UNREADABLE, "unreadable", WARN, "6d1c0c979a3e6b07b22c7d9b57bef8a7",
        "The content of a version can no longer be read, so this version is not recorded; the next one will be. \
         Nothing can be done about the past version.";
    SKIPPED, "skipped", INFO, "c7cc3198b738ed520621b9779ddfa05d",
        "Files were passed over for the reason named, for example because Dropbox offers no download of them. \
         Nothing to do, unless they should be recorded.";
    HELD, "held", WARN, "daaefff58cd89539442b98a8b8875508",
        "A listing would register more files than publish.hold_above, so nothing is published yet. Publishing is \
         for ever: if it is meant, run droptrail approve with the folder.";
    APPROVED, "approved", INFO, "af40d4f4d16089e958d5f84e2d73c429",
        "A person has let a held folder publish. Nothing to do.";
    SECRET_CHANGED, "secret-changed", INFO, "dd9498e92b78208c54ef4b6d6a6df3d0",
        "The secret of a tenancy has changed on disk and is used from now on. Nothing to do.";
    SUMMARY, "summary", INFO, "473ab8d4f6f4380cb630635ac851772b",
        "How things stand, as asked for by a signal or at the end of a pass. Nothing to do.";
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;
    use crate::observe::Code;

    #[test]
    fn every_message_id_is_32_lower_case_hex_digits_and_no_two_are_alike() {
        let ids: Vec<&str> =
            ALL.iter().map(|kind| kind.id).chain(Code::ALL.iter().map(|code| code.message_id())).collect();
        for id in &ids {
            assert_eq!(id.len(), 32, "{id}");
            assert!(id.bytes().all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte)), "{id}");
        }
        assert_eq!(ids.iter().collect::<HashSet<_>>().len(), ids.len());
        assert_eq!(ALL.iter().map(|kind| kind.name).collect::<HashSet<_>>().len(), ALL.len());
    }

    #[test]
    fn ids_that_people_may_have_written_down_have_not_changed() {
        assert_eq!(STARTED.id, "2289ae116b92a633e3dcff0187672a4f");
        assert_eq!(DUPLICATE_FOUND.id, "5fbf9faffad1fb25a3cd509996461da8");
    }
}

//! Conditions: troubles that last. Each has a stable code, shown alike by status, journal and metrics, and says what it
//! means and what mends it. Pure data.

use std::fmt;
use std::str::FromStr;

macro_rules! codes {
    ($($variant:ident, $code:literal, $id:literal, $meaning:literal, $mend:literal;)*) => {
        /// The stable code of a condition.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum Code {
            $(
                #[doc = $meaning]
                $variant,
            )*
        }

        impl Code {
            /// Every code.
            pub const ALL: &[Code] = &[$(Code::$variant),*];

            /// The code as it is stored and shown, kebab-case.
            pub fn as_str(self) -> &'static str {
                match self { $(Code::$variant => $code),* }
            }

            /// `MESSAGE_ID` of the message that says that the condition began.
            pub fn message_id(self) -> &'static str {
                match self { $(Code::$variant => $id),* }
            }

            /// What it means, as half a sentence.
            pub fn meaning(self) -> &'static str {
                match self { $(Code::$variant => $meaning),* }
            }

            /// What a person is to do, as half a sentence.
            pub fn mend(self) -> &'static str {
                match self { $(Code::$variant => $mend),* }
            }
        }
    };
}

codes! {
    DropboxNotConnected, "dropbox-not-connected", "f6e835c9b258586e2c51b4c020ea22e0",
        "no Dropbox account is connected",
        "put a refresh token into dropbox.refresh_token_file (README, \"Setting it up\"); droptrail connect dropbox will do it in a later version";
    DropboxAccessRevoked, "dropbox-access-revoked", "abfe3d81a1defb05ccb1f859b8be2a1b",
        "Dropbox no longer accepts the stored access",
        "put a new refresh token into dropbox.refresh_token_file (README, \"Setting it up\"); the change is noticed (droptrail connect dropbox will do it in a later version)";
    DropboxAccountDiffers, "dropbox-account-differs", "08bf85cc07729b9ed58f87a942da1114",
        "the new access belongs to another Dropbox account than the database",
        "connect the account that the database names, or start with a fresh state_dir";
    DropboxUnreachable, "dropbox-unreachable", "f3327d7ea4b61097db224d733530e229",
        "Dropbox cannot be reached or does not answer as it should",
        "nothing, it is tried again; if it lasts, check network, proxy and dropbox.*_url";
    DropboxScopeMissing, "dropbox-scope-missing", "b9c0444b29357dc5057727d634ccf1c4",
        "the Dropbox app lacks a permission",
        "grant the permission in the app's settings, then get a new refresh token (README, \"Setting it up\")";
    DropboxAppRefused, "dropbox-app-refused", "cf4348b674c5323c6317bbd10886f7a7",
        "Dropbox refuses the app itself",
        "check dropbox.app_key and app_secret_file, and that the app is enabled";
    FolderMissing, "folder-missing", "2eaa55e70dba438cd9896222acca24bd",
        "Dropbox does not have the linked folder",
        "create it, or change the link; it is looked for by itself";
    FolderRenamed, "folder-renamed", "f3e054e97212e65e31a51909d0d713af",
        "the linked folder has another path by now; it is still followed by its id",
        "write the new path into the link";
    RootChanged, "root-changed", "9e45fdf6779381c127fe7237dc446244",
        "the account's root would now resolve differently; the stored one is kept",
        "set dropbox.root to the root that is meant";
    ListingStalled, "listing-stalled", "f37de9e8fb787ff8fa982005de417a92",
        "Dropbox says that there is more, but its cursor does not advance",
        "nothing, it is tried again; if it lasts, report it to Dropbox";
    PublicationsHeld, "publications-held", "beaa0d27c02b01f429b803117eb112a3",
        "a listing would register more files than publish.hold_above",
        "if it is meant, run droptrail approve FOLDER: publishing is for ever";
    WithdrawalsHeld, "withdrawals-held", "fc6f89ccffeac18bb448c5253517c5e7",
        "unusually many files went at once; their withdrawals wait",
        "if it is meant, let them go; withdrawing comes with a later version";
    LedgerUnreachable, "ledger-unreachable", "64001f000534502fff7b6e64bac1b115",
        "the ledger cannot be reached or does not answer as it should",
        "nothing, it is tried again; if it lasts, check network, proxy and the tenancy's url";
    LedgerQuota, "ledger-quota", "a2df13b04727d76f1a56957ebd4832fe",
        "the ledger's quota is used up",
        "raise the quota with whoever runs the ledger; a trial request is made now and then";
    LedgerForbidden, "ledger-forbidden", "bfab0a44f91c260b3d8388df74856e0b",
        "the ledger forbids this tenancy to publish",
        "give the custom integration the permission; a trial request is made now and then";
    LedgerSecretRefused, "ledger-secret-refused", "df946ee4220b378a40dc3e92f649e2fa",
        "the ledger refuses the tenancy's client id or secret",
        "put a valid secret into client_secret_file; the change is noticed";
    LedgerNotFound, "ledger-not-found", "2dade2575d6ab8829a2c5a11cef46d7c",
        "what answers at the tenancy's url has no DataTrails API",
        "correct the tenancy's url";
    RateLimited, "rate-limited", "76dba7833c82517c975b2bf49551973d",
        "a service asks for fewer requests",
        "nothing, requests wait until the time that it named";
    DatabaseBehind, "database-behind", "7bc5f708dfe10919dac0aa564272460b",
        "the ledger has a record of this account that the database does not know; nothing is published",
        "stop the daemon and put the newest copy of the database back (droptrail recover will rebuild it in a later version)";
    RecordsNotFound, "records-not-found", "9acfef449afa15aeb4c54661a18ece5d",
        "records that were made are not found on the ledger again",
        "nothing, they are looked up again; if it lasts, check that the integration may read";
    PublicationsParked, "publications-parked", "ab1c3eafc627afa8e0caec593d6d8ab3",
        "records cannot be made and no repetition would help",
        "see droptrail status for the reasons; mend them, then reload (SIGHUP)";
    PublicationsUncertain, "publications-uncertain", "79a674c815eb98f103b4ad2798c1a02e",
        "whether records were made is not known yet, and no look-up can tell",
        "give the custom integration the permission to read, or wait for the public listing";
    ContentUnreadable, "content-unreadable", "f64d1fea8d31c864263f03d1d6b7e250",
        "the content of some versions can no longer be read",
        "nothing for those versions; the next ones are recorded";
    DiskFull, "disk-full", "93eafccc2b41d9bf815411a578df7200",
        "the disk that holds state_dir is full",
        "make room; it goes on by itself";
    DatabaseDamaged, "database-damaged", "871b59a327797e343b0a3fb2b0da2428",
        "the database is damaged",
        "stop the daemon and put back its newest copy";
    ClockSkew, "clock-skew", "410f76908bddd0d244ad3515b23fe8cd",
        "this machine's clock is wrong",
        "set the clock, best by a time service";
    ConfigInvalid, "config-invalid", "eabb984428e7bc56b38a1c07dd2028ba",
        "the configuration is not valid; the old one stays in force",
        "mend the place that the message names and reload";
    NeedsRestart, "needs-restart", "efc1cc8b4add4dd9f08c7775edec6f5d",
        "a changed key takes a restart; its old value stays in force",
        "restart the daemon";
    TenancyDiffers, "tenancy-differs", "a21028537bd79567a9ce0236ed917e0f",
        "the tenancy's url or secret belongs to another tenancy than its records",
        "give a new name to the new tenancy, or put back the old url and client id";
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A text that is no condition's code.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("no condition has this code")]
pub struct UnknownCode;

impl FromStr for Code {
    type Err = UnknownCode;

    fn from_str(text: &str) -> Result<Code, UnknownCode> {
        Code::ALL.iter().copied().find(|code| code.as_str() == text).ok_or(UnknownCode)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_is_kebab_case_and_read_back_as_itself() {
        for code in Code::ALL {
            assert_eq!(code.as_str().parse(), Ok(*code));
            assert!(code.as_str().bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'-'), "{code}");
            assert!(!code.meaning().ends_with('.') && !code.mend().ends_with('.'), "{code}: half sentences");
        }
        assert_eq!(Code::ALL.len(), 29);
        assert_eq!("folder_missing".parse::<Code>(), Err(UnknownCode));
    }
}

//! What the daemon has to say, each thing once: its words, its fields, its level and its `MESSAGE_ID`. Callers make a
//! [`Happening`] and `emit` it; nobody else writes log lines for people. Touches only the log.

use jiff::Timestamp;

use super::condition::Code;
use super::kind;
use super::text::path as shown;

/// Something that an observer may want to know. Texts from elsewhere may be put in as they are: the log escapes them.
#[derive(Debug, Clone, Copy)]
#[allow(missing_docs, reason = "the fields are named for the words of ARCHITECTURE.md")]
pub enum Happening<'a> {
    /// The daemon is up.
    Started { version: &'a str, links: usize, tenancies: usize },
    /// The daemon goes down.
    Stopping,
    /// A new configuration is in force.
    Reloaded,
    /// A new configuration is not valid.
    ReloadRefused { error: &'a str },
    /// A changed key takes a restart.
    NeedsRestart { key: &'a str },
    /// A linked folder has been listed to its end.
    FolderListed { folder: &'a str, files: u64 },
    /// A new asset is recorded.
    Registered { tenancy: &'a str, asset: &'a str, path: &'a str },
    /// A new version is recorded.
    Published { tenancy: &'a str, asset: &'a str, event: &'a str, document_version: u64, path: &'a str },
    /// So many records have been committed since the last such summary.
    Confirmed { tenancy: &'a str, n: u64 },
    /// A condition is present from now on. `subject` is the folder or tenancy that it is about, if it is about one.
    ConditionBegan { code: Code, subject: &'a str, text: &'a str },
    /// A condition is no longer present.
    ConditionEnded { code: Code, subject: &'a str },
    /// Requests to a service wait.
    Waiting { service: &'a str, until: Timestamp, why: &'a str },
    /// A record's fate is unknown.
    Uncertain { tenancy: &'a str, publication: i64, why: &'a str },
    /// A record's fate is known again.
    Resolved { tenancy: &'a str, publication: i64, how: &'a str },
    /// There are several assets for one file.
    DuplicateFound { tenancy: &'a str, adopted: &'a str, others: &'a str },
    /// The ledger gave a record up.
    Failed { tenancy: &'a str, record: &'a str },
    /// A publication waits for a person.
    Parked { tenancy: &'a str, publication: i64, reason: &'a str },
    /// A version's content is lost.
    Unreadable { tenancy: &'a str, publication: i64, reason: &'a str },
    /// So many files of a folder were passed over for this reason.
    Skipped { folder: &'a str, reason: &'a str, n: u64 },
    /// A folder waits for approval.
    Held { folder: &'a str, n: u64 },
    /// A folder was approved.
    Approved { folder: &'a str },
    /// A secret was replaced.
    SecretChanged { tenancy: &'a str },
    /// How things stand.
    Summary { text: &'a str },
}

/// One event of a [`kind`]: its fields, then its words.
macro_rules! say {
    ($kind:expr, { $($field:ident = $value:expr),* }, $($words:tt)+) => {
        tracing::event!(target: "droptrail", $kind.level, MESSAGE_ID = $kind.id, $($field = $value,)* $($words)+)
    };
}

impl Happening<'_> {
    /// Tells the log.
    pub fn emit(&self) {
        match *self {
            Happening::Started { version, links, tenancies } => {
                let (l, t) = (plural(links as u64, "link"), plural(tenancies as u64, "tenancy"));
                say!(kind::STARTED, { VERSION = version, LINKS = links, TENANCIES = tenancies }, "droptrail {version} started: {l}, {t}");
                if links == 0 || tenancies == 0 {
                    say!(
                        kind::SUMMARY,
                        {},
                        "nothing is linked, so nothing is published: add a [[tenancy]] and a [[link]]"
                    );
                }
            }
            Happening::Stopping => say!(kind::STOPPING, {}, "stopping"),
            Happening::Reloaded => say!(kind::RELOADED, {}, "the configuration was read again and is in force"),
            Happening::ReloadRefused { error } => {
                say!(kind::RELOAD_REFUSED, { ERROR = error }, "the old configuration stays in force: {error}");
            }
            Happening::NeedsRestart { key } => {
                say!(
                    kind::NEEDS_RESTART,
                    { KEY = key },
                    "{key} was changed, which needs a restart; the old value stays in force"
                );
            }
            Happening::FolderListed { folder, files } => {
                let n = plural(files, "file");
                say!(kind::FOLDER_LISTED, { FOLDER = folder, FILES = files }, "{folder} is listed: {n}");
            }
            Happening::Registered { tenancy, asset, path } => {
                let path = shown(path);
                say!(kind::REGISTERED, { TENANCY = tenancy, ASSET = asset, FILE = display(&path) }, "{path} is registered in {tenancy} as {asset}");
            }
            Happening::Published { tenancy, asset, event, document_version, path } => {
                let path = shown(path);
                say!(
                    kind::PUBLISHED,
                    { TENANCY = tenancy, ASSET = asset, EVENT = event, DOCUMENT_VERSION = document_version, FILE = display(&path) },
                    "{path} version {document_version} is published in {tenancy} as {event}"
                );
            }
            Happening::Confirmed { tenancy, n } => {
                let records = plural(n, "record");
                say!(kind::CONFIRMED, { TENANCY = tenancy, RECORDS = n }, "{tenancy} has committed {records}");
            }
            Happening::ConditionBegan { code, subject, text } => began(code, subject, text),
            Happening::ConditionEnded { code, subject } => {
                let of = of(subject);
                say!(kind::CONDITION_ENDED, { CONDITION = code.as_str(), SUBJECT = subject }, "{code}{of}: over");
            }
            Happening::Waiting { service, until, why } => {
                say!(kind::WAITING, { SERVICE = service, RETRY_AT = display(until), REASON = why }, "{service}: waiting until {until}: {why}");
            }
            Happening::Uncertain { tenancy, publication, why } => {
                say!(
                    kind::UNCERTAIN,
                    { TENANCY = tenancy, PUBLICATION = publication, REASON = why },
                    "{tenancy}: whether publication {publication} was recorded is not known: {why}; it is looked up before it is sent again"
                );
            }
            Happening::Resolved { tenancy, publication, how } => {
                say!(kind::RESOLVED, { TENANCY = tenancy, PUBLICATION = publication }, "{tenancy}: publication {publication} is no longer uncertain: {how}");
            }
            Happening::DuplicateFound { tenancy, adopted, others } => {
                say!(
                    kind::DUPLICATE_FOUND,
                    { TENANCY = tenancy, ASSET = adopted, DUPLICATES = others },
                    "{tenancy}: one file has several assets; the oldest is used, {adopted}; the others are {others}"
                );
            }
            Happening::Failed { tenancy, record } => {
                say!(kind::FAILED, { TENANCY = tenancy, RECORD = record }, "{tenancy}: the ledger says that {record} has FAILED; it is made again");
            }
            Happening::Parked { tenancy, publication, reason } => {
                say!(
                    kind::PARKED,
                    { TENANCY = tenancy, PUBLICATION = publication, REASON = reason },
                    "{tenancy}: publication {publication} is parked: {reason}"
                );
            }
            Happening::Unreadable { tenancy, publication, reason } => {
                say!(
                    kind::UNREADABLE,
                    { TENANCY = tenancy, PUBLICATION = publication, REASON = reason },
                    "{tenancy}: publication {publication} cannot be made, its content can no longer be read: {reason}"
                );
            }
            Happening::Skipped { folder, reason, n } => {
                let files = plural(n, "file");
                say!(kind::SKIPPED, { FOLDER = folder, REASON = reason, FILES = n }, "{folder}: {files} skipped: {reason}");
            }
            Happening::Held { folder, n } => {
                let files = plural(n, "file");
                say!(
                    kind::HELD,
                    { FOLDER = folder, FILES = n },
                    "{folder}: {files} would be published for ever, more than publish.hold_above: run droptrail approve '{folder}' if that is meant"
                );
            }
            Happening::Approved { folder } => {
                say!(kind::APPROVED, { FOLDER = folder }, "{folder} is approved and publishes")
            }
            Happening::SecretChanged { tenancy } => {
                say!(
                    kind::SECRET_CHANGED,
                    { TENANCY = tenancy },
                    "{tenancy}: the client secret has changed and is used from now on"
                );
            }
            Happening::Summary { text } => say!(kind::SUMMARY, {}, "{text}"),
        }
    }
}

/// Each condition has a `MESSAGE_ID` of its own, so that the catalog can say what mends it.
fn began(code: Code, subject: &str, text: &str) {
    let (id, of, mend) = (code.message_id(), of(subject), code.mend());
    let text = if text.is_empty() { code.meaning() } else { text };
    tracing::event!(
        target: "droptrail",
        tracing::Level::WARN,
        MESSAGE_ID = id,
        CONDITION = code.as_str(),
        SUBJECT = subject,
        "{code}{of}: {text}: {mend}"
    );
}

fn of(subject: &str) -> String {
    if subject.is_empty() { String::new() } else { format!(" ({subject})") }
}

fn plural(n: u64, word: &str) -> String {
    match (n, word.strip_suffix('y')) {
        (1, _) => format!("1 {word}"),
        (_, Some(stem)) => format!("{n} {stem}ies"),
        (_, None) => format!("{n} {word}s"),
    }
}

//! Conditions: trouble that lasts, shown alike by status and log. Told once when it begins and once when it ends.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use crate::observe::{Code, Happening};
use crate::store::{Error, Store};

/// The conditions of this process. Cheap to clone.
#[derive(Debug, Clone)]
pub(super) struct Conditions {
    store: Store,
    present: Arc<Mutex<BTreeMap<(Code, String), String>>>,
    /// The database refused something of this: it shows less than there is, or more.
    stale: Arc<AtomicBool>,
}

impl Conditions {
    pub fn new(store: Store) -> Self {
        Conditions { store, present: Arc::default(), stale: Arc::default() }
    }

    /// It is so, as of now or still. Written and told only when that is new.
    pub async fn begin(&self, code: Code, subject: &str, text: impl Into<String>) {
        let text = text.into();
        let before = self.lock().insert((code, subject.to_owned()), text.clone());
        if before.is_none() {
            Happening::ConditionBegan { code, subject, text: &text }.emit();
        }
        if before.as_ref() != Some(&text) {
            // A full disk must not hide that it is full: the log has it, and memory.
            let written = self.store.condition_began(code.as_str(), subject, &text).await;
            self.stale.fetch_or(written.is_err(), Ordering::Relaxed);
        }
    }

    /// It is so no more.
    pub async fn end(&self, code: Code, subject: &str) {
        if self.lock().remove(&(code, subject.to_owned())).is_some() {
            Happening::ConditionEnded { code, subject }.emit();
            let written = self.store.condition_ended(code.as_str(), subject).await;
            self.stale.fetch_or(written.is_err(), Ordering::Relaxed);
        }
    }

    /// None of these is so any more.
    pub async fn end_all(&self, codes: &[Code], subject: &str) {
        for code in codes {
            self.end(*code, subject).await;
        }
    }

    /// Forgets what is about a subject that is configured no more.
    pub async fn forget_subjects(&self, keep: impl Fn(Code, &str) -> bool) {
        let stale: Vec<_> = self.lock().keys().filter(|(code, subject)| !keep(*code, subject)).cloned().collect();
        for (code, subject) in stale {
            self.end(code, &subject).await;
        }
    }

    /// The database could not be written, or can again.
    pub async fn store_failed(&self, error: &Error) {
        match error {
            Error::DiskFull => self.begin(Code::DiskFull, "", error.to_string()).await,
            Error::Damaged => self.begin(Code::DatabaseDamaged, "", error.to_string()).await,
            Error::Closed => {}
            // Whatever the reason, nothing can be written down: the same mend, and the text says why.
            _ => self.begin(Code::DiskFull, "", format!("nothing can be written down: {error}")).await,
        }
    }

    /// Writes again what the database refused, and so finds out whether it takes anything by now.
    pub async fn refresh(&self) {
        let disk_full = self.lock().contains_key(&(Code::DiskFull, String::new()));
        if !self.stale.load(Ordering::Relaxed) && !disk_full {
            return;
        }
        let present: Vec<_> = self.lock().iter().map(|(key, text)| (key.clone(), text.clone())).collect();
        let mut written = self.store.conditions_clear().await;
        for ((code, subject), text) in present.iter().filter(|((code, _), _)| *code != Code::DiskFull) {
            written = written.and(self.store.condition_began(code.as_str(), subject, text).await);
        }
        if disk_full {
            // Whether there is room shows only in a write.
            written = written.and(self.store.condition_began(Code::DiskFull.as_str(), "", "").await);
        }
        self.stale.store(written.is_err(), Ordering::Relaxed);
        if written.is_ok() {
            self.end(Code::DiskFull, "").await;
        }
    }

    /// What is present, for the status line: codes, with subjects where there are.
    pub fn summary(&self) -> String {
        let present = self.lock();
        let mut words: Vec<String> = present
            .keys()
            .map(|(code, subject)| if subject.is_empty() { code.to_string() } else { format!("{code} ({subject})") })
            .collect();
        words.dedup();
        words.join(", ")
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, BTreeMap<(Code, String), String>> {
        self.present.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

//! The tables of the configuration, one function each: which keys there are, what they default to, and what a value
//! must be. Only this file knows the keys.

use std::time::Duration;

use super::document::{Document, Keys, Section};
use super::links;
use super::values::{self, absolute_path, base_url, duration_in, identifier, only, positive, quoted, word};
use super::{Config, Dropbox, Environment, Error, Hash, Log, LogFormat, Names, Publish, Root, Tenancy};
use crate::retry::Policy;

const TOP: Keys = &["state_dir", "dropbox", "tenancy", "link", "publish", "retry", "log"];
const DROPBOX: Keys = &[
    "app_key",
    "refresh_token_file",
    "app_secret_file",
    "root",
    "api_url",
    "content_url",
    "notify_url",
    "www_url",
    "longpoll",
    "poll",
    "timeout",
    "ca_file",
];
const TENANCY: Keys = &["name", "url", "client_id", "client_secret_file", "timeout", "ca_file"];
const LINK: Keys = &["folder", "tenancy", "exclude"];
const PUBLISH: Keys = &["hash", "revisions", "on_delete", "names", "concurrency", "downloads", "settle", "hold_above"];
const RETRY: Keys = &["initial", "max"];
const LOG: Keys = &["level", "format", "paths"];

/// Every table (empty name: the document itself) and its keys.
#[cfg(test)]
pub(super) const ALL: &[(&str, Keys)] = &[
    ("", TOP),
    ("dropbox", DROPBOX),
    ("tenancy", TENANCY),
    ("link", LINK),
    ("publish", PUBLISH),
    ("retry", RETRY),
    ("log", LOG),
];

const SECOND: (Duration, &str) = (Duration::from_secs(1), "1s");
/// Dropbox accepts 30 to 480 seconds for a longpoll (`files/list_folder/longpoll`, `timeout`).
const LONGPOLL_LEAST: (Duration, &str) = (Duration::from_secs(30), "30s");
const LONGPOLL_MOST: (Duration, &str) = (Duration::from_secs(480), "8m");
/// Requests or downloads at a time.
const PARALLEL: std::ops::RangeInclusive<u64> = 1..=64;

/// Reads the whole document.
pub(super) fn config(document: &Document<'_>, env: &Environment) -> Result<Config, Error> {
    let table = document.table()?;
    let top = Section::open(document, "", TOP, table.get_ref(), 0..0)?;
    let state_dir = match top.text("state_dir", absolute_path)? {
        Some(path) => path,
        None => values::default_state_dir(env).map_err(|message| top.error("state_dir", message))?,
    };
    let dropbox = dropbox(&top.child("dropbox", DROPBOX)?, &state_dir, env)?;
    let mut tenancies: Vec<Tenancy> = Vec::new();
    for section in top.children("tenancy", TENANCY)? {
        let tenancy = tenancy(&section, &state_dir, env)?;
        if tenancies.iter().any(|other| other.name == tenancy.name) {
            let message = format!("{} is the name of another tenancy already: choose another", quoted(&tenancy.name));
            return Err(section.error("name", message));
        }
        // Records are told apart by tenancy: under two names each file would be registered twice, for ever.
        let same = |other: &&Tenancy| other.url == tenancy.url && other.client_id == tenancy.client_id;
        if let Some(other) = tenancies.iter().find(same) {
            let message = format!(
                "{} at this url is tenancy {} already: remove one of the two, or write the other integration's client id",
                quoted(&tenancy.client_id),
                quoted(&other.name)
            );
            return Err(section.error("client_id", message));
        }
        tenancies.push(tenancy);
    }
    let links = links::links(&top.children("link", LINK)?, &tenancies)?;
    Ok(Config {
        file: document.file.to_owned(),
        dropbox,
        tenancies,
        links,
        publish: publish(&top.child("publish", PUBLISH)?)?,
        retry: retry(&top.child("retry", RETRY)?)?,
        log: log(&top.child("log", LOG)?)?,
        state_dir,
    })
}

fn dropbox(section: &Section<'_>, state_dir: &std::path::Path, env: &Environment) -> Result<Dropbox, Error> {
    let url = |key, default| Ok(section.text(key, base_url)?.unwrap_or_else(|| dropbox_url(default)));
    let token = section.text("refresh_token_file", values::path)?;
    let secret = section.text("app_secret_file", values::path)?;
    Ok(Dropbox {
        app_key: section.required("app_key", "write the key of your Dropbox app", identifier)?,
        refresh_token_file: state_dir.join(token.unwrap_or_else(|| "dropbox.token".into())),
        app_secret_file: secret.map(|path| values::secret_path(&path, state_dir, env)),
        root: section.text("root", values::root)?.unwrap_or(Root::Auto),
        api_url: url("api_url", "https://api.dropboxapi.com")?,
        content_url: url("content_url", "https://content.dropboxapi.com")?,
        notify_url: url("notify_url", "https://notify.dropboxapi.com")?,
        www_url: url("www_url", "https://www.dropbox.com")?,
        longpoll: section
            .text("longpoll", duration_in(LONGPOLL_LEAST, Some(LONGPOLL_MOST)))?
            .unwrap_or(Duration::from_secs(120)),
        poll: section.text("poll", duration_in(SECOND, None))?.unwrap_or(Duration::from_secs(15 * 60)),
        timeout: section.text("timeout", positive)?.unwrap_or(Duration::from_secs(100)),
        ca_file: section.text("ca_file", absolute_path)?,
    })
}

fn dropbox_url(text: &str) -> url::Url {
    base_url(text).expect("the built-in addresses are valid")
}

fn tenancy(section: &Section<'_>, state_dir: &std::path::Path, env: &Environment) -> Result<Tenancy, Error> {
    let name = section.required("name", "choose a name, for example \"acme\"", values::tenancy_name)?;
    let secret = section.required(
        "client_secret_file",
        "name the file that holds the client secret, for example \"acme.secret\"",
        values::path,
    )?;
    Ok(Tenancy {
        name,
        url: section.required(
            "url",
            "write the ledger's base URL, for example \"https://app.datatrails.ai\"",
            base_url,
        )?,
        client_id: section.required("client_id", "write the client id of the custom integration", identifier)?,
        client_secret_file: values::secret_path(&secret, state_dir, env),
        timeout: section.text("timeout", positive)?.unwrap_or(Duration::from_secs(30)),
        ca_file: section.text("ca_file", absolute_path)?,
    })
}

fn publish(section: &Section<'_>) -> Result<Publish, Error> {
    let default = Publish::default();
    section.text("revisions", only("latest", "every"))?;
    section.text("on_delete", only("keep", "withdraw"))?;
    let parallel = |key, default: usize| {
        let number = section.integer(key, PARALLEL)?;
        Ok::<usize, Error>(number.and_then(|number| usize::try_from(number).ok()).unwrap_or(default))
    };
    Ok(Publish {
        hash: section
            .text("hash", word(&[("sha256", Hash::Sha256), ("dropbox", Hash::Dropbox)]))?
            .unwrap_or(default.hash),
        names: section
            .text("names", word(&[("masked", Names::Masked), ("clear", Names::Clear)]))?
            .unwrap_or(default.names),
        concurrency: parallel("concurrency", default.concurrency)?,
        downloads: parallel("downloads", default.downloads)?,
        settle: section.text("settle", positive)?.unwrap_or(default.settle),
        // The database's integers are signed.
        hold_above: section.integer("hold_above", 0..=i64::MAX as u64)?.unwrap_or(default.hold_above),
    })
}

fn retry(section: &Section<'_>) -> Result<Policy, Error> {
    let default = Policy::default();
    let initial = section.text("initial", positive)?;
    let max = section.text("max", positive)?;
    let policy = Policy { initial: initial.unwrap_or(default.initial), max: max.unwrap_or(default.max) };
    if policy.initial > policy.max {
        let key = if max.is_some() { "max" } else { "initial" };
        return Err(section.error(key, "retry.initial is longer than retry.max: make max the longer one"));
    }
    Ok(policy)
}

fn log(section: &Section<'_>) -> Result<Log, Error> {
    let default = Log::default();
    let formats = word(&[("auto", LogFormat::Auto), ("text", LogFormat::Text), ("json", LogFormat::Json)]);
    Ok(Log {
        level: section.text("level", values::level)?.unwrap_or(default.level),
        format: section.text("format", formats)?.unwrap_or(default.format),
        paths: section.boolean("paths")?.unwrap_or(default.paths),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_key_is_missing_from_the_example_and_it_has_no_other() {
        let mut found = std::collections::BTreeSet::new();
        let mut table = "";
        for line in include_str!("../../config.example.toml").lines() {
            let line = line.strip_prefix('#').unwrap_or(line);
            if let Some(header) = line.strip_prefix('[') {
                table = header.trim_start_matches('[').split(']').next().unwrap_or_default();
                found.insert((String::new(), table.to_owned()));
            } else if let Some((key, _)) = line.split_once(" = ").filter(|(key, _)| !key.contains([' ', '#'])) {
                found.insert((table.to_owned(), key.to_owned()));
            }
        }
        let known = ALL.iter().flat_map(|(table, keys)| keys.iter().map(|key| (table.to_string(), key.to_string())));
        assert_eq!(found, known.collect());
    }
}

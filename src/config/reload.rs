//! What a reload changes and what it cannot. Pure.

use super::Config;

/// The keys that differ but take a restart: `state_dir`, and everything in `[dropbox]`.
pub fn reload_differences(old: &Config, new: &Config) -> Vec<&'static str> {
    let (a, b) = (&old.dropbox, &new.dropbox);
    let changed = [
        ("state_dir", old.state_dir != new.state_dir),
        ("dropbox.app_key", a.app_key != b.app_key),
        ("dropbox.refresh_token_file", a.refresh_token_file != b.refresh_token_file),
        ("dropbox.app_secret_file", a.app_secret_file != b.app_secret_file),
        ("dropbox.root", a.root != b.root),
        ("dropbox.api_url", a.api_url != b.api_url),
        ("dropbox.content_url", a.content_url != b.content_url),
        ("dropbox.notify_url", a.notify_url != b.notify_url),
        ("dropbox.www_url", a.www_url != b.www_url),
        ("dropbox.longpoll", a.longpoll != b.longpoll),
        ("dropbox.poll", a.poll != b.poll),
        ("dropbox.timeout", a.timeout != b.timeout),
        ("dropbox.ca_file", a.ca_file != b.ca_file),
    ];
    changed.into_iter().filter_map(|(key, differs)| differs.then_some(key)).collect()
}

/// `old` with what a reload applies of `new`: tenancies, links, publish, retry and log.
pub fn with_reloadable(old: &Config, new: &Config) -> Config {
    Config {
        file: old.file.clone(),
        state_dir: old.state_dir.clone(),
        dropbox: old.dropbox.clone(),
        tenancies: new.tenancies.clone(),
        links: new.links.clone(),
        publish: new.publish.clone(),
        retry: new.retry,
        log: new.log.clone(),
    }
}

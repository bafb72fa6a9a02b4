//! The configuration that a stage writes for its daemon.

use std::fs;
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

/// Files with such a name are seen and stored by the daemon, but not published: see `Stage::barrier`.
pub const BARRIER: &str = ".barrier-";

/// A `[[link]]`.
#[derive(Debug, Clone)]
pub struct Link {
    pub folder: String,
    pub tenancy: String,
    pub exclude: Vec<String>,
}

impl Link {
    pub fn new(folder: &str, tenancy: &str) -> Link {
        Link { folder: folder.to_owned(), tenancy: tenancy.to_owned(), exclude: Vec::new() }
    }
}

/// A `[[tenancy]]`.
#[derive(Debug, Clone)]
pub struct Tenancy {
    pub name: String,
    /// The ledger itself, or a proxy in front of it.
    pub url: String,
    pub client_id: String,
    pub client_secret: String,
}

/// The whole configuration; change the fields with `Stage::configure`.
#[derive(Debug, Clone)]
pub struct Conf {
    pub app_key: String,
    pub refresh_token: String,
    /// All four hosts of Dropbox, or a proxy in front of them.
    pub dropbox_url: String,
    pub tenancies: Vec<Tenancy>,
    pub links: Vec<Link>,
    /// More lines of each section.
    pub dropbox: String,
    pub publish: String,
    pub retry: String,
    pub log: String,
}

fn quoted(text: &str) -> String {
    toml::Value::String(text.to_owned()).to_string()
}

impl Conf {
    pub fn text(&self, state_dir: &Path) -> String {
        let url = quoted(&self.dropbox_url);
        let mut text = format!(
            "state_dir = {}\n\n[dropbox]\napp_key = {}\nrefresh_token_file = \"dropbox.token\"\n\
             api_url = {url}\ncontent_url = {url}\nnotify_url = {url}\nwww_url = {url}\n{}\n",
            quoted(&state_dir.to_string_lossy()),
            quoted(&self.app_key),
            self.dropbox,
        );
        for tenancy in &self.tenancies {
            text += &format!(
                "\n[[tenancy]]\nname = {}\nurl = {}\nclient_id = {}\nclient_secret_file = {}\n",
                quoted(&tenancy.name),
                quoted(&tenancy.url),
                quoted(&tenancy.client_id),
                quoted(&format!("{}.secret", tenancy.name)),
            );
        }
        for link in &self.links {
            let globs = std::iter::once(format!("**/{BARRIER}*")).chain(link.exclude.iter().cloned());
            let globs: Vec<String> = globs.map(|glob| quoted(&glob)).collect();
            text += &format!(
                "\n[[link]]\nfolder = {}\ntenancy = {}\nexclude = [{}]\n",
                quoted(&link.folder),
                quoted(&link.tenancy),
                globs.join(", ")
            );
        }
        text += &format!("\n[publish]\n{}\n\n[retry]\n{}\n\n[log]\n{}\n", self.publish, self.retry, self.log);
        text
    }

    /// Writes the configuration, and the secrets into `state_dir`.
    pub fn write(&self, file: &Path, state_dir: &Path) {
        fs::create_dir_all(state_dir).unwrap();
        private(&state_dir.join("dropbox.token"), &self.refresh_token);
        for tenancy in &self.tenancies {
            private(&state_dir.join(format!("{}.secret", tenancy.name)), &tenancy.client_secret);
        }
        private(file, &self.text(state_dir));
    }
}

/// Writes a file that only its owner may read, unless it holds that text already.
pub fn private(path: &Path, text: &str) {
    if fs::read_to_string(path).is_ok_and(|present| present == text) {
        return;
    }
    let new = path.with_extension("new");
    let mut file = fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&new).unwrap();
    file.write_all(text.as_bytes()).unwrap();
    fs::rename(&new, path).unwrap();
}

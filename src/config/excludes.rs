//! What a link leaves out. Pure.

use globset::{GlobBuilder, GlobSet, GlobSetBuilder};

/// Compiled globs of one link.
#[derive(Debug, Clone)]
pub struct Excludes(GlobSet);

impl Excludes {
    /// Whether the file at `path`, which is the server's path below the linked folder, is left out. Case does not
    /// count; a leading slash is ignored.
    pub fn is_match(&self, path: &str) -> bool {
        !self.0.is_empty() && self.0.is_match(lower(path.trim_start_matches('/')))
    }
}

/// Compiles the `exclude` of a link: `*` and `?` do not cross `/`, `**` does. A leading slash is ignored, because every
/// glob is matched against the whole path below the folder. (`?` and `[…]` stand for one ASCII character.)
///
/// # Errors
/// What is wrong with the first bad glob and how to mend it, to be put after the glob itself.
pub fn excludes(globs: &[String]) -> Result<Excludes, String> {
    let mut set = GlobSetBuilder::new();
    for glob in globs {
        let below = glob.trim_start_matches('/');
        if below.is_empty() {
            return Err("matches nothing: remove it, or write a glob such as \"**/~$*\"".into());
        }
        if below.ends_with('/') {
            return Err(format!("ends with \"/\" and so matches no file: write \"{below}**\""));
        }
        let compiled = GlobBuilder::new(&lower(below)).literal_separator(true).build();
        set.add(compiled.map_err(|error| format!("is not a glob: {}", error.kind()))?);
    }
    set.build().map(Excludes).map_err(|error| format!("cannot be used: {}", error.kind()))
}

/// Lower case of each character by itself, so that a glob's letters and a path's letters meet whatever stands beside
/// them (a final sigma, for one). The glob library's own option knows ASCII only.
fn lower(text: &str) -> String {
    text.chars().flat_map(char::to_lowercase).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn matches(glob: &str, path: &str) -> bool {
        excludes(&[glob.to_owned()]).expect(glob).is_match(path)
    }

    #[test]
    fn one_star_stays_in_its_folder_and_two_stars_do_not() {
        assert!(matches("*.tmp", "a.tmp"));
        assert!(!matches("*.tmp", "b/a.tmp"));
        assert!(matches("**/*.tmp", "a.tmp"));
        assert!(matches("**/*.tmp", "b/c/a.tmp"));
        assert!(matches("drafts/**", "drafts/x/y"));
        assert!(!matches("drafts/**", "drafts2/x"));
        assert!(!matches("a?b", "a/b"));
        assert!(matches("**/~$*", "x/~$letter.docx"));
        assert!(!excludes(&[]).expect("no glob is fine").is_match("a"));
    }

    #[test]
    fn case_never_counts_in_any_script() {
        assert!(matches("**/.ds_store", "X/.DS_Store"));
        assert!(matches("ÜBER/*", "über/a"));
        assert!(matches("*ΟΔΟΣ*", "οδοσx"));
        assert!(matches("[A-C]*", "b"));
    }

    #[test]
    fn a_leading_slash_means_the_linked_folder_itself() {
        assert!(matches("/drafts/*", "Drafts/a"));
        assert!(matches("drafts/*", "/Drafts/a"));
        assert!(!matches("/drafts/*", "x/drafts/a"));
    }

    #[test]
    fn globs_that_mean_nothing_are_refused() {
        for (glob, part) in [
            ("", "matches nothing"),
            ("/", "matches nothing"),
            ("a/", "a/**"),
            ("[", "not a glob"),
            ("{a", "not a glob"),
        ] {
            let error = excludes(&[glob.to_owned()]).expect_err(glob);
            assert!(error.contains(part), "{glob}: {error}");
        }
    }
}

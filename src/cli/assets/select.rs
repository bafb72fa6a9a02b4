//! What a person may write to choose files. Pure.

use crate::cli::Failure;
use crate::config::{Excludes, excludes};
use crate::digest::Digest;
use crate::store::report::Select;

/// Reads a selector; without one all files are selected. Anything that is no id and no hash is a path: of a file, of a
/// folder, or a glob; all that apply count, because names may hold the characters of globs.
pub(super) fn parse(text: Option<&str>) -> Result<Select<'_>, Failure> {
    let Some(text) = text else { return Ok(Select::All) };
    if text.is_empty() {
        return Err(Failure::person("the selector is empty").hint("name a path, a folder, an id, a hash or a glob"));
    }
    if text.starts_with("id:") {
        return Ok(Select::FileId(text));
    }
    if let Ok(digest) = text.parse::<Digest>() {
        return Ok(Select::Hash(digest));
    }
    let uuid = text.strip_prefix("publicassets/").or_else(|| text.strip_prefix("assets/")).unwrap_or(text);
    if is_uuid(uuid) {
        return Ok(Select::Asset(uuid));
    }
    let place = lower(text.trim_end_matches('/'));
    let glob = glob(text);
    Ok(Select::Path(Box::new(move |path| {
        let path = lower(path);
        is_at_or_below(&path, &place) || glob.as_ref().is_some_and(|glob| glob.is_match(&path))
    })))
}

/// As the ledger writes them.
fn is_uuid(text: &str) -> bool {
    text.len() == 36 && uuid::Uuid::try_parse(text).is_ok_and(|uuid| uuid.to_string() == text)
}

/// Whether `path` is `place` or in it; a `place` without a leading slash may begin at any folder.
fn is_at_or_below(path: &str, place: &str) -> bool {
    let below =
        |path: &str, place: &str| path.strip_prefix(place).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
    if place.is_empty() || place.starts_with('/') {
        return below(path, place);
    }
    path.match_indices('/').any(|(slash, _)| below(&path[slash + 1..], place))
}

fn glob(text: &str) -> Option<Excludes> {
    if !text.contains(['*', '?', '[', '{']) {
        return None;
    }
    let whole = if text.starts_with('/') { text.to_owned() } else { format!("**/{text}") };
    excludes(&[whole]).ok()
}

/// Lower case of each character by itself, as [`Excludes`] has it.
fn lower(text: &str) -> String {
    text.chars().flat_map(char::to_lowercase).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn selects(text: &str, path: &str) -> bool {
        match parse(Some(text)).expect(text) {
            Select::Path(passes) => passes(path),
            _ => panic!("{text} is a path"),
        }
    }

    #[test]
    fn a_path_or_folder_is_found_whatever_its_case_and_nothing_beside_it() {
        assert!(selects("/Contracts/a.PDF", "/contracts/A.pdf"));
        assert!(selects("/VERTRÄGE", "/Verträge/2026/a.pdf"));
        assert!(selects("/Contracts/", "/Contracts/a"));
        assert!(selects("/", "/Contracts/a"));
        assert!(!selects("/Contracts", "/Contracts2/a"));
        assert!(!selects("/a.pdf", "/Contracts/a.pdf"));
        assert!(selects("a.pdf", "/Contracts/a.pdf"));
        assert!(selects("contracts/a.pdf", "/x/Contracts/a.pdf"));
        assert!(!selects("a.pdf", "/Contracts/aa.pdf"));
    }

    #[test]
    fn a_glob_stays_in_its_folder_unless_told_otherwise_and_never_hides_a_real_name() {
        assert!(selects("*.pdf", "/Contracts/2026/A.PDF"));
        assert!(selects("/Contracts/*.pdf", "/contracts/a.pdf"));
        assert!(!selects("/Contracts/*.pdf", "/contracts/2026/a.pdf"));
        assert!(selects("/Contracts/**/*.pdf", "/contracts/2026/a.pdf"));
        assert!(selects("/a[1].txt", "/a[1].txt"), "a name may look like a glob");
        assert!(selects("/a[1].txt", "/a1.txt"));
        assert!(selects("/odd[", "/odd["), "and even like a broken one");
    }

    #[test]
    fn ids_and_hashes_are_no_paths() {
        assert!(matches!(parse(None), Ok(Select::All)));
        assert!(matches!(parse(Some("id:abc")), Ok(Select::FileId("id:abc"))));
        assert!(matches!(parse(Some(&"AB".repeat(32))), Ok(Select::Hash(Digest(bytes))) if bytes == [0xab; 32]));
        let uuid = "0f8fad5b-d9cb-469f-a165-70867728950e";
        assert!(matches!(parse(Some(uuid)), Ok(Select::Asset(found)) if found == uuid));
        assert!(matches!(parse(Some(&format!("assets/{uuid}"))), Ok(Select::Asset(found)) if found == uuid));
        assert_eq!(parse(Some("")).err().map(|failure| failure.status), Some(2));
    }
}

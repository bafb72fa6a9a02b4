//! Names and paths as Dropbox sees them: case-insensitive, case-preserving, `path_lower` as the key. Pure functions.

use unicode_normalization::UnicodeNormalization as _;

/// The key of a path or name: each character lower-cased on its own (so a final sigma is not special), then NFC.
pub fn lower(text: &str) -> String {
    text.chars().flat_map(char::to_lowercase).nfc().collect()
}

/// Why Dropbox would not store a file or folder of this name; `None` if it would.
pub fn refused(name: &str) -> Option<&'static str> {
    if name.is_empty() || name == "." || name == ".." {
        Some("it is not a name")
    } else if name.chars().count() > 255 {
        Some("it is longer than 255 characters")
    } else if name.contains(['\\', '/', '\u{7f}', '\0']) {
        Some("it contains a backslash, a slash or a DEL")
    } else if name.ends_with(char::is_whitespace) {
        Some("it ends in white space")
    } else {
        None
    }
}

/// The folder that `path` is in; `""` for the root's children.
pub fn parent(path: &str) -> &str {
    path.rsplit_once('/').map_or("", |(parent, _)| parent)
}

/// The last component.
pub fn name(path: &str) -> &str {
    path.rsplit_once('/').map_or(path, |(_, name)| name)
}

/// Whether `path` is `base` itself or lies below it; everything lies below the root `""`.
pub fn within(path: &str, base: &str) -> bool {
    base.is_empty() || path == base || path.strip_prefix(base).is_some_and(|rest| rest.starts_with('/'))
}

/// The folders above `path`, nearest first, without the root.
pub fn ancestors(path: &str) -> impl Iterator<Item = &str> {
    std::iter::successors(Some(parent(path)), |path| Some(parent(path))).take_while(|path| !path.is_empty())
}

/// `path` with its first components, as many as `base` has, replaced by `new`. Components are counted because lower-casing and
/// composing can change lengths.
pub fn rebase(path: &str, base: &str, new: &str) -> String {
    let depth = base.matches('/').count();
    let rest = path.split('/').skip(depth + 1);
    rest.fold(new.to_owned(), |mut path, part| {
        path.push('/');
        path.push_str(part);
        path
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_key_ignores_case_and_composition() {
        assert_eq!(lower("/Ma\u{308}PPE"), "/m\u{e4}ppe");
        assert_eq!(lower("ΟΔΟΣ"), "οδοσ");
        assert_eq!(lower("😀.TXT"), "😀.txt");
    }

    #[test]
    fn names_that_dropbox_would_not_store_are_refused() {
        for bad in ["a\\b", "a ", "a\u{7f}", "", ".."] {
            assert!(refused(bad).is_some(), "{bad:?}");
        }
        for good in ["a b", ".hidden", "line\nbreak", "😀", "a."] {
            assert!(refused(good).is_none(), "{good:?}");
        }
    }

    #[test]
    fn rebasing_keeps_what_lies_below() {
        assert_eq!(rebase("/A/b/c.txt", "/a", "/X/Y"), "/X/Y/b/c.txt");
        assert_eq!(rebase("/A", "/a", "/Z"), "/Z");
        assert!(within("/a/b", "/a") && within("/a", "/a") && within("/a", "") && !within("/ab", "/a"));
        assert_eq!(ancestors("/a/b/c").collect::<Vec<_>>(), ["/a/b", "/a"]);
    }
}

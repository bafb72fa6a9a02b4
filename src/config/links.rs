//! Which folder goes to which tenancy: the grammar of Dropbox folders, and what only several tables together can get
//! wrong. Pure.

use super::document::Section;
use super::values::{quoted, shorten};
use super::{Error, Link, Tenancy, excludes};
use crate::observe::escape;

/// Dropbox stores no longer name (characters of one path component).
const MAX_COMPONENT: usize = 255;

/// Reads all `[[link]]`, which may name only these tenancies.
pub(super) fn links(sections: &[Section<'_>], tenancies: &[Tenancy]) -> Result<Vec<Link>, Error> {
    let mut links: Vec<Link> = Vec::with_capacity(sections.len());
    let mut seen = std::collections::HashSet::new();
    for section in sections {
        let link = link(section, tenancies)?;
        // Dropbox paths are the same whatever their case. Only Dropbox knows its exact rule; this is for people's slips.
        if !seen.insert((link.folder.to_lowercase(), link.tenancy.clone())) {
            let message = format!(
                "{} is linked in tenancy {} already (case does not count): remove one of the two",
                quoted(&link.folder),
                quoted(&link.tenancy)
            );
            return Err(section.error("folder", message));
        }
        links.push(link);
    }
    Ok(links)
}

fn link(section: &Section<'_>, tenancies: &[Tenancy]) -> Result<Link, Error> {
    let folder =
        section.required("folder", "write the path of a Dropbox folder, for example \"/Contracts\"", folder)?;
    let known = |name: &str| match tenancies.iter().find(|tenancy| tenancy.name == name) {
        Some(tenancy) => Ok(tenancy.name.clone()),
        None if tenancies.is_empty() => Err(format!("{} is not known: add a [[tenancy]] of that name", quoted(name))),
        None => {
            let names: Vec<&str> = tenancies.iter().map(|tenancy| tenancy.name.as_str()).collect();
            Err(format!("{} is not known: write the name of a [[tenancy]]: {}", quoted(name), names.join(", ")))
        }
    };
    let tenancy = match (section.text("tenancy", known)?, tenancies) {
        (Some(name), _) => name,
        (None, [only]) => only.name.clone(),
        (None, []) => {
            return Err(section.error("tenancy", "there is no [[tenancy]] to publish to: add one"));
        }
        (None, _) => {
            return Err(section.error("tenancy", "is missing: name one, because there are several tenancies"));
        }
    };
    let exclude = section.list("exclude", |glob| {
        excludes(&[glob.to_owned()]).map_err(|why| format!("\"{}\" {why}", escape(&shorten(glob))))?;
        Ok(glob.to_owned())
    })?;
    Ok(Link { folder, tenancy, exclude: exclude.unwrap_or_default() })
}

/// A Dropbox folder as Dropbox accepts it in `list_folder` (`/` stands for its empty root), and can have stored it.
pub(super) fn folder(text: &str) -> Result<String, String> {
    let refuse = |why: &str, mend: &str| Err(format!("\"{}\" {why}: {mend}", escape(&shorten(text))));
    if text == "/" {
        return Ok(text.to_owned());
    }
    let Some(below) = text.strip_prefix('/') else {
        return refuse(
            "does not begin with \"/\"",
            "write the path from the root of the Dropbox, for example \"/Contracts\"",
        );
    };
    if text.ends_with('/') {
        return refuse("ends with \"/\"", "leave out the last slash");
    }
    for component in below.split('/') {
        if component.is_empty() {
            return refuse("has \"//\" in it", "write one slash between two names");
        }
        if component == "." || component == ".." {
            return refuse("has \".\" or \"..\" in it", "write the full path");
        }
        if component.ends_with(char::is_whitespace) {
            return refuse("has a name that ends in white space, which Dropbox never stores", "remove the white space");
        }
        // Line breaks are legal in Dropbox's own pattern of a path; a tab is an ordinary character to it.
        if component.contains(|c: char| c == '\\' || (c.is_control() && !matches!(c, '\n' | '\r' | '\t'))) {
            return refuse("has a character that Dropbox never stores", "remove backslashes and control characters");
        }
        if component.chars().count() > MAX_COMPONENT {
            return refuse("has a name of more than 255 characters", "write the folder as Dropbox shows it");
        }
    }
    Ok(text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders_that_dropbox_can_have_are_accepted_as_they_are() {
        let long = format!("/{}", "é".repeat(255));
        for good in ["/", "/a", "/Contracts/2026", "/a b/ c", "/…/.hidden", "/a\nb", "/📁/e\u{301}", "/a:b*?", &long]
        {
            assert_eq!(folder(good).as_deref(), Ok(good));
        }
    }

    #[test]
    fn folders_that_dropbox_cannot_have_are_refused_with_the_mend() {
        let long = format!("/{}", "a".repeat(256));
        let bad = [
            ("", "does not begin"),
            ("Contracts", "does not begin"),
            ("id:abc", "does not begin"),
            ("//", "ends with"),
            ("/a/", "leave out the last slash"),
            ("/a//b", "one slash"),
            ("/a/../b", "full path"),
            ("/.", "full path"),
            ("/a ", "white space"),
            ("/a\u{a0}/b", "white space"),
            ("/a\n", "white space"),
            ("/a\0b", "control characters"),
            ("/a\u{7f}", "control characters"),
            ("/a\\b", "backslashes"),
            (&long, "255"),
        ];
        for (text, part) in bad {
            let message = folder(text).expect_err(text);
            assert!(message.contains(part), "{text:?}: {message}");
        }
    }
}

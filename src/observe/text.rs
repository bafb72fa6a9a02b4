//! Makes text from elsewhere safe to show: no server's answer and no file name can forge a line or hide in one. Pure.

use std::borrow::Cow;
use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};

static SHOW_PATHS: AtomicBool = AtomicBool::new(true);

/// Replaces control, line-breaking, bidirectional, zero-width and other invisible characters by `\n`, `\t`, `\r` or
/// `\u{…}`. Everything else stays as it is, backslashes included.
pub fn escape(text: &str) -> Cow<'_, str> {
    let Some(first) = text.find(is_unsafe) else { return Cow::Borrowed(text) };
    let mut safe = String::with_capacity(text.len() + 16);
    safe.push_str(&text[..first]);
    for c in text[first..].chars() {
        if is_unsafe(c) { safe.extend(c.escape_default()) } else { safe.push(c) }
    }
    Cow::Owned(safe)
}

/// Whether a character could break a line, reorder it or go unseen.
pub fn is_unsafe(c: char) -> bool {
    c.is_control()
        || matches!(c,
            '\u{ad}'                        // soft hyphen
            | '\u{34f}'                     // combining grapheme joiner
            | '\u{61c}'                     // Arabic letter mark
            | '\u{115f}'..='\u{1160}'       // Hangul fillers
            | '\u{17b4}'..='\u{17b5}'       // Khmer inherent vowels
            | '\u{180b}'..='\u{180f}'       // Mongolian selectors and vowel separator
            | '\u{200b}'..='\u{200f}'       // zero width, and left and right marks
            | '\u{2028}'..='\u{202e}'       // line and paragraph separators, embeddings and overrides
            | '\u{2060}'..='\u{206f}'       // word joiner, invisible operators, isolates
            | '\u{3164}'                    // Hangul filler
            | '\u{feff}'                    // byte order mark
            | '\u{ffa0}'                    // half-width Hangul filler
            | '\u{fff0}'..='\u{fffb}'       // specials: interlinear annotation
            | '\u{1bca0}'..='\u{1bca3}'     // shorthand format controls
            | '\u{1d173}'..='\u{1d17a}'     // musical format controls
            | '\u{e0000}'..='\u{e0fff}'     // tags and supplementary selectors
        )
}

/// At most `limit` characters of `text`, escaped; an ellipsis marks what was left out.
pub fn excerpt(text: &str, limit: usize) -> String {
    match text.char_indices().nth(limit) {
        None => escape(text).into_owned(),
        Some((end, _)) => format!("{}…", escape(&text[..end])),
    }
}

/// Sets whether paths and names of files may appear in the log of this process (`log.paths`).
pub fn show_paths(show: bool) {
    SHOW_PATHS.store(show, Ordering::Relaxed);
}

/// A file's path as the log may show it: itself, escaped, or `(hidden)` where `log.paths = false`.
pub fn path(path: &str) -> impl fmt::Display + '_ {
    Path(path)
}

struct Path<'a>(&'a str);

impl fmt::Display for Path<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if SHOW_PATHS.load(Ordering::Relaxed) { f.write_str(&escape(self.0)) } else { f.write_str("(hidden)") }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_character_that_controls_reorders_or_hides_survives_escaping() {
        let must_go = |c: char| {
            c.is_control()
                || "\u{ad}\u{61c}\u{180e}\u{2028}\u{2029}\u{feff}\u{3164}\u{fffa}\u{e0041}".contains(c)
                || ('\u{200b}'..='\u{200f}').contains(&c)
                || ('\u{202a}'..='\u{202e}').contains(&c)
                || ('\u{2060}'..='\u{2069}').contains(&c)
        };
        for c in '\0'..=char::MAX {
            let text = format!("a{c}b");
            let escaped = escape(&text);
            if must_go(c) {
                assert!(!escaped.contains(c), "U+{:04X} survived", c as u32);
            }
            assert!(!escaped.contains(is_unsafe), "U+{:04X} leads to unsafe text", c as u32);
            assert_eq!(escape(&escaped), escaped, "escaping twice changes nothing more");
            if !is_unsafe(c) {
                assert_eq!(escaped, text, "U+{:04X} is changed without need", c as u32);
            }
        }
    }

    #[test]
    fn letters_emoji_and_accents_stay_readable() {
        for text in ["Verträge/ü.pdf", "e\u{301}", "📁", "契約", "C:\\x", "مرحبا", ""] {
            assert!(matches!(escape(text), Cow::Borrowed(same) if same == text));
        }
        assert_eq!(escape("a\nb\u{202e}c"), "a\\nb\\u{202e}c");
        assert_eq!(excerpt("a\nbcd", 3), "a\\nb…");
        assert_eq!(excerpt("abc", 3), "abc");
    }
}

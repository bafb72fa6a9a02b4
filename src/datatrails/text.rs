//! Text of others made fit for a message: one line, short, and unable to forge a log line or to hide in it. A leaf:
//! touches nothing.

use std::fmt::Write as _;

/// How much of a server's text gets into a message, in characters.
const SHORT: usize = 200;

/// Writes control, bidirectional, zero-width and other invisible characters as `\u{…}`; leaves the rest as it is.
pub fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        if is_unsafe(character) {
            let _ = write!(escaped, "\\u{{{:x}}}", u32::from(character));
        } else {
            escaped.push(character);
        }
    }
    escaped
}

/// [`escape`]s and cuts at 200 characters, white space at the ends removed.
pub fn short(text: &str) -> String {
    let text = text.trim();
    let head: String = text.chars().take(SHORT).collect();
    let mut shown = escape(&head);
    if head.len() < text.len() {
        shown.push('…');
    }
    shown
}

fn is_unsafe(character: char) -> bool {
    character.is_control()
        || matches!(
            character,
            '\u{ad}'
                | '\u{61c}'
                | '\u{180e}'
                | '\u{200b}'..='\u{200f}'
                | '\u{2028}'..='\u{202e}'
                | '\u{2060}'..='\u{206f}'
                | '\u{feff}'
                | '\u{fff9}'..='\u{fffb}'
                | '\u{e0000}'..='\u{e007f}'
        )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_servers_text_cannot_break_the_line_turn_it_round_or_hide_in_it() {
        assert_eq!(escape("a\nb\u{202e}c\u{200b}d\u{1b}[0m"), "a\\u{a}b\\u{202e}c\\u{200b}d\\u{1b}[0m");
        assert_eq!(escape("Grüße 日本 🎉"), "Grüße 日本 🎉");
    }

    #[test]
    fn a_long_text_is_cut_by_characters_and_says_so() {
        assert_eq!(short("  short \n"), "short");
        let cut = short(&"ä".repeat(500));
        assert_eq!(cut.chars().count(), 201);
        assert!(cut.ends_with('…'));
    }
}

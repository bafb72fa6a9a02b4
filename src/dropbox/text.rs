//! Server text made fit for a message: short, one line, unable to forge a log line, without what we sent. Touches nothing.

/// Longest quotation of a server's text, in characters.
const QUOTED: usize = 200;

/// What stands for a value that must not be shown.
const HIDDEN: &str = "[hidden]";

/// `text` with every occurrence of `hidden` (tokens, cursors, paths) taken out, cut to 200 characters, and with control,
/// bidirectional and zero-width characters escaped.
pub(super) fn quoted(text: &str, hidden: &[&str]) -> String {
    let mut text = text.trim().to_owned();
    for secret in hidden.iter().filter(|secret| secret.len() > 1) {
        text = text.replace(secret, HIDDEN);
    }
    let mut quoted = String::new();
    for (i, c) in text.chars().enumerate() {
        if i == QUOTED {
            quoted.push('…');
            break;
        }
        if deceives(c) { quoted.extend(c.escape_unicode()) } else { quoted.push(c) }
    }
    quoted
}

/// Characters that move the cursor, reorder text or cannot be seen.
fn deceives(c: char) -> bool {
    c.is_control()
        || matches!(c,
            '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}' | '\u{180b}'..='\u{180f}'
            | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{3164}'
            | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e0fff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_servers_text_can_neither_forge_a_line_nor_reorder_it() {
        let forged = "bad\nERROR all is lost\r\x1b[31m\u{202e}gpj\u{200b}";
        let shown = quoted(forged, &[]);
        assert_eq!(shown, "bad\\u{a}ERROR all is lost\\u{d}\\u{1b}[31m\\u{202e}gpj\\u{200b}");
    }

    #[test]
    fn what_must_stay_hidden_is_taken_out_before_the_text_is_cut() {
        let text = format!("{}AAGcursor{}", "x".repeat(195), "y".repeat(500));
        let shown = quoted(&text, &["AAGcursor", ""]);
        assert!(!shown.contains("AAG"), "{shown}");
        assert_eq!(shown.chars().count(), QUOTED + 1);
        assert!(shown.ends_with('…'));
    }

    #[test]
    fn ordinary_text_is_left_alone() {
        assert_eq!(quoted("  Größe: 1 < 2 😀 ", &[]), "Größe: 1 < 2 😀");
    }
}

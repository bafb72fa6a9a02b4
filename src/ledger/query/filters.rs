//! The grammar of `filters=`: `name=value OR name='value with spaces'`, with `\'` inside of quotes. A leaf: touches nothing.

use crate::ledger::api::Refusal;

/// Names and values of one OR group.
pub(super) fn group(text: &str) -> Result<Vec<(String, String)>, Refusal> {
    let malformed = |what: &str| Refusal::invalid(format!("filters: {what}"));
    let mut terms = Vec::new();
    let mut rest = text.trim_start();
    loop {
        let (name, after) = rest.split_once('=').ok_or_else(|| malformed("a term must be name=value"))?;
        if name.is_empty() || name.chars().any(|c| c.is_whitespace() || c == '\'') {
            return Err(malformed("a term must be name=value"));
        }
        let (value, after) = match after.strip_prefix('\'') {
            Some(quoted) => unquote(quoted).ok_or_else(|| malformed("a quote is not closed"))?,
            None => {
                let end = after.find(char::is_whitespace).unwrap_or(after.len());
                (after[..end].to_owned(), &after[end..])
            }
        };
        terms.push((name.to_owned(), value));
        if after.trim().is_empty() {
            return Ok(terms);
        }
        let next = after.trim_start();
        let or =
            next.strip_prefix("OR").filter(|more| next.len() < after.len() && more.starts_with(char::is_whitespace));
        rest = or.ok_or_else(|| malformed("terms must be joined by OR"))?.trim_start();
    }
}

/// The text up to the closing quote, and what follows it.
fn unquote(text: &str) -> Option<(String, &str)> {
    let mut value = String::new();
    let mut characters = text.char_indices();
    while let Some((at, character)) = characters.next() {
        match character {
            '\'' => return Some((value, &text[at + 1..])),
            '\\' if text[at + 1..].starts_with('\'') => {
                value.push('\'');
                characters.next();
            }
            other => value.push(other),
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Option<Vec<(String, String)>> {
        group(text).ok()
    }

    fn terms(list: &[(&str, &str)]) -> Option<Vec<(String, String)>> {
        Some(list.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect())
    }

    #[test]
    fn terms_are_joined_by_or_and_quoted_where_they_have_spaces() {
        assert_eq!(read("a=b"), terms(&[("a", "b")]));
        assert_eq!(read("a=b OR c='d e'  OR f=''"), terms(&[("a", "b"), ("c", "d e"), ("f", "")]));
        assert_eq!(read(r"a='it\'s OR b=c'"), terms(&[("a", "it's OR b=c")]));
        assert_eq!(read("a!=* OR b=x=y"), terms(&[("a!", "*"), ("b", "x=y")]));
        assert_eq!(read("a="), terms(&[("a", "")]));
    }

    #[test]
    fn a_malformed_group_is_refused() {
        for text in
            ["", "a", "=b", "a=b OR", "a=b OR ", "a=b c=d", "a='b", "a='b'OR c=d", "a=b or c=d", "a=b c", "a b=c"]
        {
            assert_eq!(read(text), None, "{text}");
        }
    }
}

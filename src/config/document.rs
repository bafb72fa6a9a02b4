//! A TOML document in which every value knows its place, so that an error of meaning points at its line as surely as
//! an error of syntax. Refuses unknown keys when a table is opened. Pure: text in, values out.

use std::ops::Range;
use std::path::Path;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::Error;
use super::values::{quoted, shorten};

/// The text being read, and the name to blame.
pub(super) struct Document<'a> {
    pub file: &'a Path,
    pub text: &'a str,
}

/// The keys that a table may have; an array of them is the truth about what is known.
pub(super) type Keys = &'static [&'static str];

impl<'a> Document<'a> {
    /// Parses the whole text.
    pub fn table(&self) -> Result<Spanned<DeTable<'a>>, Error> {
        DeTable::parse(self.text).map_err(|error| {
            let start = error.span().map_or(self.text.len(), |span| span.start);
            let message = format!("is not valid TOML: {}", shorten(error.message()));
            // Only for a key that is there twice does the place hold the key itself; elsewhere it may hold a value.
            let twice = error.message().contains("duplicate key");
            let key = error.span().filter(|_| twice).and_then(|span| self.text.get(span)).map(shorten);
            Error { key, ..Error::of_line(self.file, self.line(start), message) }
        })
    }

    /// The line, from 1, of a byte offset.
    fn line(&self, offset: usize) -> usize {
        let before = self.text.as_bytes().get(..offset).unwrap_or(self.text.as_bytes());
        before.iter().filter(|byte| **byte == b'\n').count() + 1
    }

    /// An error about `key` at `span`.
    pub fn error(&self, span: &Range<usize>, key: impl Into<String>, message: impl Into<String>) -> Error {
        Error { key: Some(key.into()), ..Error::of_line(self.file, self.line(span.start), message) }
    }
}

/// One table of the document.
pub(super) struct Section<'a> {
    document: &'a Document<'a>,
    name: &'static str,
    table: Option<&'a DeTable<'a>>,
    span: Range<usize>,
    keys: Keys,
}

impl<'a> Section<'a> {
    /// Opens `table`, called `name` (empty for the document itself), if it has none but the `keys`.
    pub fn open(
        document: &'a Document<'a>,
        name: &'static str,
        keys: Keys,
        table: &'a DeTable<'a>,
        span: Range<usize>,
    ) -> Result<Section<'a>, Error> {
        let section = Section { document, name, table: Some(table), span, keys };
        // The table is in the order of its keys' names; the person reads from the top.
        let unknown = table.keys().filter(|key| !keys.contains(&key.get_ref().as_ref()));
        match unknown.min_by_key(|key| key.span().start) {
            None => Ok(section),
            Some(key) => {
                let message = unknown_key(key.get_ref(), name, keys);
                Err(document.error(&key.span(), section.key(&shorten(key.get_ref())), message))
            }
        }
    }

    /// The table `[name]` inside this one; all of its keys are absent if it is.
    pub fn child(&self, name: &'static str, keys: Keys) -> Result<Section<'a>, Error> {
        let document = self.document;
        match self.find(name) {
            None => Ok(Section { document, name, table: None, span: self.span.clone(), keys }),
            Some(value) => match value.get_ref() {
                DeValue::Table(table) => Section::open(document, name, keys, table, value.span()),
                DeValue::Array(_) => Err(document.error(
                    &value.span(),
                    name,
                    format!("may stand only once: write [{name}], not [[{name}]]"),
                )),
                _ => Err(self.wrong_type(name, value, &format!("a table, [{name}]"))),
            },
        }
    }

    /// The tables `[[name]]` inside this one.
    pub fn children(&self, name: &'static str, keys: Keys) -> Result<Vec<Section<'a>>, Error> {
        let expected = format!("tables, each begun with [[{name}]]");
        let Some(value) = self.find(name) else { return Ok(Vec::new()) };
        let DeValue::Array(array) = value.get_ref() else { return Err(self.wrong_type(name, value, &expected)) };
        let open = |item: &'a Spanned<DeValue<'a>>| match item.get_ref() {
            DeValue::Table(table) => Section::open(self.document, name, keys, table, item.span()),
            _ => Err(self.wrong_type(name, item, &expected)),
        };
        array.iter().map(open).collect()
    }

    /// A string that `convert` accepts. Its message says what is wrong and how to mend it.
    pub fn text<T>(
        &self,
        key: &'static str,
        convert: impl FnOnce(&str) -> Result<T, String>,
    ) -> Result<Option<T>, Error> {
        let Some(value) = self.find(key) else { return Ok(None) };
        let text = value.get_ref().as_str().ok_or_else(|| self.wrong_type(key, value, "a string in quotes"))?;
        convert(text).map(Some).map_err(|message| self.document.error(&value.span(), self.key(key), message))
    }

    /// Like [`Section::text`], for a key that must be there; `mend` says what to write.
    pub fn required<T>(
        &self,
        key: &'static str,
        mend: &str,
        convert: impl FnOnce(&str) -> Result<T, String>,
    ) -> Result<T, Error> {
        self.text(key, convert)?.ok_or_else(|| self.error(key, format!("is missing: {mend}")))
    }

    /// A whole number from `range`.
    pub fn integer(&self, key: &'static str, range: std::ops::RangeInclusive<u64>) -> Result<Option<u64>, Error> {
        let Some(value) = self.find(key) else { return Ok(None) };
        let Some(integer) = value.get_ref().as_integer() else {
            return Err(self.wrong_type(key, value, "a whole number without quotes"));
        };
        let number = u64::from_str_radix(integer.as_str(), integer.radix()).ok();
        number.filter(|number| range.contains(number)).map(Some).ok_or_else(|| {
            let message = format!(
                "{} is out of range: write a whole number from {} to {}",
                shorten(&integer.to_string()),
                range.start(),
                range.end()
            );
            self.document.error(&value.span(), self.key(key), message)
        })
    }

    /// `true` or `false`.
    pub fn boolean(&self, key: &'static str) -> Result<Option<bool>, Error> {
        let Some(value) = self.find(key) else { return Ok(None) };
        value.get_ref().as_bool().map(Some).ok_or_else(|| self.wrong_type(key, value, "true or false without quotes"))
    }

    /// An array of strings, each of which `convert` accepts.
    pub fn list<T>(
        &self,
        key: &'static str,
        convert: impl Fn(&str) -> Result<T, String>,
    ) -> Result<Option<Vec<T>>, Error> {
        let expected = "an array of strings, for example [\"**/~$*\"]";
        let Some(value) = self.find(key) else { return Ok(None) };
        let Some(array) = value.get_ref().as_array() else { return Err(self.wrong_type(key, value, expected)) };
        let item = |item: &Spanned<DeValue<'_>>| {
            let text = item.get_ref().as_str().ok_or_else(|| self.wrong_type(key, item, expected))?;
            convert(text).map_err(|message| self.document.error(&item.span(), self.key(key), message))
        };
        array.iter().map(item).collect::<Result<_, _>>().map(Some)
    }

    /// An error about `key`: at its value if it has one, else at the head of this table.
    pub fn error(&self, key: &'static str, message: impl Into<String>) -> Error {
        let span = self.find(key).map_or_else(|| self.span.clone(), Spanned::span);
        self.document.error(&span, self.key(key), message)
    }

    fn find(&self, key: &'static str) -> Option<&'a Spanned<DeValue<'a>>> {
        debug_assert!(self.keys.contains(&key), "{key} must be listed among the keys of [{}]", self.name);
        self.table?.get(key)
    }

    fn key(&self, key: &str) -> String {
        if self.name.is_empty() { key.to_owned() } else { format!("{}.{key}", self.name) }
    }

    fn wrong_type(&self, key: &'static str, value: &Spanned<DeValue<'_>>, expected: &str) -> Error {
        let found = value.get_ref().type_str();
        let article = if found.starts_with(['a', 'i']) { "an" } else { "a" };
        let message = format!("is {article} {found}: write {expected}");
        self.document.error(&value.span(), self.key(key), message)
    }
}

/// Says what may stand instead of a key that nobody knows; never its value, which may be a secret put there by mistake.
fn unknown_key(key: &str, section: &str, keys: Keys) -> String {
    let place = if section.is_empty() { "outside of the tables".to_owned() } else { format!("in [{section}]") };
    let file_of_secret = format!("{key}_file");
    if keys.contains(&file_of_secret.as_str()) {
        return format!(
            "is not a key: no secret stands in this file: put it into a file and name that with {file_of_secret}"
        );
    }
    let near = keys.iter().map(|known| (distance(key, known), known)).min();
    match near {
        Some((distance, known)) if distance <= 2 => {
            format!("is not a key {place}: did you mean {}?", quoted(known))
        }
        _ => format!("is not a key {place}: remove it, or use one of {}", keys.join(", ")),
    }
}

/// How many single-letter changes lead from one word to the other.
fn distance(one: &str, other: &str) -> usize {
    // Far more than any key: nothing near can come of it, and the work stays small.
    if one.len() > 40 {
        return usize::MAX;
    }
    let other: Vec<char> = other.chars().collect();
    let mut row: Vec<usize> = (0..=other.len()).collect();
    for (i, a) in one.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, b) in other.iter().enumerate() {
            let replaced = diagonal + usize::from(a != *b);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(diagonal + 1).min(row[j] + 1);
        }
    }
    row[other.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mistyped_key_is_answered_with_the_one_that_was_meant() {
        assert_eq!(distance("longpol", "longpoll"), 1);
        assert_eq!(distance("lnogpoll", "longpoll"), 2);
        assert_eq!(distance("", "poll"), 4);
        assert!(unknown_key("longpol", "dropbox", &["poll", "longpoll"]).contains("did you mean \"longpoll\"?"));
        assert!(unknown_key("colour", "log", &["level", "paths"]).contains("level, paths"));
    }
}

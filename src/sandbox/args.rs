//! Arguments of a route, taken one by one and as strictly as Dropbox takes them: what is missing, unknown, of the wrong type or
//! outside its pattern is HTTP 400 with a text that says so.

use serde_json::{Map, Value};

use super::reply::{Refusal, bad_input};

/// The argument object of one call.
pub struct Args<'a> {
    route: &'a str,
    fields: Map<String, Value>,
}

impl<'a> Args<'a> {
    /// Takes the argument's JSON.
    ///
    /// # Errors
    /// If it is not an object.
    pub fn parse(route: &'a str, text: &[u8]) -> Result<Args<'a>, Refusal> {
        match serde_json::from_slice(text) {
            Ok(Value::Object(fields)) => Ok(Args { route, fields }),
            Ok(_) => Err(bad_input(route, "request body: expected object, got something else").into()),
            Err(_) => Err(bad_input(route, "request body: could not decode input as JSON").into()),
        }
    }

    /// A 400 about one field.
    pub fn wrong(&self, field: &str, what: &str) -> Refusal {
        bad_input(self.route, format_args!("request body: {field}: {what}")).into()
    }

    fn take(&mut self, field: &str) -> Option<Value> {
        self.fields.remove(field).filter(|value| !value.is_null())
    }

    /// An optional text.
    ///
    /// # Errors
    /// If it is not a text.
    pub fn text(&mut self, field: &str) -> Result<Option<String>, Refusal> {
        match self.take(field) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text)),
            Some(_) => Err(self.wrong(field, "expected string, got something else")),
        }
    }

    /// A text that must be there.
    ///
    /// # Errors
    /// If it is not there, or not a text.
    pub fn required(&mut self, field: &str) -> Result<String, Refusal> {
        let route = self.route;
        let missing = || bad_input(route, format_args!("request body: missing required field '{field}'")).into();
        self.text(field)?.ok_or_else(missing)
    }

    /// A truth value.
    ///
    /// # Errors
    /// If it is something else.
    pub fn flag(&mut self, field: &str, default: bool) -> Result<bool, Refusal> {
        match self.take(field) {
            None => Ok(default),
            Some(Value::Bool(flag)) => Ok(flag),
            Some(_) => Err(self.wrong(field, "expected boolean, got something else")),
        }
    }

    /// A whole number within bounds.
    ///
    /// # Errors
    /// If it is something else, or outside.
    pub fn number(&mut self, field: &str, bounds: std::ops::RangeInclusive<u64>) -> Result<Option<u64>, Refusal> {
        let Some(value) = self.take(field) else { return Ok(None) };
        let Some(number) = value.as_u64() else {
            return Err(self.wrong(field, "expected integer, got something else"));
        };
        if bounds.contains(&number) {
            Ok(Some(number))
        } else {
            let (low, high) = bounds.into_inner();
            Err(self.wrong(field, &format!("{number} is not within {low} and {high}")))
        }
    }

    /// The tag of a union of void members, long or short form.
    ///
    /// # Errors
    /// If it is not one of `tags`.
    pub fn tag(&mut self, field: &str, tags: &[&'static str]) -> Result<Option<&'static str>, Refusal> {
        let Some(value) = self.take(field) else { return Ok(None) };
        let tag = value.as_str().or(value[".tag"].as_str()).unwrap_or_default();
        match tags.iter().find(|known| **known == tag) {
            Some(known) => Ok(Some(known)),
            None => Err(self.wrong(field, "unknown tag")),
        }
    }

    /// Takes fields that we accept and do not act on.
    pub fn ignore(&mut self, fields: &[&str]) {
        for field in fields {
            self.fields.remove(*field);
        }
    }

    /// Ends: nothing may be left.
    ///
    /// # Errors
    /// If there was a field that the route does not have.
    pub fn finish(self) -> Result<(), Refusal> {
        match self.fields.keys().next() {
            None => Ok(()),
            Some(field) => {
                let field = field.escape_debug();
                Err(bad_input(self.route, format_args!("request body: unknown field '{field}'")).into())
            }
        }
    }

    /// A path to list (SPEC alias `PathROrId`): `""`, `/…`, `id:…` or `ns:N/…`.
    ///
    /// # Errors
    /// If it does not match.
    pub fn list_path(&mut self) -> Result<String, Refusal> {
        let path = self.required("path")?;
        if path == "/" {
            let text = "Specify the root folder as an empty string rather than as \"/\".";
            return Err(self.wrong("path", text));
        }
        let fits = path.is_empty() || path.starts_with('/') || path.starts_with("id:") || namespaced(&path);
        self.matched(path, fits, r"(/(.|[\r\n])*)?|id:.*|(ns:[0-9]+(/(.|[\r\n])*)?)")
    }

    /// A path to read (SPEC alias `ReadPath`): `/…`, `id:…`, `rev:…` or `ns:N/…`.
    ///
    /// # Errors
    /// If it does not match.
    pub fn read_path(&mut self) -> Result<String, Refusal> {
        let path = self.required("path")?;
        if path.is_empty() {
            return Err(self.wrong("path", "The root folder is unsupported."));
        }
        let rev = path.strip_prefix("rev:").is_some_and(revision);
        let fits = path.starts_with('/') || path.starts_with("id:") || rev || namespaced(&path);
        self.matched(path, fits, r"(/(.|[\r\n])*|id:.*)|(rev:[0-9a-f]{9,})|(ns:[0-9]+(/.*)?)")
    }

    fn matched(&self, path: String, fits: bool, pattern: &str) -> Result<String, Refusal> {
        let shown = path.escape_debug();
        if !fits {
            return Err(self.wrong("path", &format!("'{shown}' did not match pattern '{pattern}'")));
        }
        if path.len() > 1 && (path.ends_with('/') || path.ends_with(char::is_whitespace)) {
            return Err(self.wrong("path", &format!("'{shown}' must not end in a slash or in white space")));
        }
        Ok(path)
    }
}

/// `[0-9a-f]{9,}`
pub fn revision(text: &str) -> bool {
    text.len() >= 9 && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
}

fn namespaced(path: &str) -> bool {
    path.strip_prefix("ns:").is_some_and(|rest| {
        let number = rest.split_once('/').map_or(rest, |(number, _)| number);
        !number.is_empty() && number.bytes().all(|b| b.is_ascii_digit())
    })
}

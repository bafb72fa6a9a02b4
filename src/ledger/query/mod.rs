//! Listings: from the query string to the page. `parse` reads parameters into terms, `filters` the grammar of `filters=`,
//! `sql` turns terms into SQL that is driven by the narrowest index, `page` runs it and makes page tokens.

mod filters;
mod page;
mod parse;
mod sql;

pub(super) use page::{Ask, Page, list};
use parse::Order;
pub(super) use parse::{Query, Records};

use super::terms::Scope;

/// One condition.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Term {
    field: Field,
    test: Test,
}

/// What must hold of the field.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Test {
    /// Exactly this.
    Is(String),
    /// There and not empty.
    Present,
    /// Not there, or empty.
    Absent,
}

/// What a condition is about.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Field {
    /// A string in attributes, by its path.
    Attribute(Scope, Path),
    /// A column that holds exactly what the API shows.
    Column(&'static str),
    /// A field of a principal: column and name.
    Principal(&'static str, &'static str),
    /// A time of at least (`true`) or before (`false`) the value.
    Time(Clock, bool),
    Tracked,
    Status,
    MinimumTrust,
    Proof,
    Privacy,
    MmrIndex,
    /// A field that is always empty here.
    Empty,
}

/// Which time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Clock {
    Declared,
    Accepted,
    Committed,
}

/// Where in attributes: `key`, `dict.key` or `list[].key`.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Path {
    key: String,
    in_list: bool,
    inner: Option<String>,
}

impl Path {
    /// As [`super::attributes::Attributes::flat`] writes it.
    fn flat(&self) -> String {
        match &self.inner {
            None => self.key.clone(),
            Some(inner) => format!("{}{}.{inner}", self.key, if self.in_list { "[]" } else { "" }),
        }
    }
}

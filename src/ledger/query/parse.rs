//! Reads the parameters of a listing (`listassets.proto`, `listevents.proto`). Unknown parameters are refused. A leaf:
//! touches nothing.

use super::{Clock, Field, Path, Scope, Term, Test, filters};
use crate::ledger::api::Refusal;
use crate::ledger::records::status;
use crate::ledger::time;

/// What is listed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Records {
    Assets,
    Events,
}

/// `order_by`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum Order {
    /// `DEFAULT`.
    #[default]
    NewestFirst,
    /// `SIMPLEHASHV1`, `SIMPLEHASHV2`.
    OldestFirst,
}

/// A listing's parameters.
#[derive(Debug, Default)]
pub(crate) struct Query {
    /// Names and values of all filters, as given; a page token carries them.
    pub(super) given: Vec<(String, String)>,
    /// ANDed groups of ORed terms.
    pub(super) groups: Vec<Vec<Term>>,
    pub(super) order: Order,
    pub(super) page_size: Option<u32>,
    pub(super) page_token: Option<String>,
}

impl Query {
    /// Reads a query string.
    pub(crate) fn parse(records: Records, query: &str) -> Result<Query, Refusal> {
        let pairs = url::form_urlencoded::parse(query.as_bytes());
        let mut page_size = None;
        let mut page_token = None;
        let mut given = Vec::new();
        for (name, value) in pairs {
            match &*name {
                "page_size" => {
                    let size = if value.is_empty() { Ok(0) } else { value.parse() };
                    page_size = Some(size.map_err(|_| Refusal::invalid("page_size: not a number of 0 or more"))?);
                }
                "page_token" => page_token = Some(value.into_owned()).filter(|token| !token.is_empty()),
                _ => given.push((name.into_owned(), value.into_owned())),
            }
        }
        let query = Query::from_given(records, given)?;
        Ok(Query { page_size: page_size.filter(|size| *size > 0), page_token, ..query })
    }

    /// Reads the filters alone.
    pub(super) fn from_given(records: Records, given: Vec<(String, String)>) -> Result<Query, Refusal> {
        let mut query = Query::default();
        let mut seen = std::collections::HashSet::new();
        for (name, value) in &given {
            match name.as_str() {
                "filters" => {
                    let group = filters::group(value)?;
                    query
                        .groups
                        .push(group.iter().map(|(name, value)| term(records, name, value)).collect::<Result<_, _>>()?);
                }
                "order_by" => {
                    query.order = match value.as_str() {
                        "" | "DEFAULT" => Order::NewestFirst,
                        "SIMPLEHASHV1" | "SIMPLEHASHV2" => Order::OldestFirst,
                        _ => return Err(Refusal::invalid("order_by: value not found")),
                    }
                }
                _ => {
                    let term = term(records, name, value)?;
                    // Of a repeated key only the first value counts.
                    if seen.insert(name.as_str()) {
                        query.groups.push(vec![term]);
                    }
                }
            }
        }
        // An asset that is no longer tracked is shown only to who asks.
        let tracked = |group: &Vec<Term>| group.iter().any(|term| term.field == Field::Tracked);
        if records == Records::Assets && !query.groups.iter().any(tracked) {
            query.groups.push(vec![Term { field: Field::Tracked, test: Test::Is("TRACKED".into()) }]);
        }
        query.given = given;
        Ok(query)
    }
}

fn term(records: Records, name: &str, value: &str) -> Result<Term, Refusal> {
    let scopes: &[(&str, Scope)] = match records {
        Records::Assets => &[("attributes.", Scope::Asset)],
        Records::Events => &[
            ("event_attributes.", Scope::Event),
            ("asset_attributes.", Scope::AssetOfEvent),
            ("asset.attributes.", Scope::Asset),
        ],
    };
    for (prefix, scope) in scopes {
        if let Some(path) = name.strip_prefix(prefix) {
            let (path, test) = match (path.strip_suffix('!'), value) {
                (Some(path), "*") => (path, Test::Absent),
                (_, "*") => (path, Test::Present),
                (_, value) => (path, Test::Is(value.to_owned())),
            };
            return Ok(Term { field: Field::Attribute(*scope, parse_path(name, path)?), test });
        }
    }
    let unknown = || Refusal::invalid(format!("{}: no such parameter", shorten(name)));
    let field = match records {
        Records::Assets => asset_field(name),
        Records::Events => event_field(name),
    };
    let field = field.ok_or_else(unknown)?;
    check(name, &field, value)?;
    Ok(Term { field, test: Test::Is(value.to_owned()) })
}

fn asset_field(name: &str) -> Option<Field> {
    Some(match name {
        "tracked" => Field::Tracked,
        "confirmation_status" => Field::Status,
        "proof_mechanism" => Field::Proof,
        "chain_id" => Field::Column("a.chain_id"),
        "privacy" => Field::Privacy,
        _ => return None,
    })
}

fn event_field(name: &str) -> Option<Field> {
    Some(match name {
        "operation" => Field::Column("e.operation"),
        "behaviour" => Field::Column("e.behaviour"),
        "confirmation_status" => Field::Status,
        "minimum_trust" => Field::MinimumTrust,
        "proof_mechanism" => Field::Proof,
        "mmr_index" => Field::MmrIndex,
        "from" | "transaction_id" => Field::Empty,
        "timestamp_declared_since" => Field::Time(Clock::Declared, true),
        "timestamp_declared_before" => Field::Time(Clock::Declared, false),
        "timestamp_accepted_since" => Field::Time(Clock::Accepted, true),
        "timestamp_accepted_before" => Field::Time(Clock::Accepted, false),
        "timestamp_committed_since" => Field::Time(Clock::Committed, true),
        "timestamp_committed_before" => Field::Time(Clock::Committed, false),
        _ => {
            let (principal, field) = name.split_once('.')?;
            let column = match principal {
                "principal_declared" => "e.principal_declared",
                "principal_accepted" => "e.principal_accepted",
                _ => return None,
            };
            let known = ["issuer", "subject", "display_name", "email"];
            Field::Principal(column, known.into_iter().find(|known| *known == field)?)
        }
    })
}

/// Whether the value is one of the field's.
fn check(name: &str, field: &Field, value: &str) -> Result<(), Refusal> {
    let good = match field {
        Field::Tracked => matches!(value, "TRACKED" | "NOT_TRACKED" | "ANY" | "TRACKED_STATUS_UNSPECIFIED"),
        Field::Status => status::number(value).is_some(),
        Field::MinimumTrust => matches!(value, "COMMITTED" | "CONFIRMED" | "UNEQUIVOCAL"),
        Field::Proof => matches!(value, "PROOF_MECHANISM_UNSPECIFIED" | "RESERVED1" | "SIMPLE_HASH" | "MERKLE_LOG"),
        Field::Privacy => matches!(value, "RESTRICTED" | "PUBLIC" | "PRIVACY_UNSPECIFIED"),
        Field::Time(..) => time::parse(value).is_some(),
        Field::MmrIndex => value.parse::<u64>().is_ok(),
        _ => true,
    };
    if good { Ok(()) } else { Err(Refusal::invalid(format!("{name}: value not found or not readable"))) }
}

fn parse_path(name: &str, path: &str) -> Result<Path, Refusal> {
    let malformed = || Refusal::invalid(format!("{}: empty, doubled or trailing dots, or too deep", shorten(name)));
    let mut parts = path.split('.');
    let key = parts.next().unwrap_or_default();
    let inner = parts.next();
    if key.is_empty() || inner.is_some_and(str::is_empty) || parts.next().is_some() {
        return Err(malformed());
    }
    let (key, in_list) = match key.strip_suffix("[]") {
        Some(list) => (list, true),
        None => (key, false),
    };
    if key.is_empty() || (in_list && inner.is_none()) {
        return Err(malformed());
    }
    Ok(Path { key: key.to_owned(), in_list, inner: inner.map(str::to_owned) })
}

fn shorten(name: &str) -> String {
    name.chars().take(80).flat_map(char::escape_default).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unknown_or_malformed_parameters_are_refused() {
        for query in [
            "what=1",
            "attributes=1",
            "attributes.=1",
            "attributes.a..b=1",
            "attributes.a.=1",
            "attributes..a=1",
            "attributes.a.b.c=1",
            "attributes.l[]=1",
            "page_size=-1",
            "page_size=x",
            "confirmation_status=MAYBE",
            "tracked=1",
            "order_by=x",
            "filters=x",
            "filters=what%3D1",
            "operation=Record",
            "event_attributes.a=1",
        ] {
            assert!(Query::parse(Records::Assets, query).is_err(), "{query}");
        }
        for query in [
            "attributes.a=1",
            "tracked=ANY",
            "minimum_trust=PENDING",
            "mmr_index=-1",
            "principal_declared.age=1",
            "timestamp_accepted_since=yesterday",
            "asset.attributes.=1",
            "principal_declared=1",
        ] {
            assert!(Query::parse(Records::Events, query).is_err(), "{query}");
        }
    }

    #[test]
    fn a_plus_is_a_space_and_a_repeated_key_counts_once() {
        let query = Query::parse(Records::Events, "event_attributes.a=b+c%2Bd&event_attributes.a=x").expect("good");
        let path = Path { key: "a".into(), in_list: false, inner: None };
        let term = Term { field: Field::Attribute(Scope::Event, path), test: Test::Is("b c+d".into()) };
        assert_eq!(query.groups, [[term]]);
    }

    #[test]
    fn presence_and_absence_are_told_from_values() {
        let test = |query: &str| Query::parse(Records::Assets, query).expect("good").groups[0][0].test.clone();
        assert_eq!(test("attributes.a=*"), Test::Present);
        assert_eq!(test("attributes.a!=*"), Test::Absent);
        assert_eq!(test("attributes.a!=b"), Test::Is("b".into()));
        assert_eq!(test("filters=attributes.a!%3D*"), Test::Absent);
    }
}

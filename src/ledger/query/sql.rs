//! Terms as SQL. A listing is driven by the narrowest index there is: the records of one asset, the rarest attribute that is
//! asked for, or the records of the tenancy; everything else is tested on each row that this gives.

use rusqlite::Connection;
use rusqlite::types::Value;

use super::{Clock, Field, Order, Path, Query, Records, Scope, Term, Test};
use crate::ledger::Error;
use crate::ledger::records::{View, status};
use crate::ledger::terms::term;
use crate::ledger::time;

/// Rows that are counted to see how rare a term is.
const SAMPLE: i64 = 300;

/// SQL text with its parameters, in order.
#[derive(Debug, Default)]
pub(super) struct Sql {
    pub(super) text: String,
    pub(super) parameters: Vec<Value>,
}

impl Sql {
    fn push(&mut self, text: &str, parameters: impl IntoIterator<Item = Value>) {
        self.text.push_str(text);
        self.parameters.extend(parameters);
    }
}

/// What restricts a listing beside its filters.
#[derive(Debug, Clone, Copy)]
pub(super) struct Bounds {
    pub(super) view: View,
    pub(super) records: Records,
    /// Row id of the asset whose events are listed.
    pub(super) asset: Option<i64>,
    /// Only records accepted at or before this moment (milliseconds).
    pub(super) until_ms: Option<i64>,
    /// Only records after this row id, in the listing's order.
    pub(super) after: Option<i64>,
}

fn is_driver(bounds: Bounds, term: &Term) -> bool {
    match (&term.field, &term.test) {
        (Field::Attribute(Scope::Asset, _), Test::Is(_)) => bounds.records == Records::Assets,
        (Field::Attribute(..), Test::Is(_)) => bounds.records == Records::Events,
        _ => false,
    }
}

/// `space` and `term` of an equality on an attribute.
fn key(view: View, wanted: &Term) -> Option<[Value; 2]> {
    match (&wanted.field, &wanted.test) {
        (Field::Attribute(scope, path), Test::Is(value)) => {
            Some([Value::Integer(view.space()), Value::Blob(term(*scope, &path.flat(), value))])
        }
        _ => None,
    }
}

/// `FROM … WHERE …` with alias `e` or `a` for what is listed.
pub(super) fn listing(connection: &Connection, bounds: Bounds, query: &Query, joins: &str) -> Result<Sql, Error> {
    let mut sql = Sql::default();
    let (table, alias) = match bounds.records {
        Records::Assets => ("assets", "a"),
        Records::Events => ("events", "e"),
    };
    let by_mmr = query.groups.iter().any(|group| group.len() == 1 && group[0].field == Field::MmrIndex);
    let drivers = if bounds.asset.is_none() && !by_mmr { rarest(connection, bounds, query)? } else { None };
    let driven = drivers.is_some();
    match drivers {
        Some(group) => {
            let parts = vec!["SELECT subject FROM terms WHERE space = ? AND term = ?"; group.len()];
            // A single term is walked in order, so that the first page of many costs little.
            if let [only] = group.as_slice() {
                sql.push(&format!(" FROM terms d CROSS JOIN {table} {alias} ON {alias}.id = d.subject {joins}"), []);
                sql.push(" WHERE d.space = ? AND d.term = ?", key(bounds.view, only).into_iter().flatten());
            } else {
                let keys = group.iter().filter_map(|term| key(bounds.view, term)).flatten();
                let union = parts.join(" UNION ");
                sql.push(&format!(" FROM ({union}) d CROSS JOIN {table} {alias} ON {alias}.id = d.subject {joins}"), keys);
                sql.push(" WHERE 1", []);
            }
        }
        None => {
            let index = match (bounds.records, bounds.view) {
                _ if by_mmr => "NOT INDEXED",
                (Records::Events, _) if bounds.asset.is_some() => "INDEXED BY events_asset",
                (Records::Events, View::Own(_)) => "INDEXED BY events_tenancy",
                (Records::Events, View::Public) => "INDEXED BY events_public",
                (Records::Assets, _) => "INDEXED BY assets_tenancy",
            };
            sql.push(&format!(" FROM {table} {alias} {index} {joins} WHERE 1"), []);
        }
    }
    if let Some(asset) = bounds.asset {
        sql.push(" AND e.asset = ?", [Value::Integer(asset)]);
    }
    match bounds.view {
        View::Own(tenancy) => sql.push(&format!(" AND {alias}.tenancy = ?"), [Value::Integer(tenancy)]),
        View::Public => sql.push(&format!(" AND {alias}.public = 1 AND {alias}.status IN (2, 5, 6)"), []),
    }
    if let Some(until) = bounds.until_ms {
        let column = if bounds.records == Records::Assets { "a.created_ms" } else { "e.accepted_ms" };
        sql.push(&format!(" AND {column} <= ?"), [Value::Integer(until)]);
    }
    if let Some(after) = bounds.after {
        let column = if driven { "d.subject".to_owned() } else { format!("{alias}.id") };
        let compare = if query.order == Order::NewestFirst { "<" } else { ">" };
        sql.push(&format!(" AND {column} {compare} ?"), [Value::Integer(after)]);
    }
    for group in &query.groups {
        sql.push(" AND (", []);
        for (i, term) in group.iter().enumerate() {
            if i > 0 {
                sql.push(" OR ", []);
            }
            condition(&mut sql, bounds, term);
        }
        sql.push(")", []);
    }
    Ok(sql)
}

/// ` ORDER BY …` that fits [`listing`].
pub(super) fn order(bounds: Bounds, query: &Query, listing: &Sql) -> String {
    let column = match bounds.records {
        _ if listing.text.starts_with(" FROM terms d ") => "d.subject",
        Records::Assets => "a.id",
        Records::Events => "e.id",
    };
    format!(" ORDER BY {column} {}", if query.order == Order::NewestFirst { "DESC" } else { "ASC" })
}

/// The group of terms that the fewest records satisfy, as far as can be seen cheaply.
fn rarest(connection: &Connection, bounds: Bounds, query: &Query) -> Result<Option<Vec<Term>>, Error> {
    let mut count = connection
        .prepare_cached("SELECT count(*) FROM (SELECT 1 FROM terms WHERE space = ?1 AND term = ?2 LIMIT ?3)")?;
    let mut best: Option<(i64, &Vec<Term>)> = None;
    for group in query.groups.iter().filter(|group| group.iter().all(|term| is_driver(bounds, term))) {
        let mut total = 0;
        for term in group {
            if let Some([space, term]) = key(bounds.view, term) {
                total += count.query_row(rusqlite::params![space, term, SAMPLE], |row| row.get::<_, i64>(0))?;
            }
        }
        // A union has to be gathered whole, so only a small one may drive.
        if (group.len() == 1 || total < SAMPLE) && best.is_none_or(|(least, _)| total < least) {
            best = Some((total, group));
        }
    }
    Ok(best.map(|(_, group)| group.clone()))
}

fn condition(sql: &mut Sql, bounds: Bounds, term: &Term) {
    let Test::Is(value) = &term.test else {
        if let Field::Attribute(scope, path) = &term.field {
            presence(sql, bounds, *scope, path, term.test == Test::Present);
        }
        return;
    };
    let text = || Value::Text(value.clone());
    match &term.field {
        Field::Attribute(scope, _) => {
            let subject = match (bounds.records, scope) {
                (Records::Assets, _) => "a.id",
                (Records::Events, Scope::Asset) => "e.asset",
                (Records::Events, _) => "e.id",
            };
            sql.push(
                &format!("EXISTS (SELECT 1 FROM terms x WHERE x.space = ? AND x.term = ? AND x.subject = {subject})"),
                key(bounds.view, term).into_iter().flatten(),
            );
        }
        Field::Column(column) => sql.push(&format!("{column} = ?"), [text()]),
        Field::Principal(column, field) => match bounds.view {
            View::Own(_) => sql.push(&format!("json_extract({column}, '$.{field}') = ?"), [text()]),
            // The public sees principals as empty, and must not learn of them by asking.
            View::Public => sql.push("? = ''", [text()]),
        },
        Field::Time(clock, since) => {
            let us = time::parse(value).map_or(0, jiff::Timestamp::as_microsecond);
            let column = match clock {
                Clock::Declared => "e.declared_us",
                Clock::Accepted => "(e.accepted_ms / 1000 * 1000000)",
                Clock::Committed => "(coalesce(l.committed_ms, 0) * 1000)",
            };
            sql.push(&format!("{column} {} ?", if *since { ">=" } else { "<" }), [Value::Integer(us)]);
        }
        Field::Tracked => sql.push(
            match value.as_str() {
                "ANY" => "1",
                "NOT_TRACKED" => "a.tracked = 0",
                _ => "a.tracked = 1",
            },
            [],
        ),
        Field::Status => {
            let number = status::number(value).unwrap_or_default();
            let alias = if bounds.records == Records::Assets { "a" } else { "e" };
            sql.push(&format!("({number} = 0 OR {alias}.status = {number})"), []);
        }
        Field::MinimumTrust => sql.push(
            match value.as_str() {
                "COMMITTED" => "e.status IN (2, 5, 6)",
                "CONFIRMED" => "e.status IN (2, 6)",
                _ => "e.status = 6",
            },
            [],
        ),
        Field::Proof => sql.push("? IN ('PROOF_MECHANISM_UNSPECIFIED', a.proof_mechanism)", [text()]),
        Field::Privacy => sql.push(
            match value.as_str() {
                "PUBLIC" => "a.public = 1",
                "RESTRICTED" => "a.public = 0",
                _ => "1",
            },
            [],
        ),
        Field::MmrIndex => {
            let index = value.parse().unwrap_or(i64::MAX);
            sql.push("e.id = (SELECT event FROM leaves WHERE mmr_index = ?)", [Value::Integer(index)]);
        }
        Field::Empty => sql.push("? = ''", [text()]),
    }
}

/// Whether something not empty stands at the path.
fn presence(sql: &mut Sql, bounds: Bounds, scope: Scope, path: &Path, present: bool) {
    let json = match (scope, bounds.view) {
        (Scope::Event, _) => "e.event_attributes",
        (Scope::AssetOfEvent, _) => "e.asset_attributes",
        (Scope::Asset, View::Own(_)) => "a.attributes",
        (Scope::Asset, View::Public) => "a.committed_attributes",
    };
    let not = if present { "" } else { "NOT " };
    let key = Value::Text(path.key.clone());
    match &path.inner {
        None => sql.push(
            &format!(
                "{not}EXISTS (SELECT 1 FROM json_each({json}) j WHERE j.key = ? AND j.value NOT IN ('', '{{}}', '[]'))"
            ),
            [key],
        ),
        Some(inner) => {
            // What is not of the asked kind counts as empty; json_each fails on a plain string.
            let (kind, empty) = if path.in_list { ("array", "[]") } else { ("object", "{}") };
            let list = format!("json_each(CASE j.type WHEN '{kind}' THEN j.value ELSE '{empty}' END) k");
            let (more, key_of, value_of) = if path.in_list {
                (", json_each(k.value) m", "m.key", "m.value")
            } else {
                ("", "k.key", "k.value")
            };
            sql.push(
                &format!(
                    "{not}EXISTS (SELECT 1 FROM json_each({json}) j, {list}{more} \
                     WHERE j.key = ? AND {key_of} = ? AND {value_of} <> '')"
                ),
                [key, Value::Text(inner.clone())],
            );
        }
    }
}

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
    /// ` ORDER BY …`
    pub(super) order: String,
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

/// What a listing is driven by.
enum Driver<'a> {
    /// One attribute, walked in the listing's order.
    Term(&'a Term),
    /// One of a few records that have any of these attributes.
    AnyOf(&'a [Term]),
    /// The events of the few assets that have this attribute.
    OfAssets(&'a Term),
    /// An index of the table.
    Index(&'static str),
}

/// Whether the subject of the term is what is listed.
fn is_direct(bounds: Bounds, term: &Term) -> bool {
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
    let on = format!("CROSS JOIN {table} {alias}");
    let driver = driver(connection, bounds, query)?;
    let ordered_by = match driver {
        // A single term is walked in order, so that the first page of many costs little.
        Driver::Term(term) => {
            sql.push(&format!(" FROM terms d {on} ON {alias}.id = d.subject {joins}"), []);
            sql.push(" WHERE d.space = ? AND d.term = ?", key(bounds.view, term).into_iter().flatten());
            "d.subject".to_owned()
        }
        Driver::AnyOf(group) => {
            let union = vec!["SELECT subject FROM terms WHERE space = ? AND term = ?"; group.len()].join(" UNION ");
            let keys = group.iter().filter_map(|term| key(bounds.view, term)).flatten();
            sql.push(&format!(" FROM ({union}) d {on} ON {alias}.id = d.subject {joins} WHERE 1"), keys);
            format!("{alias}.id")
        }
        Driver::OfAssets(term) => {
            sql.push(&format!(" FROM terms d {on} INDEXED BY events_asset ON e.asset = d.subject {joins}"), []);
            sql.push(" WHERE d.space = ? AND d.term = ?", key(bounds.view, term).into_iter().flatten());
            format!("{alias}.id")
        }
        Driver::Index(index) => {
            sql.push(&format!(" FROM {table} {alias} {index} {joins} WHERE 1"), []);
            if index.ends_with("_open") {
                sql.push(&format!(" AND {alias}.status IN (1, 3, 4, 5)"), []);
            }
            format!("{alias}.id")
        }
    };
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
        let compare = if query.order == Order::NewestFirst { "<" } else { ">" };
        sql.push(&format!(" AND {ordered_by} {compare} ?"), [Value::Integer(after)]);
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
    sql.order = format!(" ORDER BY {ordered_by} {}", if query.order == Order::NewestFirst { "DESC" } else { "ASC" });
    Ok(sql)
}

/// Picks what the fewest rows have to be looked at with, as far as can be seen cheaply.
fn driver<'a>(connection: &Connection, bounds: Bounds, query: &'a Query) -> Result<Driver<'a>, Error> {
    let alone =
        || query.groups.iter().filter_map(|group| if let [only] = group.as_slice() { Some(only) } else { None });
    if bounds.records == Records::Events && alone().any(|term| term.field == Field::MmrIndex) {
        return Ok(Driver::Index("NOT INDEXED"));
    }
    if bounds.asset.is_some() {
        return Ok(Driver::Index("INDEXED BY events_asset"));
    }
    let mut count = connection
        .prepare_cached("SELECT count(*) FROM (SELECT 1 FROM terms WHERE space = ?1 AND term = ?2 LIMIT ?3)")?;
    let mut best: Option<(i64, Driver<'a>)> = None;
    for group in &query.groups {
        let mut total = 0;
        for term in group {
            total += match key(bounds.view, term) {
                Some([space, term]) => {
                    count.query_row(rusqlite::params![space, term, SAMPLE], |row| row.get::<_, i64>(0))?
                }
                None => SAMPLE,
            };
        }
        let driver = match group.as_slice() {
            [only] if is_direct(bounds, only) => Driver::Term(only),
            // What has to be gathered whole before it is in order may drive only if it is small.
            _ if total >= SAMPLE => continue,
            [only] => Driver::OfAssets(only),
            group if group.iter().all(|term| is_direct(bounds, term)) => Driver::AnyOf(group),
            _ => continue,
        };
        if best.as_ref().is_none_or(|(least, _)| total < *least) {
            best = Some((total, driver));
        }
    }
    // Few records are not at their end, and few have failed.
    let open = alone().any(|term| {
        matches!(&term.test, Test::Is(value) if term.field == Field::Status
            && matches!(value.as_str(), "PENDING" | "STORED" | "COMMITTED" | "FAILED"))
    });
    Ok(match (best, bounds.records, bounds.view) {
        (Some((total, driver)), ..) if total < SAMPLE || !open => driver,
        (_, Records::Assets, _) if open => Driver::Index("INDEXED BY assets_open"),
        (_, Records::Events, _) if open => Driver::Index("INDEXED BY events_open"),
        (_, Records::Assets, _) => Driver::Index("INDEXED BY assets_tenancy"),
        (_, Records::Events, View::Own(_)) => Driver::Index("INDEXED BY events_tenancy"),
        (_, Records::Events, View::Public) => Driver::Index("INDEXED BY events_public"),
    })
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
            let any = if number == 0 { "1 OR " } else { "" };
            sql.push(&format!("({any}{alias}.status = {number})"), []);
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
            let (more, key_of, value_of) =
                if path.in_list { (", json_each(k.value) m", "m.key", "m.value") } else { ("", "k.key", "k.value") };
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ledger::records::{ASSET_COLUMNS, EVENT_COLUMNS, EVENT_JOINS};
    use crate::ledger::schema;

    /// SQLite's plan of a listing, one line a step.
    fn plan(connection: &Connection, records: Records, view: View, asset: Option<i64>, query: &str) -> Vec<String> {
        let query = Query::parse(records, query).expect("a query");
        let bounds = Bounds { view, records, asset, until_ms: None, after: Some(1_000_000) };
        let (columns, joins) = match records {
            Records::Assets => (ASSET_COLUMNS, "CROSS JOIN tenancies t ON t.id = a.tenancy"),
            Records::Events => (EVENT_COLUMNS, EVENT_JOINS),
        };
        let sql = listing(connection, bounds, &query, joins).expect("SQL");
        let text = format!("EXPLAIN QUERY PLAN SELECT {columns}{}{} LIMIT 2", sql.text, sql.order);
        let mut statement = connection.prepare(&text).expect("a statement");
        let rows = statement.query_map(rusqlite::params_from_iter(sql.parameters), |row| row.get(3));
        rows.expect("a plan").collect::<Result<_, _>>().expect("a plan")
    }

    #[test]
    fn no_listing_walks_a_whole_table_and_a_single_term_needs_no_sorting() {
        let directory = tempfile::tempdir().expect("a directory");
        let connection = schema::open(directory.path()).expect("a database");
        for (records, view, asset, query) in [
            (Records::Assets, View::Own(1), None, "attributes.a=b&tracked=ANY"),
            (Records::Assets, View::Own(1), None, "attributes.a=b&attributes.c=d&confirmation_status=CONFIRMED"),
            (Records::Assets, View::Own(1), None, ""),
            (Records::Events, View::Own(1), None, "asset_attributes.a=b"),
            (Records::Events, View::Own(1), None, "event_attributes.a=b&asset.attributes.c=d"),
            (Records::Events, View::Own(1), None, "operation=Record"),
            (Records::Events, View::Own(1), Some(7), "asset_attributes.a=b"),
            (Records::Events, View::Public, None, "asset_attributes.a=b&asset.attributes.c=d&order_by=SIMPLEHASHV1"),
            (Records::Events, View::Public, None, ""),
            (Records::Events, View::Public, Some(7), "asset_attributes.a=b"),
            (Records::Events, View::Own(1), None, "mmr_index=7"),
            (Records::Events, View::Own(1), None, "confirmation_status=PENDING"),
            (Records::Assets, View::Own(1), None, "confirmation_status=FAILED"),
        ] {
            let plan = plan(&connection, records, view, asset, query);
            // Only the partial index of public events is walked, from its newest end.
            let scans = plan.iter().any(|step| step.starts_with("SCAN") && !step.contains("events_public"));
            assert!(!scans && !plan.iter().any(|step| step.contains("TEMP B-TREE")), "{query}: {plan:#?}");
        }
        for query in ["asset.attributes.a=b", "filters=asset_attributes.a=b OR event_attributes.c=d"] {
            let plan = plan(&connection, Records::Events, View::Own(1), None, query);
            assert!(plan.iter().any(|step| step.contains("PRIMARY KEY (space=? AND term=?)")), "{query}: {plan:#?}");
            assert!(
                !plan.iter().any(|step| step.starts_with("SCAN e") || step.starts_with("SCAN a")),
                "{query}: {plan:#?}"
            );
        }
    }
}

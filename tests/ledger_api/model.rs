//! Random records and random filters: what a listing finds is what a plain look at every record finds.

use std::collections::BTreeSet;

use rand::rngs::StdRng;
use rand::{Rng as _, SeedableRng as _};
use serde_json::{Map, Value, json};

use crate::support::{Tenant, World, column};

const VALUES: [&str; 4] = ["", "a", "b", "it's c"];
const PATHS: [&str; 5] = ["x", "y", "d.k", "l[].k", "d"];

fn attributes(random: &mut StdRng) -> Value {
    let mut object = Map::new();
    let value = |random: &mut StdRng| VALUES[random.random_range(0..VALUES.len())];
    for key in ["x", "y"] {
        if random.random_bool(0.6) {
            object.insert(key.into(), json!(value(random)));
        }
    }
    if random.random_bool(0.4) {
        object.insert("d".into(), json!({"k": value(random)}));
    }
    if random.random_bool(0.4) {
        object.insert("l".into(), json!([{"k": value(random)}, {"k": value(random), "m": "a"}, {}]));
    }
    Value::Object(object)
}

/// Every value at the path; a dictionary or list by itself counts as its text.
fn values(attributes: &Value, path: &str) -> Vec<String> {
    match path.split_once('.') {
        None => match &attributes[path] {
            Value::String(text) => vec![text.clone()],
            Value::Null => Vec::new(),
            other => vec![other.to_string()],
        },
        Some((key, inner)) => {
            let dicts: Vec<&Value> = match key.strip_suffix("[]") {
                Some(list) => attributes[list].as_array().into_iter().flatten().collect(),
                None => vec![&attributes[key]],
            };
            dicts.into_iter().filter_map(|dict| dict[inner].as_str().map(str::to_owned)).collect()
        }
    }
}

/// A term as text, and what it says of the record (by the parameter's prefix).
struct Term {
    prefix: &'static str,
    path: &'static str,
    value: Option<&'static str>,
    absent: bool,
}

impl Term {
    fn random(random: &mut StdRng, prefixes: &[&'static str]) -> Term {
        let value = random.random_bool(0.7).then(|| VALUES[random.random_range(0..VALUES.len())]);
        let prefix = prefixes[random.random_range(0..prefixes.len())];
        // A dictionary by itself has no value to be equal to.
        let paths = if value.is_some() { &PATHS[..4] } else { &PATHS[..] };
        Term { prefix, path: paths[random.random_range(0..paths.len())], value, absent: random.random_bool(0.5) }
    }

    fn parameter(&self) -> (String, String) {
        let name = format!("{}{}", self.prefix, self.path);
        match (self.value, self.absent) {
            (Some(value), _) => (name, value.to_owned()),
            (None, false) => (name, "*".to_owned()),
            (None, true) => (format!("{name}!"), "*".to_owned()),
        }
    }

    fn holds(&self, record: &Value, asset: &Value) -> bool {
        let attributes = match self.prefix {
            "attributes." | "asset.attributes." => &asset["attributes"],
            prefix => &record[prefix.trim_end_matches('.')],
        };
        let found = values(attributes, self.path);
        match self.value {
            Some(value) => found.iter().any(|text| text == value),
            None => found.iter().any(|text| !text.is_empty()) != self.absent,
        }
    }
}

/// A random query, and its groups.
fn query(random: &mut StdRng, prefixes: &[&'static str]) -> (String, Vec<Vec<Term>>) {
    let mut text = url::form_urlencoded::Serializer::new(String::new());
    let mut groups: Vec<Vec<Term>> = Vec::new();
    let mut used = BTreeSet::new();
    for _ in 0..random.random_range(1..4) {
        let size = random.random_range(1..4);
        let terms: Vec<Term> = (0..size).map(|_| Term::random(random, prefixes)).collect();
        if let [only] = terms.as_slice() {
            let (name, value) = only.parameter();
            // Of a repeated parameter only the first counts.
            if !used.insert(name.clone()) {
                continue;
            }
            text.append_pair(&name, &value);
        } else {
            let quoted = terms.iter().map(|term| {
                let (name, value) = term.parameter();
                format!("{name}='{}'", value.replace('\'', "\\'"))
            });
            text.append_pair("filters", &quoted.collect::<Vec<_>>().join(" OR "));
        }
        groups.push(terms);
    }
    (text.finish(), groups)
}

async fn all(tenant: &Tenant, path: &str) -> Vec<Value> {
    let answer = tenant.get(path).await;
    let records = answer.json["assets"].as_array().or_else(|| answer.json["events"].as_array());
    records.expect("a listing").clone()
}

#[tokio::test]
async fn a_listing_finds_exactly_the_records_that_its_filters_describe_in_both_views() {
    let world = World::new().await;
    let (tenant, stranger) = (world.tenant("acme").await, world.tenant("stranger").await);
    let mut random = StdRng::seed_from_u64(20_240_314);
    let mut last = String::new();
    for n in 0..24 {
        let who = if n % 4 == 3 { &stranger } else { &tenant };
        let asset = who.create(random.random_bool(0.7), attributes(&mut random)).await;
        last = asset.clone();
        for _ in 0..random.random_range(0..3) {
            last = who.record(&asset, attributes(&mut random), attributes(&mut random)).await;
        }
    }
    stranger.confirmed(&last).await;
    let anybody = world.anybody();
    let own_assets = all(&tenant, "v2/assets").await;
    let own_events = all(&tenant, "v2/assets/-/events").await;
    let public_events = all(&anybody, "v2/publicassets/-/events").await;
    assert!(own_assets.len() == 18 && own_events.len() > 20 && public_events.len() > 15);
    let mut public_assets = Vec::new();
    for identity in public_events.iter().filter_map(|event| event["asset_identity"].as_str()).collect::<BTreeSet<_>>() {
        public_assets.push(anybody.get(&format!("v2/{identity}")).await.json);
    }
    let events = ["event_attributes.", "asset_attributes.", "asset.attributes."];
    let mut hits = 0;
    for round in 0..150 {
        let (who, path, records, assets, prefixes) = match round % 3 {
            0 => (&tenant, "v2/assets", &own_assets, &own_assets, &["attributes."][..]),
            1 => (&tenant, "v2/assets/-/events", &own_events, &own_assets, &events[..]),
            _ => (&anybody, "v2/publicassets/-/events", &public_events, &public_assets, &events[..]),
        };
        let (query, groups) = query(&mut random, prefixes);
        let answer = who.get(&format!("{path}?{query}")).await;
        let expected: Vec<&str> = records
            .iter()
            .filter(|record| {
                let identity = if round % 3 == 0 { &record["identity"] } else { &record["asset_identity"] };
                let asset = assets.iter().find(|asset| asset["identity"] == *identity).expect("its asset");
                groups.iter().all(|group| group.iter().any(|term| term.holds(record, asset)))
            })
            .filter_map(|record| record["identity"].as_str())
            .collect();
        assert_eq!(column(&answer, "/identity"), expected, "{path}?{query}");
        hits += expected.len();
    }
    assert!(hits > 300, "the filters are not all empty: {hits}");
}

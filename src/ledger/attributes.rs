//! Attributes: what the API admits as one, its limits, and the flat form that look-ups use.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::api::Refusal;

/// Characters of a key, and of other short fields.
pub(super) const KEY: usize = 1024;
/// Characters of a value.
const VALUE: usize = 4096;
/// Bytes of all keys and values of one request.
const TOTAL: usize = 51_200;

type Dict = BTreeMap<String, String>;

/// One attribute's value.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub(super) enum Attribute {
    /// A string.
    Text(String),
    /// A dictionary of strings.
    Dict(Dict),
    /// A list of dictionaries of strings.
    List(Vec<Dict>),
}

/// Attributes by key.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub(super) struct Attributes(pub(super) BTreeMap<String, Attribute>);

impl Attributes {
    /// Reads and checks the field `name` of a request; absent and null are empty.
    pub(super) fn from_request(name: &str, value: Option<&Value>) -> Result<Attributes, Refusal> {
        let object = match value {
            None | Some(Value::Null) => return Ok(Attributes::default()),
            Some(Value::Object(object)) => object,
            Some(_) => return Err(Refusal::invalid(format!("{name}: an object was expected"))),
        };
        let mut attributes = BTreeMap::new();
        for (key, value) in object {
            check_key(name, key)?;
            attributes.insert(key.clone(), attribute(name, value)?);
        }
        Ok(Attributes(attributes))
    }

    /// Bytes of all keys and values.
    fn size(&self) -> usize {
        let dict = |dict: &Dict| dict.iter().map(|(key, value)| key.len() + value.len()).sum::<usize>();
        self.0
            .iter()
            .map(|(key, value)| {
                key.len()
                    + match value {
                        Attribute::Text(text) => text.len(),
                        Attribute::Dict(entries) => dict(entries),
                        Attribute::List(list) => list.iter().map(dict).sum(),
                    }
            })
            .sum()
    }

    /// Overwrites key by key, as an event's asset attributes do with the asset's.
    pub(super) fn merge(&mut self, newer: &Attributes) {
        self.0.extend(newer.0.iter().map(|(key, value)| (key.clone(), value.clone())));
    }

    /// Path and value of every string in it: `key`, `dict.key`, `list[].key`.
    pub(super) fn flat(&self) -> BTreeSet<(String, &str)> {
        let mut flat = BTreeSet::new();
        for (key, value) in &self.0 {
            match value {
                Attribute::Text(text) => {
                    flat.insert((key.clone(), text.as_str()));
                }
                Attribute::Dict(dict) => {
                    flat.extend(dict.iter().map(|(inner, value)| (format!("{key}.{inner}"), value.as_str())));
                }
                Attribute::List(list) => {
                    let inner = list.iter().flatten();
                    flat.extend(inner.map(|(inner, value)| (format!("{key}[].{inner}"), value.as_str())));
                }
            }
        }
        flat
    }

    pub(super) fn json(&self) -> String {
        serde_json::to_string(self).expect("maps of strings are JSON")
    }

    pub(super) fn from_json(text: &str) -> Result<Attributes, super::Error> {
        serde_json::from_str(text).map_err(|error| super::Error::Corrupt(format!("attributes: {error}")))
    }
}

/// Checks the total of one request.
pub(super) fn check_size(all: &[&Attributes]) -> Result<(), Refusal> {
    let size: usize = all.iter().map(|attributes| attributes.size()).sum();
    if size > TOTAL {
        return Err(Refusal::invalid(format!("attributes are {size} bytes in all; at most {TOTAL} are allowed")));
    }
    Ok(())
}

fn check_key(name: &str, key: &str) -> Result<(), Refusal> {
    let length = key.chars().count();
    if !(1..=KEY).contains(&length) {
        return Err(Refusal::invalid(format!("{name}: a key must have 1 to {KEY} characters")));
    }
    if key.chars().any(char::is_control) || key.contains('.') || key.ends_with("[]") {
        return Err(Refusal::invalid(format!(
            "{name}: a key must not have control characters or '.', nor end in '[]'"
        )));
    }
    Ok(())
}

fn attribute(name: &str, value: &Value) -> Result<Attribute, Refusal> {
    match value {
        Value::String(text) => Ok(Attribute::Text(text_value(name, text)?)),
        Value::Object(_) => Ok(Attribute::Dict(dict(name, value)?)),
        Value::Array(list) => {
            Ok(Attribute::List(list.iter().map(|entry| dict(name, entry)).collect::<Result<_, _>>()?))
        }
        _ => Err(unexpected(name)),
    }
}

fn dict(name: &str, value: &Value) -> Result<Dict, Refusal> {
    let Value::Object(object) = value else { return Err(unexpected(name)) };
    let mut dict = Dict::new();
    for (key, value) in object {
        if key.chars().count() > KEY || key.contains('.') {
            return Err(Refusal::invalid(format!("{name}: a nested key has at most {KEY} characters and no '.'")));
        }
        let Value::String(text) = value else { return Err(unexpected(name)) };
        dict.insert(key.clone(), text_value(name, text)?);
    }
    Ok(dict)
}

fn text_value(name: &str, text: &str) -> Result<String, Refusal> {
    if text.chars().count() > VALUE {
        return Err(Refusal::invalid(format!("{name}: a value has at most {VALUE} characters")));
    }
    Ok(text.to_owned())
}

fn unexpected(name: &str) -> Refusal {
    Refusal::invalid(format!("{name}: unexpected field in nested struct"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn read(value: Value) -> Result<Attributes, Refusal> {
        Attributes::from_request("attributes", Some(&value))
    }

    #[test]
    fn strings_dictionaries_and_lists_of_them_are_admitted_and_nothing_else() {
        let good =
            json!({"a": "", "é".repeat(1024): "ü".repeat(4096), "d": {"k": "v"}, "l": [{"k": "v"}, {}], "e": []});
        assert_eq!(serde_json::from_str::<Value>(&read(good.clone()).expect("admitted").json()).expect("JSON"), good);
        for bad in [
            json!(1),
            json!(true),
            json!(null),
            json!(["s"]),
            json!({"k": 1}),
            json!({"k": {}}),
            json!([[{}]]),
            json!("x".repeat(4097)),
            json!({"a.b": "v"}),
            json!({"x".repeat(1025): "v"}),
        ] {
            assert!(read(json!({"key": bad.clone()})).is_err(), "{bad}");
        }
        for key in ["", "a.b", "a[]", "a\u{7}", &"x".repeat(1025)] {
            assert!(read(json!({key: "v"})).is_err(), "{key:?}");
        }
    }

    #[test]
    fn the_total_counts_bytes_of_keys_and_values() {
        let at = |bytes: usize| {
            let mut object = serde_json::Map::new();
            let mut left = bytes;
            for i in 0.. {
                if left == 0 {
                    break;
                }
                let length = left.min(4000);
                object.insert(format!("{i:02}"), Value::String("v".repeat(length - 2)));
                left -= length;
            }
            read(Value::Object(object)).expect("admitted")
        };
        assert!(check_size(&[&at(40_000), &at(11_200)]).is_ok());
        assert!(check_size(&[&at(40_000), &at(11_201)]).is_err());
    }

    #[test]
    fn flattening_names_nested_values_as_queries_do() {
        let read = read(json!({"k": "v", "d": {"x": "1"}, "l": [{"y": "2"}, {"y": "3"}]})).expect("admitted");
        let flat: Vec<String> = read.flat().into_iter().map(|(path, value)| format!("{path}={value}")).collect();
        assert_eq!(flat, ["d.x=1", "k=v", "l[].y=2", "l[].y=3"]);
    }
}

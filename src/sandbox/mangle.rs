//! Faults that change what an answer says about entries. Each entry counts as one matching request, labelled with the route and
//! the entry's path (`files/list_folder /docs/a.txt`); a rule with `text` concerns only paths that contain it (as keys).

use serde_json::{Value, json};

use crate::ledger::faults::{Script, Strike};

/// One fault on one entry: whether it strikes.
pub fn strikes(script: &Script, fault: &str, route: &str, path: &str) -> Option<Strike> {
    let strike = script.strike(fault, &format!("{route} {path}"))?;
    let concerns = strike.text.as_deref().is_none_or(|text| path.contains(&super::names::lower(text)));
    concerns.then_some(strike)
}

/// The faults of a single entry, wherever it is shown.
pub fn entry(script: &Script, route: &str, entry: &mut Value) {
    let path = entry["path_lower"].as_str().unwrap_or_default().to_owned();
    let strikes = |fault: &str| strikes(script, fault, route, &path);
    if entry[".tag"] == "file" {
        if strikes("no_content_hash").is_some() {
            entry.as_object_mut().map(|fields| fields.remove("content_hash"));
        }
        if strikes("not_downloadable").is_some() {
            entry["is_downloadable"] = json!(false);
            entry["export_info"] = json!({"export_as": "docx", "export_options": ["docx", "pdf"]});
            entry.as_object_mut().map(|fields| fields.remove("content_hash"));
        }
        if strikes("symlink").is_some() {
            entry["symlink_info"] = json!({"target": "elsewhere"});
        }
        if let Some(strike) = strikes("size") {
            let size = strike.value.map_or(5 << 30, number);
            entry["size"] = json!(size);
        }
    }
    if strikes("path_case").is_some()
        && let Some(display) = entry["path_display"].as_str()
        && let Some((parents, name)) = display.rsplit_once('/')
    {
        entry["path_display"] = json!(format!("{}/{name}", parents.to_uppercase()));
    }
    if strikes("extra_fields").is_some() {
        entry["x_new_field"] = json!({".tag": "novelty", "novelty": [1, null, "x"]});
        entry["sharing_info"] = json!({"read_only": true, "parent_shared_folder_id": "84528192421", "x_new": 1});
        entry["property_groups"] = json!([]);
        entry["preview_url"] = Value::Null;
    }
    if strikes("null_path").is_some() {
        entry["path_lower"] = Value::Null;
        entry["path_display"] = Value::Null;
    }
    if strikes("unknown_tag").is_some() {
        entry[".tag"] = json!("hologram");
    }
}

/// The faults of a page.
pub fn page(script: &Script, route: &str, entries: &mut Vec<Value>) {
    if script.strike("child_before_parent", route).is_some() {
        // Deletions stay in front: only what is there now changes places.
        entries.sort_by_key(|entry| {
            let depth = entry["path_lower"].as_str().unwrap_or_default().matches('/').count();
            if entry[".tag"] == "deleted" { (0, 0) } else { (1, usize::MAX - depth) }
        });
    }
    if script.strike("duplicate_entries", route).is_some() {
        *entries = entries.iter().flat_map(|entry| [entry.clone(), entry.clone()]).collect();
    }
    if script.strike("delete_then_add", route).is_some() {
        let deleted = |entry: &Value| json!({".tag": "deleted", "name": entry["name"], "path_lower": entry["path_lower"], "path_display": entry["path_display"]});
        let doubled = |entry: &Value| {
            if entry[".tag"] == "file" { vec![deleted(entry), entry.clone()] } else { vec![entry.clone()] }
        };
        *entries = entries.iter().flat_map(doubled).collect();
    }
    for one in entries.iter_mut() {
        entry(script, route, one);
    }
}

/// A rule's number as a count.
#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
pub fn number(value: f64) -> u64 {
    value.max(0.0) as u64
}

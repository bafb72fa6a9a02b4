//! A client that applies deltas as the protocol says ends up with what a fresh listing shows, whatever happened in between.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rand::rngs::StdRng;
use rand::{Rng as _, SeedableRng as _};
use serde_json::{Value, json};

use crate::support::World;

/// `path_lower` → (tag, id, rev).
type Model = BTreeMap<String, (String, String, String)>;

fn apply(model: &mut Model, entries: &[Value]) {
    for entry in entries {
        let text = |key: &str| entry[key].as_str().unwrap_or_default().to_owned();
        let (tag, path) = (text(".tag"), text("path_lower"));
        let below = format!("{path}/");
        if tag == "deleted" || (tag == "file" && model.get(&path).is_some_and(|old| old.0 == "folder")) {
            model.retain(|known, _| *known != path && !known.starts_with(&below));
        }
        if tag != "deleted" {
            model.insert(path, (tag, text("id"), text("rev")));
        }
    }
}

fn walk(dir: &Path, into: &mut Vec<PathBuf>) {
    for item in fs::read_dir(dir).unwrap() {
        let item = item.unwrap();
        into.push(item.path());
        if item.file_type().unwrap().is_dir() {
            walk(&item.path(), into);
        }
    }
}

/// One thing that a person might do.
fn act(root: &Path, random: &mut StdRng, count: &mut u32) {
    let mut paths = Vec::new();
    walk(root, &mut paths);
    paths.sort();
    let mut folders: Vec<PathBuf> = paths.iter().filter(|path| path.is_dir()).cloned().collect();
    folders.push(root.to_owned());
    let folder = folders[random.random_range(0..folders.len())].clone();
    *count += 1;
    let fresh = folder.join(format!("N{}", random.random_range(0..12)));
    let Some(path) = paths.get(random.random_range(0..=paths.len())).cloned() else {
        fs::write(folder.join(format!("f{count}")), count.to_string()).unwrap();
        return;
    };
    match random.random_range(0..7) {
        0 if !fresh.exists() => fs::create_dir(&fresh).unwrap(),
        1 | 2 if !fresh.exists() => fs::write(&fresh, format!("new {count}")).unwrap(),
        3 if path.is_file() => fs::write(&path, format!("again {count}")).unwrap(),
        4 if path.is_dir() && paths.len() > 8 => fs::remove_dir_all(&path).unwrap(),
        4 if path.is_file() => fs::remove_file(&path).unwrap(),
        5 | 6 if !fresh.exists() && !fresh.starts_with(&path) => fs::rename(&path, &fresh).unwrap(),
        _ => {
            let temporary = folder.join(format!("t{count}~"));
            fs::write(&temporary, format!("saved {count}")).unwrap();
            if path.is_file() {
                fs::rename(&temporary, &path).unwrap();
            }
        }
    }
}

/// A fresh listing, as soon as it shows what is on the disk.
async fn settled(world: &World) -> (Model, String) {
    let began = Instant::now();
    loop {
        let mut paths = Vec::new();
        walk(world.folder.path(), &mut paths);
        let disk: BTreeMap<String, Option<u64>> = paths
            .iter()
            .map(|path| {
                let below = path.strip_prefix(world.folder.path()).unwrap().to_str().unwrap();
                let size = path.is_file().then(|| fs::metadata(path).unwrap().len());
                (format!("/{}", below.to_lowercase()), size)
            })
            .collect();
        let (entries, cursor) = world.list("").await;
        let shown: BTreeMap<String, Option<u64>> = entries
            .iter()
            .map(|entry| (entry["path_lower"].as_str().unwrap().to_owned(), entry["size"].as_u64()))
            .collect();
        if shown == disk {
            let mut model = Model::new();
            apply(&mut model, &entries);
            return (model, cursor);
        }
        assert!(began.elapsed() < Duration::from_secs(20), "disk {disk:#?}\nshown {shown:#?}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test]
async fn deltas_from_any_earlier_cursor_lead_to_the_present_listing() {
    let world = World::new(&[("N1/N2/a", "a"), ("N3/b", "b"), ("c", "c")]).await;
    let mut random = StdRng::seed_from_u64(20_261_122);
    let mut count = 0;
    let page = world.ok("files/list_folder", json!({"path": "", "recursive": true, "limit": 3})).await;
    let (entries, cursor) = world.rest(page).await;
    let mut model = Model::new();
    apply(&mut model, &entries);
    let mut held = vec![(model, cursor)];
    for round in 0..25 {
        for _ in 0..random.random_range(1..6) {
            act(world.folder.path(), &mut random, &mut count);
        }
        let (present, _) = settled(&world).await;
        let ids: std::collections::HashSet<&String> = present.values().map(|entry| &entry.1).collect();
        assert_eq!(ids.len(), present.len(), "one id at two paths");
        let mut led = Vec::new();
        for (model, cursor) in &held {
            let (mut model, (entries, next)) = (model.clone(), world.drain(cursor).await);
            apply(&mut model, &entries);
            led.push((model, next, entries));
        }
        // Between listing and drains a touched time may still have come in: compare only where nothing did.
        if settled(&world).await.0 == present {
            for (model, _, entries) in &led {
                assert_eq!(*model, present, "round {round}, {entries:#?}");
            }
            held.extend(led.pop().map(|(model, next, _)| (model, next)));
        }
    }
    assert!(held.len() > 20, "only {} rounds were compared", held.len());
}

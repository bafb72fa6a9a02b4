//! What the scanner last knew of the folder, in memory: by path, by folder and by inode. Knows no file system and no database.

use std::collections::{BTreeSet, HashMap, HashSet};

use super::db::Entry;
use super::names;

/// Inode number and birth time: a file system object, told from a later one that reuses the number.
pub type Object = (i64, i64);

/// The known entries.
#[derive(Debug, Default)]
pub struct Tree {
    entries: HashMap<String, Entry>,
    children: HashMap<String, BTreeSet<String>>,
    objects: HashMap<Object, HashSet<String>>,
}

fn object(entry: &Entry) -> Object {
    (entry.stat.inode, entry.stat.birth)
}

impl Tree {
    /// What is known at a path.
    pub fn get(&self, path_lower: &str) -> Option<&Entry> {
        self.entries.get(path_lower)
    }

    /// Stores an entry at its path.
    pub fn put(&mut self, entry: Entry) {
        self.forget_object(&entry.path_lower);
        self.objects.entry(object(&entry)).or_default().insert(entry.path_lower.clone());
        let parent = names::parent(&entry.path_lower).to_owned();
        self.children.entry(parent).or_default().insert(entry.path_lower.clone());
        self.entries.insert(entry.path_lower.clone(), entry);
    }

    /// Takes away the entry at a path, not what is below it.
    pub fn take(&mut self, path_lower: &str) -> Option<Entry> {
        self.forget_object(path_lower);
        if let Some(siblings) = self.children.get_mut(names::parent(path_lower)) {
            siblings.remove(path_lower);
            if siblings.is_empty() {
                self.children.remove(names::parent(path_lower));
            }
        }
        self.entries.remove(path_lower)
    }

    fn forget_object(&mut self, path_lower: &str) {
        if let Some(object) = self.entries.get(path_lower).map(object)
            && let Some(paths) = self.objects.get_mut(&object)
        {
            paths.remove(path_lower);
            if paths.is_empty() {
                self.objects.remove(&object);
            }
        }
    }

    /// The paths directly in a folder.
    pub fn children(&self, path_lower: &str) -> Vec<String> {
        self.children.get(path_lower).map(|paths| paths.iter().cloned().collect()).unwrap_or_default()
    }

    /// The path and all paths below it, parents first.
    pub fn subtree(&self, path_lower: &str) -> Vec<String> {
        let mut paths = vec![path_lower.to_owned()];
        let mut next = 0;
        while next < paths.len() {
            paths.extend(self.children(&paths[next]));
            next += 1;
        }
        paths
    }

    /// Where a file system object was last seen.
    pub fn places(&self, object: Object) -> Vec<String> {
        self.objects.get(&object).map(|paths| paths.iter().cloned().collect()).unwrap_or_default()
    }

    /// How many entries there are.
    pub fn len(&self) -> usize {
        self.entries.len()
    }
}

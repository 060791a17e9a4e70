//! Labels with numbers.

use std::collections::BTreeMap;

use crate::item::Item;

/// A label and how many images carry it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Class {
    /// The label.
    pub name: String,
    /// Listed images that carry it.
    pub count: u64,
}

/// The classes of `items` in the order of their ids: the labels that are `known`, in their order, then the others, most
/// frequent first, ties by name.
pub fn number(items: &[Item], known: &[String]) -> Vec<Class> {
    let mut counts: BTreeMap<&str, u64> = BTreeMap::new();
    for item in items {
        *counts.entry(&item.label).or_default() += 1;
    }
    let known = known.iter().map(|name| Class { name: name.clone(), count: counts.remove(name.as_str()).unwrap_or(0) });
    let mut classes: Vec<Class> = known.collect();
    let others = classes.len();
    classes.extend(counts.into_iter().map(|(name, count)| Class { name: name.to_owned(), count }));
    // Stable, and the map is sorted: ties stay in the order of their names.
    classes[others..].sort_by_key(|class| std::cmp::Reverse(class.count));
    classes
}

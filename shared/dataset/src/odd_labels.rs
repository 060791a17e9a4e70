//! Labels that may not be what was meant.

use std::collections::{BTreeMap, BTreeSet};

use icu_normalizer::ComposingNormalizerBorrowed;
use pomona_run::counted::counted;
use pomona_run::label::LabelFrom;
use pomona_run::visible::visible;
use serde::{Deserialize, Serialize};

use crate::classes::Class;
use crate::item::Item;

/// Names of folders that part a dataset and do not say what is in its pictures.
const SPLITS: [&str; 7] = ["train", "training", "test", "testing", "val", "valid", "validation"];

/// Names in a notice.
const NAMED: usize = 3;

/// Names that have something in common: how many there are, and the first few.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Names {
    /// All of them.
    pub count: u64,
    /// Some.
    pub first: Vec<String>,
}

impl Names {
    fn of(names: impl IntoIterator<Item = String>) -> Self {
        let mut found = Self::default();
        for name in names {
            found.count += 1;
            if found.first.len() < NAMED {
                found.first.push(name);
            }
        }
        found
    }
}

/// What about a run's labels may not be what was meant, by why.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct OddLabels {
    /// Images that lie less deep than the level that labels come from.
    pub unlabelled: u64,
    /// Labels that are named like parts of a dataset, such as `train`.
    pub splits: Names,
    /// Labels of several folders that differ in more than the part of the dataset, such as `bottle/good` and
    /// `cable/good`; each with two of these folders.
    pub shared: Names,
    /// Labels that are written in several ways that look the same: Unicode's composed and decomposed forms.
    pub alike: Names,
    /// Labels that the list of classes lacks.
    pub added: Names,
}

impl OddLabels {
    /// Looks through the labels of a listing, whose classes are those that `known` names and others.
    pub fn of(items: &[Item], classes: &[Class], from: LabelFrom, known: &[String]) -> Self {
        let unlabelled = match from {
            LabelFrom::Level(_) => items.iter().filter(|item| item.label.is_empty()).count() as u64,
            LabelFrom::Parent | LabelFrom::None => 0,
        };
        let used: Vec<&str> = classes.iter().filter(|class| class.count > 0).map(|class| class.name.as_str()).collect();
        let is_split = |label: &&&str| SPLITS.contains(&label.to_lowercase().as_str());
        let known: BTreeSet<&str> = known.iter().map(String::as_str).collect();
        let is_added = |label: &&&str| !known.is_empty() && !label.is_empty() && !known.contains(**label);
        let added = used.iter().filter(is_added);
        Self {
            unlabelled,
            splits: Names::of(used.iter().filter(is_split).map(|label| (*label).to_owned())),
            shared: shared(items, from),
            alike: alike(used.iter().copied().chain(known.iter().copied())),
            added: Names::of(added.map(|label| (*label).to_owned())),
        }
    }

    /// A sentence about each kind that there is.
    pub fn notices(&self) -> Vec<String> {
        let mut notices = Vec::new();
        if let Some(images) = counted(self.unlabelled, "image lies", "images lie") {
            notices.push(format!("{images} too high for the level that --label-from names: the label is empty"));
        }
        let mut say = |names: &Names, one: &str, many: &str, consequence: &str| {
            if let Some(labels) = counted(names.count, one, many) {
                notices.push(format!("{labels} {consequence}: {}", first(names)));
            }
        };
        let advice = "--label-from takes the name of another folder";
        say(&self.splits, "label is", "labels are", &format!("named like a part of a dataset ({advice})"));
        say(
            &self.shared,
            "label is",
            "labels are",
            &format!("shared by folders that may be different classes ({advice})"),
        );
        say(
            &self.alike,
            "label is",
            "labels are",
            "written in several ways that look the same (composed and decomposed Unicode), and so several classes",
        );
        say(&self.added, "label is", "labels are", "not among the classes that were given, and numbered behind them");
        notices
    }
}

fn first(names: &Names) -> String {
    let mut text: Vec<String> = names.first.iter().map(|name| visible(name).to_string()).collect();
    if names.count > text.len() as u64 {
        text.push("...".to_owned());
    }
    text.join(", ")
}

/// Labels that several folders share. Only of parents: who names a level knows what lies below it.
fn shared(items: &[Item], from: LabelFrom) -> Names {
    if from != LabelFrom::Parent {
        return Names::default();
    }
    let mut folders: BTreeMap<&str, BTreeMap<String, &str>> = BTreeMap::new();
    let mut last = "";
    for item in items {
        let folder = item.id.rsplit_once('/').map_or("", |(folder, _)| folder);
        // They are sorted: those of a folder stand together, but for its subfolders. A label that is not the folder's name
        // was given.
        let is_own = folder.rsplit('/').next() == Some(&*item.label);
        if folder != last && is_own {
            last = folder;
            folders.entry(&item.label).or_default().entry(without_splits(folder)).or_insert(folder);
        }
    }
    let two = |folders: &BTreeMap<String, &str>| folders.values().take(2).copied().collect::<Vec<_>>().join(" and ");
    let several = folders.iter().filter(|(_, folders)| folders.len() > 1);
    Names::of(several.map(|(label, folders)| format!("{label} ({})", two(folders))))
}

fn without_splits(folder: &str) -> String {
    let names: Vec<&str> = folder.split('/').filter(|name| !SPLITS.contains(&name.to_lowercase().as_str())).collect();
    names.join("/")
}

/// Labels that differ by normalisation only, with their characters as numbers: nobody could tell one from another else.
fn alike<'a>(labels: impl Iterator<Item = &'a str>) -> Names {
    let composed = ComposingNormalizerBorrowed::new_nfc();
    let mut by_form: BTreeMap<String, BTreeSet<&str>> = BTreeMap::new();
    for label in labels.filter(|label| !label.is_ascii()) {
        by_form.entry(composed.normalize(label).into_owned()).or_default().insert(label);
    }
    let several = by_form.into_values().filter(|labels| labels.len() > 1);
    Names::of(several.flatten().map(|label| label.escape_default().to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::classes::number;

    fn notices(ids: &[&str], from: &str, known: &[&str]) -> Vec<String> {
        let from: LabelFrom = from.parse().unwrap();
        let known: Vec<String> = known.iter().map(|&label| label.to_owned()).collect();
        let mut ids = ids.to_vec();
        ids.sort_unstable();
        let item = |id: &str| Item {
            id: id.to_owned(),
            size: 1,
            version: None,
            label: from.label(id).into(),
            place: Default::default(),
        };
        let items: Vec<Item> = ids.into_iter().map(item).collect();
        OddLabels::of(&items, &number(&items, &known), from, &known).notices()
    }

    #[test]
    fn usual_folders_earn_no_notice() {
        let keys = ["a/1.jpg", "b/1.jpg", "x.jpg", "train/cat/1.jpg", "test/cat/1.jpg", "Test/dog/2.jpg"];
        assert_eq!(notices(&keys, "parent", &[]), [""; 0]);
        assert_eq!(notices(&keys, "none", &[]), [""; 0]);
    }

    #[test]
    fn a_label_of_several_folders_is_said_with_two_of_them() {
        let keys = ["bottle/train/good/1.jpg", "cable/test/good/1.jpg", "cable/train/good/1.jpg", "pear/1.jpg"];
        let shared = &notices(&keys, "parent", &[])[0];
        assert!(shared.starts_with("1 label is shared by folders"), "{shared}");
        assert!(shared.ends_with("good (bottle/train/good and cable/test/good)"), "{shared}");
        assert_eq!(notices(&keys, "top", &[]), [""; 0]);
    }

    #[test]
    fn a_part_of_a_dataset_that_became_a_class_is_said() {
        let notices = notices(&["train/1.jpg", "Test/2.jpg", "cat/3.jpg"], "parent", &[]);
        assert_eq!(notices.len(), 1);
        assert!(notices[0].starts_with("2 labels are named like a part of a dataset"), "{}", notices[0]);
        assert!(notices[0].ends_with(": Test, train"), "{}", notices[0]);
    }

    #[test]
    fn labels_that_look_the_same_are_said() {
        let notices = notices(&["caf\u{e9}/1.jpg", "cafe\u{301}/1.jpg", "cafe/1.jpg", "th\u{e9}/1.jpg"], "parent", &[]);
        assert_eq!(notices.len(), 1);
        assert!(notices[0].starts_with("2 labels are written in several ways"), "{}", notices[0]);
        assert!(notices[0].ends_with(": cafe\\u{301}, caf\\u{e9}"), "{}", notices[0]);
        let of_list = super::tests::notices(&["cafe\u{301}/1.jpg"], "parent", &["caf\u{e9}"]);
        assert!(of_list[0].starts_with("2 labels are written in several ways"), "{of_list:?}");
    }

    #[test]
    fn labels_beyond_the_list_of_classes_and_images_without_one_are_counted() {
        let keys = ["a/x/1.jpg", "b/x/1.jpg", "c/x/1.jpg", "d/x/1.jpg", "e/x/1.jpg", "f.jpg"];
        let notices = notices(&keys, "top", &["b", "z", ""]);
        assert_eq!(
            notices,
            [
                "1 image lies too high for the level that --label-from names: the label is empty",
                "4 labels are not among the classes that were given, and numbered behind them: a, c, d, ..."
            ]
        );
    }
}

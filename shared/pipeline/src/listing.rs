//! The dataset's images as rows.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow_array::{Int32Array, Int64Array, StringArray};
use bytes::Bytes;
use pomona_run::label::LabelFrom;
use pomona_run::names;
use pomona_store::Object;

use crate::error::Error;
use crate::tables::{self, ParquetTable};

/// One image of the dataset.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// Where the image is, relative to the input location.
    pub key: String,
    /// Bytes.
    pub size: u64,
    /// The store's change token; empty where the file could not even be opened.
    pub etag: String,
    /// The name of one of the folders that the image lies in, as the option `label_from` chose it.
    pub label: Arc<str>,
    /// The number of the label among the classes.
    pub class_id: i32,
    /// The image's index in the whole listing.
    pub image_id: i64,
}

impl Row {
    /// Whether the file could be opened when it was listed.
    pub(crate) fn could_be_opened(&self) -> bool {
        !self.etag.is_empty()
    }
}

/// What makes an image the same image.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Identity {
    pub(crate) key: String,
    pub(crate) etag: String,
    pub(crate) size: u64,
}

impl Identity {
    pub(crate) fn of(row: &Row) -> Self {
        Self { key: row.key.clone(), etag: row.etag.clone(), size: row.size }
    }
}

/// A label with its number and how many listed images carry it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Class {
    /// The label.
    pub name: String,
    /// Listed images that carry it.
    pub count: u64,
}

/// The whole dataset: rows sorted by key, classes by number.
#[derive(Debug)]
pub struct Listing {
    /// Every image.
    pub rows: Vec<Row>,
    /// Classes in the order of their ids: those that the run was given, then the others, most frequent first, ties by
    /// name.
    pub classes: Vec<Class>,
}

impl Listing {
    /// Sorts, labels and numbers the objects. The labels that are `known` have the first ids, in their order.
    pub fn new(mut objects: Vec<Object>, labels: LabelFrom, known: &[String]) -> Self {
        objects.sort_unstable_by(|a, b| a.key.cmp(&b.key));
        let classes = number(count(objects.iter().map(|object| labels.label(&object.key))), known);
        let numbered = classes
            .iter()
            .zip(0..)
            .map(|(class, class_id)| (class.name.as_str(), (class_id, Arc::from(class.name.as_str()))));
        let numbered: BTreeMap<&str, (i32, Arc<str>)> = numbered.collect();
        let row = |(object, image_id): (Object, i64)| {
            let (class_id, label) = numbered[labels.label(&object.key)].clone();
            Row { key: object.key, size: object.size, etag: object.etag, label, class_id, image_id }
        };
        let rows = objects.into_iter().zip(0..).map(row).collect();
        Self { rows, classes }
    }

    /// The size of all images in bytes.
    pub fn bytes(&self) -> u64 {
        self.rows.iter().map(|row| row.size).sum()
    }

    /// The rows of every shard that has any, in the order of the shards' numbers; each sorted by key.
    pub fn into_shards(self, bits: u32) -> BTreeMap<u32, Vec<Row>> {
        let mut shards: BTreeMap<u32, Vec<Row>> = BTreeMap::new();
        for row in self.rows {
            shards.entry(names::shard_of(&row.key, bits)).or_default().push(row);
        }
        shards
    }
}

fn count<'a>(labels: impl Iterator<Item = &'a str>) -> BTreeMap<&'a str, u64> {
    let mut counts = BTreeMap::new();
    for label in labels {
        *counts.entry(label).or_default() += 1;
    }
    counts
}

fn number(mut counts: BTreeMap<&str, u64>, known: &[String]) -> Vec<Class> {
    let known = known.iter().map(|name| Class { name: name.clone(), count: counts.remove(name.as_str()).unwrap_or(0) });
    let mut classes: Vec<Class> = known.collect();
    let others = classes.len();
    classes.extend(counts.into_iter().map(|(name, count)| Class { name: name.to_owned(), count }));
    // Stable, and the map is sorted: ties stay in the order of their names.
    classes[others..].sort_by_key(|class| std::cmp::Reverse(class.count));
    classes
}

/// A shard's rows as the content of `file`.
pub(crate) fn encode(file: &str, rows: &[Row]) -> Result<Bytes, Error> {
    let fields = vec![
        tables::text_field("key"),
        tables::int64_field("size"),
        tables::text_field("etag"),
        tables::text_field("label"),
        tables::int32_field("class_id"),
        tables::int64_field("image_id"),
    ];
    tables::to_parquet(
        file,
        fields,
        vec![
            Arc::new(StringArray::from_iter_values(rows.iter().map(|row| &row.key))),
            Arc::new(Int64Array::from_iter_values(rows.iter().map(|row| row.size as i64))),
            Arc::new(StringArray::from_iter_values(rows.iter().map(|row| &row.etag))),
            Arc::new(StringArray::from_iter_values(rows.iter().map(|row| &row.label))),
            Arc::new(Int32Array::from_iter_values(rows.iter().map(|row| row.class_id))),
            Arc::new(Int64Array::from_iter_values(rows.iter().map(|row| row.image_id))),
        ],
        [],
    )
}

/// A shard's rows from the content of `file`.
pub(crate) fn decode(file: &str, bytes: Bytes) -> Result<Vec<Row>, Error> {
    let table = ParquetTable::read(file, bytes)?;
    let (keys, sizes, etags) = (table.text("key")?, table.int64("size")?, table.text("etag")?);
    let (labels, class_ids, image_ids) = (table.text("label")?, table.int32("class_id")?, table.int64("image_id")?);
    let row = |index| Row {
        key: keys.value(index).to_owned(),
        size: sizes.value(index) as u64,
        etag: etags.value(index).to_owned(),
        label: labels.value(index).into(),
        class_id: class_ids.value(index),
        image_id: image_ids.value(index),
    };
    Ok((0..table.rows()).map(row).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn objects(keys: &[&str]) -> Vec<Object> {
        let object = |key: &&str| Object { key: (*key).to_owned(), size: 3, etag: format!("etag of {key}") };
        keys.iter().map(object).collect()
    }

    #[test]
    fn classes_are_numbered_by_frequency_and_ties_by_name() {
        let listing = Listing::new(objects(&["b/1", "c/1", "c/2", "a/1", "x"]), LabelFrom::Parent, &[]);
        let names: Vec<&str> = listing.classes.iter().map(|class| class.name.as_str()).collect();
        assert_eq!(names, ["c", "", "a", "b"]);
        assert_eq!(listing.classes[0].count, 2);
        let ids: Vec<(&str, i32, i64)> =
            listing.rows.iter().map(|row| (row.key.as_str(), row.class_id, row.image_id)).collect();
        assert_eq!(ids, [("a/1", 2, 0), ("b/1", 3, 1), ("c/1", 0, 2), ("c/2", 0, 3), ("x", 1, 4)]);
    }

    #[test]
    fn classes_that_are_known_keep_their_numbers_whatever_the_images_are() {
        let known = ["b", "none of these", "a"].map(str::to_owned);
        let listing = Listing::new(objects(&["a/1", "c/1", "c/2", "d/1", "d/2", "d/3"]), LabelFrom::Parent, &known);
        let classes: Vec<(&str, u64)> =
            listing.classes.iter().map(|class| (class.name.as_str(), class.count)).collect();
        assert_eq!(classes, [("b", 0), ("none of these", 0), ("a", 1), ("d", 3), ("c", 2)]);
        let ids: Vec<i32> = listing.rows.iter().map(|row| row.class_id).collect();
        assert_eq!(ids, [2, 4, 4, 3, 3, 3]);
    }

    proptest! {
        #[test]
        fn rows_survive_parquet(keys in prop::collection::btree_set(".{1,20}", 0..20), size in 0u64..1 << 40) {
            let objects = keys.into_iter().map(|key| Object { key, size, etag: "\"é,".into() }).collect();
            let rows = Listing::new(objects, LabelFrom::Parent, &[]).rows;
            let bytes = encode("listing", &rows).unwrap();
            prop_assert_eq!(decode("listing", bytes).unwrap(), rows);
        }
    }
}

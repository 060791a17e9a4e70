//! The dataset's images as rows.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow_array::{Int32Array, Int64Array, StringArray};
use bytes::Bytes;
use pomona_store::Object;

use crate::error::Error;
use crate::names;
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
    /// The number of the image's label, 0 for the most frequent.
    pub class_id: i32,
    /// The image's index in the whole listing.
    pub image_id: i64,
}

impl Row {
    /// The name of the folder that the image lies in, "" at the root.
    pub fn label(&self) -> &str {
        label_of(&self.key)
    }
}

/// The name of the folder that `key` lies in, "" at the root.
pub fn label_of(key: &str) -> &str {
    let Some((folders, _)) = key.rsplit_once('/') else {
        return "";
    };
    folders.rsplit('/').next().unwrap_or(folders)
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
    /// Classes in the order of their ids: most frequent first, ties by name.
    pub classes: Vec<Class>,
}

impl Listing {
    /// Sorts and numbers the objects.
    pub fn new(mut objects: Vec<Object>) -> Self {
        objects.sort_unstable_by(|a, b| a.key.cmp(&b.key));
        let classes = classes_by_frequency(&objects);
        let class_ids: BTreeMap<&str, i32> =
            classes.iter().zip(0..).map(|(class, class_id)| (class.name.as_str(), class_id)).collect();
        let rows = objects
            .into_iter()
            .zip(0..)
            .map(|(object, image_id)| Row {
                class_id: class_ids[label_of(&object.key)],
                image_id,
                key: object.key,
                size: object.size,
                etag: object.etag,
            })
            .collect();
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

fn classes_by_frequency(objects: &[Object]) -> Vec<Class> {
    let mut counts: BTreeMap<&str, u64> = BTreeMap::new();
    for object in objects {
        *counts.entry(label_of(&object.key)).or_default() += 1;
    }
    let mut classes: Vec<Class> =
        counts.into_iter().map(|(name, count)| Class { name: name.to_owned(), count }).collect();
    // Stable, and the map is sorted: ties stay in the order of their names.
    classes.sort_by_key(|class| std::cmp::Reverse(class.count));
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
            Arc::new(StringArray::from_iter_values(rows.iter().map(Row::label))),
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
    let (class_ids, image_ids) = (table.int32("class_id")?, table.int64("image_id")?);
    let row = |index| Row {
        key: keys.value(index).to_owned(),
        size: sizes.value(index) as u64,
        etag: etags.value(index).to_owned(),
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
    fn a_label_is_the_name_of_the_parent_folder() {
        assert_eq!(label_of("a.jpg"), "");
        assert_eq!(label_of("pear/a.jpg"), "pear");
        assert_eq!(label_of("year=2024/month=1/pear, ripe/a.jpg"), "pear, ripe");
    }

    #[test]
    fn classes_are_numbered_by_frequency_and_ties_by_name() {
        let listing = Listing::new(objects(&["b/1", "c/1", "c/2", "a/1", "x"]));
        let names: Vec<&str> = listing.classes.iter().map(|class| class.name.as_str()).collect();
        assert_eq!(names, ["c", "", "a", "b"]);
        assert_eq!(listing.classes[0].count, 2);
        let ids: Vec<(&str, i32, i64)> =
            listing.rows.iter().map(|row| (row.key.as_str(), row.class_id, row.image_id)).collect();
        assert_eq!(ids, [("a/1", 2, 0), ("b/1", 3, 1), ("c/1", 0, 2), ("c/2", 0, 3), ("x", 1, 4)]);
    }

    proptest! {
        #[test]
        fn rows_survive_parquet(keys in prop::collection::btree_set(".{1,20}", 0..20), size in 0u64..1 << 40) {
            let objects = keys.into_iter().map(|key| Object { key, size, etag: "\"é,".into() }).collect();
            let rows = Listing::new(objects).rows;
            let bytes = encode("listing", &rows).unwrap();
            prop_assert_eq!(decode("listing", bytes).unwrap(), rows);
        }
    }
}

//! The dataset's images as rows.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use arrow_array::{Array, BooleanArray, Int32Array, Int64Array, StringArray};
use bytes::Bytes;
use pomona_dataset::{Class, Item, Member, Pages, Place};
use pomona_run::names;
use pomona_terms::Reject;

use crate::error::Error;
use crate::rejects;
use crate::tables::{self, ParquetTable};

/// The columns of a listing that say where images are, where not all are files of their own.
const ARCHIVE: &str = "archive";
const ARCHIVE_ETAG: &str = "archive_etag";
const REASON: &str = "reason";
const DETAIL: &str = "detail";
const START: &str = "start";
const END: &str = "end";
const PAGES: &str = "pages";

/// The column of a listing that says which images are known, where not all are.
const KNOWN: &str = "is_known";

/// One image of a run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// The image.
    pub item: Item,
    /// The number of its label among the classes.
    pub class_id: i32,
    /// Its index in the whole listing.
    pub image_id: i64,
    /// Whether the run whose models are taken may have learned from this very image, because it listed it; always so
    /// where a run fits its own.
    pub is_known: bool,
}

/// Numbers the items, which are sorted by id and carry labels of `classes` only.
pub fn number(items: Vec<Item>, classes: &[Class]) -> Vec<Row> {
    let class_ids: HashMap<&str, i32> = classes.iter().map(|class| class.name.as_str()).zip(0..).collect();
    let row = |(item, image_id): (Item, i64)| Row { class_id: class_ids[&*item.label], item, image_id, is_known: true };
    items.into_iter().zip(0..).map(row).collect()
}

/// The rows of every shard that has any, in the order of the shards' numbers; each sorted by id.
///
/// `heads` has for each row the number of the one whose id decides its shard ([`pomona_dataset::heads`]).
pub fn into_shards(rows: Vec<Row>, heads: &[usize], bits: u32) -> BTreeMap<u32, Vec<Row>> {
    let numbers: Vec<u32> = heads.iter().map(|head| names::shard_of(&rows[*head].item.id, bits)).collect();
    let mut shards: BTreeMap<u32, Vec<Row>> = BTreeMap::new();
    for (row, shard) in rows.into_iter().zip(numbers) {
        shards.entry(shard).or_default().push(row);
    }
    shards
}

/// A shard's rows as the content of `file`. Which of them are known is written down where not all are.
pub fn encode(file: &str, rows: &[Row]) -> Result<Bytes, Error> {
    let mut fields = vec![
        tables::text_field("key"),
        tables::int64_field("size"),
        tables::text_field("etag"),
        tables::text_field("label"),
        tables::int32_field("class_id"),
        tables::int64_field("image_id"),
    ];
    let mut columns: Vec<Arc<dyn Array>> = vec![
        Arc::new(StringArray::from_iter_values(rows.iter().map(|row| &row.item.id))),
        Arc::new(Int64Array::from_iter_values(rows.iter().map(|row| row.item.size as i64))),
        Arc::new(StringArray::from_iter_values(rows.iter().map(|row| version_cell(row.item.version.as_deref())))),
        Arc::new(StringArray::from_iter_values(rows.iter().map(|row| &*row.item.label))),
        Arc::new(Int32Array::from_iter_values(rows.iter().map(|row| row.class_id))),
        Arc::new(Int64Array::from_iter_values(rows.iter().map(|row| row.image_id))),
    ];
    if rows.iter().any(|row| !row.is_known) {
        fields.push(tables::bool_field(KNOWN));
        columns.push(Arc::new(BooleanArray::from_iter(rows.iter().map(|row| Some(row.is_known)))));
    }
    if rows.iter().any(|row| row.item.place != Place::File) {
        let places: Vec<PlaceCells<'_>> = rows.iter().map(|row| PlaceCells::of(&row.item.place)).collect();
        fields.extend([ARCHIVE, ARCHIVE_ETAG, REASON, DETAIL].map(tables::text_field));
        columns.push(Arc::new(StringArray::from_iter_values(places.iter().map(|place| place.archive))));
        columns.push(Arc::new(StringArray::from_iter_values(places.iter().map(|place| place.version))));
        columns.push(Arc::new(StringArray::from_iter_values(places.iter().map(|place| place.reason))));
        columns.push(Arc::new(StringArray::from_iter_values(places.iter().map(|place| place.detail))));
        fields.extend([START, END].map(tables::int64_field));
        columns.push(Arc::new(Int64Array::from_iter_values(places.iter().map(|place| place.start as i64))));
        columns.push(Arc::new(Int64Array::from_iter_values(places.iter().map(|place| place.end as i64))));
        fields.push(tables::text_field(PAGES));
        let pages = places.iter().map(|place| place.pages.map_or_else(String::new, |pages| pages.to_string()));
        columns.push(Arc::new(StringArray::from_iter_values(pages)));
    }
    tables::to_parquet(file, fields, columns, [])
}

/// A shard's rows from the content of `file`.
pub fn decode(file: &str, bytes: Bytes) -> Result<Vec<Row>, Error> {
    let table = ParquetTable::read(file, bytes)?;
    let (keys, sizes, etags) = (table.text("key")?, table.int64("size")?, table.text("etag")?);
    let (labels, class_ids, image_ids) = (table.text("label")?, table.int32("class_id")?, table.int64("image_id")?);
    let known = table.bool_if_any(KNOWN)?;
    let places = places(file, &table)?;
    let row = |index| Row {
        item: Item {
            id: keys.value(index).to_owned(),
            size: sizes.value(index) as u64,
            version: version_of(etags.value(index)),
            label: labels.value(index).into(),
            place: places.get(index).cloned().unwrap_or_default(),
        },
        class_id: class_ids.value(index),
        image_id: image_ids.value(index),
        is_known: known.is_none_or(|known| known.value(index)),
    };
    Ok((0..table.rows()).map(row).collect())
}

/// A place as cells; all are empty of a file.
#[derive(Default)]
struct PlaceCells<'a> {
    archive: &'a str,
    version: &'a str,
    reason: &'a str,
    detail: &'a str,
    start: u64,
    end: u64,
    pages: Option<Pages>,
}

impl<'a> PlaceCells<'a> {
    fn of(place: &'a Place) -> Self {
        match place {
            Place::File => Self::default(),
            Place::Member(Member { archive, version, start, end, pages }) => {
                Self { archive, version, start: *start, end: *end, pages: *pages, ..Self::default() }
            }
            Place::Nowhere(Reject { reason, detail }) => Self { reason: reason.as_str(), detail, ..Self::default() },
        }
    }

    fn place(&self, file: &str, archives: &mut BTreeSet<Arc<str>>) -> Result<Place, Error> {
        let mut shared = |name: &str| {
            let text = archives.get(name).cloned().unwrap_or_else(|| Arc::from(name));
            archives.insert(text.clone());
            text
        };
        match self {
            Self { archive: "", reason: "", .. } => Ok(Place::File),
            Self { archive: "", reason, detail, .. } => {
                Ok(Place::Nowhere(Reject::new(rejects::reason(file, reason)?, *detail)))
            }
            Self { archive, version, start, end, pages, .. } => Ok(Place::Member(Member {
                archive: shared(archive),
                version: shared(version),
                start: *start,
                end: *end,
                pages: *pages,
            })),
        }
    }
}

/// The places of all rows; none where all are files.
fn places(file: &str, table: &ParquetTable) -> Result<Vec<Place>, Error> {
    if !table.has(ARCHIVE) {
        return Ok(Vec::new());
    }
    let (archives, versions) = (table.text(ARCHIVE)?, table.text(ARCHIVE_ETAG)?);
    let (reasons, details) = (table.text(REASON)?, table.text(DETAIL)?);
    let (starts, ends, pages) = (table.int64(START)?, table.int64(END)?, table.text(PAGES)?);
    let mut shared = BTreeSet::new();
    let place = |row| {
        let cells = PlaceCells {
            archive: archives.value(row),
            version: versions.value(row),
            reason: reasons.value(row),
            detail: details.value(row),
            start: starts.value(row) as u64,
            end: ends.value(row) as u64,
            pages: pages_of(file, pages.value(row))?,
        };
        cells.place(file, &mut shared)
    };
    (0..table.rows()).map(place).collect()
}

fn pages_of(file: &str, cell: &str) -> Result<Option<Pages>, Error> {
    let pages = Some(cell).filter(|cell| !cell.is_empty()).map(str::parse);
    pages.transpose().map_err(|problem: String| Error::inconsistent(file, problem))
}

/// A version as a cell: empty where there is none.
pub(crate) fn version_cell(version: Option<&str>) -> &str {
    version.unwrap_or_default()
}

/// The version that a cell holds.
pub(crate) fn version_of(cell: &str) -> Option<String> {
    Some(cell).filter(|cell| !cell.is_empty()).map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;
    use pomona_run::label::LabelFrom;
    use proptest::prelude::*;

    fn items<'a>(ids: impl IntoIterator<Item = &'a str>, version: Option<&str>) -> Vec<Item> {
        let item = |id: &str| Item {
            id: id.to_owned(),
            size: 3,
            version: version.map(str::to_owned),
            label: LabelFrom::Parent.label(id).into(),
            place: Place::File,
        };
        ids.into_iter().map(item).collect()
    }

    #[test]
    fn classes_are_numbered_by_frequency_and_ties_by_name() {
        let items = items(["a/1", "b/1", "c/1", "c/2", "x"], None);
        let classes = pomona_dataset::number(&items, &[]);
        let names: Vec<&str> = classes.iter().map(|class| class.name.as_str()).collect();
        assert_eq!(names, ["c", "", "a", "b"]);
        assert_eq!(classes[0].count, 2);
        let rows = number(items, &classes);
        let ids: Vec<(&str, i32, i64)> =
            rows.iter().map(|row| (row.item.id.as_str(), row.class_id, row.image_id)).collect();
        assert_eq!(ids, [("a/1", 2, 0), ("b/1", 3, 1), ("c/1", 0, 2), ("c/2", 0, 3), ("x", 1, 4)]);
    }

    #[test]
    fn classes_that_are_known_keep_their_numbers_whatever_the_images_are() {
        let known = ["b", "none of these", "a"].map(str::to_owned);
        let items = items(["a/1", "c/1", "c/2", "d/1", "d/2", "d/3"], None);
        let classes = pomona_dataset::number(&items, &known);
        let counts: Vec<(&str, u64)> = classes.iter().map(|class| (class.name.as_str(), class.count)).collect();
        assert_eq!(counts, [("b", 0), ("none of these", 0), ("a", 1), ("d", 3), ("c", 2)]);
        let ids: Vec<i32> = number(items, &classes).iter().map(|row| row.class_id).collect();
        assert_eq!(ids, [2, 4, 4, 3, 3, 3]);
    }

    fn place() -> impl Strategy<Value = Place> {
        let member = ("[a-z/]{1,9}", ".{1,9}", any::<u32>(), any::<u32>(), 0..4_usize).prop_map(
            |(archive, version, start, end, pages)| {
                let (archive, version) = (archive.into(), version.into());
                let pages = ["", "plain 0", "snappy 2", "zstd 1"][pages].parse().ok();
                Place::Member(Member { archive, version, start: start.into(), end: end.into(), pages })
            },
        );
        let nowhere = ".{0,9}".prop_map(|detail| Place::Nowhere(Reject::unsupported(detail)));
        prop_oneof![Just(Place::File), member, nowhere]
    }

    proptest! {
        #[test]
        fn rows_survive_parquet(
            ids in prop::collection::btree_set(".{1,20}", 0..20),
            was_opened in any::<bool>(),
            known in prop::collection::vec(any::<bool>(), 20),
            places in prop::collection::vec(place(), 20),
        ) {
            let items = items(ids.iter().map(String::as_str), was_opened.then_some("\"é,"));
            let classes = pomona_dataset::number(&items, &[]);
            let mut rows = number(items, &classes);
            rows.iter_mut().zip(known).for_each(|(row, is_known)| row.is_known = is_known);
            rows.iter_mut().zip(places).for_each(|(row, place)| row.item.place = place);
            let bytes = encode("listing", &rows).unwrap();
            prop_assert_eq!(decode("listing", bytes).unwrap(), rows);
        }
    }
}

//! What pictures lost before the network saw them, kept beside their features so that whoever reuses these knows it,
//! too.

use pomona_run::counted::counted;
use pomona_terms::Losses;
use serde::{Deserialize, Serialize};

use crate::error::Error;
use crate::provenance::Entries;
use crate::tables::ParquetTable;

/// The metadata that name the rows, from 0, of images that lost something: JSON lists. Absent where there are none.
const ALPHA_DROPPED: &str = "pomona.alpha_dropped_rows";
const SATURATED: &str = "pomona.saturated_rows";
const ORIENTATION_IGNORED: &str = "pomona.orientation_ignored_rows";

/// How many images lost something that could matter.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LossCounts {
    /// Images with transparent pixels, of which the colour behind is used.
    pub alpha_dropped: u64,
    /// Images of 16-bit gray with pixels that became white.
    pub saturated: u64,
    /// Images that are not stored upright and were taken as they are stored.
    #[serde(default)]
    pub orientation_ignored: u64,
}

impl LossCounts {
    /// How many pictures lost what.
    pub fn of(losses: &[Losses]) -> Self {
        let count = |has: fn(&Losses) -> bool| losses.iter().filter(|losses| has(losses)).count() as u64;
        Self {
            alpha_dropped: count(|losses| losses.alpha_dropped),
            saturated: count(|losses| losses.saturated),
            orientation_ignored: count(|losses| losses.orientation_ignored),
        }
    }

    /// Adds the counts of others.
    pub fn add(&mut self, other: Self) {
        self.alpha_dropped += other.alpha_dropped;
        self.saturated += other.saturated;
        self.orientation_ignored += other.orientation_ignored;
    }

    /// A sentence about each kind that there is.
    pub fn notices(&self) -> Vec<String> {
        let mut notices = Vec::new();
        let mut say = |count: u64, one: &str, many: &str| notices.extend(counted(count, one, many));
        say(
            self.alpha_dropped,
            "image has transparent pixels: the colour stored behind them is used, as Pillow's convert(\"RGB\") does",
            "images have transparent pixels: the colour stored behind them is used, as Pillow's convert(\"RGB\") does",
        );
        say(
            self.saturated,
            "image of 16-bit gray has pixels above 255, which are white, as Pillow's convert(\"RGB\") makes them",
            "images of 16-bit gray have pixels above 255, which are white, as Pillow's convert(\"RGB\") makes them",
        );
        say(
            self.orientation_ignored,
            "image carries an orientation that was not applied; --exif-orientation apply turns it",
            "images carry an orientation that was not applied; --exif-orientation apply turns them",
        );
        notices
    }
}

/// The losses of a table's rows as its metadata.
pub fn to_metadata(losses: &[Losses]) -> Entries {
    let rows = |name: &str, has: fn(&Losses) -> bool| {
        let rows: Vec<usize> = (0..losses.len()).filter(|&row| has(&losses[row])).collect();
        (!rows.is_empty()).then(|| (name.to_owned(), format!("{rows:?}")))
    };
    let entries = [
        rows(ALPHA_DROPPED, |losses| losses.alpha_dropped),
        rows(SATURATED, |losses| losses.saturated),
        rows(ORIENTATION_IGNORED, |losses| losses.orientation_ignored),
    ];
    entries.into_iter().flatten().collect()
}

/// The losses of a table's rows.
pub fn of_table(table: &ParquetTable) -> Result<Vec<Losses>, Error> {
    let mut losses = vec![Losses::default(); table.rows()];
    for row in rows(table, ALPHA_DROPPED)? {
        losses.get_mut(row).ok_or_else(|| no_row(table, row))?.alpha_dropped = true;
    }
    for row in rows(table, SATURATED)? {
        losses.get_mut(row).ok_or_else(|| no_row(table, row))?.saturated = true;
    }
    for row in rows(table, ORIENTATION_IGNORED)? {
        losses.get_mut(row).ok_or_else(|| no_row(table, row))?.orientation_ignored = true;
    }
    Ok(losses)
}

fn rows(table: &ParquetTable, name: &str) -> Result<Vec<usize>, Error> {
    match table.metadata_if_any(name) {
        None => Ok(Vec::new()),
        Some(rows) => serde_json::from_str(rows).map_err(|error| Error::table(table.file(), error)),
    }
}

fn no_row(table: &ParquetTable, row: usize) -> Error {
    Error::table(table.file(), format!("its metadata name row {row}, of {}", table.rows()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tables;
    use proptest::prelude::*;
    use std::sync::Arc;

    fn table(rows: usize, metadata: Entries) -> ParquetTable {
        let paths = arrow_array::StringArray::from_iter_values((0..rows).map(|row| row.to_string()));
        let bytes = tables::to_parquet("x", vec![tables::text_field("path")], vec![Arc::new(paths)], metadata).unwrap();
        ParquetTable::read("x", bytes).unwrap()
    }

    proptest! {
        #[test]
        fn losses_survive_a_table(losses in prop::collection::vec(any::<[bool; 3]>(), 0..20)) {
            let losses: Vec<Losses> = losses
                .into_iter()
                .map(|[alpha_dropped, saturated, orientation_ignored]| {
                    Losses { alpha_dropped, saturated, orientation_ignored }
                })
                .collect();
            prop_assert_eq!(of_table(&table(losses.len(), to_metadata(&losses))).unwrap(), losses);
        }
    }

    #[test]
    fn metadata_that_name_no_rows_are_an_error() {
        for rows in ["[2]", "[-1]", "all", "[0"] {
            let metadata = vec![(SATURATED.to_owned(), rows.to_owned())];
            assert!(of_table(&table(2, metadata)).is_err(), "{rows}");
        }
    }

    #[test]
    fn images_are_counted_and_said_by_kind() {
        let [none, alpha] = [false, true].map(|alpha_dropped| Losses { alpha_dropped, ..Losses::default() });
        let mut counts = LossCounts::of(&[none, alpha, alpha]);
        counts.add(LossCounts { alpha_dropped: 0, saturated: 1, orientation_ignored: 312 });
        assert_eq!(counts, LossCounts { alpha_dropped: 2, saturated: 1, orientation_ignored: 312 });
        let notices = counts.notices();
        assert!(notices[0].starts_with("2 images have transparent") && notices[1].starts_with("1 image of 16-bit"));
        assert!(notices[2].starts_with("312 images carry an orientation"), "{notices:?}");
        assert!(LossCounts::default().notices().is_empty());
    }
}

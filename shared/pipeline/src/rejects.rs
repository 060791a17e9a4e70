//! Images that cannot be used, as tables.

use std::sync::Arc;

use arrow_array::StringArray;
use bytes::Bytes;
use pomona_vision::pixels::{Reject, RejectReason};
use serde::Deserialize;
use serde::de::IntoDeserializer;
use serde::de::value::StrDeserializer;

use crate::error::Error;
use crate::tables::{self, CsvTable, ParquetTable};

const COLUMNS: [&str; 4] = ["path", "label", "reason", "detail"];

/// An image, or a folder that would vanish without a word, and why it cannot be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Rejected {
    pub(crate) path: String,
    pub(crate) label: String,
    pub(crate) reject: Reject,
}

impl Rejected {
    fn cells(&self) -> [&str; 4] {
        [&self.path, &self.label, self.reject.reason.as_str(), &self.reject.detail]
    }
}

/// The rows as the content of `file`, CSV for people.
pub(crate) fn to_csv(file: &str, rejects: &[Rejected]) -> Result<Bytes, Error> {
    let mut csv = CsvTable::new(file, COLUMNS)?;
    for rejected in rejects {
        csv.row(rejected.cells())?;
    }
    csv.finish()
}

/// The rows as the content of `file`, Parquet.
pub(crate) fn to_parquet(file: &str, rejects: &[Rejected]) -> Result<Bytes, Error> {
    let column = |index: usize| {
        let cells = rejects.iter().map(|rejected| rejected.cells()[index]);
        Arc::new(StringArray::from_iter_values(cells)) as _
    };
    let columns = (0..COLUMNS.len()).map(column).collect();
    tables::to_parquet(file, COLUMNS.map(tables::text_field).to_vec(), columns, [])
}

/// The rows of `file`, Parquet, in order.
pub(crate) fn from_parquet(file: &str, bytes: Bytes) -> Result<Vec<Rejected>, Error> {
    let table = ParquetTable::read(file, bytes)?;
    let (paths, labels) = (table.text("path")?, table.text("label")?);
    let (reasons, details) = (table.text("reason")?, table.text("detail")?);
    let rejected = |row| {
        let reason: StrDeserializer<'_, serde::de::value::Error> = reasons.value(row).into_deserializer();
        let reason = RejectReason::deserialize(reason).map_err(|error| Error::inconsistent(file, error.to_string()))?;
        let reject = Reject { reason, detail: details.value(row).to_owned() };
        Ok(Rejected { path: paths.value(row).to_owned(), label: labels.value(row).to_owned(), reject })
    };
    (0..table.rows()).map(rejected).collect()
}

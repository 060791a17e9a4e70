//! Images that cannot be used, as tables.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow_array::StringArray;
use bytes::Bytes;
use pomona_dataset::Rejected;
use pomona_terms::{Reject, RejectReason};
use serde::Deserialize;
use serde::de::IntoDeserializer;
use serde::de::value::StrDeserializer;

use crate::error::Error;
use crate::tables::{self, CsvTable, ParquetTable};

const COLUMNS: [&str; 4] = ["path", "label", "reason", "detail"];

/// Unusable images by reason.
pub type Reasons = BTreeMap<RejectReason, u64>;

/// How many of `rejected` there are of each reason.
pub fn count(rejected: &[Rejected]) -> Reasons {
    let mut reasons = Reasons::new();
    for rejected in rejected {
        *reasons.entry(rejected.reject.reason).or_default() += 1;
    }
    reasons
}

/// Adds the counts of others.
pub fn add(reasons: &mut Reasons, others: &Reasons) {
    for (reason, count) in others {
        *reasons.entry(*reason).or_default() += count;
    }
}

/// The reason of this name in a table.
///
/// # Errors
/// [`Error::Inconsistent`] where there is none.
pub(crate) fn reason(file: &str, name: &str) -> Result<RejectReason, Error> {
    let name: StrDeserializer<'_, serde::de::value::Error> = name.into_deserializer();
    RejectReason::deserialize(name).map_err(|error| Error::inconsistent(file, error.to_string()))
}

/// "3 truncated, 1 empty", or "none".
pub fn describe_reasons(reasons: &Reasons) -> String {
    if reasons.is_empty() {
        return "none".to_owned();
    }
    let each: Vec<String> = reasons.iter().map(|(reason, count)| format!("{count} {reason}")).collect();
    each.join(", ")
}

fn cells(Rejected { path, label, reject }: &Rejected) -> [&str; 4] {
    [path, label, reject.reason.as_str(), &reject.detail]
}

/// The rows as the content of `file`, CSV for people.
pub fn to_csv(file: &str, rejects: &[Rejected]) -> Result<Bytes, Error> {
    let mut csv = CsvTable::new(file, COLUMNS)?;
    for rejected in rejects {
        csv.row(cells(rejected))?;
    }
    csv.finish()
}

/// The rows as the content of `file`, Parquet.
pub fn to_parquet(file: &str, rejects: &[Rejected]) -> Result<Bytes, Error> {
    let column = |index: usize| {
        let cells = rejects.iter().map(|rejected| cells(rejected)[index]);
        Arc::new(StringArray::from_iter_values(cells)) as _
    };
    let columns = (0..COLUMNS.len()).map(column).collect();
    tables::to_parquet(file, COLUMNS.map(tables::text_field).to_vec(), columns, [])
}

/// The rows of `file`, CSV, in order.
pub fn from_csv(file: &str, bytes: &[u8]) -> Result<Vec<Rejected>, Error> {
    let rows: Vec<(String, String, String, String)> = tables::from_csv(file, bytes, usize::MAX)?;
    let rejected = |(path, label, name, detail): (String, String, String, String)| {
        Ok(Rejected { path, label, reject: Reject { reason: reason(file, &name)?, detail } })
    };
    rows.into_iter().map(rejected).collect()
}

/// The rows of `file`, Parquet, in order.
pub fn from_parquet(file: &str, bytes: Bytes) -> Result<Vec<Rejected>, Error> {
    let table = ParquetTable::read(file, bytes)?;
    let (paths, labels) = (table.text("path")?, table.text("label")?);
    let (reasons, details) = (table.text("reason")?, table.text("detail")?);
    let rejected = |row| {
        let reason = reason(file, reasons.value(row))?;
        let reject = Reject { reason, detail: details.value(row).to_owned() };
        Ok(Rejected { path: paths.value(row).to_owned(), label: labels.value(row).to_owned(), reject })
    };
    (0..table.rows()).map(rejected).collect()
}

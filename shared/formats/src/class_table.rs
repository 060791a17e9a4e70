//! classes.csv: labels with their numbers and how many listed images carry them.

use bytes::Bytes;
use pomona_dataset::Class;
use serde::{Deserialize, Serialize};

use crate::error::Error;
use crate::tables::CsvTable;

/// A row of classes.csv.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClassCount {
    /// The label's number.
    pub class_id: i32,
    /// The label.
    pub class: String,
    /// Listed images.
    pub count: u64,
}

/// The classes as the content of `key`.
pub fn to_csv(key: &str, classes: &[Class]) -> Result<Bytes, Error> {
    let mut table = CsvTable::new(key, ["class_id", "class", "count"])?;
    for (class_id, class) in classes.iter().enumerate() {
        table.row([&class_id.to_string(), &class.name, &class.count.to_string()])?;
    }
    table.finish()
}

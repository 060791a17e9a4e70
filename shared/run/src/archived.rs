//! How much of a dataset lies in archives, which decides how it is read.

use serde::{Deserialize, Serialize};

/// How many images of a dataset are no files of their own.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Archived {
    /// Members of archives and rows of tables.
    pub images: u64,
    /// Of these, the ones in tars and tables, which are read from end to end to learn what they hold.
    pub searched: u64,
}

impl Archived {
    /// Whether all images are files.
    pub fn is_none(&self) -> bool {
        self.images == 0
    }
}

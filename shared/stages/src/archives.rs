//! What the input's archives hold, kept at the output: of a tar nothing but reading all of it tells.

use async_trait::async_trait;
use pomona_dataset::{Error as DatasetError, Index, Indexes};
use pomona_formats::Error as FileError;
use pomona_formats::{digests, json};
use pomona_run::layout;
use pomona_store::Store;

/// Indexes of archives at an output.
#[derive(Clone, Copy, Debug)]
pub struct KeptIndexes<'a> {
    output: &'a dyn Store,
}

impl<'a> KeptIndexes<'a> {
    /// Those at `output`.
    pub fn new(output: &'a dyn Store) -> Self {
        Self { output }
    }
}

#[async_trait]
impl Indexes for KeptIndexes<'_> {
    async fn read(&self, name: &str) -> Result<Option<Index>, DatasetError> {
        match digests::read_sealed(self.output, &layout::archive_index(name)).await {
            Ok(index) => Ok(Some(index)),
            Err(FileError::Store(error)) => Err(error.into()),
            // It is made again.
            Err(_) => Ok(None),
        }
    }

    async fn write(&self, name: &str, index: &Index) -> Result<(), DatasetError> {
        let key = layout::archive_index(name);
        match json::seal(&key, index) {
            Ok(bytes) => Ok(self.output.put(&key, bytes).await?),
            // It is not kept.
            Err(_) => Ok(()),
        }
    }
}

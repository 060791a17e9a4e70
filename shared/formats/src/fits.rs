//! fits.json: what a run fits by passes.

use pomona_run::classify::Classify;
use pomona_run::layout::RunLayout;
use pomona_run::{RunId, sweep};
use pomona_store::Store;
use serde::{Deserialize, Serialize};

use crate::digests;
use crate::error::Error;
use crate::json;
use crate::moments_file::Header;

/// The content of fits.json: the parts that fits go over, and what they hold together.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Fits {
    /// Features of each image.
    pub width: usize,
    /// What the parts count.
    pub counted: Header,
    /// Their names, those that only this run uses included, in the order of the shards.
    pub parts: Vec<String>,
    /// What is learned from their labels, if anything; all fits are over the training images alone then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub learning: Option<Learning>,
}

/// What is learned from labels.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Learning {
    /// What was chosen.
    pub classify: Classify,
    /// The labels by the numbers that a classifier has for them.
    pub labels: Vec<String>,
}

impl Fits {
    /// Reads those of a run.
    ///
    /// # Errors
    /// Those of the store, and [`Error::Damaged`].
    pub async fn read(output: &dyn Store, run_id: &RunId) -> Result<Self, Error> {
        digests::read_sealed(output, &RunLayout::new(run_id.as_str()).fits()).await
    }

    /// Writes them.
    ///
    /// # Errors
    /// Those of the store.
    pub async fn write(&self, output: &dyn Store, run_id: &RunId) -> Result<(), Error> {
        let key = RunLayout::new(run_id.as_str()).fits();
        Ok(output.put(&key, json::seal(&key, self)?).await?)
    }

    /// The parts of each group of a pass.
    pub fn groups(&self) -> impl ExactSizeIterator<Item = &[String]> {
        self.parts.chunks(sweep::group_size(self.parts.len()))
    }
}

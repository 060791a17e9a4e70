//! What every form of a dataset can do.

use std::fmt::Debug;

use async_trait::async_trait;
use bytes::Bytes;
use pomona_run::Options;
use pomona_terms::Reject;

use crate::error::Error;
use crate::item::{Item, Rejected};
use crate::selection::LeftOut;

/// A form of a dataset: who extracts features of its images need not know which.
#[async_trait]
pub trait Source: Debug + Send + Sync {
    /// Where it is: a folder, or `s3://bucket/prefix`.
    fn location(&self) -> &str;

    /// The images that `options` ask for. `on_file` is called for every file that is come across, an image or not.
    ///
    /// # Errors
    /// [`Error::Request`] for options that say nothing, and those of the store.
    async fn list(&self, options: &Options, on_file: &(dyn Fn() + Send + Sync)) -> Result<Listed, Error>;

    /// What reads `items`, all of which it is told of, so that it can read what lies side by side at once.
    fn reader<'a>(&'a self, items: &[&Item]) -> Box<dyn Reader + 'a>;
}

/// Reads items of a dataset.
#[async_trait]
pub trait Reader: Debug + Send + Sync {
    /// The bytes of each item, in order, or why there are none.
    ///
    /// # Errors
    /// [`Error::Changed`] where one is not what it was when it was listed, and those of the store that are worth
    /// another try.
    async fn read(&self, items: &[&Item]) -> Result<Vec<Result<Bytes, Reject>>, Error>;
}

/// What a listing found. Nothing is left out uncounted.
#[derive(Debug)]
pub struct Listed {
    /// The images of the dataset, sorted by their ids.
    pub items: Vec<Item>,
    /// Files of any kind, the images included.
    pub files: u64,
    /// What is no image of the dataset.
    pub left_out: LeftOut,
    /// Folders that would vanish without a word, by their paths with a slash at their ends, and why nothing of them is
    /// used.
    pub odd_folders: Vec<Rejected>,
}

//! The images of a dataset.

use std::sync::Arc;

use pomona_terms::Reject;

/// One image of a dataset.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Item {
    /// What it is called in the dataset: where it lies, relative to the input.
    pub id: String,
    /// Bytes.
    pub size: u64,
    /// Changes when the bytes do. `None` where the image is there, but could not be opened when it was listed.
    pub version: Option<String>,
    /// Its class.
    pub label: Arc<str>,
}

impl Item {
    /// What its outcome depends on.
    pub fn content(&self) -> Content {
        Content { id: self.id.clone(), version: self.version.clone(), size: self.size }
    }
}

/// What makes an image the same image, whatever label it has.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Content {
    /// As [`Item::id`].
    pub id: String,
    /// As [`Item::version`].
    pub version: Option<String>,
    /// As [`Item::size`].
    pub size: u64,
}

/// An image that could not be used, or a folder of which nothing is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rejected {
    /// Where it lies, relative to the input.
    pub path: String,
    /// Its class.
    pub label: String,
    /// Why.
    pub reject: Reject,
}

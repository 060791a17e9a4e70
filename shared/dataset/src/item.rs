//! The images of a dataset.

use std::sync::Arc;

use pomona_run::archived::Archived;
use pomona_terms::Reject;

use crate::archive::{Form, Pages};

const SHA256_BYTES: usize = 32;

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
    /// Where its bytes are.
    pub place: Place,
}

/// Where an item's bytes are.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Place {
    /// In a file that is called like the item.
    #[default]
    File,
    /// In an archive.
    Member(Member),
    /// Nowhere: what an archive has under this name cannot be read.
    Nowhere(Reject),
}

impl Place {
    /// The place in an archive, if it is one.
    pub fn member(&self) -> Option<&Member> {
        match self {
            Self::Member(member) => Some(member),
            Self::File | Self::Nowhere(_) => None,
        }
    }
}

/// A place in an archive.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Member {
    /// The archive's key.
    pub archive: Arc<str>,
    /// Its version.
    pub version: Arc<str>,
    /// Where the member begins; in a compressed tar when that is unpacked; in a table, where the pages do that it is
    /// among.
    pub start: u64,
    /// Where it or they end.
    pub end: u64,
    /// How the pages are read, in a table.
    pub pages: Option<Pages>,
}

impl Item {
    /// Whether this and `other` are the same picture, as far as their listings tell. Versions in a folder are digests.
    /// Those in S3 differ for equal bytes too, by upload and by encryption; then an equal size has to do.
    pub fn may_be(&self, other: &Self) -> bool {
        let are_digests = [self, other].iter().all(|item| item.version.as_deref().is_some_and(is_digest));
        self.id == other.id && self.size == other.size && (!are_digests || self.version == other.version)
    }

    /// What its outcome depends on.
    pub fn content(&self) -> Content {
        Content { id: self.id.clone(), version: self.version.clone(), size: self.size }
    }
}

fn is_digest(version: &str) -> bool {
    version.len() == 2 * SHA256_BYTES && version.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// How many of the `items` lie in archives.
pub fn archived(items: &[Item]) -> Archived {
    let forms = || items.iter().filter_map(|item| Form::of(&item.place.member()?.archive));
    let searched = forms().filter(|form| matches!(form, Form::Tar(_) | Form::Parquet));
    Archived { images: forms().count() as u64, searched: searched.count() as u64 }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_listings_name_the_same_picture_where_digests_or_else_sizes_agree() {
        let item = |id: &str, size, version: &str| Item {
            id: id.to_owned(),
            size,
            version: Some(version.to_owned()),
            label: "".into(),
            place: Place::File,
        };
        let (digest, other) = ("0f".repeat(32), "1f".repeat(32));
        let in_folder = item("a/1.jpg", 7, &digest);
        assert!(in_folder.may_be(&in_folder));
        assert!(!in_folder.may_be(&item("a/1.jpg", 7, &other)));
        let in_s3 = item("a/1.jpg", 7, "\"9b2cf535f27731c974343645a3985328\"");
        assert!(in_folder.may_be(&in_s3) && in_s3.may_be(&item("a/1.jpg", 7, "\"another upload-2\"")));
        for other in [item("a/1.jpg", 8, &digest), item("a/2.jpg", 7, &digest)] {
            assert!(!in_folder.may_be(&other) && !in_s3.may_be(&other));
        }
    }
}

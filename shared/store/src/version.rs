//! What a store keeps under a key beside the content that is read.

/// One of the contents that were written under a key, or a mark that the key was deleted.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Version {
    /// The key.
    pub key: String,
    /// What it is.
    pub kind: VersionKind,
    /// Its name among the versions of this key; `None` where a store keeps one content a key, as a folder does.
    pub id: Option<String>,
    /// The content's length in bytes.
    pub size: u64,
}

/// What a version is, in the order in which all of a key can be deleted: whatever lies under a content or a mark shows up
/// once that is gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum VersionKind {
    /// A content that was replaced or deleted, and can be brought back.
    Older,
    /// The content that is read.
    Current,
    /// Says that the key was deleted, and has no content.
    DeleteMarker,
}

impl Version {
    /// The only content of a key.
    pub(crate) fn only(key: String, size: u64) -> Self {
        Self { key, id: None, kind: VersionKind::Current, size }
    }

    /// Whether it is what a reader of the key gets.
    pub fn is_current(&self) -> bool {
        self.kind == VersionKind::Current
    }

    /// Whether there are bytes to read.
    pub fn is_content(&self) -> bool {
        self.kind != VersionKind::DeleteMarker
    }
}

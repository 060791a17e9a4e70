//! What can go wrong with a dataset.

use pomona_run::ErrorName;
use pomona_store::Error as StoreError;

/// Why a dataset could not be listed or read.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// What was asked for cannot be done, wherever it was tried.
    #[error(transparent)]
    Request(#[from] pomona_run::Error),
    /// An image was replaced or removed between its listing and its reading.
    #[error("`{id}` at `{location}` changed while the run was going; start the run again")]
    Changed {
        /// The source.
        location: String,
        /// The image.
        id: String,
    },
    /// The archive that is the input is not there.
    #[error("there is no archive `{location}`; check the path")]
    NoArchive {
        /// The archive.
        location: String,
    },
    /// The store that it lies in failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Error {
    /// The name that this error has for a state machine.
    pub fn name(&self) -> ErrorName {
        match self {
            Self::Request(error) => error.name(),
            Self::Changed { .. } => ErrorName::InputChanged,
            Self::NoArchive { .. } => ErrorName::NoImages,
            Self::Store(error) => name_of_store_error(error),
        }
    }
}

/// The name that a store's error has for a state machine.
pub fn name_of_store_error(error: &StoreError) -> ErrorName {
    match error {
        // A function's credentials are renewed by whoever calls it.
        StoreError::Transient { .. } | StoreError::Credentials { .. } => ErrorName::Retryable,
        // Something changed under the run.
        StoreError::NotFound { .. } | StoreError::Changed { .. } | StoreError::AlreadyExists { .. } => {
            ErrorName::Inconsistent
        }
        StoreError::Denied { .. }
        | StoreError::Archived { .. }
        | StoreError::Full { .. }
        | StoreError::Location { .. }
        | StoreError::Invalid { .. }
        | StoreError::Other { .. } => ErrorName::BadInput,
    }
}

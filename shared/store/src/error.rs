//! What can go wrong with a store.

/// An operation on a store that failed. Each message names the object and its store.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// There is no such object, folder or bucket.
    #[error("{key:?} does not exist in {location}")]
    NotFound {
        /// The store.
        location: String,
        /// The object.
        key: String,
    },
    /// The object was replaced or deleted since its etag was taken.
    #[error("{key:?} in {location} was replaced or deleted meanwhile; start again from a new listing")]
    Changed {
        /// The store.
        location: String,
        /// The object.
        key: String,
    },
    /// The object was to be created, and is there already.
    #[error("{key:?} exists already in {location}")]
    AlreadyExists {
        /// The store.
        location: String,
        /// The object.
        key: String,
    },
    /// The object is there, but cannot be read or written with the rights at hand.
    #[error("no access to {key:?} in {location}: {reason}")]
    Denied {
        /// The store.
        location: String,
        /// The object.
        key: String,
        /// What stands in the way and how to mend it.
        reason: String,
    },
    /// The object is there, but in an archive, where nobody can read it.
    #[error("{key:?} in {location} is archived; restore it first")]
    Archived {
        /// The store.
        location: String,
        /// The object.
        key: String,
    },
    /// Throttling, a timeout or a server's fault: the same call can succeed later.
    #[error("{location} did not serve {key:?}: {reason}; try again later")]
    Transient {
        /// The store.
        location: String,
        /// The object.
        key: String,
        /// What the service or the connection said.
        reason: String,
    },
    /// The disk or the quota is full.
    #[error("no space left to write {key:?} in {location}; free some, or choose another folder")]
    Full {
        /// The store.
        location: String,
        /// The object.
        key: String,
    },
    /// A key or a location that cannot be used.
    #[error("{subject:?} cannot be used: {reason}")]
    Invalid {
        /// The key or location.
        subject: String,
        /// What is wrong with it and what is allowed.
        reason: String,
    },
    /// Everything else.
    #[error("could not {action} {key:?} in {location}: {source}")]
    Other {
        /// What was tried: a verb.
        action: &'static str,
        /// The store.
        location: String,
        /// The object.
        key: String,
        /// What the system said.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}

impl Error {
    /// Whether the same call can succeed when it is made again, unchanged.
    pub fn is_retryable(&self) -> bool {
        matches!(self, Self::Transient { .. })
    }

    pub(crate) fn not_found(location: &str, key: &str) -> Self {
        Self::NotFound { location: location.into(), key: key.into() }
    }

    pub(crate) fn changed(location: &str, key: &str) -> Self {
        Self::Changed { location: location.into(), key: key.into() }
    }

    pub(crate) fn already_exists(location: &str, key: &str) -> Self {
        Self::AlreadyExists { location: location.into(), key: key.into() }
    }

    pub(crate) fn denied(location: &str, key: &str, reason: impl Into<String>) -> Self {
        Self::Denied { location: location.into(), key: key.into(), reason: reason.into() }
    }

    pub(crate) fn invalid(subject: &str, reason: impl Into<String>) -> Self {
        Self::Invalid { subject: subject.into(), reason: reason.into() }
    }

    pub(crate) fn other(
        action: &'static str,
        location: &str,
        key: &str,
        source: impl Into<Box<dyn std::error::Error + Send + Sync>>,
    ) -> Self {
        Self::Other { action, location: location.into(), key: key.into(), source: source.into() }
    }
}

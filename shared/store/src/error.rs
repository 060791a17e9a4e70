//! What can go wrong with a store.

/// How to come by credentials that AWS accepts.
pub const CREDENTIALS_ADVICE: &str = "set AWS_PROFILE, or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or sign in again \
                                      (with single sign-on: eval \"$(aws configure export-credentials --format env)\")";

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
    /// Throttling, a timeout, a server's fault, a machine that has nothing left: the same call can succeed later.
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
    /// There are no credentials, or AWS does not accept them, or not any more.
    #[error("{location} needs AWS credentials that work: {reason}; {CREDENTIALS_ADVICE}")]
    Credentials {
        /// The store.
        location: String,
        /// What the credentials' source or AWS said.
        reason: String,
    },
    /// A location that cannot be used.
    #[error("{location:?} cannot be used: {reason}")]
    Location {
        /// The store, as it was asked for.
        location: String,
        /// What is wrong with it and how to mend it.
        reason: String,
    },
    /// A key that cannot be used.
    #[error("{key:?} cannot be used: {reason}")]
    Invalid {
        /// The key.
        key: String,
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

    /// Whether it says something of the object. The others say something of the store or of the way to it, and whatever
    /// is asked for next meets them, too: nothing follows from them for what the object holds.
    pub fn is_about_object(&self) -> bool {
        match self {
            Self::NotFound { .. }
            | Self::Changed { .. }
            | Self::AlreadyExists { .. }
            | Self::Denied { .. }
            | Self::Archived { .. }
            | Self::Invalid { .. }
            | Self::Other { .. } => true,
            Self::Transient { .. } | Self::Full { .. } | Self::Credentials { .. } | Self::Location { .. } => false,
        }
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

    pub(crate) fn invalid(key: &str, reason: impl Into<String>) -> Self {
        Self::Invalid { key: key.into(), reason: reason.into() }
    }

    pub(crate) fn location(location: &str, reason: impl Into<String>) -> Self {
        Self::Location { location: location.into(), reason: reason.into() }
    }

    pub(crate) fn transient(location: &str, key: &str, reason: impl Into<String>) -> Self {
        Self::Transient { location: location.into(), key: key.into(), reason: reason.into() }
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

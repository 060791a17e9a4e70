//! What can go wrong in a stage, and the closed set of names that a state machine's `Retry` matches.

use std::collections::BTreeMap;

use pomona_vision::pixels::RejectReason;

/// Why a stage failed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// An option that no run could honour.
    #[error("option `{option}`: {problem}")]
    Option {
        /// The option's name, as on the command line.
        option: &'static str,
        /// What is wrong and what would be right.
        problem: String,
    },
    /// The output lies inside the input, or is the same place.
    #[error(
        "the output `{output}` lies inside the input `{input}`: a run never writes below its input; choose an output elsewhere"
    )]
    OutputInsideInput {
        /// Where images are read from.
        input: String,
        /// Where results would have gone.
        output: String,
    },
    /// The listing is empty.
    #[error(
        "no images at `{location}`: of {files} files none has one of the extensions {extensions}{filter}{skipped}; check the location, `--extensions` and `--filter`"
    )]
    NoImages {
        /// The input.
        location: String,
        /// How many files lie there, whatever they are.
        files: usize,
        /// The extensions that were looked for.
        extensions: String,
        /// " and matches the filter ..." or nothing.
        filter: String,
        /// "; 5 .webp files skipped ..." or nothing.
        skipped: String,
    },
    /// An image was replaced or removed between its listing and its reading.
    #[error("`{key}` at `{location}` changed while the run was going; start the run again")]
    InputChanged {
        /// The input.
        location: String,
        /// The image.
        key: String,
    },
    /// More images were unusable than the run allows.
    #[error(
        "{rejects} of {images} images could not be used ({reasons}), more than the share of {allowed} that `--max-reject-share` allows; see parts/*.rejects.parquet at the output, mend or remove the images, or allow more"
    )]
    TooManyRejects {
        /// Unusable images.
        rejects: u64,
        /// Listed images.
        images: u64,
        /// Counts by reason, for people.
        reasons: String,
        /// The limit that was passed.
        allowed: f64,
    },
    /// Another run holds the output.
    #[error("`{location}` is in use by another run ({holder}); wait for it, stop it, or choose another output")]
    Busy {
        /// The output.
        location: String,
        /// The run, who runs it, since when and until when.
        holder: String,
    },
    /// The region is not one that the run may use.
    #[error("region `{region}` is not allowed: pomona works in {allowed} only")]
    RegionNotAllowed {
        /// The region asked for.
        region: String,
        /// The regions that would do.
        allowed: String,
    },
    /// Files of the run contradict each other.
    #[error("`{file}` is not what the run needs: {problem}; start the run again, and report it if it recurs")]
    Inconsistent {
        /// The file (key at the output).
        file: String,
        /// What does not fit.
        problem: String,
    },
    /// Checks of the finished tables failed.
    #[error("the run's results failed their checks: {failed}; see `{file}`")]
    Invalid {
        /// Names of the failed checks.
        failed: String,
        /// Where all checks and figures are written.
        file: String,
    },
    /// Reading or writing objects failed.
    #[error(transparent)]
    Store(#[from] pomona_store::Error),
    /// The model could not be used.
    #[error(transparent)]
    Model(#[from] pomona_vision::model::ModelError),
    /// The numbers could not be computed.
    #[error(transparent)]
    Pca(#[from] pomona_pca::Error),
    /// A table could not be encoded or decoded.
    #[error("`{file}` could not be encoded or decoded: {problem}")]
    Table {
        /// The file (key at the output).
        file: String,
        /// The library's message.
        problem: String,
    },
    /// A defect of this program.
    #[error("internal error: {0}; please report it")]
    Internal(String),
}

/// The closed set of names under which errors leave a Lambda; the state machine matches these and nothing else.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ErrorName {
    /// Trying the same again may succeed.
    Retryable,
    /// The input changed: plan anew.
    InputChanged,
    /// The request cannot work as it is.
    BadInput,
    /// The region is refused.
    RegionNotAllowed,
    /// There is nothing to do.
    NoImages,
    /// Too many images were unusable.
    TooManyRejects,
    /// Another run holds the output.
    Busy,
    /// Files of the run contradict each other.
    Inconsistent,
    /// A defect of this program.
    Internal,
}

impl ErrorName {
    /// Every name, for the tests that hold the state machine to this set.
    pub const ALL: [Self; 9] = [
        Self::Retryable,
        Self::InputChanged,
        Self::BadInput,
        Self::RegionNotAllowed,
        Self::NoImages,
        Self::TooManyRejects,
        Self::Busy,
        Self::Inconsistent,
        Self::Internal,
    ];

    /// The name as it stands in the state machine, for instance `Pomona.Busy`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Retryable => "Pomona.Retryable",
            Self::InputChanged => "Pomona.InputChanged",
            Self::BadInput => "Pomona.BadInput",
            Self::RegionNotAllowed => "Pomona.RegionNotAllowed",
            Self::NoImages => "Pomona.NoImages",
            Self::TooManyRejects => "Pomona.TooManyRejects",
            Self::Busy => "Pomona.Busy",
            Self::Inconsistent => "Pomona.Inconsistent",
            Self::Internal => "Pomona.Internal",
        }
    }
}

impl Error {
    /// The name that this error has for a state machine.
    pub fn name(&self) -> ErrorName {
        match self {
            Self::Option { .. } | Self::OutputInsideInput { .. } => ErrorName::BadInput,
            Self::NoImages { .. } => ErrorName::NoImages,
            Self::InputChanged { .. } => ErrorName::InputChanged,
            Self::TooManyRejects { .. } => ErrorName::TooManyRejects,
            Self::Busy { .. } => ErrorName::Busy,
            Self::RegionNotAllowed { .. } => ErrorName::RegionNotAllowed,
            Self::Inconsistent { .. } | Self::Invalid { .. } | Self::Table { .. } => ErrorName::Inconsistent,
            Self::Store(error) if error.is_retryable() => ErrorName::Retryable,
            Self::Store(_) | Self::Model(_) | Self::Pca(_) => ErrorName::BadInput,
            Self::Internal(_) => ErrorName::Internal,
        }
    }

    pub(crate) fn inconsistent(file: impl Into<String>, problem: impl Into<String>) -> Self {
        Self::Inconsistent { file: file.into(), problem: problem.into() }
    }

    pub(crate) fn table(file: &str, problem: impl std::fmt::Display) -> Self {
        Self::Table { file: file.to_owned(), problem: problem.to_string() }
    }
}

/// Unusable images by reason.
pub type Reasons = BTreeMap<RejectReason, u64>;

/// "3 truncated, 1 empty", or "none".
pub fn describe_reasons(reasons: &Reasons) -> String {
    if reasons.is_empty() {
        return "none".to_owned();
    }
    let each: Vec<String> = reasons.iter().map(|(reason, count)| format!("{count} {reason}")).collect();
    each.join(", ")
}

//! What can be wrong with what a user asks for, and the closed set of names that a state machine's `Retry` matches.

/// A text that is no place in S3.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no place in S3; write s3://bucket/prefix")]
pub struct NoLocation(pub String);

/// Why a request cannot be honoured.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// An option that no run could honour.
    #[error("option `{option}`: {problem}")]
    Option {
        /// The option's name, as on the command line.
        option: &'static str,
        /// What is wrong and what would be right.
        problem: String,
    },
    /// A text that is no location.
    #[error(transparent)]
    Location(#[from] NoLocation),
    /// The output lies inside the input, or is the same place.
    #[error(
        "the output `{output}` lies inside the input `{input}`: a run never writes below its input; choose an output \
         elsewhere"
    )]
    OutputInsideInput {
        /// Where images are read from.
        input: String,
        /// Where results would have gone.
        output: String,
    },
    /// The region is not one that the run may use.
    #[error("region `{region}` is not allowed: pomona works in {allowed} only")]
    RegionNotAllowed {
        /// The region asked for.
        region: String,
        /// The regions that would do.
        allowed: String,
    },
}

impl Error {
    /// The name that this error has for a state machine.
    pub fn name(&self) -> ErrorName {
        match self {
            Self::Option { .. } | Self::Location(_) | Self::OutputInsideInput { .. } => ErrorName::BadInput,
            Self::RegionNotAllowed { .. } => ErrorName::RegionNotAllowed,
        }
    }

    /// An option that no run could honour: what is wrong with it, and what would be right.
    pub fn option(option: &'static str, problem: impl Into<String>) -> Self {
        Self::Option { option, problem: problem.into() }
    }
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
    /// A file is not as it was written: plan anew.
    Damaged,
    /// Files of the run contradict each other.
    Inconsistent,
    /// A defect of this program.
    Internal,
}

impl ErrorName {
    /// Every name, for the tests that hold the state machine to this set.
    pub const ALL: [Self; 10] = [
        Self::Retryable,
        Self::InputChanged,
        Self::BadInput,
        Self::RegionNotAllowed,
        Self::NoImages,
        Self::TooManyRejects,
        Self::Busy,
        Self::Damaged,
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
            Self::Damaged => "Pomona.Damaged",
            Self::Inconsistent => "Pomona.Inconsistent",
            Self::Internal => "Pomona.Internal",
        }
    }
}

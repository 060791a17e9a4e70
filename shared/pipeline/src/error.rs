//! What can go wrong in a stage.

use std::collections::BTreeMap;

use pomona_pca::Error as PcaError;
use pomona_run::{ErrorName, RunId};
use pomona_store::Error as StoreError;
use pomona_vision::model::ModelError;
use pomona_vision::pixels::RejectReason;

/// Why a stage failed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// What was asked for cannot be done, wherever it was tried.
    #[error(transparent)]
    Request(#[from] pomona_run::Error),
    /// The listing is empty.
    #[error(
        "no images at `{location}`: of {files} files none has one of the extensions {extensions}{}{}; check the \
         location, `--extensions` and `--filter`",
        filter.as_ref().map_or_else(String::new, |filter| format!(" and matches the filter `{filter}`")),
        skipped.iter().map(|notice| format!("; {notice}")).collect::<String>()
    )]
    NoImages {
        /// The input.
        location: String,
        /// How many files lie there, whatever they are.
        files: usize,
        /// The extensions that were looked for.
        extensions: String,
        /// The glob that keys have to match.
        filter: Option<String>,
        /// What lies there instead, a sentence each.
        skipped: Vec<String>,
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
        "{rejects} of {images} images could not be used ({reasons}), more than the share of {allowed} that `--max-reject-share` allows: {first}; `{run}/errors/` lists them all; mend or remove the images, or allow more"
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
        /// Some of them, each with its reason.
        first: String,
        /// Where the run's folder is.
        run: String,
    },
    /// The covariance of the model's features would not fit into memory.
    #[error(
        "features of {features} numbers per image need about {needed} of memory for their covariance, and this process can have {available}; take fewer features (another model, or a later node of this one with `--output`), or a machine with more memory"
    )]
    TooWide {
        /// Numbers per image.
        features: usize,
        /// What they would take.
        needed: String,
        /// What there is.
        available: String,
    },
    /// No image was usable.
    #[error(
        "no image of {images} can be used ({reasons}): {first}; `{run}/errors/` says why of each; check that the input \
         holds images"
    )]
    NothingUsable {
        /// Listed images.
        images: u64,
        /// Counts by reason, for people.
        reasons: String,
        /// Some of them, each with its reason.
        first: String,
        /// Where the run's folder is.
        run: String,
    },
    /// A single image was usable.
    #[error(
        "one image differs from no other, and principal components say how images differ: add images, so that at \
         least 2 can be used{}",
        if *rejects > 0 { format!("; {rejects} of {images} could not be used: {first}") } else { String::new() }
    )]
    OneImage {
        /// Unusable images.
        rejects: u64,
        /// Listed images.
        images: u64,
        /// Some of the unusable ones, each with its reason.
        first: String,
    },
    /// Another run holds the output.
    #[error("`{location}` is in use by another run ({holder}); wait for it, stop it, or choose another output")]
    Busy {
        /// The output.
        location: String,
        /// The run, who runs it, since when and until when.
        holder: String,
    },
    /// The dataset of the newest run is gone.
    #[error(
        "no images at `{location}`, where run {run_id} found {images}: nothing was changed; if they lie on a disk or share, see that it is mounted; if they were deleted for good, say so with `--allow-empty`"
    )]
    Emptied {
        /// The input.
        location: String,
        /// The newest run.
        run_id: RunId,
        /// How many images it listed.
        images: u64,
    },
    /// A file of an output is not as it was written.
    #[error("`{file}` is damaged: {damage}; start a run: it makes anew what is damaged")]
    Damaged {
        /// The file (key at the output).
        file: String,
        /// What is wrong with it.
        damage: Damage,
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
    Store(#[from] StoreError),
    /// The model could not be used.
    #[error(transparent)]
    Model(#[from] ModelError),
    /// The numbers could not be computed.
    #[error(transparent)]
    Pca(#[from] PcaError),
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

/// How a file differs from what was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Damage {
    /// It is not there.
    #[error("it is missing")]
    Missing,
    /// It holds something else.
    #[error("its bytes are not those that were written")]
    Altered,
    /// It holds nothing that could be checked.
    #[error("it is empty, cut off, or of another version of pomona")]
    Unknown,
    /// It names a run that is not there.
    #[error("it names no successful run")]
    NamesNoRun,
}

impl Error {
    /// The name that this error has for a state machine.
    pub fn name(&self) -> ErrorName {
        match self {
            Self::Request(error) => error.name(),
            Self::OneImage { .. } | Self::TooWide { .. } => ErrorName::BadInput,
            Self::NoImages { .. } | Self::Emptied { .. } => ErrorName::NoImages,
            Self::InputChanged { .. } => ErrorName::InputChanged,
            Self::TooManyRejects { .. } | Self::NothingUsable { .. } => ErrorName::TooManyRejects,
            Self::Busy { .. } => ErrorName::Busy,
            Self::Damaged { .. } => ErrorName::Damaged,
            Self::Inconsistent { .. } | Self::Invalid { .. } | Self::Table { .. } => ErrorName::Inconsistent,
            Self::Store(error) => name_of_store_error(error),
            Self::Model(error) => name_of_model_error(error),
            Self::Pca(error) => name_of_pca_error(error),
            Self::Internal(_) => ErrorName::Internal,
        }
    }

    pub(crate) fn option(option: &'static str, problem: impl Into<String>) -> Self {
        pomona_run::Error::option(option, problem).into()
    }

    pub(crate) fn damaged(file: impl Into<String>, damage: Damage) -> Self {
        Self::Damaged { file: file.into(), damage }
    }

    pub(crate) fn inconsistent(file: impl Into<String>, problem: impl Into<String>) -> Self {
        Self::Inconsistent { file: file.into(), problem: problem.into() }
    }

    pub(crate) fn table(file: &str, problem: impl std::fmt::Display) -> Self {
        Self::Table { file: file.to_owned(), problem: problem.to_string() }
    }
}

fn name_of_store_error(error: &StoreError) -> ErrorName {
    match error {
        StoreError::Transient { .. } => ErrorName::Retryable,
        // A file that the run wrote, and that is not as the run left it.
        StoreError::NotFound { .. } | StoreError::Changed { .. } | StoreError::AlreadyExists { .. } => {
            ErrorName::Inconsistent
        }
        StoreError::Denied { .. } | StoreError::Full { .. } | StoreError::Invalid { .. } | StoreError::Other { .. } => {
            ErrorName::BadInput
        }
    }
}

fn name_of_model_error(error: &ModelError) -> ErrorName {
    match error {
        ModelError::Read { .. }
        | ModelError::NotOnnx { .. }
        | ModelError::Input { .. }
        | ModelError::Output { .. }
        | ModelError::UnknownOutput { .. }
        | ModelError::Unsupported { .. }
        | ModelError::Endless { .. } => ErrorName::BadInput,
        // A model that was taken runs on every image.
        ModelError::Panicked { .. } | ModelError::Buffer { .. } | ModelError::Run { .. } => ErrorName::Internal,
    }
}

fn name_of_pca_error(error: &PcaError) -> ErrorName {
    match error {
        PcaError::TooFewRows { .. }
        | PcaError::NoFeatures
        | PcaError::ComponentsOutOfRange { .. }
        | PcaError::Components(_) => ErrorName::BadInput,
        PcaError::Dimensions { .. }
        | PcaError::CountOverflow
        | PcaError::Encoding(_)
        | PcaError::NotFinite { .. }
        | PcaError::InconsistentModel(_) => ErrorName::Inconsistent,
        PcaError::NoConvergence { .. } => ErrorName::Internal,
    }
}

/// Says in one line that a file is damaged, and what that comes to. One that is missing has expired: that is no damage.
pub(crate) fn tell_of_damage(error: &Error, consequence: &str) {
    if let Error::Damaged { file, damage } = error
        && *damage != Damage::Missing
    {
        tracing::warn!("`{file}` is damaged: {damage}; {consequence}");
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

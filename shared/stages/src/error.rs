//! What can go wrong in a stage.

use pomona_dataset::Error as DatasetError;
use pomona_formats::Error as FileError;
use pomona_run::{ErrorName, RunId};
use pomona_vision::model::ModelError;

/// Why a stage failed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The images could not be listed or read.
    #[error(transparent)]
    Dataset(#[from] DatasetError),
    /// A file of the output could not be read, made or written, or what was asked for cannot be done.
    #[error(transparent)]
    File(#[from] FileError),
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
    /// More images were unusable than the run allows.
    #[error(
        "{rejects} of {images} images could not be used ({reasons}), more than the share of {allowed} that \
         `--max-reject-share` allows: {first}; `{run}/errors/` lists them all; mend or remove the images, or allow more"
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
    /// The components of the model's features could not be fitted in the memory that is there.
    #[error(
        "features of {features} numbers per image need about {needed} of memory for their components, and this process \
         can have {available}; take fewer features (another model, or a later node of this one with `--layer`), or a \
         machine with more memory"
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
    /// The lock by which this was done was given back, or somebody else has taken it.
    #[error(
        "the lock of `{location}` was given back or taken over while this was at work, so what it has seen there may be \
         true no more; start it again"
    )]
    LockLost {
        /// The output.
        location: String,
    },
    /// There is nothing that an erasure could do.
    #[error("nothing is erased at `{location}`: {what}")]
    NothingToErase {
        /// The output.
        location: String,
        /// Why.
        what: String,
    },
    /// Features of images that stay are nowhere but in the tables of the run that is to be made anew.
    #[error(
        "the features of {images} images that stay are in no part any more, so the newest run cannot be made without the \
         erased ones: make them again with `pomona run {input} {output}`, which leaves the erased ones out already, and \
         erase again"
    )]
    FeaturesGone {
        /// Images.
        images: u64,
        /// Where they are.
        input: String,
        /// The output.
        output: String,
    },
    /// The newest run took models of another one.
    #[error(
        "run {run_id} took the models of run {models_of}, which may have learned from the images: apply other models \
         (the images are left out already), and erase again"
    )]
    ModelsOfAnother {
        /// The newest run.
        run_id: RunId,
        /// The run whose models it took.
        models_of: RunId,
    },
    /// It cannot be told which sums a run that stays uses.
    #[error("a list of run {run_id} cannot be read: `pomona verify --repair` first, then the same command again")]
    ListsUnreadable {
        /// The run.
        run_id: RunId,
    },
    /// Something still names an erased image.
    #[error(
        "`{first}` at `{location}` is still there: {why} ({files} such files in all, which `{list}` names); there is no \
         certificate: mend that, and erase again"
    )]
    TracesLeft {
        /// The output.
        location: String,
        /// One of the files.
        first: String,
        /// What is wrong about it.
        why: String,
        /// Such files.
        files: usize,
        /// Where all of them stand.
        list: String,
    },
    /// Another attempt at the same was quicker.
    #[error("another attempt has written `{file}` meanwhile; try again")]
    Overtaken {
        /// What it has written.
        file: String,
    },
    /// The dataset of the newest run is gone.
    #[error(
        "no images at `{location}`, where run {run_id} found {images}: nothing was changed; if they lie on a disk or \
         share, see that it is mounted; if they were deleted for good, say so with `--allow-empty`"
    )]
    Emptied {
        /// The input.
        location: String,
        /// The newest run.
        run_id: RunId,
        /// How many images it listed.
        images: u64,
    },
    /// The models of a run that are to be taken cannot be.
    #[error("the models of run {run_id} at `{location}` cannot be taken: {problem}")]
    Models {
        /// The run's output.
        location: String,
        /// The run.
        run_id: RunId,
        /// Why, and what to do.
        problem: String,
    },
    /// The models to be taken are of features made in another way.
    #[error(
        "the models of run {run_id} are of features that were made in another way: by the {what} {theirs}, and here it is \
         {own}; give the model file and options (or the version of pomona) of that run, or let it be run again with these"
    )]
    OtherRecipe {
        /// The run.
        run_id: RunId,
        /// What differs.
        what: &'static str,
        /// What it was there.
        theirs: String,
        /// What it is here.
        own: String,
    },
    /// Checks of the finished tables failed.
    #[error("the run's results failed their checks: {failed}; see `{file}`")]
    Invalid {
        /// Names of the failed checks.
        failed: String,
        /// Where all checks and figures are written.
        file: String,
    },
    /// The recipe beside a model cannot be used.
    #[error("the model's recipe `{file}` cannot be used: {problem}; write it with `pomona model recipe`")]
    Recipe {
        /// The file.
        file: String,
        /// What is wrong with it.
        problem: String,
    },
    /// The model could not be used.
    #[error(transparent)]
    Model(#[from] ModelError),
}

impl Error {
    /// The name that this error has for a state machine.
    pub fn name(&self) -> ErrorName {
        match self {
            Self::Dataset(error) => error.name(),
            Self::File(error) => error.name(),
            Self::OneImage { .. }
            | Self::TooWide { .. }
            | Self::Models { .. }
            | Self::OtherRecipe { .. }
            | Self::Recipe { .. } => ErrorName::BadInput,
            Self::NoImages { .. } | Self::Emptied { .. } => ErrorName::NoImages,
            Self::TooManyRejects { .. } | Self::NothingUsable { .. } => ErrorName::TooManyRejects,
            Self::Busy { .. } | Self::LockLost { .. } => ErrorName::Busy,
            Self::Overtaken { .. } => ErrorName::Retryable,
            Self::NothingToErase { .. } | Self::FeaturesGone { .. } | Self::ModelsOfAnother { .. } => {
                ErrorName::BadInput
            }
            Self::ListsUnreadable { .. } | Self::TracesLeft { .. } => ErrorName::Damaged,
            Self::Invalid { .. } => ErrorName::Inconsistent,
            Self::Model(error) => name_of_model_error(error),
        }
    }

    /// A defect of this program.
    pub(crate) fn internal(what: impl Into<String>) -> Self {
        FileError::Internal(what.into()).into()
    }
}

impl From<pomona_run::Error> for Error {
    fn from(error: pomona_run::Error) -> Self {
        Self::File(error.into())
    }
}

impl From<pomona_store::Error> for Error {
    fn from(error: pomona_store::Error) -> Self {
        Self::File(error.into())
    }
}

impl From<pomona_pca::Error> for Error {
    fn from(error: pomona_pca::Error) -> Self {
        Self::File(error.into())
    }
}

/// The name that an error of a network has for a state machine.
pub fn name_of_model_error(error: &ModelError) -> ErrorName {
    match error {
        ModelError::Read { .. }
        | ModelError::NotOnnx { .. }
        | ModelError::Input { .. }
        | ModelError::Output { .. }
        | ModelError::Crop { .. }
        | ModelError::UnknownLayer { .. }
        | ModelError::Unsupported { .. }
        | ModelError::Endless { .. } => ErrorName::BadInput,
        // A model that was taken runs on every image.
        ModelError::Panicked { .. }
        | ModelError::NoThread { .. }
        | ModelError::Buffer { .. }
        | ModelError::Run { .. } => ErrorName::Internal,
    }
}

//! Whatever ends a command: the libraries' errors, whose messages say what is wrong and how to mend it.

use std::path::PathBuf;

use pomona_dataset::name_of_store_error;
use pomona_formats::erasure::notice_of_not_done;
use pomona_run::counted::counted;
use pomona_run::{ErrorName, RunId};
use pomona_stages::name_of_model_error;
use pomona_vision::pixels::Reject;

/// Why a command failed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// What was asked for cannot be done.
    #[error(transparent)]
    Request(#[from] pomona_run::Error),
    /// A file of a run cannot be used.
    #[error(transparent)]
    File(#[from] pomona_formats::Error),
    /// A stage of a run failed.
    #[error(transparent)]
    Stage(#[from] pomona_stages::Error),
    /// Reading or writing objects failed.
    #[error(transparent)]
    Store(#[from] pomona_store::Error),
    /// The network cannot be used.
    #[error(transparent)]
    Model(#[from] pomona_vision::model::ModelError),
    /// The published network is not to be had.
    #[error(transparent)]
    Weights(#[from] pomona_weights::Error),
    /// No price can be given.
    #[error(transparent)]
    Cost(#[from] pomona_cost::Error),
    /// The demo's pictures could not be drawn.
    #[error(transparent)]
    Demo(#[from] pomona_demo::Error),
    /// AWS refused something.
    #[error(transparent)]
    Aws(#[from] pomona_aws::Error),
    /// A run on AWS that was watched failed.
    #[error("the run did not succeed; what was computed is kept, and the next run goes on from there")]
    RunFailed,
    /// `pomona doctor` found something bad.
    #[error("no run can work before what is bad is mended")]
    NotReady,
    /// `pomona verify` found damage that is not mended.
    #[error("`{location}` is not whole: {damaged} damaged, {missing} missing; {advice}")]
    NotWhole {
        /// The output.
        location: String,
        /// Files that are damaged.
        damaged: u64,
        /// Files that are missing.
        missing: u64,
        /// What to do.
        advice: &'static str,
    },
    /// What a certificate says is not true any more.
    #[error(
        "at `{location}` {} (`pomona erase {location}` deletes them), and {unreadable} cannot be read (`pomona verify \
         {location} --repair` sets them aside)",
        files_that_name_images(*holding)
    )]
    NotErased {
        /// The output.
        location: String,
        /// Files that name one.
        holding: usize,
        /// Files of which nothing is known.
        unreadable: usize,
    },
    /// Erasures that were interrupted.
    #[error("{}", notice_of_not_done(*erasures, location).unwrap_or_default())]
    NotErasedYet {
        /// The output.
        location: String,
        /// How many.
        erasures: usize,
    },
    /// Certificates that the key does not stand for.
    #[error(
        "{certificates} certificates at `{location}` are not signed by this key: somebody else wrote them, or changed them"
    )]
    NotSigned {
        /// The output.
        location: String,
        /// How many.
        certificates: usize,
    },
    /// A list of images, or a key, cannot be read.
    #[error("cannot read `{}`: {source}", path.display())]
    Keys {
        /// The file.
        path: PathBuf,
        /// The system's reason.
        source: std::io::Error,
    },
    /// An image that was named cannot be read.
    #[error("cannot read the image `{}`: {source}", path.display())]
    Image {
        /// The image.
        path: PathBuf,
        /// The system's reason.
        source: std::io::Error,
    },
    /// A model cannot be written.
    #[error("cannot write `{}`: {source}", path.display())]
    WriteModel {
        /// The file.
        path: PathBuf,
        /// The system's reason.
        source: std::io::Error,
    },
    /// An image that was named is none, or a damaged one.
    #[error("cannot use the image `{}`: {reject}", path.display())]
    Rejected {
        /// The image.
        path: PathBuf,
        /// What is wrong with it.
        reject: Reject,
    },
    /// Standard output takes no more.
    #[error("cannot print: {0}; free the disk, or send the output elsewhere")]
    Print(#[from] std::io::Error),
    /// The system refuses the threads that wait for input and output.
    #[error("cannot start: {0}; end other programs, or raise the limit of threads (`ulimit -u`)")]
    Runtime(std::io::Error),
    /// The system refuses files.
    #[error("cannot start: {0}; raise the limit of open files (`ulimit -n`)")]
    Files(std::io::Error),
    /// One run is named by a path and another one beside it.
    #[error("`{path}` is one run and `--run {run}` another; name one of them")]
    TwoRuns {
        /// The path.
        path: String,
        /// The other run.
        run: RunId,
    },
    /// Something cannot be said as JSON.
    #[error("cannot print as JSON: {0}")]
    Json(#[from] serde_json::Error),
}

fn files_that_name_images(files: usize) -> String {
    let named = counted(
        files as u64,
        "file names erased images, or is of no run",
        "files name erased images, or are of no run",
    );
    named.unwrap_or_else(|| "no file names erased images".to_owned())
}

impl Error {
    /// The name that this error has for a state machine, and as an exception.
    pub fn name(&self) -> ErrorName {
        match self {
            Self::Request(error) => error.name(),
            Self::File(error) => error.name(),
            Self::Stage(error) => error.name(),
            Self::Store(error) => name_of_store_error(error),
            Self::Model(error) => name_of_model_error(error),
            Self::Weights(_) | Self::Aws(_) | Self::RunFailed | Self::Runtime(_) | Self::Files(_) => {
                ErrorName::Retryable
            }
            Self::Image { .. } | Self::Rejected { .. } | Self::TwoRuns { .. } | Self::Cost(_) => ErrorName::BadInput,
            Self::Demo(_) | Self::NotReady | Self::WriteModel { .. } | Self::Print(_) => ErrorName::BadInput,
            Self::NotWhole { .. } | Self::NotErased { .. } => ErrorName::Damaged,
            Self::NotErasedYet { .. } | Self::NotSigned { .. } => ErrorName::Damaged,
            Self::Keys { .. } => ErrorName::BadInput,
            Self::Json(_) => ErrorName::Internal,
        }
    }
}

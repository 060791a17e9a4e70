//! Whatever ends a command: the libraries' errors, whose messages say what is wrong and how to mend it.

use std::path::PathBuf;

use pomona_run::RunId;
use pomona_vision::pixels::Reject;

/// Why a command failed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    #[error(transparent)]
    Request(#[from] pomona_run::Error),
    #[error(transparent)]
    File(#[from] pomona_formats::Error),
    #[error(transparent)]
    Stage(#[from] pomona_stages::Error),
    #[error(transparent)]
    Store(#[from] pomona_store::Error),
    #[error(transparent)]
    Model(#[from] pomona_vision::model::ModelError),
    #[error(transparent)]
    Weights(#[from] pomona_weights::Error),
    #[error(transparent)]
    Cost(#[from] pomona_cost::Error),
    #[error(transparent)]
    Demo(#[from] pomona_demo::Error),
    #[error(transparent)]
    Aws(#[from] pomona_aws::Error),
    #[error("the run did not succeed; what was computed is kept, and the next run goes on from there")]
    RunFailed,
    #[error("no run can work before what is bad is mended")]
    NotReady,
    #[error("cannot read the image `{}`: {source}", path.display())]
    Image { path: PathBuf, source: std::io::Error },
    #[error("cannot write `{}`: {source}", path.display())]
    WriteModel { path: PathBuf, source: std::io::Error },
    #[error("cannot use the image `{}`: {reject}", path.display())]
    Rejected { path: PathBuf, reject: Reject },
    #[error("cannot print: {0}; free the disk, or send the output elsewhere")]
    Print(#[from] std::io::Error),
    #[error("`{path}` is one run and `--run {run}` another; name one of them")]
    TwoRuns { path: String, run: RunId },
    #[error("cannot print as JSON: {0}")]
    Json(#[from] serde_json::Error),
}

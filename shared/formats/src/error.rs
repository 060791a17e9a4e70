//! What can go wrong with a run's files.

use pomona_dataset::name_of_store_error;
use pomona_pca::Error as PcaError;
use pomona_run::{ErrorName, RunId};
use pomona_store::Error as StoreError;

/// Finished runs that a message names.
const RUNS_NAMED: usize = 5;

/// Why a file could not be read, made or written.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// What was asked for cannot be done, wherever it was tried.
    #[error(transparent)]
    Request(#[from] pomona_run::Error),
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
    /// What a user has written down of images is not what it should be.
    #[error("`{file}` cannot be used: {problem}")]
    Unusable {
        /// The file.
        file: String,
        /// What is wrong with it.
        problem: String,
    },
    /// The output holds no successful run, or not the one that is meant.
    #[error("{}; {}", no_run(location, named.as_ref()), describe_finished(finished))]
    NoRun {
        /// The output.
        location: String,
        /// The run that is meant; none where it is the newest.
        named: Option<RunId>,
        /// The runs that there are, newest first.
        finished: Vec<RunId>,
    },
    /// The run succeeded, but its tables are there no more.
    #[error(
        "the tables of run `{run_id}` at `{location}` were removed when newer runs had succeeded (`--keep-runs`, on AWS \
         the parameter KeepRuns), its reports are still in `runs/{run_id}/report/`; run again with the same options, or \
         {}",
        describe_finished(finished)
    )]
    TablesRemoved {
        /// The output.
        location: String,
        /// The run.
        run_id: RunId,
        /// The runs whose tables are there, newest first.
        finished: Vec<RunId>,
    },
    /// Reading or writing objects failed.
    #[error(transparent)]
    Store(#[from] StoreError),
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
    /// It is what was written, by something else.
    #[error("what stands in it is not what this version of pomona writes")]
    OtherVersion,
    /// It names a run that is not there.
    #[error("it names no successful run")]
    NamesNoRun,
}

impl Error {
    /// The name that this error has for a state machine.
    pub fn name(&self) -> ErrorName {
        match self {
            Self::Request(error) => error.name(),
            Self::NoRun { .. } | Self::TablesRemoved { .. } | Self::Unusable { .. } => ErrorName::BadInput,
            Self::Damaged { .. } => ErrorName::Damaged,
            Self::Inconsistent { .. } | Self::Table { .. } => ErrorName::Inconsistent,
            Self::Store(error) => name_of_store_error(error),
            Self::Pca(error) => name_of_pca_error(error),
            Self::Internal(_) => ErrorName::Internal,
        }
    }

    /// [`Error::Request`] for the value of an option.
    pub fn option(option: &'static str, problem: impl Into<String>) -> Self {
        pomona_run::Error::option(option, problem).into()
    }

    /// [`Error::Damaged`].
    pub fn damaged(file: impl Into<String>, damage: Damage) -> Self {
        Self::Damaged { file: file.into(), damage }
    }

    /// [`Error::Inconsistent`].
    pub fn inconsistent(file: impl Into<String>, problem: impl Into<String>) -> Self {
        Self::Inconsistent { file: file.into(), problem: problem.into() }
    }

    /// [`Error::Unusable`].
    pub fn unusable(file: impl Into<String>, problem: impl Into<String>) -> Self {
        Self::Unusable { file: file.into(), problem: problem.into() }
    }

    /// [`Error::Table`].
    pub fn table(file: &str, problem: impl std::fmt::Display) -> Self {
        Self::Table { file: file.to_owned(), problem: problem.to_string() }
    }
}

fn name_of_pca_error(error: &PcaError) -> ErrorName {
    match error {
        PcaError::TooFewRows { .. }
        | PcaError::NoFeatures
        | PcaError::ComponentsOutOfRange { .. }
        | PcaError::BasisTooLarge { .. }
        | PcaError::NotWithinBasis { .. }
        | PcaError::Regularization(_)
        | PcaError::NoIterations
        | PcaError::TooFewClasses { .. }
        | PcaError::TooManyWeights { .. }
        | PcaError::Components(_) => ErrorName::BadInput,
        PcaError::Dimensions { .. }
        | PcaError::CountOverflow
        | PcaError::Encoding(_)
        | PcaError::NotFinite { .. }
        | PcaError::ClassOutOfRange { .. }
        | PcaError::ClassesOfOtherRows { .. }
        | PcaError::InconsistentModel(_) => ErrorName::Inconsistent,
        PcaError::NoConvergence { .. } => ErrorName::Internal,
    }
}

fn no_run(location: &str, named: Option<&RunId>) -> String {
    match named {
        Some(run_id) => format!("there is no successful run `{run_id}` at `{location}`"),
        None => format!("no latest.json at `{location}` names a run"),
    }
}

fn describe_finished(runs: &[RunId]) -> String {
    if runs.is_empty() {
        return "no run was successful yet".to_owned();
    }
    let named: Vec<&str> = runs.iter().take(RUNS_NAMED).map(RunId::as_str).collect();
    let more = if runs.len() > named.len() { ", ..." } else { "" };
    format!("name one of the {} finished with `--run`: {}{more}", runs.len(), named.join(", "))
}

/// What was read, or nothing where it is damaged or cannot be read, now or ever.
///
/// # Errors
/// The others: those that say nothing of the file, and those of other kinds.
pub fn if_readable<T>(read: Result<T, Error>) -> Result<Option<T>, Error> {
    match read {
        Err(Error::Store(error)) if !error.is_about_object() => Err(error.into()),
        Err(Error::Damaged { .. } | Error::Store(_)) => Ok(None),
        read => read.map(Some),
    }
}

/// Says in one line that a file is damaged, or no table of its kind, and what that comes to. One that is missing has
/// expired: that is no damage.
pub fn tell_of_damage(error: &Error, consequence: &str) {
    match error {
        Error::Damaged { damage: Damage::Missing, .. } => {}
        Error::Damaged { file, damage } => tracing::warn!("`{file}` is damaged: {damage}; {consequence}"),
        Error::Table { file, problem } | Error::Inconsistent { file, problem } => {
            tracing::warn!("`{file}` cannot be used: {problem}; {consequence}");
        }
        _ => {}
    }
}

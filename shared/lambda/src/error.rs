//! What can go wrong in a Lambda, and the name under which it leaves.

use pomona_run::ErrorName;
use pomona_stages::Error as StageError;

/// Why none of the images that are there can be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Obstacle {
    /// The role has no right to them.
    NoRight,
    /// It has no right to the key that they are encrypted with.
    NoKey,
    /// They lie in an archive.
    Archive,
}

impl Obstacle {
    fn outline(self) -> &'static str {
        match self {
            Self::NoRight => "no image can be read",
            Self::NoKey => "no image can be read without its KMS key",
            Self::Archive => "no image can be read: they are archived",
        }
    }

    fn remedy(self) -> &'static str {
        match self {
            Self::NoRight => {
                "the roles of plan and list-batch need s3:GetObject there: see that the stack's InputBucketName and \
                 InputPrefix hold the images, and that the bucket's own policy allows this account's roles"
            }
            Self::NoKey => {
                "the roles of plan and list-batch need the KMS key that the images are encrypted with: name it to the \
                 stack as InputBucketKmsKeyArn, and let the key's own policy allow this account's roles"
            }
            Self::Archive => "restore the images, or leave those that are archived out with `exclude`",
        }
    }
}

/// Why an event could not be answered.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// An event or a part of it that is not what the function takes.
    #[error("{subject} cannot be used: {problem}")]
    Event {
        /// What was read.
        subject: &'static str,
        /// The field and what is wrong with it.
        problem: String,
    },
    /// An environment variable of the function that cannot be used.
    #[error("the function's environment variable {name} cannot be used: {problem}")]
    Setting {
        /// The variable.
        name: &'static str,
        /// What is wrong with it.
        problem: String,
    },
    /// Options of the runs that start by themselves that no run could honour.
    #[error("the stack's RunOptions cannot be used: {problem}")]
    RunOptions {
        /// The option, where it is one of ours.
        option: Option<String>,
        /// What is wrong with it; it may hold the option's value.
        problem: String,
    },
    /// A call of a service failed.
    #[error("{call} failed: {problem}")]
    Call {
        /// What was called.
        call: &'static str,
        /// What it answered.
        problem: String,
    },
    /// Of some images that were tried, spread over all, none may be read.
    #[error("no image can be read: {problem}; {}", obstacle.remedy())]
    NoImageReadable {
        /// What stands in the way of the first of them.
        obstacle: Obstacle,
        /// What S3 said of the first of them.
        problem: String,
    },
    /// The stage failed.
    #[error(transparent)]
    Stage(#[from] StageError),
}

impl Error {
    /// The name that this error has for the state machine.
    pub fn name(&self) -> ErrorName {
        match self {
            Self::Event { .. } | Self::Setting { .. } | Self::RunOptions { .. } | Self::NoImageReadable { .. } => {
                ErrorName::BadInput
            }
            Self::Call { .. } => ErrorName::Retryable,
            Self::Stage(error) => error.name(),
        }
    }

    /// What may be said of this error anywhere: nothing that an image or a run's options gave it.
    pub(crate) fn outline(&self) -> String {
        match self {
            Self::Event { subject, .. } => format!("{subject} cannot be used"),
            Self::Setting { name, .. } => format!("the function's environment variable {name} cannot be used"),
            Self::RunOptions { option: Some(option), .. } => {
                format!("the stack's RunOptions cannot be used: its option `{option}` has a value that it cannot have")
            }
            Self::RunOptions { option: None, .. } => {
                "the stack's RunOptions cannot be used: it holds what is no option, or is no JSON".to_owned()
            }
            // What a service says of a call that takes no image.
            Self::Call { .. } => self.to_string(),
            Self::NoImageReadable { obstacle, .. } => obstacle.outline().to_owned(),
            Self::Stage(StageError::NothingToErase { what, .. }) => format!("nothing is erased: {what}"),
            Self::Stage(StageError::TracesLeft { files, list, .. }) => {
                format!(
                    "{files} files that should be erased are left, so there is no certificate: {list} says which, and why"
                )
            }
            // They count images, and name runs and places.
            Self::Stage(error @ (StageError::FeaturesGone { .. } | StageError::ModelsOfAnother { .. })) => {
                error.to_string()
            }
            Self::Stage(_) => "the stage failed".to_owned(),
        }
    }

    pub(crate) fn setting(name: &'static str, problem: impl Into<String>) -> Self {
        Self::Setting { name, problem: problem.into() }
    }

    /// A request to AWS that failed by `error`, told with its causes: of an error of the SDK, the outermost says least.
    pub fn call(call: &'static str, error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        let error = error.into();
        let mut problem = error.to_string();
        let mut cause = error.source();
        while let Some(error) = cause {
            problem = format!("{problem}: {error}");
            cause = error.source();
        }
        Self::Call { call, problem }
    }
}

impl From<pomona_run::Error> for Error {
    fn from(error: pomona_run::Error) -> Self {
        Self::Stage(error.into())
    }
}

impl From<pomona_dataset::Error> for Error {
    fn from(error: pomona_dataset::Error) -> Self {
        Self::Stage(error.into())
    }
}

impl From<pomona_formats::Error> for Error {
    fn from(error: pomona_formats::Error) -> Self {
        Self::Stage(error.into())
    }
}

impl From<pomona_store::Error> for Error {
    fn from(error: pomona_store::Error) -> Self {
        Self::Stage(error.into())
    }
}

/// An error of each kind whose texts all hold `mark`, with the name that it must leave under.
#[cfg(test)]
pub(crate) fn one_of_each_kind(mark: &str) -> Vec<(&'static str, Error)> {
    use pomona_dataset::Error as DatasetError;
    use pomona_formats::Error as FileError;
    use pomona_formats::error::Damage;
    use pomona_pca::Error as PcaError;
    use pomona_run::error::NoLocation;
    use pomona_run::{Error as RunError, RunId};
    use pomona_store::Error as StoreError;

    let text = || mark.to_owned();
    let stage = |error: StageError| Error::Stage(error);
    let cases = vec![
        ("Pomona.BadInput", Error::Event { subject: "the event", problem: text() }),
        ("Pomona.BadInput", Error::setting("POMONA_MODEL", text())),
        ("Pomona.BadInput", Error::RunOptions { option: None, problem: text() }),
        ("Pomona.BadInput", Error::NoImageReadable { obstacle: Obstacle::NoKey, problem: text() }),
        ("Pomona.Retryable", Error::call("sqs:SendMessage", std::io::Error::other("no answer"))),
        ("Pomona.BadInput", RunError::option("limit", text()).into()),
        ("Pomona.BadInput", RunError::Location(NoLocation(text())).into()),
        ("Pomona.BadInput", RunError::OutputInsideInput { input: text(), output: text() }.into()),
        ("Pomona.RegionNotAllowed", RunError::RegionNotAllowed { region: text(), allowed: text() }.into()),
        ("Pomona.Retryable", StoreError::Transient { location: text(), key: text(), reason: text() }.into()),
        ("Pomona.BadInput", StoreError::Denied { location: text(), key: text(), reason: text() }.into()),
        ("Pomona.BadInput", StoreError::Archived { location: text(), key: text() }.into()),
        ("Pomona.BadInput", StoreError::Full { location: text(), key: text() }.into()),
        ("Pomona.BadInput", StoreError::Invalid { key: text(), reason: text() }.into()),
        ("Pomona.BadInput", StoreError::Location { location: text(), reason: text() }.into()),
        ("Pomona.Retryable", StoreError::Credentials { location: text(), reason: text() }.into()),
        (
            "Pomona.BadInput",
            StoreError::Other { action: "read", location: text(), key: text(), source: text().into() }.into(),
        ),
        ("Pomona.Inconsistent", StoreError::NotFound { location: text(), key: text() }.into()),
        ("Pomona.Inconsistent", StoreError::Changed { location: text(), key: text() }.into()),
        ("Pomona.Inconsistent", StoreError::AlreadyExists { location: text(), key: text() }.into()),
        ("Pomona.InputChanged", DatasetError::Changed { location: text(), id: text() }.into()),
        ("Pomona.Damaged", FileError::Damaged { file: text(), damage: Damage::Altered }.into()),
        ("Pomona.Inconsistent", FileError::Inconsistent { file: text(), problem: text() }.into()),
        ("Pomona.Inconsistent", FileError::Table { file: text(), problem: text() }.into()),
        ("Pomona.BadInput", FileError::Unusable { file: text(), problem: text() }.into()),
        ("Pomona.BadInput", FileError::NoRun { location: text(), named: None, finished: Vec::new() }.into()),
        ("Pomona.Internal", FileError::Internal(text()).into()),
        ("Pomona.Inconsistent", stage(PcaError::Encoding(text()).into())),
        ("Pomona.Inconsistent", stage(PcaError::NotFinite { feature: 3 }.into())),
        (
            "Pomona.BadInput",
            stage(PcaError::ComponentsOutOfRange { requested: 9, count: 3, dimensions: 5, limit: 2 }.into()),
        ),
        ("Pomona.Internal", stage(PcaError::NoConvergence { dimensions: 5 }.into())),
        (
            "Pomona.NoImages",
            stage(StageError::NoImages {
                location: text(),
                files: 0,
                extensions: text(),
                filter: Some(text()),
                skipped: vec![text()],
            }),
        ),
        ("Pomona.NoImages", stage(StageError::Emptied { location: text(), run_id: RunId::now(), images: 3 })),
        (
            "Pomona.TooManyRejects",
            stage(StageError::TooManyRejects {
                rejects: 2,
                images: 3,
                reasons: text(),
                allowed: 0.1,
                first: text(),
                run: text(),
            }),
        ),
        (
            "Pomona.TooManyRejects",
            stage(StageError::NothingUsable { images: 3, reasons: text(), first: text(), run: text() }),
        ),
        ("Pomona.BadInput", stage(StageError::OneImage { rejects: 1, images: 2, first: text() })),
        ("Pomona.BadInput", stage(StageError::TooWide { features: 9, needed: text(), available: text() })),
        ("Pomona.Busy", stage(StageError::Busy { location: text(), holder: text() })),
        ("Pomona.Inconsistent", stage(StageError::Invalid { failed: text(), file: text() })),
        ("Pomona.BadInput", stage(StageError::Recipe { file: text(), problem: text() })),
    ];
    let mut names: Vec<&str> = cases.iter().map(|(name, _)| *name).collect();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), ErrorName::ALL.len(), "a name without a case: {names:?}");
    cases
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_error_leaves_under_its_name() {
        for (name, error) in one_of_each_kind("x") {
            assert_eq!(error.name().as_str(), name, "{error}");
        }
    }

    #[test]
    fn a_call_that_failed_may_be_tried_again_and_says_why() {
        let cause = std::io::Error::other(Error::setting("POMONA_QUEUE", "gone"));
        let failed = Error::call("sqs:SendMessage", std::io::Error::other(cause));
        assert_eq!(failed.name().as_str(), "Pomona.Retryable");
        let message = failed.to_string();
        assert!(message.starts_with("sqs:SendMessage failed") && message.contains("gone"), "{message}");
    }
}

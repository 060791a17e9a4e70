//! What can go wrong in a Lambda, and the name under which it leaves.

use lambda_runtime::Diagnostic;
use pomona_run::ErrorName;

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
    /// A call of a service failed.
    #[error("{call} failed: {problem}")]
    Call {
        /// What was called.
        call: &'static str,
        /// What it answered.
        problem: String,
    },
    /// The stage failed.
    #[error(transparent)]
    Stage(#[from] pomona_stages::Error),
}

impl Error {
    /// The name that this error has for the state machine.
    pub fn name(&self) -> ErrorName {
        match self {
            Self::Event { .. } | Self::Setting { .. } => ErrorName::BadInput,
            Self::Call { .. } => ErrorName::Retryable,
            Self::Stage(error) => error.name(),
        }
    }

    pub(crate) fn setting(name: &'static str, problem: impl Into<String>) -> Self {
        Self::Setting { name, problem: problem.into() }
    }

    /// `error` with its causes: of an error of the SDK, the outermost says least.
    pub(crate) fn call(call: &'static str, error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
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

impl From<Error> for Diagnostic {
    fn from(error: Error) -> Self {
        Self { error_type: error.name().as_str().to_owned(), error_message: error.to_string() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use pomona_dataset::Error as DatasetError;
    use pomona_formats::Error as FileError;
    use pomona_formats::error::Damage;
    use pomona_pca::Error as PcaError;
    use pomona_run::{Error as RunError, RunId};
    use pomona_stages::Error as StageError;
    use pomona_store::Error as StoreError;

    fn store_error(is_retryable: bool) -> StageError {
        let (location, key, reason) = ("s3://b".to_owned(), "k".to_owned(), "r".to_owned());
        match is_retryable {
            true => StoreError::Transient { location, key, reason }.into(),
            false => StoreError::Denied { location, key, reason }.into(),
        }
    }

    fn text() -> String {
        "x".to_owned()
    }

    #[test]
    fn each_error_of_the_pipeline_leaves_under_its_name_with_its_message() {
        let cases = [
            ("Pomona.BadInput", RunError::option("limit", text()).into()),
            ("Pomona.BadInput", RunError::OutputInsideInput { input: text(), output: text() }.into()),
            ("Pomona.BadInput", store_error(false)),
            ("Pomona.Retryable", store_error(true)),
            (
                "Pomona.NoImages",
                StageError::NoImages {
                    location: text(),
                    files: 0,
                    extensions: text(),
                    filter: None,
                    skipped: Vec::new(),
                },
            ),
            ("Pomona.InputChanged", DatasetError::Changed { location: text(), id: text() }.into()),
            (
                "Pomona.TooManyRejects",
                StageError::TooManyRejects {
                    rejects: 2,
                    images: 3,
                    reasons: text(),
                    allowed: 0.1,
                    first: text(),
                    run: text(),
                },
            ),
            ("Pomona.Busy", StageError::Busy { location: text(), holder: text() }),
            ("Pomona.RegionNotAllowed", RunError::RegionNotAllowed { region: text(), allowed: text() }.into()),
            ("Pomona.NoImages", StageError::Emptied { location: text(), run_id: RunId::now(), images: 3 }),
            ("Pomona.Damaged", FileError::Damaged { file: text(), damage: Damage::Altered }.into()),
            ("Pomona.Inconsistent", FileError::Inconsistent { file: text(), problem: text() }.into()),
            ("Pomona.Inconsistent", StageError::Invalid { failed: text(), file: text() }),
            ("Pomona.Inconsistent", FileError::Table { file: text(), problem: text() }.into()),
            ("Pomona.Inconsistent", PcaError::Encoding(text()).into()),
            ("Pomona.Inconsistent", PcaError::NotFinite { feature: 3 }.into()),
            ("Pomona.Inconsistent", StoreError::NotFound { location: text(), key: text() }.into()),
            (
                "Pomona.BadInput",
                PcaError::ComponentsOutOfRange { requested: 9, count: 3, dimensions: 5, limit: 2 }.into(),
            ),
            ("Pomona.Internal", PcaError::NoConvergence { dimensions: 5 }.into()),
            ("Pomona.Internal", FileError::Internal(text()).into()),
        ];
        let mut names: Vec<&str> = cases.iter().map(|(name, _)| *name).collect();
        for (name, error) in cases {
            let message = error.to_string();
            let diagnostic = Diagnostic::from(Error::from(error));
            assert_eq!((diagnostic.error_type.as_str(), diagnostic.error_message), (name, message));
        }
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), ErrorName::ALL.len(), "a name without a case: {names:?}");
    }

    #[test]
    fn events_and_settings_that_cannot_be_used_are_bad_input() {
        let event = Error::Event { subject: "the event", problem: text() };
        assert_eq!(Diagnostic::from(event).error_type, "Pomona.BadInput");
        assert_eq!(Diagnostic::from(Error::setting("POMONA_MODEL", text())).error_type, "Pomona.BadInput");
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

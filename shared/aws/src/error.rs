//! What can go wrong between this machine and AWS.

use aws_sdk_sfn::config::http::HttpResponse;
use aws_sdk_sfn::error::{ProvideErrorMetadata, SdkError};
use pomona_store::CREDENTIALS_ADVICE;

use crate::not_redrivable::NotRedrivable;
use crate::state::State;

/// Why a question to AWS has no answer.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// No region is set.
    #[error("no AWS region is set; set AWS_REGION, or a region in the profile")]
    NoRegion,
    /// The region is not one of the allowed ones.
    #[error(transparent)]
    Region(#[from] pomona_run::Error),
    /// There are no credentials, or AWS does not accept them.
    #[error("no AWS credentials that work: {reason}; {CREDENTIALS_ADVICE}")]
    Credentials {
        /// What the credentials' source or AWS said.
        reason: String,
    },
    /// There is no state machine of the stack's name.
    #[error(
        "there is no stack `{stack}` in {region}: no state machine has that name; check `--stack` and AWS_REGION, or \
         deploy it as infra/README.md says"
    )]
    NoStack {
        /// The stack.
        stack: String,
        /// Where it was looked for.
        region: String,
    },
    /// The stack has never run.
    #[error("the stack `{stack}` has no executions yet; start one with `pomona start`")]
    NoExecutions {
        /// The stack.
        stack: String,
    },
    /// There is no execution of that name.
    #[error(
        "there is no execution `{execution}` of the stack `{stack}`; `pomona status` without a name shows the newest \
         one, and AWS forgets them 90 days after their end"
    )]
    NoExecution {
        /// The stack.
        stack: String,
        /// The execution, as it was asked for.
        execution: String,
    },
    /// There is nothing to stop.
    #[error("execution `{execution}` has ended already ({}): there is nothing to stop", state.as_str())]
    HasEnded {
        /// The execution.
        execution: String,
        /// How it ended.
        state: State,
    },
    /// The execution cannot go on where it ended.
    #[error("cannot redrive the execution `{execution}`: {reason}")]
    NotRedrivable {
        /// The execution.
        execution: String,
        /// Why, and what to do instead.
        reason: NotRedrivable,
    },
    /// The stack's plan is not told where images are.
    #[error("the function `{stack}-plan` has no POMONA_INPUT that names a bucket; deploy the stack again")]
    NoInput {
        /// The stack.
        stack: String,
    },
    /// AWS understood the request and refuses it.
    #[error("could not {action}: AWS says {code}: {message}")]
    Refused {
        /// What was tried: a verb with its object.
        action: &'static str,
        /// AWS's name for the reason, for instance `AccessDeniedException`.
        code: String,
        /// AWS's explanation.
        message: String,
    },
    /// There was no answer, or none that could be understood.
    #[error("could not {action}: {reason}; check the network, AWS_REGION and AWS_ENDPOINT_URL")]
    Unanswered {
        /// What was tried: a verb with its object.
        action: &'static str,
        /// What happened instead.
        reason: String,
    },
    /// A request that cannot be written as JSON.
    #[error("the execution's input cannot be written: {0}")]
    Input(#[from] serde_json::Error),
}

impl Error {
    /// What a failed request amounts to.
    pub(crate) fn of<E>(action: &'static str, error: SdkError<E, HttpResponse>) -> Self
    where
        E: ProvideErrorMetadata + std::error::Error + 'static,
    {
        match error.as_service_error() {
            Some(refusal) => {
                Self::refused(action, refusal.code().unwrap_or("Unknown"), refusal.message().unwrap_or("no reason"))
            }
            None => Self::unanswered(action, &error),
        }
    }

    pub(crate) fn refused(action: &'static str, code: &str, message: &str) -> Self {
        match code {
            "UnrecognizedClientException"
            | "InvalidClientTokenId"
            | "InvalidSignatureException"
            | "SignatureDoesNotMatch"
            | "ExpiredToken"
            | "ExpiredTokenException" => Self::Credentials { reason: format!("{code}: {message}") },
            _ => Self::Refused { action, code: code.to_owned(), message: message.to_owned() },
        }
    }

    pub(crate) fn unanswered(action: &'static str, error: &(dyn std::error::Error + 'static)) -> Self {
        let reason = pomona_store::reason_in_one_line(error);
        if pomona_store::comes_of_credentials(error) {
            return Self::Credentials { reason };
        }
        Self::Unanswered { action, reason }
    }
}

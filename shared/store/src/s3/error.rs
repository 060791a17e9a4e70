//! What S3's answers amount to.

use aws_credential_types::provider::error::CredentialsError;
use aws_sdk_s3::config::http::HttpResponse;
use aws_sdk_s3::error::{ConnectorError, ProvideErrorMetadata, SdkError};

use super::Bucket;
use crate::Error;

/// S3's words for a body that did not arrive as it was sent (API reference, "Error responses").
pub(super) const DAMAGED_ON_THE_WAY: [&str; 4] =
    ["BadDigest", "IncompleteBody", "RequestTimeout", "XAmzContentSHA256Mismatch"];

/// S3's words for credentials that it does not know, or not any more (API reference, "Error responses").
const OF_CREDENTIALS: [&str; 6] = [
    "ExpiredToken",
    "InvalidAccessKeyId",
    "InvalidSecurity",
    "InvalidToken",
    "SignatureDoesNotMatch",
    "TokenRefreshRequired",
];

impl Bucket {
    /// The error that a failed request amounts to.
    pub(super) fn failed<E>(&self, action: &'static str, key: &str, error: SdkError<E, HttpResponse>) -> Error
    where
        E: ProvideErrorMetadata + std::error::Error + Send + Sync + 'static,
    {
        match &error {
            SdkError::ServiceError(answer) => self.refused(action, key, answer.err(), answer.raw()),
            _ if comes_of_credentials(&error) => self.without_credentials(reason_in_one_line(&error)),
            SdkError::TimeoutError(_) | SdkError::ResponseError(_) => self.transient(key, &error),
            SdkError::DispatchFailure(failure) if !failure.is_user() => self.transient(key, &error),
            _ => Error::other(action, &self.location, key, with_causes(&error)),
        }
    }

    pub(super) fn transient(&self, key: &str, error: &(impl std::error::Error + 'static)) -> Error {
        self.unserved(key, &with_causes(error))
    }

    /// [`Error::Transient`], which names the host that was asked: the location does not tell where that is.
    pub(super) fn unserved(&self, key: &str, reason: &str) -> Error {
        let reason = self.host.name().map_or_else(|| reason.to_owned(), |host| format!("{host}: {reason}"));
        Error::transient(&self.location, key, reason)
    }

    fn without_credentials(&self, reason: String) -> Error {
        Error::Credentials { location: self.location.clone(), reason }
    }

    fn refused(
        &self,
        action: &'static str,
        key: &str,
        error: &(impl ProvideErrorMetadata + std::error::Error + 'static),
        answer: &HttpResponse,
    ) -> Error {
        let status = answer.status().as_u16();
        let code = error.code().unwrap_or_default();
        let reason = match (code, error.message()) {
            ("", _) => format!("S3 answered {status}: {}", with_causes(error)),
            (code, None) => format!("S3 answered {status} {code}"),
            (code, Some(message)) => format!("S3 answered {status} {code}: {message}"),
        };
        let location = &self.location;
        if let Some(region) =
            answer.headers().get("x-amz-bucket-region").filter(|region| *region != self.region.as_str())
        {
            let used = &self.region;
            let reason = format!("the bucket is in {region}, and {used} was asked; set AWS_REGION={region}");
            return Error::location(location, reason);
        }
        match (code, status) {
            ("NoSuchBucket", _) => Error::location(location, "there is no such bucket; check its name"),
            ("NoSuchUpload", _) | (_, 409 | 429 | 500..) => self.unserved(key, &reason),
            // Of S3 Glacier, or of an archive tier.
            ("InvalidObjectState", _) => Error::Archived { location: location.clone(), key: key.into() },
            ("AccessDenied" | "AllAccessDisabled", _) => Error::denied(location, key, reason),
            (code, _) if code.starts_with("KMS.") => Error::denied(location, key, reason),
            // An answer to HEAD has no body to tell more.
            ("" | "Forbidden", 403) => Error::denied(location, key, reason),
            ("SlowDown" | "Throttling", _) => self.unserved(key, &reason),
            (code, _) if OF_CREDENTIALS.contains(&code) => self.without_credentials(reason),
            ("RequestTimeTooSkewed", _) => {
                Error::location(location, format!("{reason}; set the clock of this machine, and start again"))
            }
            (code, _) if DAMAGED_ON_THE_WAY.contains(&code) => self.unserved(key, &reason),
            (_, 404) => Error::not_found(location, key),
            (_, 412) => Error::changed(location, key),
            ("KeyTooLongError", _) => Error::invalid(key, "it is longer than the 1,024 bytes that S3 allows"),
            _ => Error::other(action, location, key, reason),
        }
    }
}

/// Whether a connection was closed in good order where an answer should have come. The SDK's connector has no kind for
/// that, so hyper's own words tell.
pub(super) fn broke_off(error: &ConnectorError) -> bool {
    with_causes(error).contains("connection closed before message completed")
}

/// Whether a request to any service was not sent because no provider had credentials.
pub fn comes_of_credentials(error: &(dyn std::error::Error + 'static)) -> bool {
    std::iter::successors(Some(error), |cause| cause.source()).any(|cause| cause.is::<CredentialsError>())
}

/// What went wrong, also with a chain of providers of credentials, which lists what it tried.
pub fn reason_in_one_line(error: &dyn std::error::Error) -> String {
    with_causes(error).split_whitespace().collect::<Vec<_>>().join(" ")
}

fn with_causes(error: &dyn std::error::Error) -> String {
    std::iter::successors(error.source(), |cause| cause.source())
        .fold(error.to_string(), |message, cause| format!("{message}: {cause}"))
}

//! Writing objects, whole or in parts, under conditions.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use aws_sdk_s3::config::interceptors::BeforeTransmitInterceptorContextRef;
use aws_sdk_s3::config::{ConfigBag, Intercept, RuntimeComponents};
use aws_sdk_s3::error::BoxError;
use aws_sdk_s3::primitives::ByteStream;
use aws_sdk_s3::types::{CompletedMultipartUpload, CompletedPart};
use bytes::Bytes;
use futures::stream::{self, StreamExt, TryStreamExt};

use super::{Bucket, encoding};
use crate::{Error, key};

/// Objects above this size are written in parts.
const WHOLE: usize = 16 << 20;
/// The size of a part: S3 takes 10,000 of at least 5 MiB.
const PART: usize = 8 << 20;
/// Parts on their way at a time.
const PARTS_AT_ONCE: usize = 4;

/// How long it is looked for what became of a write, and tried to tidy up behind one that failed.
const AFTERMATH: Duration = Duration::from_secs(20);

/// When to write.
#[derive(Debug, Clone, Copy)]
pub(super) enum Condition<'a> {
    Always,
    /// There is no such object.
    Absent,
    /// The object has this etag.
    Matches(&'a str),
}

impl Condition<'_> {
    fn if_none_match(self) -> Option<String> {
        matches!(self, Self::Absent).then(|| "*".into())
    }

    fn if_match(self) -> Option<String> {
        match self {
            Self::Matches(etag) => Some(encoding::quoted_etag(etag)),
            Self::Always | Self::Absent => None,
        }
    }
}

impl Bucket {
    pub(super) async fn write(&self, key: &str, bytes: Bytes, condition: Condition<'_>) -> Result<(), Error> {
        key::check(key)?;
        let attempts = Attempts::default();
        let written = if bytes.len() <= WHOLE {
            self.write_whole(key, bytes.clone(), condition, attempts.clone()).await
        } else {
            self.write_in_parts(key, &bytes, condition, attempts.clone()).await
        };
        // An attempt whose answer was lost makes the condition fail for the next one, and an upload that is complete is
        // not known any more.
        let may_be_done = bytes.len() > WHOLE || !matches!(condition, Condition::Always);
        match (written, condition) {
            (Err(Error::Changed { .. } | Error::Transient { .. }), _)
                if may_be_done && attempts.are_several() && self.holds(key, &bytes).await =>
            {
                Ok(())
            }
            (Err(Error::Changed { location, key }), Condition::Absent) => Err(Error::AlreadyExists { location, key }),
            (Err(Error::NotFound { location, key }), Condition::Matches(_)) => Err(Error::Changed { location, key }),
            (written, _) => written,
        }
    }

    async fn write_whole(
        &self,
        key: &str,
        bytes: Bytes,
        condition: Condition<'_>,
        attempts: Attempts,
    ) -> Result<(), Error> {
        let request = self.client.put_object().bucket(&self.name).key(self.path(key)).body(ByteStream::from(bytes));
        let request = request.set_content_type(content_type(key));
        let request = request.set_if_none_match(condition.if_none_match()).set_if_match(condition.if_match());
        let written = request.customize().interceptor(attempts).send().await;
        written.map(drop).map_err(|error| self.failed("write", key, error))
    }

    async fn write_in_parts(
        &self,
        key: &str,
        bytes: &Bytes,
        condition: Condition<'_>,
        attempts: Attempts,
    ) -> Result<(), Error> {
        self.check(key, condition).await?;
        let request = self.client.create_multipart_upload().bucket(&self.name).key(self.path(key));
        let created = request
            .set_content_type(content_type(key))
            .send()
            .await
            .map_err(|error| self.failed("write", key, error))?;
        let upload = created.upload_id().unwrap_or_default();
        let written = match self.write_parts(key, bytes, upload).await {
            Ok(parts) => self.complete(key, upload, parts, condition, attempts).await,
            Err(error) => Err(error),
        };
        if written.is_err() {
            let request = self.client.abort_multipart_upload().bucket(&self.name).key(self.path(key));
            let aborted = tokio::time::timeout(AFTERMATH, request.upload_id(upload).send()).await;
            if !aborted.is_ok_and(|aborted| aborted.is_ok()) {
                tracing::debug!(upload, "the parts of a failed upload stay until a lifecycle rule removes them");
            }
        }
        written
    }

    /// Tells before the upload what completing it would tell after.
    async fn check(&self, key: &str, condition: Condition<'_>) -> Result<(), Error> {
        let holds = match condition {
            Condition::Always => true,
            Condition::Absent => self.head(key).await?.is_none(),
            Condition::Matches(etag) => {
                let head = self.head(key).await?;
                head.and_then(|head| head.e_tag().map(encoding::bare_etag)).is_some_and(|current| current == etag)
            }
        };
        if holds { Ok(()) } else { Err(Error::changed(&self.location, key)) }
    }

    async fn write_parts(&self, key: &str, bytes: &Bytes, upload: &str) -> Result<Vec<CompletedPart>, Error> {
        let parts = (1..).zip((0..bytes.len()).step_by(PART)).map(|(number, start)| {
            let part = bytes.slice(start..bytes.len().min(start + PART));
            self.write_part(key, part, upload, number)
        });
        stream::iter(parts).buffered(PARTS_AT_ONCE).try_collect().await
    }

    async fn write_part(&self, key: &str, part: Bytes, upload: &str, number: i32) -> Result<CompletedPart, Error> {
        let request = self.client.upload_part().bucket(&self.name).key(self.path(key)).upload_id(upload);
        let request = request.part_number(number).body(ByteStream::from(part));
        let written = request.send().await.map_err(|error| self.failed("write", key, error))?;
        Ok(CompletedPart::builder()
            .part_number(number)
            .set_e_tag(written.e_tag)
            .set_checksum_crc32(written.checksum_crc32)
            .build())
    }

    async fn complete(
        &self,
        key: &str,
        upload: &str,
        parts: Vec<CompletedPart>,
        condition: Condition<'_>,
        attempts: Attempts,
    ) -> Result<(), Error> {
        let parts = CompletedMultipartUpload::builder().set_parts(Some(parts)).build();
        let request = self.client.complete_multipart_upload().bucket(&self.name).key(self.path(key));
        let request = request.upload_id(upload).multipart_upload(parts);
        let request = request.set_if_none_match(condition.if_none_match()).set_if_match(condition.if_match());
        let completed = request.customize().interceptor(attempts).send().await;
        completed.map(drop).map_err(|error| self.failed("write", key, error))
    }

    /// Whether the object is known to have this content; not where nobody answers in time, for the write has waited
    /// already.
    async fn holds(&self, key: &str, bytes: &Bytes) -> bool {
        let stored = tokio::time::timeout(AFTERMATH, self.get(key, None)).await;
        stored.is_ok_and(|stored| stored.is_ok_and(|stored| stored.bytes == bytes))
    }
}

/// What a browser should take the object for: a report is shown, not downloaded.
pub(super) fn content_type(key: &str) -> Option<String> {
    let (_, extension) = key.rsplit_once('.')?;
    let media_type = match extension {
        "html" => "text/html; charset=utf-8",
        "json" => "application/json",
        "csv" => "text/csv; charset=utf-8",
        "parquet" => "application/vnd.apache.parquet",
        _ => return None,
    };
    Some(media_type.to_owned())
}

/// Counts how often a request is sent.
#[derive(Debug, Clone, Default)]
struct Attempts(Arc<AtomicU32>);

impl Attempts {
    fn are_several(&self) -> bool {
        self.0.load(Ordering::Relaxed) > 1
    }
}

impl Intercept for Attempts {
    fn name(&self) -> &'static str {
        "Attempts"
    }

    fn read_before_transmit(
        &self,
        _: &BeforeTransmitInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        self.0.fetch_add(1, Ordering::Relaxed);
        Ok(())
    }
}

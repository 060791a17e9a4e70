//! A bucket, or what lies below a prefix of one, as a store.
//!
//! Requests that S3 throttles or fails to serve are repeated by the SDK, for a minute at most. Objects above 16 MiB
//! are written in parts; an upload that is cut off leaves parts behind, which a lifecycle rule of the bucket
//! (`AbortIncompleteMultipartUpload`) removes. A copy is made by S3 itself, which does so up to 5 GB.

mod checksum;
mod config;
mod encoding;
mod error;
mod list;
mod pages;
mod versions;
mod write;

use std::ops::Range;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use aws_config::SdkConfig;
use aws_sdk_s3::Client;
use aws_sdk_s3::operation::get_object::builders::GetObjectFluentBuilder;
use aws_sdk_s3::operation::head_object::HeadObjectOutput;
use aws_sdk_s3::primitives::AggregatedBytes;
use aws_sdk_s3::types::MetadataDirective;
use bytes::Bytes;
use tokio::time::Instant;

use crate::{Error, IsOurs, Keep, Object, Store, Stored, Version, key};
pub use config::sdk_config;
use config::{FIRST_PAUSE, LONGEST_PAUSE};
pub use error::{comes_of_credentials, reason_in_one_line};
use write::Condition;

/// How often an object is asked for when its content stops coming half-way or arrives damaged, and for how long.
const DOWNLOADS: u32 = 12;
const PATIENCE: Duration = config::OPERATION;

/// How much of an object is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Extent {
    Whole,
    Range,
}

/// A bucket, or what lies below a prefix of one, as a store.
#[derive(Debug, Clone)]
pub struct S3Store {
    bucket: Arc<Bucket>,
}

/// What the operations need to know of the bucket.
#[derive(Debug)]
struct Bucket {
    client: Client,
    host: config::Host,
    region: String,
    location: String,
    name: String,
    /// Empty, or ends with a slash.
    prefix: String,
}

impl S3Store {
    /// Opens what lies in `bucket` below `prefix`, which is empty or has a slash at its end or not, with the region,
    /// credentials and endpoint that the environment, the profile or the machine gives.
    ///
    /// # Errors
    /// [`Error::Invalid`] where no region is set.
    pub async fn open(bucket: &str, prefix: &str) -> Result<Self, Error> {
        Self::with_config(bucket, prefix, &config::sdk_config().await)
    }

    /// As [`S3Store::open`], with these settings.
    pub fn with_config(bucket: &str, prefix: &str, config: &SdkConfig) -> Result<Self, Error> {
        let prefix = prefix.strip_suffix('/').unwrap_or(prefix);
        let location = format!("s3://{bucket}/{prefix}");
        let location = location.trim_end_matches('/').to_owned();
        let region = config.region().ok_or_else(|| {
            Error::location(&location, "no AWS region is set; set AWS_REGION, or a region in the profile")
        })?;
        let host = config::Host::default();
        let bucket = Bucket {
            client: Client::from_conf(config::for_s3(config, &host)),
            host,
            region: region.to_string(),
            location,
            name: bucket.into(),
            prefix: if prefix.is_empty() { String::new() } else { format!("{prefix}/") },
        };
        Ok(Self { bucket: Arc::new(bucket) })
    }

    /// The region that requests go to.
    pub fn region(&self) -> &str {
        &self.bucket.region
    }
}

impl Bucket {
    /// The object's name in the bucket.
    fn path(&self, key: &str) -> String {
        format!("{}{key}", self.prefix)
    }

    /// What S3 says of the object, `None` where there is none.
    async fn head(&self, key: &str) -> Result<Option<HeadObjectOutput>, Error> {
        let request = self.client.head_object().bucket(&self.name).key(self.path(key));
        match request.send().await.map_err(|error| self.failed("read", key, error)) {
            Ok(head) => Ok(Some(head)),
            Err(Error::NotFound { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// The object's content, where its etag is `etag` if that is given.
    async fn get(&self, key: &str, etag: Option<&str>) -> Result<Stored, Error> {
        let request = self.client.get_object().set_if_match(etag.map(encoding::quoted_etag));
        self.download(key, request, Extent::Whole).await
    }

    async fn get_start(&self, key: &str, length: usize) -> Result<Bytes, Error> {
        let last_byte = length.saturating_sub(1);
        let request = self.client.get_object().range(format!("bytes=0-{last_byte}"));
        let mut bytes = self.download(key, request, Extent::Range).await?.bytes;
        bytes.truncate(length);
        Ok(bytes)
    }

    async fn get_range(&self, key: &str, etag: &str, range: Range<u64>) -> Result<Bytes, Error> {
        if range.is_empty() {
            return Ok(Bytes::new());
        }
        let request = self.client.get_object().if_match(encoding::quoted_etag(etag));
        let request = request.range(format!("bytes={}-{}", range.start, range.end - 1));
        Ok(self.download(key, request, Extent::Range).await?.bytes)
    }

    async fn download(&self, key: &str, request: GetObjectFluentBuilder, extent: Extent) -> Result<Stored, Error> {
        let request = request.bucket(&self.name).key(self.path(key));
        let (mut downloads, mut first_failure) = (1, None);
        loop {
            let response = match request.clone().send().await {
                Ok(response) => response,
                // A range begins behind the last byte.
                Err(error) if error.raw_response().is_some_and(|answer| answer.status().as_u16() == 416) => {
                    return Ok(Stored { bytes: Bytes::new(), etag: None });
                }
                Err(error) => return Err(self.failed("read", key, error)),
            };
            let etag = response.e_tag().map(encoding::bare_etag);
            let md5 = if extent == Extent::Whole { checksum::md5_of(&response) } else { None };
            // The SDK repeats requests, but not the reading of an answer's body.
            let failed = match response.body.collect().await.map(AggregatedBytes::into_bytes) {
                Ok(bytes) if md5.is_none_or(|md5| md5.is_of(&bytes)) => return Ok(Stored { bytes, etag }),
                Ok(_) => self.unserved(key, "its bytes arrive damaged: they are not those of its etag"),
                Err(error) => self.transient(key, &error),
            };
            if downloads == DOWNLOADS || first_failure.get_or_insert_with(Instant::now).elapsed() >= PATIENCE {
                return Err(failed);
            }
            tracing::debug!(error = %failed, downloads, "a download broke off");
            tokio::time::sleep((FIRST_PAUSE * 2_u32.pow(downloads)).min(LONGEST_PAUSE)).await;
            downloads += 1;
        }
    }

    async fn copy(&self, from: &str, to: &str) -> Result<(), Error> {
        key::check(to)?;
        if from == to {
            // S3 refuses to copy an object onto itself.
            return self.head(from).await?.map(drop).ok_or_else(|| Error::not_found(&self.location, from));
        }
        let source = encoding::copy_source(&self.name, &self.path(from));
        let request = self.client.copy_object().bucket(&self.name).key(self.path(to)).copy_source(source);
        request.send().await.map(drop).map_err(|error| self.failed("copy", from, error))
    }

    async fn refresh(&self, key: &str, age: Duration) -> Result<(), Error> {
        let Some(head) = self.head(key).await? else { return Ok(()) };
        let written = head.last_modified().and_then(|time| SystemTime::try_from(*time).ok());
        // What seems to have been written in the future is as young as can be.
        let is_old =
            written.is_none_or(|written| SystemTime::now().duration_since(written).is_ok_and(|found| found >= age));
        if !is_old {
            return Ok(());
        }
        let path = self.path(key);
        let source = encoding::copy_source(&self.name, &path);
        let request = self.client.copy_object().bucket(&self.name).key(path).copy_source(source);
        // S3 copies an object onto itself only where something about it is new.
        let request = request.metadata_directive(MetadataDirective::Replace);
        let request = request.set_content_type(write::content_type(key));
        request.send().await.map(drop).map_err(|error| self.failed("copy", key, error))
    }

    async fn delete(&self, key: &str, etag: Option<&str>) -> Result<(), Error> {
        key::check(key)?;
        let request = self.client.delete_object().bucket(&self.name).key(self.path(key));
        let deleted = request.set_if_match(etag.map(encoding::quoted_etag)).send().await;
        match deleted.map_err(|error| self.failed("delete", key, error)) {
            // An attempt whose answer was lost may have deleted it.
            Err(Error::NotFound { .. }) if etag.is_some() => Ok(()),
            deleted => deleted.map(drop),
        }
    }
}

fn gone_is_changed(error: Error) -> Error {
    match error {
        Error::NotFound { location, key } => Error::Changed { location, key },
        error => error,
    }
}

#[async_trait]
impl Store for S3Store {
    fn location(&self) -> &str {
        &self.bucket.location
    }

    async fn list(&self, prefix: &str, keep: &Keep<'_>) -> Result<Vec<Object>, Error> {
        key::check_prefix(prefix)?;
        list::objects(&self.bucket, prefix, keep).await
    }

    async fn find(&self, key: &str) -> Result<Option<Object>, Error> {
        let object = |head: HeadObjectOutput| Object {
            key: key.to_owned(),
            size: head.content_length().unwrap_or_default().cast_unsigned(),
            etag: head.e_tag().map(encoding::bare_etag),
        };
        Ok(self.bucket.head(key).await?.map(object))
    }

    async fn exists(&self, key: &str) -> Result<bool, Error> {
        Ok(self.bucket.head(key).await?.is_some())
    }

    async fn get(&self, key: &str) -> Result<Stored, Error> {
        self.bucket.get(key, None).await
    }

    async fn get_start(&self, key: &str, length: usize) -> Result<Bytes, Error> {
        self.bucket.get_start(key, length).await
    }

    async fn get_if_match(&self, key: &str, etag: &str) -> Result<Bytes, Error> {
        self.bucket.get(key, Some(etag)).await.map(|stored| stored.bytes).map_err(gone_is_changed)
    }

    async fn get_range(&self, key: &str, etag: &str, range: Range<u64>) -> Result<Bytes, Error> {
        self.bucket.get_range(key, etag, range).await.map_err(gone_is_changed)
    }

    async fn put(&self, key: &str, bytes: Bytes) -> Result<(), Error> {
        self.bucket.write(key, bytes, Condition::Always).await
    }

    async fn create(&self, key: &str, bytes: Bytes) -> Result<(), Error> {
        self.bucket.write(key, bytes, Condition::Absent).await
    }

    async fn replace(&self, key: &str, bytes: Bytes, etag: &str) -> Result<(), Error> {
        self.bucket.write(key, bytes, Condition::Matches(etag)).await
    }

    async fn copy(&self, from: &str, to: &str) -> Result<(), Error> {
        self.bucket.copy(from, to).await
    }

    async fn refresh(&self, key: &str, age: Duration) -> Result<(), Error> {
        self.bucket.refresh(key, age).await
    }

    async fn delete(&self, key: &str) -> Result<(), Error> {
        self.bucket.delete(key, None).await
    }

    async fn delete_if_match(&self, key: &str, etag: &str) -> Result<(), Error> {
        self.bucket.delete(key, Some(etag)).await
    }

    async fn versions(&self, prefix: &str) -> Result<Vec<Version>, Error> {
        key::check_prefix(prefix)?;
        self.bucket.versions(prefix).await
    }

    async fn get_version(&self, version: &Version) -> Result<Bytes, Error> {
        self.bucket.get_version(version).await
    }

    async fn delete_version(&self, version: &Version) -> Result<(), Error> {
        self.bucket.delete_version(version).await
    }

    async fn settle(&self, is_ours: &IsOurs<'_>) -> Result<(), Error> {
        self.bucket.abort_uploads(is_ours).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use aws_config::{BehaviorVersion, Region};

    #[test]
    fn a_location_is_a_bucket_and_a_prefix() {
        let config = || SdkConfig::builder().behavior_version(BehaviorVersion::latest());
        let here = config().region(Region::new("eu-west-1")).build();
        for (bucket, prefix, location, path) in [
            ("bucket", "", "s3://bucket", "key"),
            ("bucket", "a/b", "s3://bucket/a/b", "a/b/key"),
            ("bucket", "a b/", "s3://bucket/a b", "a b/key"),
        ] {
            let store = S3Store::with_config(bucket, prefix, &here).expect("a region is set");
            assert_eq!((store.location(), store.bucket.path("key").as_str()), (location, path));
        }
        let nowhere = config().build();
        assert!(matches!(S3Store::with_config("bucket", "", &nowhere), Err(Error::Location { .. })));
    }
}

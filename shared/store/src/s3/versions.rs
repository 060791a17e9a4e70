//! What a bucket keeps beside the objects that a listing shows: older versions, marks of deletions, parts of uploads
//! that were never ended.

use aws_sdk_s3::error::ProvideErrorMetadata;
use aws_sdk_s3::types::{DeleteMarkerEntry, EncodingType, MultipartUpload, ObjectVersion};
use bytes::Bytes;
use futures::stream::{self, TryStreamExt};

use super::{Bucket, Extent, encoding, pages};
use crate::{Error, IsOurs, Version, VersionKind};

impl Bucket {
    /// All versions below `prefix`, sorted by key, those of a key as [`VersionKind`] is.
    pub(super) async fn versions(&self, prefix: &str) -> Result<Vec<Version>, Error> {
        let first = self.client.list_object_versions().bucket(&self.name).prefix(self.path(prefix));
        let first = first.encoding_type(EncodingType::Url);
        let (mut versions, mut page) = (Vec::new(), first.clone());
        loop {
            let answer = page.send().await.map_err(|error| self.failed("list the versions of", prefix, error))?;
            let encoding = answer.encoding_type();
            versions.extend(answer.versions().iter().filter_map(|version| self.version(version, encoding)));
            versions.extend(answer.delete_markers().iter().filter_map(|marker| self.delete_marker(marker, encoding)));
            let next = answer.next_key_marker().filter(|_| answer.is_truncated() == Some(true));
            let Some(key) = next.map(|key| plain(key, encoding)) else { break };
            page = first.clone().key_marker(key).set_version_id_marker(answer.next_version_id_marker);
        }
        versions.sort_unstable();
        Ok(versions)
    }

    fn version(&self, listed: &ObjectVersion, encoding: Option<&EncodingType>) -> Option<Version> {
        let kind = if listed.is_latest()? { VersionKind::Current } else { VersionKind::Older };
        let size = listed.size()?.cast_unsigned();
        let key = self.key_of(plain(listed.key()?, encoding))?;
        Some(Version { key, id: listed.version_id().map(str::to_owned), kind, size })
    }

    fn delete_marker(&self, listed: &DeleteMarkerEntry, encoding: Option<&EncodingType>) -> Option<Version> {
        let (key, id) = (self.key_of(plain(listed.key()?, encoding))?, Some(listed.version_id()?.to_owned()));
        Some(Version { key, id, kind: VersionKind::DeleteMarker, size: 0 })
    }

    pub(super) async fn get_version(&self, version: &Version) -> Result<Bytes, Error> {
        let request = self.client.get_object().set_version_id(version.id.clone());
        Ok(self.download(&version.key, request, Extent::Whole).await?.bytes)
    }

    pub(super) async fn delete_version(&self, version: &Version) -> Result<(), Error> {
        let request = self.client.delete_object().bucket(&self.name).key(self.path(&version.key));
        let sent = request.set_version_id(version.id.clone()).send().await;
        sent.map(drop).map_err(|error| self.failed("delete", &version.key, error))
    }

    /// Ends all uploads in parts of keys that `is_ours` accepts: what has arrived of one is kept until then.
    pub(super) async fn abort_uploads(&self, is_ours: &IsOurs<'_>) -> Result<(), Error> {
        let first = self.client.list_multipart_uploads().bucket(&self.name).prefix(&self.prefix);
        let first = first.encoding_type(EncodingType::Url);
        let mut page = first.clone();
        loop {
            let answer = page.send().await.map_err(|error| self.failed("list the uploads of", "", error))?;
            let encoding = answer.encoding_type();
            let key_of = |upload: &MultipartUpload| self.key_of(plain(upload.key()?, encoding));
            let uploads = answer.uploads().iter().filter_map(|upload| Some((key_of(upload)?, upload.upload_id()?)));
            let ours: Vec<(String, &str)> = uploads.filter(|(key, _)| is_ours(key)).collect();
            let ours = stream::iter(ours.into_iter().map(Ok));
            ours.try_for_each_concurrent(pages::AT_ONCE, |(key, id)| self.abort_upload(key, id)).await?;
            let next = answer.next_key_marker().filter(|_| answer.is_truncated() == Some(true));
            let Some(key) = next.map(|key| plain(key, encoding)) else { return Ok(()) };
            page = first.clone().key_marker(key).set_upload_id_marker(answer.next_upload_id_marker);
        }
    }

    async fn abort_upload(&self, key: String, id: &str) -> Result<(), Error> {
        let request = self.client.abort_multipart_upload().bucket(&self.name).key(self.path(&key));
        match request.upload_id(id).send().await {
            Ok(_) => Ok(()),
            // It has ended meanwhile.
            Err(error) if error.code() == Some("NoSuchUpload") => Ok(()),
            Err(error) => Err(self.failed("end an upload of", &key, error)),
        }
    }
}

/// A key as it is. Not every server encodes the keys of these lists where it is asked to; the answer tells.
fn plain(listed: &str, encoding: Option<&EncodingType>) -> String {
    if encoding == Some(&EncodingType::Url) { encoding::decode_listed(listed) } else { listed.to_owned() }
}

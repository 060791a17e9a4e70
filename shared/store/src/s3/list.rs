//! Listing a bucket: where to cut it, and the requests.

use std::sync::Arc;

use aws_sdk_s3::types::EncodingType;
use futures::future;

use super::pages::{self, Page, Start};
use super::{Bucket, encoding};
use crate::{Error, Keep, Object};

/// How many folder levels are looked into for places to cut a listing at.
const LEVELS: usize = 3;

pub(super) async fn objects(bucket: &Arc<Bucket>, prefix: &str, keep: &Keep<'_>) -> Result<Vec<Object>, Error> {
    let first = bucket.page(prefix, Start::After(String::new())).await?;
    let cuts = if first.next.is_none() { Vec::new() } else { bucket.folders(prefix).await? };
    let fetch = |start: Start| {
        let (bucket_of_task, prefix) = (bucket.clone(), prefix.to_owned());
        // A task of its own, so that answers are parsed on all cores.
        let page = tokio::spawn(async move { bucket_of_task.page(&prefix, start).await });
        async move { page.await.unwrap_or_else(|error| Err(Error::other("list", &bucket.location, "", error))) }
    };
    pages::collect(prefix.len(), first, cuts, fetch, keep).await
}

impl Bucket {
    /// Up to a thousand objects below `prefix`, in order.
    async fn page(&self, prefix: &str, start: Start) -> Result<Page, Error> {
        let request = self.client.list_objects_v2().bucket(&self.name).prefix(self.path(prefix));
        let request = match start {
            Start::After(key) if key.is_empty() => request,
            Start::After(key) => request.start_after(self.path(&key)),
            Start::Token(token) => request.continuation_token(token),
        };
        let request = request.encoding_type(EncodingType::Url);
        let answer = request.send().await.map_err(|error| self.failed("list", prefix, error))?;
        let objects = answer.contents.unwrap_or_default().into_iter().filter_map(|object| self.object(&object));
        Ok(Page { objects: objects.collect(), next: answer.next_continuation_token })
    }

    fn object(&self, listed: &aws_sdk_s3::types::Object) -> Option<Object> {
        let key = self.key_of(encoding::decode_listed(listed.key()?))?;
        Some(Object { key, size: listed.size()?.cast_unsigned(), etag: listed.e_tag().map(encoding::bare_etag) })
    }

    /// `None` for an object named as the location itself, which consoles make to show an empty folder.
    pub(super) fn key_of(&self, path: String) -> Option<String> {
        path.strip_prefix(&self.prefix).filter(|key| !key.is_empty()).map(str::to_owned)
    }

    /// Folders below `prefix`, from the first level that has enough of them to list at once.
    async fn folders(&self, prefix: &str) -> Result<Vec<String>, Error> {
        let mut folders = self.folders_in(prefix).await?;
        for _ in 1..LEVELS {
            if folders.is_empty() || folders.len() >= pages::AT_ONCE {
                break;
            }
            let levels = future::try_join_all(folders.iter().map(|folder| self.folders_in(folder))).await?;
            folders.extend(levels.into_iter().flatten());
        }
        folders.sort_unstable();
        folders.dedup();
        Ok(folders)
    }

    /// Folders directly in `prefix`: those that the first page shows.
    async fn folders_in(&self, prefix: &str) -> Result<Vec<String>, Error> {
        let request = self.client.list_objects_v2().bucket(&self.name).prefix(self.path(prefix)).delimiter("/");
        let answer = request.encoding_type(EncodingType::Url).send().await;
        let answer = answer.map_err(|error| self.failed("list", prefix, error))?;
        let folders = answer.common_prefixes().iter().filter_map(|folder| {
            let path = encoding::decode_listed(folder.prefix()?);
            Some(path.strip_prefix(&self.prefix)?.to_owned())
        });
        Ok(folders.collect())
    }
}

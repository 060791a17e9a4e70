//! Opening places to read from.

use std::sync::Arc;

use pomona_run::{BucketLocation, Location, region};
use pomona_store::{LocalStore, S3Store, Store};

use crate::error::Error;

/// Opens a location to read from: a folder that exists, or `s3://bucket/prefix` in a region that [`region::VARIABLE`]
/// allows.
///
/// # Errors
/// [`pomona_run::Error::RegionNotAllowed`], and those of the store.
pub async fn open(location: &Location) -> Result<Arc<dyn Store>, Error> {
    Ok(match location {
        Location::Folder(path) => Arc::new(LocalStore::open(path)?),
        Location::Bucket(bucket) => Arc::new(open_bucket(bucket).await?),
    })
}

/// As [`open`], of a place in S3.
pub(crate) async fn open_bucket(bucket: &BucketLocation) -> Result<S3Store, Error> {
    let store = S3Store::open(bucket.bucket(), bucket.prefix()).await?;
    region::check(store.region(), std::env::var(region::VARIABLE).ok().as_deref())?;
    Ok(store)
}

//! Opening places to read from.

use std::sync::Arc;

use pomona_run::region;
use pomona_store::{S3Store, Store};

use crate::error::Error;

/// Opens a location to read from: a folder that exists, or `s3://bucket/prefix` in a region that [`region::VARIABLE`]
/// allows.
///
/// # Errors
/// [`pomona_run::Error::RegionNotAllowed`], and those of the store.
pub async fn open(location: &str) -> Result<Arc<dyn Store>, Error> {
    if !location.starts_with("s3://") {
        return Ok(pomona_store::open(location).await?);
    }
    let store = S3Store::open(location).await?;
    region::check(store.region(), std::env::var(region::VARIABLE).ok().as_deref())?;
    Ok(Arc::new(store))
}

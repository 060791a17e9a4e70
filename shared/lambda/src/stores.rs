//! Stores that stay open between events.

use std::collections::HashMap;
use std::sync::Arc;

use aws_config::SdkConfig;
use pomona_store::{S3Store, Store, sdk_config};
use tokio::sync::{Mutex, OnceCell};

use crate::BucketLocation;
use crate::error::Error;

/// Opens each location once: connections and credentials serve all locations and all later events.
#[derive(Debug, Default)]
pub struct Stores {
    config: OnceCell<SdkConfig>,
    open: Mutex<HashMap<BucketLocation, Arc<dyn Store>>>,
}

impl Stores {
    /// The store at `location`.
    ///
    /// # Errors
    /// Those of opening it.
    pub async fn open(&self, location: &BucketLocation) -> Result<Arc<dyn Store>, Error> {
        let mut open = self.open.lock().await;
        if let Some(store) = open.get(location) {
            return Ok(store.clone());
        }
        let config = self.config.get_or_init(sdk_config).await;
        let store: Arc<dyn Store> = Arc::new(S3Store::with_config(location.bucket(), location.prefix(), config)?);
        open.insert(location.clone(), store.clone());
        Ok(store)
    }
}

/// Stores that are open already.
impl FromIterator<(BucketLocation, Arc<dyn Store>)> for Stores {
    fn from_iter<I: IntoIterator<Item = (BucketLocation, Arc<dyn Store>)>>(open: I) -> Self {
        Self { config: OnceCell::new(), open: Mutex::new(open.into_iter().collect()) }
    }
}

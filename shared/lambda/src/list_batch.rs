//! The Lambda `list-batch`: makes one part.

use pomona_dataset::Images;
use pomona_formats::planned::Shard;
use pomona_stages::compute::ComputePool;
use pomona_stages::extract::{Extracted, Extraction};
use pomona_stages::fragments::Fragments;
use serde::Deserialize;
use serde_json::Value;

use crate::BucketLocation;
use crate::edge::{Answer, Function};
use crate::error::Error;
use crate::event::parse;
use crate::metrics::Work;
use crate::settings::Settings;
use crate::stores::Stores;

/// Extracts shards.
pub struct ListBatch {
    /// Open stores.
    pub stores: Stores,
    /// The threads that compute.
    pub pool: ComputePool,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Event {
    input: BucketLocation,
    output: BucketLocation,
    shard: Shard,
}

impl ListBatch {
    /// The function as its settings say, with the model loaded.
    ///
    /// # Errors
    /// Those of loading the model and of starting threads.
    pub fn new(settings: &Settings) -> Result<Self, Error> {
        let pool = ComputePool::new(settings.extractor()?, settings.threads)?;
        Ok(Self { stores: Stores::default(), pool })
    }
}

impl Function for ListBatch {
    type Answer = Extracted;

    async fn handle(&self, event: Value) -> Result<Extracted, Error> {
        let Event { input, output, shard } = parse("the event", event)?;
        let (place, archive) = pomona_dataset::parted_bucket(&input);
        let (input, output) = (self.stores.open(&place).await?, self.stores.open(&output).await?);
        let fragments = Fragments::new(output.as_ref());
        let images = Images::new(input.as_ref()).in_archive(archive);
        let extraction = Extraction::new(&images, output.as_ref(), &self.pool, &fragments);
        let extracted = extraction.extract(&shard, &|_| {}).await;
        if extracted.is_err() {
            fragments.keep_all().await;
        }
        Ok(extracted?)
    }

    fn stores(&self) -> &Stores {
        &self.stores
    }
}

impl Answer for Extracted {
    fn work(&self) -> Work {
        Work { images: Some(self.computed), rejects: Some(self.rejects), bytes: Some(self.bytes), ..Work::default() }
    }
}

//! The Lambda `project-map`: writes one shard of the final tables.

use pomona_formats::counters::Counters;
use pomona_formats::planned::Shard;
use pomona_formats::rejects::Reasons;
use pomona_stages::project::Projection;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::BucketLocation;
use crate::edge::{Answer, Function};
use crate::error::Error;
use crate::event::parse;
use crate::metrics::Work;
use crate::stores::Stores;

/// Projects shards.
#[derive(Debug, Default)]
pub struct ProjectMap {
    /// Open stores.
    pub stores: Stores,
}

/// What the function answers: the shard's counters without the numbers of each component, which report reads from their
/// file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Projected {
    /// The shard.
    pub shard: u32,
    /// Listed images.
    pub listed: u64,
    /// Rows of features and of components.
    pub features: u64,
    /// Unusable images by reason.
    pub reasons: Reasons,
    /// Features and components that are NaN or infinite.
    pub non_finite: u64,
    /// Numbers per row of components.
    pub components: u64,
    /// Bytes written.
    pub bytes_written: u64,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Event {
    output: BucketLocation,
    shard: Shard,
}

impl Function for ProjectMap {
    type Answer = Projected;

    async fn handle(&self, event: Value) -> Result<Projected, Error> {
        let Event { output, shard } = parse("the event", event)?;
        let output = self.stores.open(&output).await?;
        let projection = Projection::open(output.as_ref(), &shard.run_id).await?;
        Ok(projection.project(&shard).await?.into())
    }

    fn stores(&self) -> &Stores {
        &self.stores
    }
}

impl From<Counters> for Projected {
    fn from(counters: Counters) -> Self {
        let Counters { shard, listed, features, reasons, non_finite, components, bytes_written, .. } = counters;
        Self { shard, listed, features, reasons, non_finite, components, bytes_written }
    }
}

impl Answer for Projected {
    fn work(&self) -> Work {
        let rejects = self.reasons.values().sum();
        Work { images: Some(self.listed), rejects: Some(rejects), bytes: Some(self.bytes_written), ..Work::default() }
    }
}

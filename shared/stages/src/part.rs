//! What extraction makes of one shard: its features, its rejects and its moments.

use bytes::Bytes;
use futures::future::try_join;
use ndarray::Array2;
use pomona_dataset::Rejected;
use pomona_formats::Error;
use pomona_formats::listing::Row;
use pomona_formats::moments_file::{Header, MomentsFile, PartFiles};
use pomona_formats::numbers::Numbers;
use pomona_formats::part::{self, Outcome};
use pomona_formats::planned::Shard;
use pomona_formats::recipe::Recipe;
use pomona_formats::rejects;
use pomona_run::{layout, names};
use pomona_store::Store;
use pomona_vision::pixels::RejectReason;

/// A part in memory, ready to be written.
#[derive(Debug)]
pub(crate) struct Part {
    features: Bytes,
    rejects: Bytes,
    moments: MomentsFile,
    /// Whether it holds anything that does not depend on the images' bytes alone.
    this_run_only: bool,
}

impl Part {
    /// The part that `rows` make, whose outcomes stand in the same order.
    pub(crate) fn new(name: &str, rows: &[Row], outcomes: Vec<Outcome>, recipe: &Recipe) -> Result<Self, Error> {
        let width = recipe.feature_width;
        let (mut used, mut losses) = (Vec::with_capacity(rows.len()), Vec::with_capacity(rows.len()));
        let mut values = Vec::with_capacity(rows.len() * width);
        let mut rejected = Vec::new();
        for (row, outcome) in rows.iter().zip(outcomes) {
            match outcome {
                Ok(usable) => {
                    used.push(row);
                    losses.push(usable.losses);
                    values.extend_from_slice(&usable.features);
                }
                Err(reject) => {
                    rejected.push(Rejected { path: row.item.id.clone(), label: row.item.label.to_string(), reject });
                }
            }
        }
        let values = Array2::from_shape_vec((used.len(), width), values)
            .map_err(|error| Error::Internal(format!("features of part {name}: {error}")))?;
        // An idle thread of the pool takes one half: after the last shard there is nothing else to do.
        let (features, numbers) = rayon::join(
            || part::encode_features(&layout::part_features(name), &used, values.view(), &losses, recipe),
            || Numbers::of_part(values.view()),
        );
        let features = features?;
        let rejects = rejects::to_parquet(&layout::part_rejects(name), &rejected)?;
        let header = Header {
            images: rows.len() as u64,
            files: Some(PartFiles {
                features_sha256: names::digest(&features),
                rejects_sha256: names::digest(&rejects),
            }),
            reasons: rejects::count(&rejected),
        };
        Ok(Self {
            features,
            rejects,
            this_run_only: header.reasons.contains_key(&RejectReason::Unreadable),
            moments: MomentsFile { header, numbers },
        })
    }

    /// Unusable images.
    pub(crate) fn rejects(&self) -> u64 {
        self.moments.header.rejects()
    }

    /// Writes the part of `shard`, under the name that only its run uses where others must not take it over.
    pub(crate) async fn write_for(self, output: &dyn Store, shard: &Shard) -> Result<(), Error> {
        let own_name = names::name_of_this_run(&shard.part, shard.run_id.as_str());
        let name = if self.this_run_only { &own_name } else { &shard.part };
        self.write(output, name).await
    }

    /// Writes the part under `name`; its moments last, because a part exists once they do.
    pub(crate) async fn write(self, output: &dyn Store, name: &str) -> Result<(), Error> {
        let key = layout::part_moments(name);
        let moments = self.moments.encode(&key)?;
        let (features_key, rejects_key) = (layout::part_features(name), layout::part_rejects(name));
        try_join(output.put(&features_key, self.features), output.put(&rejects_key, self.rejects)).await?;
        Ok(output.put(&key, moments).await?)
    }
}

//! The stage `extract`: one missing part. Reads each image, decodes, resizes, runs the model, writes the part.

use std::collections::HashMap;

use bytes::Bytes;
use pomona_dataset::{Content, Item, Reader, Source};
use pomona_formats::Error as FileError;
use pomona_formats::digests;
use pomona_formats::listing::{self, Row};
use pomona_formats::part::{self, Outcome, Usable};
use pomona_formats::planned::Shard;
use pomona_formats::recipe::Recipe;
use pomona_run::layout::RunLayout;
use pomona_store::Store;
use pomona_vision::extractor::Features;
use pomona_vision::model::ModelError;
use pomona_vision::pixels::{Limits, Reject};
use serde::{Deserialize, Serialize};
use tokio::sync::Mutex;

use crate::ahead::{Ahead, groups};
use crate::compute::ComputePool;
use crate::earlier::{self, Earlier, Take};
use crate::error::Error;
use crate::fragments::Fragments;
use crate::part::Part;
use crate::recipe;

/// What every extraction of a run shares.
#[derive(Debug)]
pub struct Extraction<'a> {
    input: &'a dyn Source,
    output: &'a dyn Store,
    pool: &'a ComputePool,
    fragments: &'a Fragments<'a>,
    ahead: Ahead,
    /// Held by the shard whose images are handed out.
    turn: Mutex<()>,
}

/// What extracting a shard came to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Extracted {
    /// Listed images.
    pub images: u64,
    /// Images that were read and computed.
    pub computed: u64,
    /// Images whose outcome was there already, in a part or in a fragment of one.
    pub reused: u64,
    /// Unusable images.
    pub rejects: u64,
    /// Bytes of the images that were read and computed.
    pub bytes: u64,
}

/// How an image came to be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Done {
    /// It was read and computed.
    Computed,
    /// Its outcome was there already.
    Found,
}

impl Extracted {
    /// The sums of both.
    pub fn plus(self, other: Self) -> Self {
        Self {
            images: self.images + other.images,
            computed: self.computed + other.computed,
            reused: self.reused + other.reused,
            rejects: self.rejects + other.rejects,
            bytes: self.bytes + other.bytes,
        }
    }
}

impl<'a> Extraction<'a> {
    /// Reads images from `input`, computes in `pool`, writes parts to `output`, and to `fragments` what they come to
    /// meanwhile.
    pub fn new(
        input: &'a dyn Source,
        output: &'a dyn Store,
        pool: &'a ComputePool,
        fragments: &'a Fragments<'a>,
    ) -> Self {
        Self { input, output, pool, fragments, ahead: Ahead::of(pool.threads()), turn: Mutex::new(()) }
    }

    /// Makes the part of `shard`, unless it exists. `on_image` is called once for each listed image.
    ///
    /// # Errors
    /// [`pomona_dataset::Error::Changed`] when an image was replaced or removed since the listing,
    /// [`FileError::Damaged`] when the listing is not the one that was planned, [`FileError::Inconsistent`] when the
    /// plan was made for another model, and those of the stores. An unusable image is no error: it becomes a reject.
    pub async fn extract(&self, shard: &Shard, on_image: &(dyn Fn(Done) + Sync)) -> Result<Extracted, Error> {
        let layout = RunLayout::new(shard.run_id.as_str());
        let recipe = self.recipe(shard, &layout)?;
        if part::exists(self.output, &shard.part).await? {
            (0..shard.images).for_each(|_| on_image(Done::Found));
            return Ok(Extracted { images: shard.images, reused: shard.images, ..Extracted::default() });
        }

        let listing_key = layout.listing(shard.shard, &shard.listing_sha256);
        let listing = digests::read(self.output, &listing_key, &shard.listing_sha256).await?;
        let rows = listing::decode(&listing_key, listing)?;
        let Earlier { outcomes: earlier, has_fragments } =
            earlier::read(self.output, shard, &rows, (recipe.feature_width, Take::Lasting)).await?;
        self.fragments.begin(&shard.part, has_fragments);
        let new = rows.iter().filter(|row| !earlier.contains_key(&row.item.content()));
        let (computed, bytes) = new.fold((0, 0), |(images, bytes), row| (images + 1, bytes + row.item.size));
        let outcomes = self.outcomes(shard, &rows, earlier, recipe.limits, on_image).await?;

        let images = rows.len() as u64;
        let name = shard.part.clone();
        let part = self.pool.run(move || Part::new(&name, &rows, outcomes, &recipe)).await??;
        let rejects = part.rejects();
        part.write_for(self.output, shard).await?;
        self.fragments.remove(&shard.part).await;
        Ok(Extracted { images, computed, reused: images - computed, rejects, bytes })
    }

    /// The recipe that the shard asks for, if it is one of this model.
    fn recipe(&self, shard: &Shard, layout: &RunLayout) -> Result<Recipe, Error> {
        let recipe = recipe::of(self.pool.extractor().model()).with_max_pixels(shard.max_pixels);
        if shard.recipe == recipe.digest() {
            return Ok(recipe);
        }
        Err(FileError::inconsistent(
            layout.plan(),
            "it was made for another model or version of pomona (on AWS: write the recipe with `pomona model recipe`)",
        )
        .into())
    }

    /// The outcome of each row, in order.
    async fn outcomes(
        &self,
        shard: &Shard,
        rows: &[Row],
        mut earlier: HashMap<Content, Outcome>,
        limits: Limits,
        on_image: &(dyn Fn(Done) + Sync),
    ) -> Result<Vec<Outcome>, Error> {
        let mut outcomes: Vec<_> = rows.iter().map(|row| earlier.remove(&row.item.content())).collect();
        let mut missing: Vec<usize> = (0..rows.len()).filter(|&row| outcomes[row].is_none()).collect();
        // Members of archives as they lie there, so that what is read at once is needed at once.
        missing.sort_by_key(|&row| rows[row].item.place.member());
        let new: Vec<&Item> = missing.iter().map(|&row| &rows[row].item).collect();
        let reader = &*self.input.reader(&new);
        (new.len()..rows.len()).for_each(|_| on_image(Done::Found));
        // Of several shards, one after the other reads and computes its images. Side by side they would end together,
        // and nothing would be computed while their parts are written.
        let mut turn = Some(self.turn.lock().await);
        let mut groups = groups(&new);
        let groups = std::iter::from_fn(move || groups.next().or_else(|| turn.take().and(None)));
        let work = move |group| async move {
            let outcomes = self.outcomes_of_group(reader, group, limits).await?;
            self.fragments.add(&shard.part, finished(group, &outcomes)).await;
            group.iter().for_each(|_| on_image(Done::Computed));
            Ok(outcomes)
        };
        let computed = self.ahead.each(groups, work).await?;
        for (row, outcome) in missing.into_iter().zip(computed.into_iter().flatten()) {
            outcomes[row] = Some(outcome);
        }
        outcomes.into_iter().collect::<Option<_>>().ok_or_else(|| Error::internal("an image has no outcome"))
    }

    async fn outcomes_of_group(
        &self,
        reader: &dyn Reader,
        group: &[&Item],
        limits: Limits,
    ) -> Result<Vec<Outcome>, Error> {
        let images = read(reader, group, limits).await?;
        let outcomes = self.pool.run_with_session(move |session| {
            let outcome = |image: Result<Bytes, Reject>| match image {
                Ok(bytes) => Ok(session.features(&bytes, &limits)?.map(usable)),
                Err(reject) => Ok(Err(reject)),
            };
            images.into_iter().map(outcome).collect()
        });
        outcomes.await?.map_err(|error: ModelError| error.into())
    }
}

/// The images' bytes, or why they could not be read.
async fn read(reader: &dyn Reader, group: &[&Item], limits: Limits) -> Result<Vec<Result<Bytes, Reject>>, Error> {
    match group {
        // Refused by what the listing says, so that nobody's memory is filled with it.
        [item] if let Err(reject) = limits.check_size(item.size) => Ok(vec![Err(reject)]),
        _ => Ok(reader.read(group).await?),
    }
}

/// The images of a group that can be used.
fn finished<'a>(group: &'a [&Item], outcomes: &'a [Outcome]) -> impl Iterator<Item = (Content, Usable)> + 'a {
    let usable = |(item, outcome): (&&Item, &Outcome)| Some((item.content(), outcome.as_ref().ok()?.clone()));
    group.iter().zip(outcomes).filter_map(usable)
}

fn usable(features: Features<'_>) -> Usable {
    Usable { features: features.values.into(), losses: features.losses }
}

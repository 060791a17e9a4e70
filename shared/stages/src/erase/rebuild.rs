//! A run once more, without what was erased: of the features that are there, bit by bit, and no image is read.

use async_trait::async_trait;
use bytes::Bytes;
use chrono::{DateTime, Utc};
use futures::stream::{self, StreamExt, TryStreamExt};
use pomona_dataset::{Error as DatasetError, Item, LeftOut, Listed, Reader, Rejected, Source};
use pomona_formats::Error as FileError;
use pomona_formats::erasure::NewRun;
use pomona_formats::listing::{self, Row};
use pomona_formats::planned::{self, Plan, Shard};
use pomona_formats::suppressed::Suppressed;
use pomona_formats::{digests, fragment, part, rejects, run_aside};
use pomona_run::Error as RequestError;
use pomona_run::layout::RunLayout;
use pomona_run::stage::Stage;
use pomona_run::{Options, RunId, names, pace};
use pomona_store::Store;
use pomona_terms::Reject;

use super::traces::names_any;
use crate::earlier::{self, Earlier, Take};
use crate::error::Error;
use crate::local::{self, Clock, Observer};
use crate::part::Part;
use crate::plan::{self, Counted, PlanRequest};
use crate::report::Rank;

/// How often damage is set aside and planned around before it is told of.
const MENDS: u32 = 3;

/// A run that is made anew.
#[derive(Clone, Copy, Debug)]
pub(super) struct Anew<'a> {
    pub(super) run_id: &'a RunId,
    pub(super) rank: Rank,
}

/// Makes a run of what an `earlier` one listed and was not erased; nothing where all of it was.
pub(super) async fn run(
    output: &dyn Store,
    earlier: &Plan,
    anew: Anew<'_>,
    threads: usize,
    suppressed: &Suppressed,
    observer: &dyn Observer,
) -> Result<Option<NewRun>, Error> {
    let Some(source) = Rest::of(output, earlier, suppressed).await? else { return Ok(None) };
    let mut mends = 0;
    loop {
        match make(output, &source, anew, (threads, mends), observer).await {
            // A plan that an attempt has made may lack what was set aside since, and damage is met while merging.
            Err(Error::File(FileError::Damaged { .. })) if mends < MENDS => mends += 1,
            made => {
                made?;
                return named(output, anew.run_id).await.map(Some);
            }
        }
    }
}

/// Plans such a run.
pub(super) async fn plan(
    output: &dyn Store,
    earlier: &Plan,
    anew: Anew<'_>,
    suppressed: &Suppressed,
    (started, replans): (DateTime<Utc>, u32),
) -> Result<Option<Plan>, Error> {
    match Rest::of(output, earlier, suppressed).await? {
        Some(source) => source.plan(output, anew, started, replans).await.map(Some),
        None => Ok(None),
    }
}

/// All stages of the run, by a plan of this number.
async fn make(
    output: &dyn Store,
    source: &Rest<'_>,
    anew: Anew<'_>,
    (threads, replans): (usize, u32),
    observer: &dyn Observer,
) -> Result<(), Error> {
    let clock = Clock::new(observer);
    let plan = clock.time(Stage::Plan, 1, |_| source.plan(output, anew, clock.started, replans)).await?;
    let missing = planned::read_missing(output, &plan).await?;
    let images = missing.iter().map(|shard| shard.images).sum();
    clock
        .time(Stage::Extract, images, |_| async {
            for shard in &missing {
                make_part(output, shard, &plan).await?;
                (0..shard.images).for_each(|_| observer.item_there(Stage::Extract));
            }
            Ok::<_, Error>(())
        })
        .await?;
    local::fit_and_report(output, threads, &plan, &clock, anew.rank).await.map(drop)
}

/// What a run is made anew of.
struct Rest<'a> {
    listed: ListedBefore,
    earlier: &'a Plan,
    options: Options,
}

impl<'a> Rest<'a> {
    async fn of(output: &dyn Store, earlier: &'a Plan, suppressed: &Suppressed) -> Result<Option<Self>, Error> {
        if let Some(models) = &earlier.models_of {
            return Err(Error::ModelsOfAnother { run_id: earlier.run_id.clone(), models_of: models.run_id.clone() });
        }
        let listed = ListedBefore::read(output, earlier).await?;
        let is_any_left = listed.items.iter().any(|item| !suppressed.has(&item.id));
        let options = without_erased_names(&earlier.options, suppressed);
        Ok(is_any_left.then_some(Self { listed, earlier, options }))
    }

    async fn plan(&self, output: &dyn Store, anew: Anew<'_>, now: DateTime<Utc>, replans: u32) -> Result<Plan, Error> {
        let in_place_of = (anew.rank == Rank::Older).then_some(self.earlier);
        let request = PlanRequest {
            run_id: anew.run_id,
            started: in_place_of.map_or(now, |earlier| earlier.started),
            options: &self.options,
            recipe: &self.earlier.recipe,
            models: None,
            replans,
            counted: Counted::ByAttempt,
            in_place_of,
            on_file: &|| {},
        };
        plan::plan(&self.listed, output, &request).await
    }
}

/// A run as a certificate names it.
pub(super) async fn named(output: &dyn Store, run_id: &RunId) -> Result<NewRun, Error> {
    let plan = digests::get(output, &RunLayout::new(run_id.as_str()).plan()).await?;
    Ok(NewRun { run_id: run_id.clone(), plan_sha256: names::digest(&plan) })
}

/// Whether an error says that nothing can be fitted to the images that stay: that is no reason to keep the others.
pub(super) fn is_about_what_stays(error: &Error) -> bool {
    matches!(
        error,
        Error::OneImage { .. }
            | Error::NothingUsable { .. }
            | Error::TooManyRejects { .. }
            | Error::Invalid { .. }
            | Error::File(FileError::Pca(_) | FileError::Request(RequestError::Option { .. }))
    )
}

/// Whether an error is about the images of the run alone, or about what is left of them.
pub(super) fn is_about_its_images(error: &Error) -> bool {
    let is_lost = matches!(
        error,
        Error::FeaturesGone { .. } | Error::ModelsOfAnother { .. } | Error::File(FileError::Damaged { .. })
    );
    is_lost || is_about_what_stays(error)
}

/// The options without texts that name an erased image.
fn without_erased_names(options: &Options, suppressed: &Suppressed) -> Options {
    let mut options = options.clone();
    options.exclude.retain(|pattern| !names_any(pattern, suppressed));
    options.filter = options.filter.filter(|pattern| !names_any(pattern, suppressed));
    options.purpose = options.purpose.filter(|purpose| !names_any(purpose, suppressed));
    options
}

/// Makes the part of a shard whose images' outcomes are all there.
pub(super) async fn make_part(output: &dyn Store, shard: &Shard, plan: &Plan) -> Result<(), Error> {
    if part::exists(output, &shard.part).await? {
        return Ok(());
    }
    let listing_key = RunLayout::new(shard.run_id.as_str()).listing(shard.shard, &shard.listing_sha256);
    let rows = listing::decode(&listing_key, digests::read(output, &listing_key, &shard.listing_sha256).await?)?;
    let Earlier { mut outcomes, has_fragments } =
        earlier::read(output, shard, &rows, (plan.recipe.feature_width, Take::All)).await?;
    let outcomes: Vec<_> = rows.iter().filter_map(|row| outcomes.remove(&row.item.content())).collect();
    if outcomes.len() < rows.len() {
        return Err(Error::FeaturesGone {
            images: (rows.len() - outcomes.len()) as u64,
            input: plan.input.clone(),
            output: output.location().to_owned(),
        });
    }
    let (name, recipe) = (shard.part.clone(), plan.recipe.clone());
    let part = run_aside(move || Part::new(&name, &rows, outcomes, &recipe)).await??;
    part.write_for(output, shard).await?;
    if has_fragments {
        fragment::delete_all(output, &shard.part).await?;
    }
    Ok(())
}

/// A dataset as a run listed it, whatever has become of it.
#[derive(Debug)]
struct ListedBefore {
    location: String,
    items: Vec<Item>,
    left_out: LeftOut,
    odd_folders: Vec<Rejected>,
}

impl ListedBefore {
    async fn read(output: &dyn Store, plan: &Plan) -> Result<Self, Error> {
        let layout = RunLayout::new(plan.run_id.as_str());
        let listing = |shard: Shard| {
            let key = layout.listing(shard.shard, &shard.listing_sha256);
            async move { listing::decode(&key, digests::read(output, &key, &shard.listing_sha256).await?) }
        };
        let shards = stream::iter(planned::read_shards(output, plan).await?);
        let listings: Vec<Vec<Row>> = shards.map(listing).buffer_unordered(pace::REQUESTS).try_collect().await?;
        let mut items: Vec<Item> = listings.into_iter().flatten().map(|row| row.item).collect();
        items.sort_unstable_by(|a, b| a.id.cmp(&b.id));
        let folders = layout.odd_folders();
        let odd_folders = match plan.digests.get(&folders) {
            Some(_) => rejects::from_csv(&folders, &plan.digests.read(output, &folders).await?)?,
            None => Vec::new(),
        };
        Ok(Self { location: plan.input.clone(), items, left_out: plan.left_out.clone(), odd_folders })
    }
}

#[async_trait]
impl Source for ListedBefore {
    fn location(&self) -> &str {
        &self.location
    }

    async fn list(&self, _: &Options, _: &(dyn Fn() + Send + Sync)) -> Result<Listed, DatasetError> {
        Ok(Listed {
            items: self.items.clone(),
            files: self.items.len() as u64,
            left_out: self.left_out.clone(),
            odd_folders: self.odd_folders.clone(),
        })
    }

    fn reader<'a>(&'a self, _: &[&Item]) -> Box<dyn Reader + 'a> {
        Box::new(NobodyReads)
    }
}

/// Images that a plan need not try.
#[derive(Debug)]
struct NobodyReads;

#[async_trait]
impl Reader for NobodyReads {
    async fn read(&self, items: &[&Item]) -> Result<Vec<Result<Bytes, Reject>>, DatasetError> {
        Ok(items.iter().map(|_| Ok(Bytes::new())).collect())
    }
}

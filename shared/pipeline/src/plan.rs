//! The first stage: list the dataset, cut it into shards, name each shard's work.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use chrono::{DateTime, Utc};
use futures::stream::{self, StreamExt, TryStreamExt};
use pomona_pca::Components;
use pomona_store::{Entry, Object, Store};
use pomona_vision::pixels::RejectReason;
use serde::{Deserialize, Serialize};

use crate::error::Error;
use crate::latest::Latest;
use crate::layout::RunLayout;
use crate::listing::{self, Class, Listing, Row};
use crate::merge;
use crate::options::Options;
use crate::recipe::Recipe;
use crate::run_id::RunId;
use crate::selection::{LeftOut, OddFolder, Remainder};
use crate::tables::CsvTable;
use crate::{json, latest, limit, locations, names, part};

/// Requests to the output that a plan has under way at once.
const CONCURRENCY: usize = 32;

/// The content of plan.json.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Plan {
    /// The run.
    pub run_id: RunId,
    /// When the run started.
    pub started: DateTime<Utc>,
    /// Where the images are.
    pub input: String,
    /// What the user chose.
    pub options: Options,
    /// How features are made.
    pub recipe: Recipe,
    /// Listed images.
    pub images: u64,
    /// Their size in bytes.
    pub bytes: u64,
    /// Labels.
    pub classes: u64,
    /// What lies at the input beside these images.
    #[serde(default)]
    pub left_out: LeftOut,
    /// Leading bits of a key's hash that name its shard.
    pub shard_bits: u32,
    /// Shards that hold any image.
    pub shards: u64,
    /// Shards whose parts did not exist when the plan was made.
    pub missing: u64,
    /// Merge levels, the last one (of a single group, merged by reduce) included.
    pub merge_levels: u32,
}

/// The work of one shard: an entry of shards.json, and of missing.json while its part does not exist.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Shard {
    /// The run.
    pub run_id: RunId,
    /// The shard's number.
    pub shard: u32,
    /// The name of its part.
    pub part: String,
    /// The digest of the recipe that the part is made by.
    pub recipe: String,
    /// Listed images.
    pub images: u64,
    /// Their size in bytes.
    pub bytes: u64,
    /// Parts of the newest successful run that may hold features of this shard's unchanged images.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub previous: Vec<PreviousPart>,
}

/// A part of an earlier run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PreviousPart {
    /// The earlier run, which keeps the listing.
    pub run_id: RunId,
    /// The shard's number in that run.
    pub shard: u32,
    /// The part's name.
    pub part: String,
}

/// Earlier parts that a shard is told of. Each takes some 150 bytes of the shard's entry in missing.json, which Step Functions hands to
/// a child execution as its input, of at most 256 KiB. There are more only where shards have become many times larger; then the
/// images of the others are computed again.
const MOST_PREVIOUS: usize = 1_000;

/// What to plan.
#[derive(Debug)]
pub struct Request<'a> {
    /// The run's name.
    pub run_id: &'a RunId,
    /// When the run started.
    pub started: DateTime<Utc>,
    /// What the user chose.
    pub options: &'a Options,
    /// How features are made.
    pub recipe: &'a Recipe,
}

/// Plans a run. The caller holds the output's lock. Where the newest run's images are all gone, latest.json is removed: it would go
/// on pointing at features of what was deleted.
///
/// # Errors
/// [`Error::Option`], [`Error::NoImages`], [`Error::OutputInsideInput`], and those of the stores.
pub async fn plan(input: &dyn Store, output: &dyn Store, request: &Request<'_>) -> Result<Plan, Error> {
    request.options.validate()?;
    locations::refuse_output_inside_input(input.location(), output.location())?;
    let (listing, remainder) = match list(input, request.options).await {
        Err(error @ Error::NoImages { .. }) => {
            forget_emptied_dataset(input, output).await?;
            return Err(error);
        }
        listing => listing?,
    };
    refuse_impossible_components(request, listing.rows.len())?;

    let (images, bytes) = (listing.rows.len() as u64, listing.bytes());
    let shard_bits = names::shard_bits(images, bytes, request.options.shard_size);
    let layout = RunLayout::new(request.run_id.as_str());
    let classes = listing.classes.clone();
    let rows_by_shard = listing.into_shards(shard_bits);

    let shards = name_shards(request, &rows_by_shard);
    let missing = missing_shards(output, request, shard_bits, &shards).await?;
    let merge_levels = merge::levels(request.run_id, shards.iter().map(|shard| shard.part.clone()).collect());
    let plan = Plan {
        run_id: request.run_id.clone(),
        started: request.started,
        input: input.location().to_owned(),
        options: request.options.clone(),
        recipe: request.recipe.clone(),
        images,
        bytes,
        classes: classes.len() as u64,
        left_out: remainder.left_out,
        shard_bits,
        shards: shards.len() as u64,
        missing: missing.len() as u64,
        merge_levels: merge_levels.len() as u32,
    };

    write_listing(output, &layout, rows_by_shard).await?;
    write_classes(output, &layout, &classes).await?;
    write_odd_folders(output, &layout, &remainder.odd_folders).await?;
    for (level, groups) in (1..).zip(&merge_levels) {
        json::write(output, &layout.merge_level(level), groups).await?;
    }
    json::write(output, &layout.plan(), &plan).await?;
    json::write(output, &layout.missing(), &missing).await?;
    json::write(output, &layout.shards(), &shards).await?;
    Ok(plan)
}

/// The dataset, and what lies beside it.
async fn list(input: &dyn Store, options: &Options) -> Result<(Listing, Remainder), Error> {
    let (objects, remainder) = match options.limit {
        None => list_all(input, options).await?,
        Some(limit) => list_sample(input, options, limit).await?,
    };
    if objects.is_empty() {
        return Err(no_images(input, options, &remainder));
    }
    Ok((Listing::new(objects), remainder))
}

async fn list_all(input: &dyn Store, options: &Options) -> Result<(Vec<Object>, Remainder), Error> {
    let selection = options.selection()?;
    let objects = input.list("", &|entry| selection.keeps(entry)).await?;
    let remainder = selection.into_remainder(objects.iter().map(|object| object.key.as_str()));
    Ok((objects, remainder))
}

/// Lists twice: names first, so that of a folder no more files are opened than the sample takes.
async fn list_sample(input: &dyn Store, options: &Options, limit: u64) -> Result<(Vec<Object>, Remainder), Error> {
    let selection = options.selection()?;
    let keys = Mutex::new(Vec::new());
    let note = |entry: Entry<'_>| {
        if selection.keeps(entry) {
            keys.lock().unwrap_or_else(PoisonError::into_inner).push(entry.key().to_owned());
        }
        false
    };
    input.list("", &note).await?;
    let mut keys = keys.into_inner().unwrap_or_else(PoisonError::into_inner);
    keys.sort_unstable();
    let remainder = selection.into_remainder(keys.iter().map(String::as_str));
    let sample = limit::sample(keys, limit);
    Ok((input.list("", &|entry| sample.contains(entry.key())).await?, remainder))
}

fn no_images(input: &dyn Store, options: &Options, remainder: &Remainder) -> Error {
    let filter = options.filter.as_ref().map(|filter| format!(" and matches the filter `{filter}`"));
    let skipped = remainder.left_out.notices().into_iter().map(|notice| format!("; {notice}"));
    Error::NoImages {
        location: input.location().to_owned(),
        files: remainder.files as usize,
        extensions: options.extensions.join(", "),
        filter: filter.unwrap_or_default(),
        skipped: skipped.collect(),
    }
}

/// Removes latest.json if its run was over this input and would find no image there now, by its own options: a request that finds none
/// because it looks elsewhere, or for something else, changes nothing.
async fn forget_emptied_dataset(input: &dyn Store, output: &dyn Store) -> Result<(), Error> {
    let Some(Latest { run_id, .. }) = latest::read(output).await? else { return Ok(()) };
    let Some(newest) = json::read_if_there::<Plan>(output, &RunLayout::new(run_id.as_str()).plan()).await? else {
        return Ok(());
    };
    if !locations::is_same(&newest.input, input.location()) {
        return Ok(());
    }
    match list(input, &newest.options).await {
        Err(Error::NoImages { .. }) => latest::remove(output).await,
        found => found.map(drop),
    }
}

/// Reduce would refuse them too, but only after all the work of extraction.
fn refuse_impossible_components(request: &Request<'_>, images: usize) -> Result<(), Error> {
    let most = request.recipe.feature_width.min(images.saturating_sub(1));
    match request.options.components {
        Components::Count(wanted) if wanted > most => Err(Error::Option {
            option: "components",
            problem: format!(
                "{images} images with {} features each have at most {most} components, not {wanted}",
                request.recipe.feature_width
            ),
        }),
        _ => Ok(()),
    }
}

fn name_shards(request: &Request<'_>, rows_by_shard: &BTreeMap<u32, Vec<Row>>) -> Vec<Shard> {
    let recipe = request.recipe.digest();
    let name = |(shard, rows): (&u32, &Vec<Row>)| Shard {
        run_id: request.run_id.clone(),
        shard: *shard,
        part: names::part_name(&recipe, rows),
        recipe: recipe.clone(),
        images: rows.len() as u64,
        bytes: rows.iter().map(|row| row.size).sum(),
        previous: Vec::new(),
    };
    rows_by_shard.iter().map(name).collect()
}

async fn missing_shards(
    output: &dyn Store,
    request: &Request<'_>,
    shard_bits: u32,
    shards: &[Shard],
) -> Result<Vec<Shard>, Error> {
    let exist = stream::iter(shards).map(|shard| part::exists(output, &shard.part)).buffered(CONCURRENCY);
    let exist: Vec<bool> = exist.try_collect().await?;
    let mut missing: Vec<Shard> =
        shards.iter().zip(exist).filter(|(_, exists)| !exists).map(|(shard, _)| shard.clone()).collect();
    if missing.is_empty() {
        return Ok(missing);
    }
    if let Some(previous) = PreviousRun::read(output, request.recipe).await? {
        for shard in &mut missing {
            shard.previous = previous.overlapping(shard.shard, shard_bits);
        }
    }
    Ok(missing)
}

/// The newest successful run, if its features were made by the same recipe.
struct PreviousRun {
    shard_bits: u32,
    shards: Vec<Shard>,
}

impl PreviousRun {
    async fn read(output: &dyn Store, recipe: &Recipe) -> Result<Option<Self>, Error> {
        let Some(Latest { run_id, .. }) = latest::read(output).await? else { return Ok(None) };
        let layout = RunLayout::new(run_id.as_str());
        let Some(plan) = json::read_if_there::<Plan>(output, &layout.plan()).await? else {
            return Ok(None);
        };
        let shards = json::read_if_there::<Vec<Shard>>(output, &layout.shards()).await?;
        Ok(shards.filter(|_| plan.recipe == *recipe).map(|shards| Self { shard_bits: plan.shard_bits, shards }))
    }

    /// The earlier shards whose range of hashes overlaps that of `shard`, at most [`MOST_PREVIOUS`].
    fn overlapping(&self, shard: u32, shard_bits: u32) -> Vec<PreviousPart> {
        let bits = shard_bits.min(self.shard_bits);
        let overlaps = |earlier: &&Shard| earlier.shard >> (self.shard_bits - bits) == shard >> (shard_bits - bits);
        let part = |earlier: &Shard| PreviousPart {
            run_id: earlier.run_id.clone(),
            shard: earlier.shard,
            part: earlier.part.clone(),
        };
        self.shards.iter().filter(overlaps).map(part).take(MOST_PREVIOUS).collect()
    }
}

async fn write_listing(
    output: &dyn Store,
    layout: &RunLayout,
    rows_by_shard: BTreeMap<u32, Vec<Row>>,
) -> Result<(), Error> {
    let write = |(shard, rows): (u32, Vec<Row>)| async move {
        let key = layout.listing(shard);
        Ok::<_, Error>(output.put(&key, listing::encode(&key, &rows)?).await?)
    };
    stream::iter(rows_by_shard).map(write).buffer_unordered(CONCURRENCY).try_collect().await
}

async fn write_classes(output: &dyn Store, layout: &RunLayout, classes: &[Class]) -> Result<(), Error> {
    let key = layout.classes();
    let mut table = CsvTable::new(&key, ["class_id", "class", "count"])?;
    for (class_id, class) in classes.iter().enumerate() {
        table.row([&class_id.to_string(), &class.name, &class.count.to_string()])?;
    }
    Ok(output.put(&key, table.finish()?).await?)
}

/// Nothing where there are none.
async fn write_odd_folders(output: &dyn Store, layout: &RunLayout, folders: &[OddFolder]) -> Result<(), Error> {
    if folders.is_empty() {
        return Ok(());
    }
    let key = layout.odd_folders();
    let mut table = CsvTable::new(&key, ["path", "label", "reason", "detail"])?;
    for OddFolder { path, is_broken_link } in folders {
        let (reason, detail) = match is_broken_link {
            true => (RejectReason::Unreadable, "a link that leads nowhere"),
            false => (RejectReason::Empty, "a folder that holds no image"),
        };
        table.row([path.as_str(), listing::label_of(path), reason.as_str(), detail])?;
    }
    Ok(output.put(&key, table.finish()?).await?)
}

/// Reads the plan of a run.
///
/// # Errors
/// Those of the store, and [`Error::Inconsistent`] where the file is not a plan.
pub async fn read_plan(output: &dyn Store, run_id: &RunId) -> Result<Plan, Error> {
    json::read(output, &RunLayout::new(run_id.as_str()).plan()).await
}

/// Reads every shard of a run.
///
/// # Errors
/// As [`read_plan`].
pub async fn read_shards(output: &dyn Store, run_id: &RunId) -> Result<Vec<Shard>, Error> {
    json::read(output, &RunLayout::new(run_id.as_str()).shards()).await
}

/// Reads the shards whose parts did not exist when the run was planned.
///
/// # Errors
/// As [`read_plan`].
pub async fn read_missing(output: &dyn Store, run_id: &RunId) -> Result<Vec<Shard>, Error> {
    json::read(output, &RunLayout::new(run_id.as_str()).missing()).await
}

/// How many of the parts that did not exist when the run was planned do not exist yet, neither under their own name nor under the one
/// that only this run uses.
///
/// # Errors
/// As [`read_plan`].
pub async fn count_missing(output: &dyn Store, run_id: &RunId) -> Result<u64, Error> {
    let is_missing = |shard: Shard| async move {
        let own_name = names::name_of_this_run(&shard.part, run_id.as_str());
        let exists = part::exists(output, &shard.part).await? || part::exists(output, &own_name).await?;
        Ok::<_, Error>(u64::from(!exists))
    };
    let each = stream::iter(read_missing(output, run_id).await?).map(is_missing).buffered(CONCURRENCY);
    each.try_fold(0, |total, one| async move { Ok(total + one) }).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn earlier_shards_overlap_by_their_leading_bits() {
        let run_id = RunId::now();
        let shard = |shard| Shard {
            run_id: run_id.clone(),
            shard,
            part: format!("part {shard}"),
            recipe: String::new(),
            images: 1,
            bytes: 1,
            previous: vec![],
        };
        let previous = PreviousRun { shard_bits: 2, shards: (0..4).map(shard).collect() };
        let overlapping =
            |shard, bits| -> Vec<u32> { previous.overlapping(shard, bits).iter().map(|part| part.shard).collect() };
        assert_eq!(overlapping(2, 2), [2]);
        assert_eq!(overlapping(5, 3), [2]);
        assert_eq!(overlapping(1, 1), [2, 3]);
        assert_eq!(overlapping(0, 0), [0, 1, 2, 3]);
    }

    #[test]
    fn an_entry_of_a_shard_fits_into_the_input_of_an_execution() {
        let run_id = RunId::now();
        let shard = |shard| Shard {
            run_id: run_id.clone(),
            shard,
            part: "f".repeat(64),
            recipe: "f".repeat(64),
            images: u64::MAX,
            bytes: u64::MAX,
            previous: vec![],
        };
        let previous = PreviousRun { shard_bits: 16, shards: (0..1 << 16).map(shard).collect() };
        let entry = Shard { previous: previous.overlapping(0, 0), ..shard(0) };
        assert_eq!(entry.previous.len(), MOST_PREVIOUS);
        assert!(serde_json::to_vec(&entry).unwrap().len() < 240 << 10);
    }
}

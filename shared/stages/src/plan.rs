//! The first stage: list the dataset, cut it into shards, name each shard's work.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};
use futures::stream::{self, StreamExt, TryStreamExt};
use pomona_dataset::{Class, Item, Listed, OddLabels, Place, Source};
use pomona_formats::class_table;
use pomona_formats::digests::Digests;
use pomona_formats::json;
use pomona_formats::listing::{self, Row};
use pomona_formats::part;
use pomona_formats::planned::{self, Plan, Shard, is_fitted_by_passes};
use pomona_formats::planned_runs::PlannedRuns;
use pomona_formats::recipe::Recipe;
use pomona_formats::rejects;
use pomona_formats::suppressed::Suppressed;
use pomona_pca::{Components, Lanczos, Logistic};
use pomona_results::latest;
use pomona_results::latest::Latest;
use pomona_run::classify::{Classify, ClassifyOn};
use pomona_run::layout::{self, RunLayout};
use pomona_run::pace;
use pomona_run::tree;
use pomona_run::{Location, Options, RunId, names};
use pomona_store::{Entry, Store};

use crate::claims::Claims;
use crate::error::Error;
use crate::history::{History, of_earlier_run};
use crate::models::Models;

/// What to plan.
pub struct PlanRequest<'a> {
    /// The run's name.
    pub run_id: &'a RunId,
    /// When the run started.
    pub started: DateTime<Utc>,
    /// What the user chose.
    pub options: &'a Options,
    /// How features are made, but for what the options say of it.
    pub recipe: &'a Recipe,
    /// Models to take instead of fitting the run's own.
    pub models: Option<&'a Models<'a>>,
    /// How many plans of this run did not hold.
    pub replans: u32,
    /// Over what these were counted.
    pub counted: Counted,
    /// The run whose place among the others this one takes; without it, it is planned last.
    pub in_place_of: Option<&'a Plan>,
    /// Is called for every file that the listing comes across.
    pub on_file: &'a (dyn Fn() + Send + Sync),
}

/// Over what the plans of a run are counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Counted {
    /// Over all that was tried: a request of fewer plans than were made comes too late.
    OverTheRun,
    /// From 0 in each attempt, which `started` tells: it goes on with what the ones before it have planned, even with a run
    /// that has succeeded.
    ByAttempt,
}

/// Plans a run. The caller holds the output's lock. Where the newest run's images are all gone, nothing is changed
/// unless the options allow it; then latest.json is removed: it would go on pointing at features of what was deleted.
///
/// # Errors
/// [`pomona_run::Error`], [`Error::NoImages`], [`Error::Emptied`], [`Error::Overtaken`], where models are taken
/// [`Error::Models`] and [`Error::OtherRecipe`], and those of the stores.
pub async fn plan(input: &dyn Source, output: &dyn Store, request: &PlanRequest<'_>) -> Result<Plan, Error> {
    request.options.validate()?;
    let recipe = request.recipe.clone().with_max_pixels(request.options.max_pixels);
    let options = match request.models {
        Some(models) => &models.options(request.options)?,
        None => request.options,
    };
    let request = &PlanRequest { recipe: &recipe, options, ..*request };
    request.models.iter().try_for_each(|models| models.check_recipe(&recipe))?;
    place(input.location())?.refuse_inside(&place(output.location())?)?;
    let layout = RunLayout::new(request.run_id.as_str());
    let claims = Claims::of(output, &layout).await?;
    let earlier = match claims.has(&layout.plan()) {
        true => of_earlier_run(planned::read_plan(output, request.run_id).await)?,
        false => None,
    };
    let attempt = earlier.as_ref().map_or(0, |earlier| earlier.attempt + 1);
    if let Some(plan) = &earlier {
        if comes_too_late(output, plan, request).await? {
            return Err(Error::Overtaken { file: layout.plan() });
        }
        if is_asked_for(output, plan, request).await? && is_whole(output, plan).await? {
            add_to_planned_runs(output, request).await?;
            return Ok(plan.clone());
        }
    }
    let listed = list(input, output, request.options, request.on_file).await;
    let Listed { items, left_out, odd_folders, .. } = match listed {
        Err(error @ Error::NoImages { .. }) => {
            forget_emptied_dataset(input, output, request.options.allow_empty).await?;
            return Err(error);
        }
        listed => listed?,
    };
    let known = &request.options.classes;
    let classes = pomona_dataset::number(&items, known);
    if request.models.is_none() {
        refuse_impossible_fits(request, &items, &classes)?;
    }
    let (images, bytes) = (items.len() as u64, items.iter().map(|item| item.size).sum());
    let archived = pomona_dataset::archived(&items);
    let shard_bits = names::shard_bits(images, bytes, recipe.feature_width as u64, request.options.shard_size);
    let odd_labels = OddLabels::of(&items, &classes, request.options.label_from, known);
    if request.replans > 0 {
        remove_leftovers(output, &layout, &claims).await?;
    }
    let newest = latest::read_to_replace(output).await?.map(|latest| latest.run_id);
    if request.counted == Counted::OverTheRun {
        newest.iter().for_each(|newest| tell_of_clock(newest, request.run_id));
    }
    // A run that has succeeded and is planned anew follows whom it followed.
    let is_newest = newest.as_ref() == Some(request.run_id);
    let before = request.in_place_of.or(earlier.as_ref().filter(|_| is_newest));

    let heads = pomona_dataset::heads(&items, names::most_neighbours(recipe.feature_width as u64));
    let mut rows = listing::number(items, &classes);
    if let Some(models) = request.models {
        models.copy_into(output, &layout).await?;
        if request.options.classify.is_some() {
            models.mark_known(&mut rows).await?;
        }
    }
    let shards = write_listing(output, request, attempt, listing::into_shards(rows, &heads, shard_bits)).await?;
    let planned_runs = PlannedRuns::read(output).await?;
    let sources = planned_runs.as_sources(newest.as_ref());
    let missing = missing_shards(output, request, sources, shard_bits, &shards).await?;
    let merge_levels = match request.models.is_some() || is_fitted_by_passes(&recipe, request.options) {
        true => Vec::new(),
        false => tree::levels(request.run_id, shards.iter().map(|shard| shard.part.clone()).collect()),
    };
    let mut files = vec![(layout.classes(), class_table::to_csv(&layout.classes(), &classes)?)];
    if !odd_folders.is_empty() {
        files.push((layout.odd_folders(), rejects::to_csv(&layout.odd_folders(), &odd_folders)?));
    }
    for (level, groups) in (1..).zip(&merge_levels) {
        let key = layout.merge_level(level);
        files.push((key.clone(), json::encode(&key, groups)?));
    }
    files.push((layout.missing(), json::encode(&layout.missing(), &missing)?));
    let shards_json = json::encode(&layout.shards(), &shards)?;
    let mut digests = Digests::default();
    files.iter().for_each(|(key, bytes)| digests.add(key, bytes));
    digests.add(&layout.shards(), &shards_json);
    let plan = Plan {
        run_id: request.run_id.clone(),
        started: request.started,
        input: input.location().to_owned(),
        options: request.options.clone(),
        recipe: recipe.clone(),
        images,
        bytes,
        archived,
        classes: classes.len() as u64,
        left_out,
        odd_labels,
        shard_bits,
        shards: shards.len() as u64,
        missing: missing.len() as u64,
        merge_levels: merge_levels.len() as u32,
        models_of: request.models.map(|models| models.named_at(output)),
        follows: before.map_or(newest.clone(), |before| before.follows.clone()),
        replans: request.replans,
        attempt,
        digests,
    };
    // First what vouches for the others: where two attempts meet, one is overtaken before it has written any. S3 has no
    // condition on several objects, so what is left to chance is the time between this look and the write.
    claims.check_all().await?;
    claims.put(&layout.plan(), json::seal(&layout.plan(), &plan)?).await?;
    for (key, bytes) in files {
        claims.put(&key, bytes).await?;
    }
    claims.put(&layout.shards(), shards_json).await?;
    add_to_planned_runs(output, request).await?;
    Ok(plan)
}

/// Whoever has a run take another one's place has planned.json name it there.
async fn add_to_planned_runs(output: &dyn Store, request: &PlanRequest<'_>) -> Result<(), Error> {
    match request.in_place_of {
        Some(_) => Ok(()),
        None => Ok(PlannedRuns::add(output, request.run_id).await?),
    }
}

/// Whether the run has been planned anew since this plan was asked for, or has succeeded by it: a call that was given up
/// may come to its work when all of that is long done.
async fn comes_too_late(output: &dyn Store, made: &Plan, request: &PlanRequest<'_>) -> Result<bool, Error> {
    Ok(match request.counted {
        // An older run keeps the time at which it began, and is made by programs alone, whose calls are not given up.
        Counted::ByAttempt => {
            let is_same_attempt = request.in_place_of.is_none() && made.started == request.started;
            is_same_attempt && made.replans > request.replans
        }
        Counted::OverTheRun if made.replans == request.replans => has_succeeded(output, request.run_id).await?,
        Counted::OverTheRun => made.replans > request.replans,
    })
}

/// Whether a run has succeeded, with its tables or without them by now.
///
/// # Errors
/// Those of the store.
pub async fn has_succeeded(output: &dyn Store, run_id: &RunId) -> Result<bool, Error> {
    let layout = RunLayout::new(run_id.as_str());
    Ok(output.exists(&layout.success()).await? || output.exists(&layout.tables_removed()).await?)
}

/// Whether another attempt at this very plan has made one: the run may be at work by it when a call that was handed the
/// event again comes to it. Of an attempt that counts anew, a run that has succeeded is asked for as it is.
async fn is_asked_for(output: &dyn Store, plan: &Plan, request: &PlanRequest<'_>) -> Result<bool, Error> {
    let is_this = match request.counted {
        Counted::ByAttempt if plan.replans > request.replans => has_succeeded(output, request.run_id).await?,
        Counted::ByAttempt | Counted::OverTheRun => plan.replans == request.replans,
    };
    Ok(is_this && plan.recipe == *request.recipe)
}

/// Whether all of a plan's lists are what it says: of two attempts at once each may have written some.
async fn is_whole(output: &dyn Store, plan: &Plan) -> Result<bool, Error> {
    for (list, _) in plan.digests.iter() {
        if of_earlier_run(plan.digests.read(output, list).await)?.is_none() {
            return Ok(false);
        }
    }
    Ok(true)
}

/// The dataset without what was erased; there is something of it.
async fn list(
    input: &dyn Source,
    output: &dyn Store,
    options: &Options,
    on_file: &(dyn Fn() + Send + Sync),
) -> Result<Listed, Error> {
    let suppressed = Suppressed::read(output).await?;
    let mut listed = input.list(options, on_file).await?;
    if let Some(suppressed) = suppressed {
        let before = listed.items.len();
        listed.items.retain(|item| !suppressed.has(&item.id));
        listed.left_out.erased += (before - listed.items.len()) as u64;
    }
    if listed.items.is_empty() { Err(no_images(input, options, &listed)) } else { Ok(listed) }
}

fn no_images(input: &dyn Source, options: &Options, listed: &Listed) -> Error {
    Error::NoImages {
        location: input.location().to_owned(),
        files: listed.files as usize,
        extensions: options.extensions.join(", "),
        filter: options.filter.clone(),
        skipped: listed.left_out.notices(),
    }
}

/// Removes latest.json if its run was over this input and would find no image there now, by its own options, and if
/// that is allowed: a request that finds none because it looks elsewhere, or for something else, changes nothing.
async fn forget_emptied_dataset(input: &dyn Source, output: &dyn Store, is_allowed: bool) -> Result<(), Error> {
    let Some(Latest { run_id, .. }) = latest::read_to_replace(output).await? else { return Ok(()) };
    let Some(newest) = of_earlier_run(planned::read_plan(output, &run_id).await)? else { return Ok(()) };
    let here = place(input.location())?;
    // What an earlier version took for a location may be none any more, and is another one then.
    if !place(&newest.input).is_ok_and(|there| there.is_same(&here)) {
        return Ok(());
    }
    match list(input, output, &newest.options, &|| {}).await {
        Err(Error::NoImages { .. }) if is_allowed => {
            if latest::remove(output, Some(&run_id)).await? {
                tracing::warn!("latest.json is removed: of the {} images of run {run_id} none is left", newest.images);
            }
            Ok(())
        }
        Err(Error::NoImages { .. }) => {
            Err(Error::Emptied { location: input.location().to_owned(), run_id, images: newest.images })
        }
        found => found.map(drop),
    }
}

fn place(location: &str) -> Result<Location, pomona_run::Error> {
    Ok(location.parse::<Location>()?)
}

/// Says that the newest run has a later name than this one, which will be newer. What an erasure makes anew is called by
/// when that was asked for.
fn tell_of_clock(newest: &RunId, run_id: &RunId) {
    if newest.timestamp() > run_id.timestamp() {
        tracing::warn!(
            "run {newest} was made before run {run_id}: the clock ran ahead then, or is behind now; the newest run is \
             the one made last"
        );
    }
}

/// Deletes what an earlier plan of this very run left, which ended in a new plan: tables, which may be of shards that
/// there are no more, and the problems that led to it. Where there was none there is nothing to look for.
async fn remove_leftovers(output: &dyn Store, layout: &RunLayout, claims: &Claims<'_>) -> Result<(), Error> {
    let root = format!("{}/", layout.root());
    let is_leftover = |entry: Entry<'_>| entry.key().strip_prefix(&root).is_some_and(layout::ends_with_its_plan);
    for leftover in output.list(&root, &is_leftover).await? {
        // Each time, because a call that was given up may go on between any two.
        claims.check(&layout.plan()).await?;
        output.delete(&leftover.key).await?;
    }
    Ok(())
}

/// Refuses models that these images could not be fitted to.
fn refuse_impossible_fits(request: &PlanRequest<'_>, items: &[Item], classes: &[Class]) -> Result<(), Error> {
    let readable: Vec<&Item> = items.iter().filter(|item| !matches!(item.place, Place::Nowhere(_))).collect();
    if readable.is_empty() {
        // Why none can be read says more, and the rejects tell.
        return Ok(());
    }
    let fitted = match &request.options.classify {
        Some(classify) => training_images(classify, &readable, classes, request.recipe.feature_width)?,
        None => readable.len(),
    };
    refuse_impossible_components(request, fitted, items.len() - readable.len())
}

/// How many images are learned from. Fitting would refuse too few of them, too, but only after all the work of
/// extraction.
fn training_images(classify: &Classify, items: &[&Item], classes: &[Class], features: usize) -> Result<usize, Error> {
    let training: Vec<&&Item> = items.iter().filter(|item| classify.is_training(&item.id, &item.label)).collect();
    let labels: BTreeSet<&str> = training.iter().map(|item| &*item.label).collect();
    if labels.len() < 2 {
        let problem = format!(
            "a classifier needs images of at least 2 labels to learn from, and of {} images {} with {} are on that \
             side of the split; see --label-from, --train-share and --seed",
            items.len(),
            training.len(),
            counted_labels(labels.len()),
        );
        return Err(pomona_run::Error::option("classify", problem).into());
    }
    if classify.classify_on == ClassifyOn::Features {
        // Those without a training image, too, have weights.
        Logistic::check_size(classes.iter().filter(|class| !class.name.is_empty()).count(), features)?;
    }
    Ok(training.len())
}

fn counted_labels(count: usize) -> String {
    if count == 1 { "1 label".to_owned() } else { format!("{count} labels") }
}

/// Reduce would refuse them too, but only after all the work of extraction.
fn refuse_impossible_components(request: &PlanRequest<'_>, images: usize, unreadable: usize) -> Result<(), Error> {
    if request.recipe.is_wide()
        && let Components::Count(wanted) = request.options.components
    {
        Lanczos::check_components(wanted, request.recipe.feature_width)?;
    }
    let most = request.recipe.feature_width.min(images.saturating_sub(1));
    match request.options.components {
        Components::Count(wanted) if wanted > most => Err(pomona_run::Error::option(
            "components",
            format!(
                "{images} images with {} features each have at most {most} components, not {wanted}{}",
                request.recipe.feature_width,
                if unreadable > 0 { format!("; {unreadable} more cannot be read") } else { String::new() },
            ),
        )
        .into()),
        _ => Ok(()),
    }
}

/// Writes each shard's rows of the listing, and names its work.
async fn write_listing(
    output: &dyn Store,
    request: &PlanRequest<'_>,
    attempt: u32,
    rows_by_shard: BTreeMap<u32, Vec<Row>>,
) -> Result<Vec<Shard>, Error> {
    let (layout, recipe) = (RunLayout::new(request.run_id.as_str()), request.recipe.digest());
    let write = |(shard, rows): (u32, Vec<Row>)| {
        let (layout, recipe) = (&layout, recipe.clone());
        async move {
            let listing = listing::encode("a listing", &rows)?;
            let listing_sha256 = names::digest(&listing);
            let key = layout.listing(shard, &listing_sha256);
            let shard = Shard {
                run_id: request.run_id.clone(),
                attempt: Some(attempt),
                shard,
                part: part::name_of(&recipe, &rows),
                recipe,
                max_pixels: request.options.max_pixels,
                images: rows.len() as u64,
                bytes: rows.iter().map(|row| row.item.size).sum(),
                listing_sha256,
                previous: Vec::new(),
            };
            output.put(&key, listing).await?;
            Ok::<_, Error>(shard)
        }
    };
    stream::iter(rows_by_shard).map(write).buffered(pace::REQUESTS).try_collect().await
}

async fn missing_shards(
    output: &dyn Store,
    request: &PlanRequest<'_>,
    sources: impl Iterator<Item = &RunId>,
    shard_bits: u32,
    shards: &[Shard],
) -> Result<Vec<Shard>, Error> {
    let exist = stream::iter(shards).map(|shard| part::exists(output, &shard.part)).buffered(pace::REQUESTS);
    let exist: Vec<bool> = exist.try_collect().await?;
    let mut missing: Vec<Shard> =
        shards.iter().zip(exist).filter(|(_, exists)| !exists).map(|(shard, _)| shard.clone()).collect();
    if missing.is_empty() {
        return Ok(missing);
    }
    let history = History::read(output, sources, request.recipe, missing.len()).await?;
    for shard in &mut missing {
        shard.previous = history.overlapping(shard.shard, shard_bits);
    }
    Ok(missing)
}

//! What runs share: parts with their fragments, nodes, fits by passes, indexes of archives.

use std::collections::{BTreeMap, HashSet};

use futures::stream::{self, StreamExt, TryStreamExt};
use pomona_dataset::Index;
use pomona_formats::moments_file::{Header, MomentsFile};
use pomona_formats::planned::{self, Plan};
use pomona_formats::{Error, fits::Fits, fragment, json, sealed};
use pomona_run::layout;
use pomona_run::place::Place;
use pomona_run::{pace, tree};

use super::checker::{Checker, File, Files};
use super::findings::{Consequence, Unvouched, Useless};
use super::survey::{Name, Survey, both_names, has_fits, name};

/// The folders whose files runs share.
pub(super) const FOLDERS: [&str; 4] = ["parts/", "nodes/", "sweeps/", "archives/"];

/// Checks all of it.
pub(super) async fn check(checker: &Checker<'_>, survey: &Survey) -> Result<(), Error> {
    check_parts(checker, survey).await?;
    check_nodes(checker, survey).await?;
    check_fits(checker, survey).await?;
    check_indexes(checker).await
}

/// A part's files, as far as they are there.
#[derive(Debug, Default)]
struct Part {
    moments: Option<u64>,
    features: Option<u64>,
    rejects: Option<u64>,
}

async fn check_parts(checker: &Checker<'_>, survey: &Survey) -> Result<(), Error> {
    let files = Files::list(checker.output, "parts/").await?;
    let mut parts: BTreeMap<String, Part> = BTreeMap::new();
    let mut fragments = Vec::new();
    for file in files.into_rest() {
        match Place::of(&file.key) {
            Some(Place::PartMoments(part)) => parts.entry(part.to_owned()).or_default().moments = file.bytes,
            Some(Place::PartFeatures(part)) => parts.entry(part.to_owned()).or_default().features = file.bytes,
            Some(Place::PartRejects(part)) => parts.entry(part.to_owned()).or_default().rejects = file.bytes,
            Some(Place::Fragment { part }) => fragments.push((part.to_owned(), file.clone())),
            _ => checker.pass(&file),
        }
    }
    // A part of which nothing is left was removed on purpose, and is made again like one that is new.
    let halves: HashSet<Name> =
        parts.iter().filter(|(_, part)| part.moments.is_none()).filter_map(|(part, _)| name(part)).collect();
    let each = stream::iter(parts).map(|(name, part)| check_part(checker, survey, name, part));
    let whole: HashSet<Name> =
        each.buffer_unordered(pace::REQUESTS).try_filter_map(|whole| async move { Ok(whole) }).try_collect().await?;
    stream::iter(fragments.into_iter().map(Ok))
        .try_for_each_concurrent(pace::REQUESTS, |(part, file)| {
            let is_there = name(&part).is_some_and(|part| whole.contains(&part));
            check_fragment(checker, survey, part, file, is_there)
        })
        .await?;
    let is_half = |names: &[Name]| names.iter().any(|part| halves.contains(part));
    missing_of_newest(checker, survey, is_half, layout::part_moments, |_, parts| Ok(parts)).await
}

/// Checks a part, and gives its name where it is whole, or nobody asks.
async fn check_part(checker: &Checker<'_>, survey: &Survey, part: String, files: Part) -> Result<Option<Name>, Error> {
    let moments = File { key: layout::part_moments(&part), bytes: files.moments };
    let features = File { key: layout::part_features(&part), bytes: files.features };
    let rejects = File { key: layout::part_rejects(&part), bytes: files.rejects };
    if moments.bytes.is_none() {
        [features, rejects].into_iter().for_each(|file| checker.unneeded(file, Useless::UnfinishedPart));
        return Ok(None);
    }
    if !survey.needs.part(&part) {
        [moments, features, rejects].into_iter().for_each(|file| checker.unneeded(file, Useless::UnusedResult));
        return Ok(name(&part));
    }
    let follows = &Consequence::NextRun;
    let Some(Header { files: Some(sums), .. }) = checker.check(&moments, follows, header).await? else {
        [features, rejects].into_iter().for_each(|file| checker.unchecked(file, Unvouched::ByDamaged));
        return Ok(None);
    };
    let has_features = checker.check_digest(&features, follows, &sums.features_sha256).await?;
    let has_rejects = checker.check_digest(&rejects, follows, &sums.rejects_sha256).await?;
    Ok(name(&part).filter(|_| has_features && has_rejects))
}

fn header(key: &str, bytes: &[u8]) -> Result<Header, Error> {
    Ok(MomentsFile::decode(key, bytes)?.header)
}

async fn check_fragment(
    checker: &Checker<'_>,
    survey: &Survey,
    part: String,
    file: File,
    is_there: bool,
) -> Result<(), Error> {
    if is_there {
        checker.unneeded(file, Useless::FinishedPart);
    } else if !survey.needs.part(&part) {
        checker.unneeded(file, Useless::UnusedResult);
    } else {
        checker.check(&file, &Consequence::NextRun, fragment::check).await?;
    }
    Ok(())
}

async fn check_nodes(checker: &Checker<'_>, survey: &Survey) -> Result<(), Error> {
    let (mut there, mut used) = (HashSet::new(), Vec::new());
    for file in Files::list(checker.output, "nodes/").await?.into_rest() {
        let Some(Place::Node(node)) = Place::of(&file.key) else {
            checker.pass(&file);
            continue;
        };
        there.extend(name(node));
        if survey.needs.node(node) {
            used.push(file);
        } else {
            checker.unneeded(file, Useless::UnusedResult);
        }
    }
    check_all(checker, used, header).await?;
    let is_gone = |names: &[Name]| !names.iter().any(|node| there.contains(node));
    missing_of_newest(checker, survey, is_gone, layout::node_moments, |plan, parts| {
        let mut levels = if plan.merge_levels > 0 { tree::levels(&plan.run_id, parts) } else { Vec::new() };
        // The last group is merged by reduce, which writes no node.
        levels.pop();
        Ok(levels.into_iter().flatten().map(|group| group.node).collect())
    })
    .await
}

async fn check_fits(checker: &Checker<'_>, survey: &Survey) -> Result<(), Error> {
    let (mut there, mut whole, mut passes) = (HashSet::new(), HashSet::new(), Vec::new());
    for file in Files::list(checker.output, "sweeps/").await?.into_rest() {
        match Place::of(&file.key) {
            Some(Place::SweepModel { fit } | Place::SweepPass { fit }) if !survey.needs.fit(fit) => {
                checker.unneeded(file, Useless::UnusedResult);
            }
            Some(Place::SweepModel { fit }) => {
                there.extend(name(fit));
                if checker.check(&file, &Consequence::NextRun, is_sealed).await?.is_some() {
                    whole.extend(name(fit));
                }
            }
            Some(Place::SweepPass { .. }) => passes.push(file),
            _ => checker.pass(&file),
        }
    }
    let (finished, used): (Vec<File>, Vec<File>) = passes.into_iter().partition(|file| match Place::of(&file.key) {
        Some(Place::SweepPass { fit }) => name(fit).is_some_and(|fit| whole.contains(&fit)),
        _ => false,
    });
    finished.into_iter().for_each(|file| checker.unneeded(file, Useless::FinishedFit));
    check_all(checker, used, is_sealed).await?;
    missing_fits_of_newest(checker, survey, &there).await
}

fn is_sealed(key: &str, bytes: &[u8]) -> Result<(), Error> {
    sealed::unseal(key, bytes).map(drop)
}

/// Nobody can tell of an index whether its archive is still there.
async fn check_indexes(checker: &Checker<'_>) -> Result<(), Error> {
    let mut indexes = Vec::new();
    for file in Files::list(checker.output, "archives/").await?.into_rest() {
        match Place::of(&file.key) {
            Some(Place::Index) => indexes.push(file),
            _ => checker.pass(&file),
        }
    }
    check_all(checker, indexes, |key, bytes| json::unseal::<Index>(key, bytes).map(drop)).await
}

async fn check_all<T: Send + 'static>(
    checker: &Checker<'_>,
    files: Vec<File>,
    decode: fn(&str, &[u8]) -> Result<T, Error>,
) -> Result<(), Error> {
    stream::iter(files.into_iter().map(Ok))
        .try_for_each_concurrent(pace::REQUESTS, |file| async move {
            checker.check(&file, &Consequence::NextRun, decode).await.map(drop)
        })
        .await
}

/// Writes down which moments of the newest successful run are not among those that are there: the next run will look
/// for them. Those of older runs may have expired.
async fn missing_of_newest(
    checker: &Checker<'_>,
    survey: &Survey,
    is_missing: impl Fn(&[Name]) -> bool,
    key: fn(&str) -> String,
    wanted: impl FnOnce(&Plan, Vec<String>) -> Result<Vec<String>, Error>,
) -> Result<(), Error> {
    let Some((run_id, Some(plan))) = survey.newest.as_ref().filter(|_| !checker.is_held()) else { return Ok(()) };
    // Where the shards cannot be read, that is said elsewhere.
    let Ok(shards) = planned::read_shards(checker.output, plan).await else { return Ok(()) };
    for wanted in wanted(plan, shards.into_iter().map(|shard| shard.part).collect())? {
        let names: Vec<Name> = both_names(&wanted, run_id).iter().filter_map(|wanted| name(wanted)).collect();
        if is_missing(&names) {
            checker.missing(&key(&wanted), &Consequence::NextRun);
        }
    }
    Ok(())
}

async fn missing_fits_of_newest(checker: &Checker<'_>, survey: &Survey, done: &HashSet<Name>) -> Result<(), Error> {
    let Some((run_id, Some(plan))) = survey.newest.as_ref().filter(|_| !checker.is_held()) else { return Ok(()) };
    if !has_fits(plan) {
        return Ok(());
    }
    let Ok(fits) = Fits::read(checker.output, run_id).await else { return Ok(()) };
    for fit in fits.names(plan)?.all().filter(|fit| name(fit).is_some_and(|fit| !done.contains(&fit))) {
        checker.missing(&layout::sweep_model(fit), &Consequence::NextRun);
    }
    Ok(())
}

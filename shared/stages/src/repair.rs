//! Making good what was found of an output, as far as nothing need be computed for it.
//!
//! What is damaged and can be made again is deleted, as the stages do: what does not exist is made again. Features that
//! stand twice, in a part and in a run, are copied from where they are whole. A run of which something is lost that only
//! another run can make loses its marks, so that nobody takes it for a result, and stays as a source of what need not be
//! computed again.

use std::collections::BTreeMap;

use futures::stream::{self, TryStreamExt};
use pomona_formats::Error;
use pomona_formats::counters::Counters;
use pomona_formats::digests;
use pomona_formats::error::if_readable;
use pomona_formats::moments_file::MomentsFile;
use pomona_formats::planned;
use pomona_results::latest;
use pomona_results::processing::Site;
use pomona_results::verify::{self, Consequence, Problem, Tally, Unneeded, Verification};
use pomona_run::layout::{self, LATEST, PLANNED, RunLayout};
use pomona_run::place::Place;
use pomona_run::{RunId, names, pace};
use pomona_store::Store;
use serde::Serialize;

use crate::error::Error as StageError;
use crate::{report, retention};

/// What is written into a run that is withdrawn.
const WITHDRAWN: &str = "Files of this run are damaged or lost (`pomona verify --repair` named them), so it is no \
                         result any more. What is left of it is as it was; its features serve later runs.\n";

/// What was made good.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Repaired {
    /// Files that are again what was written.
    pub restored: Vec<String>,
    /// Files that are set aside: the next run makes them anew where it needs them.
    pub set_aside: Vec<String>,
    /// Runs that are no results any more; a run over the same images with the same options makes these again.
    pub withdrawn: Vec<RunId>,
    /// What is as it was.
    pub left: Vec<Left>,
}

/// A file that was not made good.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Left {
    /// The file (key at the output).
    pub file: String,
    /// Why it was not, and what to do.
    pub why: String,
}

/// A file that is damaged, or not there.
#[derive(Clone, Copy, Debug)]
struct Loss<'a> {
    file: &'a str,
    is_there: bool,
}

/// Makes good what `found` names. The caller holds the output's lock.
///
/// # Errors
/// Those of the store.
pub(crate) async fn repair(output: &dyn Store, found: &Verification) -> Result<Repaired, Error> {
    let mut repair = Repair { output, done: Repaired::default() };
    let mut of_runs: BTreeMap<&RunId, Vec<Loss<'_>>> = BTreeMap::new();
    let mut is_planned_lost = false;
    for (loss, problem, follows) in losses(found) {
        match (problem, follows) {
            (Some(Problem::Unreadable(_)), _) => {
                repair.leave(loss.file, "it cannot be read; mend the disk or the rights, and look again");
            }
            (_, Consequence::Unprovable) => repair.leave(loss.file, "only a copy of it says what it said"),
            _ if loss.file == PLANNED => is_planned_lost = true,
            _ if loss.file == LATEST => {}
            (_, Consequence::NotTakenOver) => {
                if let Some(Place::OfRun { run_id, .. }) = Place::of(loss.file) {
                    repair.forget_source(&run_id, loss).await?;
                }
            }
            (_, Consequence::Rerun(run_id) | Consequence::Unmarked(run_id)) => {
                of_runs.entry(run_id).or_default().push(loss)
            }
            _ => repair.set_aside(loss).await?,
        }
    }
    for (run_id, losses) in of_runs {
        repair.mend_run(run_id, losses).await?;
    }
    repair.mend_latest().await?;
    if is_planned_lost {
        verify::runs(output).await?.planned.restore(output).await?;
        repair.restored(PLANNED);
    }
    Ok(repair.done)
}

fn losses(found: &Verification) -> impl Iterator<Item = (Loss<'_>, Option<&Problem>, &Consequence)> {
    let damaged = found
        .damaged
        .iter()
        .map(|damaged| (Loss { file: &damaged.file, is_there: true }, Some(&damaged.problem), &damaged.follows));
    let missing =
        found.missing.iter().map(|missing| (Loss { file: &missing.file, is_there: false }, None, &missing.follows));
    damaged.chain(missing)
}

struct Repair<'a> {
    output: &'a dyn Store,
    done: Repaired,
}

impl Repair<'_> {
    /// Sees to it that what is lost does not exist, or restores it.
    async fn set_aside(&mut self, loss: Loss<'_>) -> Result<(), Error> {
        let part = match Place::of(loss.file) {
            Some(Place::PartFeatures(part)) if restore_part(self.output, part).await? => {
                self.restored(loss.file);
                return Ok(());
            }
            Some(Place::PartMoments(part) | Place::PartFeatures(part) | Place::PartRejects(part)) => Some(part),
            _ => None,
        };
        match part {
            // Without its moments a part does not exist.
            Some(part) => {
                for file in [layout::part_moments(part), layout::part_features(part), layout::part_rejects(part)] {
                    self.output.delete(&file).await?;
                }
            }
            None if loss.is_there => self.output.delete(loss.file).await?,
            None => {}
        }
        self.done.set_aside.push(loss.file.to_owned());
        Ok(())
    }

    /// Has later runs take nothing from a run of whose lists one is lost, in place of doubting what it uses.
    async fn forget_source(&mut self, run_id: &RunId, loss: Loss<'_>) -> Result<(), Error> {
        let layout = RunLayout::new(run_id.as_str());
        if loss.file == layout.shards() {
            self.output.delete(&layout.plan()).await?;
        }
        self.set_aside(loss).await
    }

    /// Restores what a run has lost, or takes its marks away.
    async fn mend_run(&mut self, run_id: &RunId, losses: Vec<Loss<'_>>) -> Result<(), Error> {
        let layout = RunLayout::new(run_id.as_str());
        let mut lost = Vec::new();
        for loss in losses {
            if restore_table(self.output, run_id, loss.file).await? {
                self.restored(loss.file);
            } else {
                lost.push(loss);
            }
        }
        match lost.as_slice() {
            [] => {}
            // The marks hold nothing but that all the rest is whole, which it is.
            [mark] if mark.file == layout.success() => {
                self.output.put(mark.file, Default::default()).await?;
                self.restored(mark.file);
            }
            [mark] if mark.file == layout.tables_removed() => {
                self.output.put(mark.file, retention::notice(None).into()).await?;
                self.restored(mark.file);
            }
            lost if lost.iter().all(|loss| layout.is_of_report(loss.file))
                && self.report_again(run_id, lost).await? => {}
            lost => {
                self.withdraw(&layout, lost).await?;
                self.done.withdrawn.push(run_id.clone());
            }
        }
        Ok(())
    }

    /// Writes what the report writes once more, if all that it is made of is whole.
    async fn report_again(&mut self, run_id: &RunId, lost: &[Loss<'_>]) -> Result<bool, Error> {
        let layout = RunLayout::new(run_id.as_str());
        let times = lost.iter().filter(|loss| loss.is_there && loss.file == layout.timings());
        for times in times {
            self.output.delete(times.file).await?;
        }
        match report::write(self.output, run_id, &[], &Site::of(self.output.location())).await {
            Ok(_) => {}
            Err(StageError::File(Error::Store(error))) => return Err(error.into()),
            // It was planned anew meanwhile, and is in other hands.
            Err(StageError::Overtaken { .. }) => return Ok(true),
            Err(error) => {
                tracing::debug!(%error, "the report cannot be written again");
                return Ok(false);
            }
        }
        self.output.put(&layout.success(), Default::default()).await?;
        lost.iter().for_each(|loss| self.restored(loss.file));
        Ok(true)
    }

    /// The marks first, after a word that says so. What later runs would look at and cannot use goes, too; the tables
    /// stay where they are.
    async fn withdraw(&self, layout: &RunLayout, lost: &[Loss<'_>]) -> Result<(), Error> {
        self.output.put(&layout.withdrawn(), WITHDRAWN.into()).await?;
        let marks = [layout.success(), layout.tables_removed(), layout.report_digests(), layout.reduce_digests()];
        let of_source = |file: &str| file == layout.plan() || file == layout.shards() || layout.is_of_plan(file);
        let unusable = lost.iter().filter(|loss| loss.is_there && of_source(loss.file)).map(|loss| loss.file);
        for file in marks.iter().map(String::as_str).chain(unusable) {
            self.output.delete(file).await?;
        }
        Ok(())
    }

    /// Where latest.json does not name a successful run, the newest of those that are left takes its place.
    async fn mend_latest(&mut self) -> Result<(), Error> {
        match latest::read(self.output).await {
            Err(Error::Store(error)) if error.is_about_object() => {}
            Err(Error::Damaged { .. }) => {
                match verify::runs(self.output).await?.newest {
                    Some(newest) if latest::point_at(self.output, &newest, None).await? => self.restored(LATEST),
                    None if latest::remove(self.output, None).await? => {
                        self.done.set_aside.push(LATEST.to_owned());
                    }
                    // A run has succeeded since.
                    _ => {}
                }
            }
            Ok(None) if verify::runs(self.output).await?.newest.is_some() => {
                self.leave(
                    LATEST,
                    "it may be gone because all images were (`--allow-empty`); the next run writes it, and \
                     `pomona inspect --run` shows older ones",
                );
            }
            read => drop(read?),
        }
        Ok(())
    }

    fn restored(&mut self, file: &str) {
        self.done.restored.push(file.to_owned());
    }

    fn leave(&mut self, file: &str, why: &str) {
        self.done.left.push(Left { file: file.to_owned(), why: why.to_owned() });
    }
}

/// Copies the features of a part from the newest run, if its table is what the part's moments vouch for.
async fn restore_part(output: &dyn Store, part: &str) -> Result<bool, Error> {
    let key = layout::part_moments(part);
    let Some(moments) = if_readable(digests::get(output, &key).await)? else { return Ok(false) };
    let Some(file) = if_readable(MomentsFile::decode(&key, &moments))? else { return Ok(false) };
    let (Some(sums), Some(Some(newest))) = (file.header.files, if_readable(latest::read(output).await)?) else {
        return Ok(false);
    };
    let Some(shards) = shards_of(output, &newest.run_id).await? else { return Ok(false) };
    let is_of = |name: &str| name == part || names::name_of_this_run(name, newest.run_id.as_str()) == part;
    let Some(shard) = shards.iter().find(|shard| is_of(&shard.part)) else { return Ok(false) };
    let table = RunLayout::new(newest.run_id.as_str()).features_parquet(shard.shard);
    copy_if_whole(output, &table, &layout::part_features(part), &sums.features_sha256).await
}

/// Copies a run's table of features from its part, if that is what the run's counters vouch for.
async fn restore_table(output: &dyn Store, run_id: &RunId, table: &str) -> Result<bool, Error> {
    let layout = RunLayout::new(run_id.as_str());
    let Some(shards) = shards_of(output, run_id).await? else { return Ok(false) };
    let Some(shard) = shards.iter().find(|shard| layout.features_parquet(shard.shard) == table) else {
        return Ok(false);
    };
    let counters = digests::read_sealed::<Counters>(output, &layout.counters(shard.shard)).await;
    let Some(counters) = if_readable(counters)? else { return Ok(false) };
    let Some(sha256) = counters.files.get(table) else { return Ok(false) };
    for part in [shard.part.clone(), names::name_of_this_run(&shard.part, run_id.as_str())] {
        if copy_if_whole(output, &layout::part_features(&part), table, sha256).await? {
            return Ok(true);
        }
    }
    Ok(false)
}

async fn shards_of(output: &dyn Store, run_id: &RunId) -> Result<Option<Vec<planned::Shard>>, Error> {
    let Some(plan) = if_readable(planned::read_plan(output, run_id).await)? else { return Ok(None) };
    if_readable(planned::read_shards(output, &plan).await)
}

async fn copy_if_whole(output: &dyn Store, from: &str, to: &str, sha256: &str) -> Result<bool, Error> {
    let is_whole = if_readable(digests::read(output, from, sha256).await)?.is_some();
    if is_whole {
        output.copy(from, to).await?;
    }
    Ok(is_whole)
}

/// Deletes what nobody needs. The caller holds the output's lock.
///
/// # Errors
/// Those of the store.
pub(crate) async fn prune(output: &dyn Store, unneeded: &[Unneeded]) -> Result<Tally, Error> {
    // A part exists for as long as its moments do.
    let is_moments = |unneeded: &&Unneeded| matches!(Place::of(&unneeded.file), Some(Place::PartMoments(_)));
    let (moments, others): (Vec<&Unneeded>, Vec<&Unneeded>) = unneeded.iter().partition(is_moments);
    for files in [moments, others] {
        let delete = |unneeded: &Unneeded| {
            let file = unneeded.file.clone();
            async move { Ok(output.delete(&file).await?) }
        };
        stream::iter(files.into_iter().map(Ok::<_, Error>)).try_for_each_concurrent(pace::REQUESTS, delete).await?;
    }
    Ok(unneeded.iter().map(|unneeded| unneeded.bytes).collect())
}

//! A whole run in one process: the same stages in the same order as the state machine's, with progress.

use std::future::Future;
use std::pin::pin;
use std::time::Duration;

use chrono::{DateTime, Utc};
use futures::stream::{self, StreamExt, TryStreamExt};
use pomona_dataset::Error as DatasetError;
use pomona_dataset::Source;
use pomona_formats::Error as FileError;
use pomona_formats::erasure::{Erasures, notice_of_not_done};
use pomona_formats::model_info::ModelInfo;
use pomona_formats::planned::{self, Plan, Shard};
use pomona_results::processing::Site;
use pomona_run::layout::ERASURES;
use pomona_run::stage::{Stage, Timing};
use pomona_run::{Options, RunId, clock};
use pomona_store::Store;

use crate::combine;
use crate::compute::ComputePool;
use crate::damages::Damages;
use crate::error::Error;
use crate::extract::{Done, Extracted, Extraction};
use crate::fit::{self, Advance, Pass};
use crate::fragments::Fragments;
use crate::lock::{self, Holders};
use crate::memory;
use crate::models::Models;
use crate::plan::{self, Counted, PlanRequest};
use crate::project::{self, Projection};
use crate::recipe;
use crate::reduce::Reduced;
use crate::report::{self, Rank};
use crate::retention::{self, KeepRuns};
use crate::sweep;

/// How long a run that stops may take to keep the images that it has finished.
const KEEPING: Duration = Duration::from_secs(20);

/// Shards in the making at once: while some are being closed, and what there is of others is read, one's images keep the
/// threads busy.
const SHARDS_AT_ONCE: usize = 4;

/// The same of features so many that a shard of them may be tens of megabytes.
const WIDE_SHARDS_AT_ONCE: usize = 2;

/// How often a run whose input changes under it is planned anew.
const REPLANS: u32 = 3;

/// How often a run that meets damaged files is planned anew. Each time it finds all damage of one kind: moments, nodes
/// of a level, features.
const MENDS: u32 = 8;

/// What a run works on and with.
#[derive(Debug)]
pub struct Job<'a> {
    /// Where the images are.
    pub input: &'a dyn Source,
    /// Where results go.
    pub output: &'a dyn Store,
    /// What the user chose.
    pub options: &'a Options,
    /// The models of an earlier run, to take them instead of fitting the run's own.
    pub models: Option<&'a Models<'a>>,
    /// The threads that compute.
    pub pool: &'a ComputePool,
    /// Who runs it, for lock.json.
    pub holder: &'a str,
    /// Of how many runs the tables are kept once this one has succeeded.
    pub keep_runs: KeepRuns,
}

/// Is told how a run gets on.
pub trait Observer: Sync {
    /// A stage with this many items (images, groups or shards) begins.
    fn stage_started(&self, stage: Stage, items: u64);
    /// The listing of the input has come across one more file, an image or not.
    fn file_listed(&self);
    /// One more item of the stage is done.
    fn item_done(&self, stage: Stage);
    /// One more item of the stage was there already.
    fn item_there(&self, stage: Stage);
    /// A stage has ended.
    fn stage_finished(&self, timing: &Timing);
    /// A pass of a fit begins.
    fn pass_started(&self, pass: &Pass);
    /// Something worth telling the user.
    fn notice(&self, text: &str);
}

/// What a run came to.
#[derive(Clone, Debug)]
pub struct Summary {
    /// What was planned.
    pub plan: Plan,
    /// What extraction did. Parts that existed before are not counted.
    pub extracted: Extracted,
    /// The run in numbers.
    pub info: ModelInfo,
    /// Time per stage.
    pub timings: Vec<Timing>,
}

/// Runs all stages under the output's lock, and gives the lock back however the run ends; also when `stopped` comes
/// first.
///
/// # Errors
/// Those of the stages, [`Error::TooWide`] and [`Error::Busy`]. `Ok(None)` when the run was stopped.
pub async fn run(
    job: &Job<'_>,
    holders: &dyn Holders,
    observer: &dyn Observer,
    stopped: impl Future<Output = ()>,
) -> Result<Option<Summary>, Error> {
    if job.models.is_none() {
        memory::check(job.pool.extractor().model().width())?;
    }
    let (run_id, mut stopped) = (RunId::now(), pin!(stopped));
    let fragments = Fragments::new(job.output);
    let outcome = match lock::acquire_unless(stopped.as_mut(), job.output, &run_id, (job.holder, holders)).await? {
        false => Ok(None),
        true => tokio::select! {
            biased;
            summary = stages(job, &run_id, &fragments, observer) => summary.map(Some),
            error = lock::keep(job.output, &run_id) => Err(error),
            () = &mut stopped => Ok(None),
        },
    };
    match &outcome {
        Ok(Some(_)) => tidy(job, &run_id, &fragments, stopped).await,
        // Somebody else's run.
        Err(Error::Busy { .. }) => {}
        // What a store that hangs does not take in time is computed again.
        Ok(None) | Err(_) => drop(tokio::time::timeout(KEEPING, fragments.keep_all()).await),
    }
    let released = match tokio::time::timeout(KEEPING, lock::release(job.output, &run_id)).await {
        Err(_) => {
            tracing::warn!("the lock could not be given back within {} s; it ends by itself", KEEPING.as_secs());
            Ok(())
        }
        Ok(released) => released,
    };
    // The first failure is the one to mend; a lock that stays ends by itself.
    outcome.and_then(|summary| released.map(|()| summary))
}

/// Removes what no run needs any more. A run that is stopped meanwhile, or loses the lock, has succeeded all the same.
async fn tidy(job: &Job<'_>, run_id: &RunId, fragments: &Fragments<'_>, stopped: impl Future<Output = ()>) {
    fragments.remove_abandoned().await;
    tokio::select! {
        biased;
        () = retention::keep_newest(job.output, job.keep_runs) => {}
        error = lock::keep(job.output, run_id) => tracing::warn!("the tables of older runs were not all removed: {error}"),
        () = stopped => {}
    }
}

async fn stages(
    job: &Job<'_>,
    run_id: &RunId,
    fragments: &Fragments<'_>,
    observer: &dyn Observer,
) -> Result<Summary, Error> {
    let clock = Clock::new(observer);
    let (mut replans, mut mends) = (0, 0);
    tell_of_erasures(job.output, observer).await?;
    loop {
        match planned_stages(job, (run_id, replans + mends), fragments, &clock).await {
            Err(Error::Dataset(DatasetError::Changed { .. })) if replans < REPLANS => {
                replans += 1;
                observer.notice("an image changed while the run was going: planning again");
                // Its shard will have another part.
                fragments.keep_all().await;
            }
            Err(Error::File(FileError::Damaged { .. })) if mends < MENDS => {
                mends += 1;
                observer.notice("what is damaged is made anew: planning again");
            }
            finished => {
                let (plan, extracted, info) = finished?;
                return Ok(Summary { plan, extracted, info, timings: clock.into_timings() });
            }
        }
        clock.forget();
    }
}

/// Images of which no run knows any more since their erasure was asked for are not gone before that is done.
async fn tell_of_erasures(output: &dyn Store, observer: &dyn Observer) -> Result<(), Error> {
    let files = output.sizes(ERASURES).await?;
    let not_done = Erasures::not_done(files.iter().map(|(key, _)| key.as_str()));
    if let Some(notice) = notice_of_not_done(not_done.len(), output.location()) {
        observer.notice(&notice);
    }
    Ok(())
}

/// All stages by one plan, which holds as long as the input does not change and no damage is met.
async fn planned_stages(
    job: &Job<'_>,
    (run_id, replans): (&RunId, u32),
    fragments: &Fragments<'_>,
    clock: &Clock<'_>,
) -> Result<(Plan, Extracted, ModelInfo), Error> {
    let plan = plan(job, (run_id, replans), clock).await?;
    let extracted = extract(job, &plan, fragments, clock).await?;
    let info = fit_and_report(job.output, job.pool.threads(), &plan, clock, Rank::Newest).await?;
    Ok((plan, extracted, info))
}

/// All stages that need no image: those behind extraction.
pub(crate) async fn fit_and_report(
    output: &dyn Store,
    threads: usize,
    plan: &Plan,
    clock: &Clock<'_>,
    rank: Rank,
) -> Result<ModelInfo, Error> {
    combine(output, plan, clock).await?;
    let reduced = reduce(output, threads, plan, clock).await?;
    if let Some(notice) = &reduced.notice {
        clock.observer.notice(notice);
    }
    project(output, threads, plan, clock).await?;
    let site = &Site::of(output.location());
    let report =
        |timings: Vec<Timing>| async move { report::report_as(rank, output, &plan.run_id, &timings, site).await };
    clock.time(Stage::Report, 1, report).await
}

async fn plan(job: &Job<'_>, (run_id, replans): (&RunId, u32), clock: &Clock<'_>) -> Result<Plan, Error> {
    let recipe = recipe::of(job.pool.extractor().model());
    let on_file = || clock.observer.file_listed();
    let request = PlanRequest {
        run_id,
        started: clock.started,
        options: job.options,
        recipe: &recipe,
        models: job.models,
        replans,
        counted: Counted::OverTheRun,
        in_place_of: None,
        on_file: &on_file,
    };
    clock.time(Stage::Plan, 1, |_| plan::plan(job.input, job.output, &request)).await
}

async fn extract(job: &Job<'_>, plan: &Plan, fragments: &Fragments<'_>, clock: &Clock<'_>) -> Result<Extracted, Error> {
    let missing = planned::read_missing(job.output, plan).await?;
    let images = missing.iter().map(|shard| shard.images).sum();
    if images < plan.images {
        let there = plan.images - images;
        clock.observer.notice(&format!("{there} of {} images are in parts that exist already", plan.images));
    }
    let extraction = Extraction::new(job.input, job.output, job.pool, fragments);
    let on_image = |done| match done {
        Done::Computed => clock.observer.item_done(Stage::Extract),
        Done::Found => clock.observer.item_there(Stage::Extract),
    };
    clock
        .time(Stage::Extract, images, |_| async {
            let extract = |shard: Shard| {
                let extraction = &extraction;
                async move { extraction.extract(&shard, &on_image).await }
            };
            let at_once = if plan.recipe.is_wide() { WIDE_SHARDS_AT_ONCE } else { SHARDS_AT_ONCE };
            let each = stream::iter(missing).map(extract).buffer_unordered(at_once);
            each.try_fold(Extracted::default(), |total, shard| async move { Ok(total.plus(shard)) }).await
        })
        .await
}

async fn combine(output: &dyn Store, plan: &Plan, clock: &Clock<'_>) -> Result<(), FileError> {
    // The last level is reduce's.
    for level in 1..plan.merge_levels {
        let groups = combine::read_level(output, &plan.run_id, &plan.digests, level).await?;
        clock
            .time(Stage::Combine, groups.len() as u64, |_| async {
                let mut damages = Damages::default();
                for group in &groups {
                    damages.keep(combine::combine(output, group).await)?;
                    clock.observer.item_done(Stage::Combine);
                }
                damages.finish()
            })
            .await?;
    }
    Ok(())
}

/// Fits; before each step its pass, where there are any.
async fn reduce(output: &dyn Store, threads: usize, plan: &Plan, clock: &Clock<'_>) -> Result<Reduced, Error> {
    let at_once = sweep::groups_at_once(plan.recipe.feature_width, threads);
    loop {
        match clock.time(Stage::Reduce, 1, |_| fit::advance(output, &plan.run_id)).await? {
            Advance::Done(reduced) => return Ok(reduced),
            Advance::Sweep(pass) => {
                clock.observer.pass_started(&pass);
                clock.time(Stage::Sweep, pass.parts, |_| sweep_pass(output, threads, (&pass, at_once), clock)).await?;
            }
        }
    }
}

async fn sweep_pass(
    output: &dyn Store,
    threads: usize,
    (pass, at_once): (&Pass, usize),
    clock: &Clock<'_>,
) -> Result<(), FileError> {
    let on_part = || clock.observer.item_done(Stage::Sweep);
    let sweep = |group| sweep::sweep(output, group, threads, &on_part);
    let mut each = stream::iter(&pass.missing).map(sweep).buffer_unordered(at_once);
    let mut damages = Damages::default();
    while let Some(swept) = each.next().await {
        damages.keep(swept)?;
    }
    damages.finish()
}

async fn project(output: &dyn Store, threads: usize, plan: &Plan, clock: &Clock<'_>) -> Result<(), Error> {
    let shards = planned::read_shards(output, plan).await?;
    let projection = Projection::open(output, &plan.run_id).await?;
    let at_once = project::shards_at_once(plan.recipe.feature_width, threads);
    clock
        .time(Stage::Project, shards.len() as u64, |_| async {
            let project = |shard: Shard| {
                let projection = &projection;
                async move { projection.project(&shard).await.map(|_| clock.observer.item_done(Stage::Project)) }
            };
            let mut each = stream::iter(shards).map(project).buffer_unordered(at_once);
            let mut damages = Damages::default();
            while let Some(projected) = each.next().await {
                match projected {
                    Err(Error::File(error)) => damages.keep(Err(error))?,
                    projected => Some(projected?),
                };
            }
            Ok(damages.finish()?)
        })
        .await
}

/// Times the stages and tells the observer.
pub(crate) struct Clock<'a> {
    pub(crate) started: DateTime<Utc>,
    pub(crate) observer: &'a dyn Observer,
    timings: std::sync::Mutex<Vec<Timing>>,
}

impl<'a> Clock<'a> {
    pub(crate) fn new(observer: &'a dyn Observer) -> Self {
        Self { started: clock::now(), observer, timings: std::sync::Mutex::default() }
    }

    /// Runs a stage; it is given the timings of those before it.
    pub(crate) async fn time<T, E, F>(
        &self,
        stage: Stage,
        items: u64,
        run: impl FnOnce(Vec<Timing>) -> F,
    ) -> Result<T, E>
    where
        F: Future<Output = Result<T, E>>,
    {
        let started = clock::now();
        self.observer.stage_started(stage, items);
        let before = self.lock().clone();
        let result = run(before).await?;
        let timing = Timing { stage, started, finished: clock::now(), items };
        tracing::info!(%stage, items, seconds = timing.seconds(), "stage finished");
        self.observer.stage_finished(&timing);
        self.lock().push(timing);
        Ok(result)
    }

    /// Forgets the stages of a plan that did not hold.
    fn forget(&self) {
        self.lock().clear();
    }

    fn into_timings(self) -> Vec<Timing> {
        self.timings.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<Timing>> {
        self.timings.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

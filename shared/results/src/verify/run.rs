//! The files of one run.

use std::sync::atomic::{AtomicBool, Ordering};

use chrono::TimeDelta;
use futures::stream::{self, StreamExt, TryStreamExt};
use pomona_formats::Error;
use pomona_formats::counters::Counters;
use pomona_formats::digests::{self, Digests};
use pomona_formats::error::Damage;
use pomona_formats::fits::Fits;
use pomona_formats::planned::{Plan, Shard};
use pomona_formats::{json, problem};
use pomona_run::layout::RunLayout;
use pomona_run::pace;
use pomona_run::{RunId, clock};

use super::checker::{Checker, File, Files};
use super::findings::{Consequence, Problem, Unvouched, Useless};
use super::survey::{Run, State};

/// How long Step Functions lets an execution be redriven (Step Functions guide, "Redriving executions").
const REDRIVABLE: TimeDelta = TimeDelta::days(14);

/// Checks the files of a run that has come so far.
pub(super) async fn check(checker: &Checker<'_>, run_id: &RunId, run: Run, state: State) -> Result<(), Error> {
    let layout = RunLayout::new(run_id.as_str());
    let files = Files::list(checker.output, &format!("{}/", layout.root())).await?;
    // A run without any mark had its tables when it had come to its end, unless they were removed since.
    let has_tables = layout.tables().iter().any(|folder| files.has_any_below(folder));
    let has_no_tables = run.has_removed_tables || !run.has_success && !has_tables;
    let looked_at =
        Looked { checker, layout, files, run, has_no_tables, run_id, rerun: Consequence::Rerun(run_id.clone()) };
    match state {
        State::Ended => looked_at.check_ended().await,
        State::Source => looked_at.check_source().await,
        State::GoingOn => {
            looked_at.all_own(|file| checker.unchecked(file, Unvouched::ByRunGoingOn));
            Ok(())
        }
        State::Forgotten => {
            looked_at.all_own(|file| checker.unneeded(file, Useless::ForgottenRun));
            Ok(())
        }
    }
}

/// Whether somebody may still let an execution that failed go on.
fn may_be_redriven(checker: &Checker<'_>, plan: &Plan) -> bool {
    checker.output.location().starts_with("s3://") && clock::now() - plan.started < REDRIVABLE
}

/// A run that is looked at.
struct Looked<'a> {
    checker: &'a Checker<'a>,
    run_id: &'a RunId,
    layout: RunLayout,
    /// Its files that were not looked at yet.
    files: Files,
    run: Run,
    /// Its tables were removed, or are not all removed yet.
    has_no_tables: bool,
    rerun: Consequence,
}

/// What of the files that vouch for others is whole.
#[derive(Debug, Default)]
struct Vouchers {
    are_damaged: AtomicBool,
}

impl Vouchers {
    /// What was read, of which nothing is damage.
    fn noted<T>(&self, read: Option<T>) -> Option<T> {
        if read.is_none() {
            self.are_damaged.store(true, Ordering::Relaxed);
        }
        read
    }
}

impl Looked<'_> {
    /// Files that the run has written, all at once.
    fn all_own(self, write_down: impl Fn(File)) {
        for file in self.files.into_rest() {
            if self.layout.has(&file.key) { write_down(file) } else { self.checker.unknown(file) }
        }
    }

    /// Everything that a run of which the checks were passed has written.
    async fn check_ended(self) -> Result<(), Error> {
        let vouchers = Vouchers::default();
        self.check_mark();
        let plan = self.check_plan(&self.rerun).await?;
        let shards = match vouchers.noted(plan) {
            Some(plan) => vouchers.noted(self.check_planned(&plan).await?),
            None => None,
        };
        if self.files.has(&self.layout.fits()) {
            let fits = self.files.take(self.layout.fits());
            self.checker.check(&fits, &Consequence::Nothing, json::unseal::<Fits>).await?;
        }
        for record in [self.layout.reduce_digests(), self.layout.report_digests()] {
            let read = self.checker.check(&self.files.take(record), &self.rerun, Digests::decode_record).await?;
            if let Some(digests) = vouchers.noted(read) {
                self.check_vouched(digests).await?;
            }
        }
        let counters = match shards {
            Some(shards) => shards.iter().map(|shard| self.layout.counters(shard.shard)).collect(),
            None => self.files.below(&self.layout.all_counters()),
        };
        self.check_counted(counters, &vouchers).await?;
        self.check_rest(vouchers.are_damaged.into_inner()).await
    }

    /// An empty file says that the run succeeded; another says that it did, and lost its tables.
    fn check_mark(&self) {
        let (success, removed) = (self.layout.success(), self.layout.tables_removed());
        let unmarked = Consequence::Unmarked(self.run_id.clone());
        if self.run.has_success {
            let mark = self.files.take(success);
            match mark.bytes {
                Some(1..) => {
                    let problem = Problem::Damaged(Damage::Altered);
                    self.checker.pass(&mark);
                    self.checker.damaged(&mark, problem, &unmarked);
                }
                _ => self.checker.whole(&mark),
            }
        } else if !self.run.has_removed_tables {
            let mark = if self.has_no_tables { &removed } else { &success };
            self.checker.missing(mark, &unmarked);
        }
        self.checker.unchecked(self.files.take(removed), Unvouched::ByNobody);
    }

    async fn check_plan(&self, follows: &Consequence) -> Result<Option<Plan>, Error> {
        let run_id = self.run_id.clone();
        let decode = move |key: &str, bytes: &[u8]| Plan::decode(&run_id, key, bytes);
        self.checker.check(&self.files.take(self.layout.plan()), follows, decode).await
    }

    /// What the plan vouches for; its shards, where these are whole.
    async fn check_planned(&self, plan: &Plan) -> Result<Option<Vec<Shard>>, Error> {
        let mut shards = None;
        for (key, sha256) in plan.digests.iter() {
            if key == self.layout.shards() {
                shards = self.check_shards(sha256, &self.rerun).await?;
            } else if !self.layout.is_read_by_own_run_only(key) {
                self.checker.check_digest(&self.files.take(key), &self.rerun, sha256).await?;
            } else if self.files.has(key) {
                self.checker.check_digest(&self.files.take(key), &Consequence::Nothing, sha256).await?;
            }
        }
        if let Some(shards) = &shards {
            self.check_listing(shards, &self.rerun).await?;
        }
        Ok(shards)
    }

    async fn check_shards(&self, sha256: &str, follows: &Consequence) -> Result<Option<Vec<Shard>>, Error> {
        let sha256 = sha256.to_owned();
        let decode = move |key: &str, bytes: &[u8]| {
            digests::check(key, bytes, &sha256)?;
            json::decode(key, bytes)
        };
        self.checker.check(&self.files.take(self.layout.shards()), follows, decode).await
    }

    async fn check_listing(&self, shards: &[Shard], follows: &Consequence) -> Result<(), Error> {
        let checks = shards.iter().map(|shard| (self.files.take(self.listing(shard)), &shard.listing_sha256));
        stream::iter(checks.map(Ok))
            .try_for_each_concurrent(pace::REQUESTS, |(file, sha256)| async move {
                self.checker.check_digest(&file, follows, sha256).await.map(drop)
            })
            .await
    }

    fn listing(&self, shard: &Shard) -> String {
        let key = self.layout.listing(shard.shard, &shard.listing_sha256);
        let before = self.layout.listing_by_number(shard.shard);
        if !self.files.has(&key) && self.files.has(&before) { before } else { key }
    }

    /// The files that a record vouches for, but for tables that were removed.
    async fn check_vouched(&self, digests: Digests) -> Result<(), Error> {
        for (key, sha256) in digests.iter() {
            if !(self.has_no_tables && self.layout.is_table(key)) {
                self.checker.check_digest(&self.files.take(key), &self.rerun, sha256).await?;
            }
        }
        Ok(())
    }

    /// Counters, and the tables of the shards that they are of.
    async fn check_counted(&self, counters: Vec<String>, vouchers: &Vouchers) -> Result<(), Error> {
        let check = |key: String| async move {
            let file = self.files.take(key);
            let read = self.checker.check(&file, &self.rerun, json::unseal::<Counters>).await?;
            match vouchers.noted(read) {
                Some(counters) => self.check_vouched(counters.files).await,
                None => Ok(()),
            }
        };
        stream::iter(counters).map(check).buffer_unordered(pace::REQUESTS).try_collect().await
    }

    /// What nothing whole vouches for.
    async fn check_rest(self, are_vouchers_damaged: bool) -> Result<(), Error> {
        let Self { checker, layout, files, has_no_tables, .. } = self;
        for file in files.into_rest() {
            if !layout.has(&file.key) {
                checker.unknown(file);
            } else if has_no_tables && layout.is_table(&file.key) {
                checker.unneeded(file, Useless::RemovedTable);
            } else if file.key.starts_with(&layout.problems()) {
                checker.check(&file, &Consequence::Nothing, problem::check).await?;
            } else if layout.is_vouched_for_by_nobody(&file.key) {
                checker.unchecked(file, Unvouched::ByNobody);
            } else if are_vouchers_damaged {
                checker.unchecked(file, Unvouched::ByDamaged);
            } else if layout.is_of_plan(&file.key) {
                checker.unneeded(file, Useless::EarlierPlan);
            } else {
                checker.unknown(file);
            }
        }
        Ok(())
    }

    /// What later runs look at of a run that did not succeed. It promises nothing, so nothing is missing of it.
    async fn check_source(self) -> Result<(), Error> {
        let follows = Consequence::NotTakenOver;
        let plan = self.check_plan(&follows).await?;
        let shards = self.layout.shards();
        let sha256 = plan.as_ref().and_then(|plan| plan.digests.get(&shards));
        if let Some(sha256) = sha256.filter(|_| self.files.has(&shards))
            && let Some(mut shards) = self.check_shards(sha256, &follows).await?
        {
            shards.retain(|shard| self.files.has(&self.listing(shard)));
            self.check_listing(&shards, &follows).await?;
        }
        if self.files.has(&self.layout.fits()) {
            let fits = self.files.take(self.layout.fits());
            self.checker.check(&fits, &Consequence::Nothing, json::unseal::<Fits>).await?;
        }
        let may_go_on = self.run.is_withdrawn || plan.is_some_and(|plan| may_be_redriven(self.checker, &plan));
        let Self { checker, layout, files, .. } = self;
        for file in files.into_rest() {
            let is_of_projection = layout.is_table(&file.key) || file.key.starts_with(&layout.all_counters());
            if !layout.has(&file.key) {
                checker.unknown(file);
            } else if is_of_projection && !may_go_on {
                checker.unneeded(file, Useless::UnfinishedTable);
            } else if file.key.starts_with(&layout.problems()) {
                checker.check(&file, &Consequence::Nothing, problem::check).await?;
            } else {
                checker.unchecked(file, Unvouched::ByUnfinishedRun);
            }
        }
        Ok(())
    }
}

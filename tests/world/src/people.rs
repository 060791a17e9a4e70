//! What people and the calendar do.

use std::collections::BTreeSet;
use std::rc::Rc;
use std::time::Duration;

use chrono::TimeDelta;
use pomona_formats::lock_file::Lock;
use pomona_run::RunId;
use pomona_run::layout::LOCK;
use pomona_run::place::Place as FilePlace;
use pomona_stages::erase::Older;
use serde_json::{Value, json};
use tokio::time::sleep;

use crate::bucket::{Blob, Objects, Place, etag_of};
use crate::dice::Dice;
use crate::execution::Execution;
use crate::history::Deed;
use crate::images;
use crate::invariants;
use crate::met::Trouble;
use crate::world::World;

/// Earlier runs whose parts a plan looks through (shared/stages/src/history.rs): an image that comes back after more of
/// them is computed again.
const RUNS_LOOKED_THROUGH: usize = 32;

/// The states that an erasure passes through, and nearly all of those that do something.
const OF_ERASURES: [&str; 11] = [
    "EraseBegin",
    "Search",
    "EraseRemake",
    "Rebuild",
    "Reduce",
    "Project",
    "Report",
    "EraseRemove",
    "IsAllRemoved",
    "SearchAgain",
    "EraseCertify",
];

/// So long people wait for what they want to stop.
const PATIENCE: TimeDelta = TimeDelta::minutes(20);

const DAY: Duration = Duration::from_secs(86_400);

impl World {
    pub(crate) async fn act(self: &Rc<Self>, deed: &Deed) {
        self.note(|| deed.to_string());
        let output = self.with_bucket(Place::Output, |bucket| bucket.objects().clone());
        self.earlier_outputs.borrow_mut().push(output);
        match deed {
            Deed::Upload { first, count, version } => self.upload(*first, *count, *version).await,
            Deed::KeepReplacing { image, seconds } => {
                for second in 0..*seconds {
                    self.upload(*image, 1, second % 4).await;
                    sleep(Duration::from_secs(1)).await;
                }
            }
            Deed::Delete { first, count } => {
                self.delete(|key| (*first..first + count).any(|image| images::key(image) == key))
            }
            Deed::DeleteLabel(label) => {
                let folder = format!("{}/", images::LABELS[*label as usize]);
                self.delete(|key| key.starts_with(&folder));
            }
            Deed::Start(options) => self.start_by_hand("", options),
            Deed::StartTwice(options) => {
                self.start_by_hand("a", options);
                self.start_by_hand("b", options);
            }
            Deed::LeaveLock => self.leave_lock(),
            Deed::Stop => {
                self.going().iter().for_each(|execution| execution.stop.notify_one());
                self.interrupt.notify_waiters();
            }
            Deed::StopMap => {
                let in_map = |execution: &&Rc<Execution>| execution.map.borrow().is_some();
                self.wait_until(|| self.going().iter().any(|execution| in_map(&execution))).await;
                self.going().iter().filter(in_map).for_each(|execution| execution.stop_map.notify_one());
            }
            Deed::Redrive => {
                let newest = self.executions.borrow().last().cloned();
                if let Some(newest) = newest.filter(|newest| !newest.is_running()) {
                    self.redrive(&newest);
                }
            }
            Deed::StopAndRedrive(number) => {
                let states: Vec<&str> = self.machine.states.keys().map(String::as_str).collect();
                let start = || self.start_by_hand("", &self.setting.run_options);
                self.stop_and_redrive(states[(number % states.len() as u64) as usize], start, false).await;
            }
            Deed::Deploy(version) => {
                if !self.going().is_empty() && self.version.get() != *version {
                    self.count(Trouble::DeployedUnderRun);
                }
                self.comes_back();
                self.version.set(*version);
                self.count_needed();
            }
            Deed::DeleteAtOutput(prefix) => self.delete_at_output(prefix),
            Deed::Restore => self.restore(),
            Deed::RollBack(deeds) => self.roll_back(*deeds),
            Deed::RunProgram(options, version) => self.run_program(options, *version),
            Deed::Mend => self.mend(),
            Deed::Erase { first, count, on_aws: true, .. } => {
                self.erase_on_aws((*first..first + count).map(images::key).collect());
            }
            Deed::Erase { first, count, rewrites, .. } => {
                let older = if *rewrites { Older::Rewrite } else { Older::Delete };
                self.erase((*first..first + count).map(images::key).collect(), older);
            }
            Deed::StopAndRedriveErasure { first, count, state, after_run } => {
                let start = || self.erase_on_aws((*first..first + count).map(images::key).collect());
                let state = OF_ERASURES[(state % OF_ERASURES.len() as u64) as usize];
                self.stop_and_redrive(state, start, *after_run).await;
            }
            Deed::AllowAgain { first, count } => {
                self.allow_again((*first..first + count).map(images::key).collect());
            }
        }
    }

    /// Where somebody holds the output the program would not have begun.
    fn leave_lock(&self) {
        let (run_id, until) = ("20260101T120000Z-0123abcd".parse().expect("a run's name"), self.now());
        let lock = Lock { run_id, holder: "program that died".into(), since: until - TimeDelta::seconds(90), until };
        let bytes = pomona_formats::json::encode(LOCK, &lock).expect("a lock");
        self.with_bucket(Place::Output, |bucket| {
            if bucket.get(LOCK).is_none() {
                self.count(Trouble::LockLeft);
                bucket.put(LOCK, bytes, self.now());
            }
        });
    }

    /// Starts an execution, stops the first one that enters a state, and lets it go on there, at once or after a run.
    async fn stop_and_redrive(self: &Rc<Self>, state: &str, start: impl FnOnce(), after_run: bool) {
        self.note(|| format!("that is {state}"));
        self.stop_in.replace(Some(state.to_owned()));
        start();
        // Before it starts an erasure is asked for.
        self.wait_until(|| self.stop_in.borrow().is_none() || !self.going().is_empty()).await;
        self.wait_until(|| self.stop_in.borrow().is_none() || self.going().is_empty()).await;
        self.stop_in.take();
        let stopped = self.stopped.take();
        // So long until it has ended.
        sleep(Duration::from_secs(1)).await;
        if after_run {
            self.start_by_hand("", &self.setting.run_options);
            self.wait_until(|| self.going().is_empty()).await;
        }
        let stopped =
            self.executions.borrow().iter().find(|execution| Some(&execution.name) == stopped.as_ref()).cloned();
        if let Some(stopped) = stopped {
            self.redrive(&stopped);
        }
    }

    /// Waits, but not for ever.
    async fn wait_until(&self, is_so: impl Fn() -> bool) {
        let begun = self.now();
        while !is_so() && self.now() - begun < PATIENCE {
            sleep(Duration::from_secs(1)).await;
        }
    }

    /// Executions that have not ended.
    pub(crate) fn going(&self) -> Vec<Rc<Execution>> {
        self.executions.borrow().iter().filter(|execution| execution.is_running()).cloned().collect()
    }

    pub(crate) fn start_by_hand(self: &Rc<Self>, suffix: &str, options: &Value) {
        let name = format!("by-hand-{}{suffix}", self.now().format("%Y%m%dT%H%M%S"));
        self.start(&name, &json!({"options": options}));
    }

    /// One after the other, a moment apart.
    async fn upload(&self, first: u64, count: u64, version: u64) {
        for image in first..first + count {
            let (key, bytes) = (images::key(image), images::content(image, version));
            let was_there = self.contents.borrow_mut().insert(etag_of(&bytes), bytes.clone()).is_some();
            if was_there {
                self.comes_back();
            }
            self.with_bucket(Place::Input, |bucket| bucket.put(&key, bytes, self.now()));
            self.input_changed.set(self.now());
            self.tell_of_object(&key, false);
            self.count_needed();
            sleep(Duration::from_millis(30)).await;
        }
    }

    /// What was computed may be too many runs ago.
    pub(crate) fn comes_back(&self) {
        if self.executions.borrow().len() > RUNS_LOOKED_THROUGH {
            self.bill.borrow_mut().forget();
        }
    }

    fn delete(&self, is_meant: impl Fn(&str) -> bool) {
        let deleted = self.with_bucket(Place::Input, |bucket| bucket.delete_all(|key, _| is_meant(key)));
        for key in deleted.keys() {
            self.input_changed.set(self.now());
            self.tell_of_object(key, true);
        }
    }

    pub(crate) fn count_needed(&self) {
        let mut versions = vec![self.version.get()];
        versions.extend(self.versions_of_programs.borrow().iter());
        let mut bill = self.bill.borrow_mut();
        self.with_bucket(Place::Input, |bucket| {
            for version in versions {
                bucket.objects().iter().for_each(|(key, blob)| bill.need(key, &blob.etag, &version.to_string()));
            }
        });
    }

    fn delete_at_output(&self, prefix: &str) {
        let deleted = self.with_bucket(Place::Output, |bucket| bucket.delete_all(|key, _| key.starts_with(prefix)));
        if !deleted.is_empty() {
            self.count(Trouble::OutputDeleted);
        }
        self.deleted.replace(Some(deleted));
        self.promises.borrow_mut().clear();
        self.disturb_output();
    }

    fn restore(&self) {
        if let Some(deleted) = self.deleted.take() {
            self.count(Trouble::OutputRestored);
            self.with_bucket(Place::Output, |bucket| {
                // Two plans of a run that was made anew since are mixed then.
                let now: BTreeSet<RunId> = bucket.objects().keys().filter_map(|key| FilePlace::run_of(key)).collect();
                let brought_back = deleted.keys().filter_map(|key| FilePlace::run_of(key));
                self.harmed.borrow_mut().extend(brought_back.filter(|run_id| now.contains(run_id)));
                deleted.into_iter().for_each(|(key, blob)| bucket.put_blob(&key, blob));
            });
            self.promises.borrow_mut().clear();
            self.disturb_output();
        }
    }

    fn roll_back(&self, deeds: usize) {
        let earlier = self.earlier_outputs.borrow().iter().rev().nth(deeds).cloned();
        if let Some(earlier) = earlier {
            self.count(Trouble::OutputRolledBack);
            self.with_bucket(Place::Output, |bucket| {
                bucket.delete_all(|key, _| !earlier.contains_key(key));
                let is_as_now = |key: &str, blob: &Blob| bucket.get(key).is_some_and(|now| now.etag == blob.etag);
                let replaced: Objects = earlier.into_iter().filter(|(key, blob)| !is_as_now(key, blob)).collect();
                replaced.into_iter().for_each(|(key, blob)| bucket.put_blob(&key, blob));
            });
            self.promises.borrow_mut().clear();
            self.disturb_output();
        }
    }

    pub(crate) fn disturb_output(&self) {
        self.output_changed.set(self.now());
        self.harmed.borrow_mut().extend(self.going().iter().map(|execution| invariants::run_id(execution)));
        self.bill.borrow_mut().forget();
    }

    /// EventBridge's clock.
    pub(crate) async fn follow_schedule(self: Rc<Self>) {
        let Some(every) = self.setting.schedule else { return };
        for number in 0.. {
            sleep(every).await;
            // EventBridge names executions itself.
            self.start(&format!("scheduled-{number}"), &json!({"options": self.setting.run_options}));
        }
    }

    /// The output's lifecycle, which is a day or so behind.
    pub(crate) async fn expire(self: Rc<Self>) {
        let mut dice = Dice::of(self.seed, "lifecycle");
        loop {
            sleep(dice.between(DAY / 2, DAY)).await;
            let (now, days) = (self.now(), i64::try_from(self.setting.parts_expire_days).expect("few days"));
            let expired = self.with_bucket(Place::Output, |bucket| {
                let is_expired = |key: &str, blob: &Blob| {
                    let expires = ["parts/", "nodes/", "sweeps/"].iter().any(|prefix| key.starts_with(prefix));
                    expires && (now - blob.written).num_days() >= days && dice.chance(0.7)
                };
                bucket.delete_all(is_expired).len()
            });
            if expired > 0 {
                self.count(Trouble::Expires);
                self.note(|| format!("{expired} objects at the output expire"));
                self.bill.borrow_mut().forget();
            }
        }
    }
}

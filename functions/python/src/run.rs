//! `pomona.run`.

use std::ffi::OsString;
use std::mem;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use pomona_cli::{RunArgs, parse, run_observed, runtime};
use pomona_run::stage::{Stage, Timing};
use pomona_stages::fit::Pass;
use pomona_stages::local::Observer;
use pyo3::prelude::*;
use tokio::sync::Notify;

use crate::error;
use crate::interruptible::{Stopped, interruptible};

/// How far a run has got, for who looks at it now and then.
#[derive(Default)]
struct Watched(Mutex<Progress>);

#[derive(Clone, Default)]
struct Progress {
    stage: Option<Stage>,
    items: u64,
    done: u64,
    notices: Vec<String>,
    /// Whether there has been a stage: before the first one nothing has been written.
    has_begun: bool,
}

impl Watched {
    fn progress(&self) -> MutexGuard<'_, Progress> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What there is to see, with the notices since the last time.
    fn look(&self) -> Progress {
        let mut progress = self.progress();
        let notices = mem::take(&mut progress.notices);
        Progress { notices, ..progress.clone() }
    }
}

impl Observer for Watched {
    fn stage_started(&self, stage: Stage, items: u64) {
        let mut progress = self.progress();
        (progress.stage, progress.items, progress.done) = (Some(stage), items, 0);
        progress.has_begun = true;
    }

    fn file_listed(&self) {
        self.progress().done += 1;
    }

    fn item_done(&self, _: Stage) {
        self.progress().done += 1;
    }

    fn item_there(&self, _: Stage) {
        self.progress().done += 1;
    }

    fn stage_finished(&self, _: &Timing) {
        self.progress().stage = None;
    }

    fn pass_started(&self, _: &Pass) {}

    fn notice(&self, text: &str) {
        self.progress().notices.push(text.to_owned());
    }
}

/// Runs the pipeline with the flags of `pomona run`, and returns the run's name; none where it was stopped.
///
/// `on_progress(stage, unit, done, total, notices)` is called now and then: `stage` is none between stages, `total` is 0
/// while files are listed.
#[pyfunction]
pub(crate) fn run(py: Python<'_>, flags: Vec<OsString>, on_progress: Option<Py<PyAny>>) -> PyResult<Option<String>> {
    let args: RunArgs = parse(flags).map_err(|problem| error::of_options(&problem))?;
    let (watched, stopped) = (Arc::new(Watched::default()), Arc::new(Notify::new()));
    let work = {
        let (watched, stopped) = (watched.clone(), stopped.clone());
        move || {
            let runtime = runtime()?;
            let finished = runtime.block_on(run_observed(args, watched.as_ref(), stopped.notified()));
            // A computation that is under way when a run is stopped is not waited for.
            runtime.shutdown_background();
            finished
        }
    };
    let tick = |py: Python<'_>| match &on_progress {
        Some(on_progress) => show(py, on_progress, watched.look()),
        None => Ok(()),
    };
    let stop = || {
        // Kept for a run that has yet to begin.
        stopped.notify_one();
        if watched.progress().has_begun { Stopped::Ending } else { Stopped::Left }
    };
    let finished = interruptible(py, work, stop, tick)?;
    Ok(finished.map_err(error::exception)?.map(|summary| summary.plan.run_id.to_string()))
}

fn show(py: Python<'_>, on_progress: &Py<PyAny>, progress: Progress) -> PyResult<()> {
    let Progress { stage, items, done, notices, .. } = progress;
    let total = if stage == Some(Stage::Plan) { 0 } else { items };
    let unit = match stage {
        Some(Stage::Plan) => Some("files"),
        stage => stage.and_then(|stage| stage.unit(items)),
    };
    on_progress.call1(py, (stage.map(Stage::as_str), unit.unwrap_or_default(), done, total, notices)).map(drop)
}

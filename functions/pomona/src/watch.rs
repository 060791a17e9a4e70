//! `pomona watch`: follow an execution on AWS to its end.

use std::sync::OnceLock;
use std::time::Duration;

use clap::Args;
use pomona_aws::{MapRun, Pass, Stack, State, Status};
use pomona_run::stage::Stage;

use crate::progress::{Bar, Progress};
use crate::stack::{self, ExecutionArgs};
use crate::{Ending, Error, console, problem, signals, status};

/// How often AWS is asked.
const INTERVAL: Duration = Duration::from_secs(5);

/// Follow a run on AWS to its end; Ctrl-C leaves it going
#[derive(Debug, Args)]
pub(crate) struct WatchArgs {
    #[command(flatten)]
    execution: ExecutionArgs,
}

/// Runs `pomona watch`.
pub(crate) async fn run(args: WatchArgs, quiet: bool) -> Result<Ending, Error> {
    let (stack, execution) = args.execution.find().await?;
    let progress = Progress::new(quiet);
    let received = OnceLock::new();
    let status = tokio::select! {
        status = follow(&stack, &execution, &progress) => status?,
        () = signals::wait(&received) => {
            let arguments = stack::arguments(&stack, &execution);
            progress.say(&format!("the run goes on without being watched: `pomona watch {arguments}` shows it again"));
            progress.say(&format!("to stop it: `pomona stop {arguments}`"));
            return Ok(received.into_inner().map_or(Ending::Done, Ending::Stopped));
        }
    };
    if !quiet {
        console::show(&status::screen(&problem::with_message(status.clone()).await))?;
    }
    if status.state == State::Succeeded { Ok(Ending::Done) } else { Err(Error::RunFailed) }
}

/// Shows the execution until it ends.
async fn follow(stack: &Stack, execution: &str, progress: &Progress) -> Result<Status, Error> {
    let mut shown = Shown { stage: None, bar: None };
    loop {
        let status = stack.status(execution).await?;
        if status.has_ended() {
            return Ok(status);
        }
        shown.update(&status, progress);
        tokio::time::sleep(INTERVAL).await;
    }
}

/// What is on the screen.
struct Shown {
    stage: Option<Stage>,
    /// The bar, and the Map Run that it is about.
    bar: Option<(String, Bar)>,
}

impl Shown {
    fn update(&mut self, status: &Status, progress: &Progress) {
        let going = status.map_runs.last().filter(|map_run| map_run.ended.is_none() && map_run.total > 0);
        if self.bar.as_ref().map(|(map_run, _)| map_run) != going.map(|map_run| &map_run.map_run) {
            self.bar = None;
        }
        if let Some(stage) = status.stage.filter(|_| self.stage != status.stage) {
            self.stage = status.stage;
            // Passes tell of themselves.
            if status.pass.is_none() {
                progress.say(stage.as_str());
            }
        }
        if let Some(Pass { method, pass, distance }) = status.pass {
            progress.tell_pass(method, pass, distance);
        }
        if let Some(map_run) = going {
            let (_, bar) = self.bar.get_or_insert_with(|| (map_run.map_run.clone(), bar(map_run, progress)));
            // Of a long list not all items are known at once.
            bar.reach(done(map_run), map_run.total);
        }
    }
}

fn bar(map_run: &MapRun, progress: &Progress) -> Bar {
    let (name, unit) = (status::stage_name(map_run.stage), status::unit(map_run.stage));
    let is_one_of_many = map_run.stage == Some(Stage::Sweep);
    progress.bar_from(name, unit, done(map_run), map_run.total).one_of_many(is_one_of_many)
}

fn done(map_run: &MapRun) -> u64 {
    map_run.succeeded + map_run.failed
}

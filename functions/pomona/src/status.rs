//! `pomona status`: an execution on AWS in one screen.

use std::fmt::Write;

use chrono::{DateTime, Utc};
use clap::Args;
use pomona_aws::{Failure, MapRun, Pass, Status};
use pomona_run::executions;
use pomona_run::stage::Stage;
use serde_json::Value;

use crate::progress::describe_pass;
use crate::stack::ExecutionArgs;
use crate::{Ending, Error, console, problem};

/// Show how a run on AWS is going, or why it failed
#[derive(Debug, Args)]
pub(crate) struct StatusArgs {
    #[command(flatten)]
    execution: ExecutionArgs,
    /// Print JSON, for scripts
    #[arg(long)]
    json: bool,
}

/// Runs `pomona status`.
pub(crate) async fn run(args: StatusArgs) -> Result<Ending, Error> {
    let (stack, execution) = args.execution.find().await?;
    let status = problem::with_message(stack.status(&execution).await?).await;
    if args.json {
        console::print_json(&serde_json::to_string_pretty(&status)?)?;
    } else {
        console::show(&screen(&status))?;
    }
    Ok(Ending::Done)
}

/// The lines that tell an execution's status.
pub(crate) fn screen(status: &Status) -> String {
    let mut text = String::new();
    let mut line = |name: &str, value: String| {
        // Writing to a string cannot fail.
        let _ = writeln!(text, "{name:<10} {value}");
    };
    line("execution", status.execution.clone());
    line("state", status.state.as_str().to_owned());
    line("started", moment(status.started));
    if let Some(ended) = status.ended {
        line("ended", format!("{} ({} s)", moment(ended), (ended - status.started).num_seconds()));
    }
    if let Some(stage) = status.stage {
        line("stage", stage.to_string());
    }
    if let Some(Pass { method, pass, distance }) = status.pass {
        line("pass", describe_pass(method, pass, distance));
    }
    for map_run in &status.map_runs {
        line(stage_name(map_run.stage), items(map_run));
    }
    match &status.report {
        Some(erased) if is_erasure(status) => {
            line("erased", format!("{} images, {} files deleted", erased["images"], erased["deleted"]));
            let said = |value: &Value| value.as_str().map(str::to_owned);
            line("new run", said(&erased["run"]).unwrap_or_else(|| "none".to_owned()));
            let certificates = erased["certificates"].as_array().into_iter().flatten().filter_map(said);
            certificates.for_each(|certificate| line("proof", certificate));
        }
        Some(report) => {
            line("images", format!("{}, of which {} could not be used", report["images"], report["rejects"]));
            line("results", status.results.clone());
        }
        None => {}
    }
    if let Some(Failure { error, cause, advice }) = &status.failure {
        line("error", error.clone());
        line("cause", cause.clone());
        if let Some(advice) = advice {
            line("meaning", advice.meaning.to_owned());
            line("remedy", advice.remedy.to_owned());
        }
        if !is_erasure(status) {
            line("run folder", status.results.clone());
        }
    }
    text
}

/// Such an execution makes no run of its own name.
fn is_erasure(status: &Status) -> bool {
    status.execution.rsplit(':').next().is_some_and(|name| name.starts_with(executions::OF_ERASURES))
}

/// What a Map works on.
pub(crate) fn unit(stage: Option<Stage>) -> &'static str {
    stage.and_then(|stage| stage.spec().children).unwrap_or("children")
}

/// A stage's name, also where the Map is none of ours.
pub(crate) fn stage_name(stage: Option<Stage>) -> &'static str {
    stage.map_or("map", Stage::as_str)
}

fn items(map_run: &MapRun) -> String {
    let MapRun { total, succeeded, left_out, running, failed, .. } = map_run;
    let mut text = format!("{succeeded} of {total} {}", unit(map_run.stage));
    for (count, what) in [(left_out, "left out for now"), (running, "being worked on"), (failed, "failed")] {
        if *count > 0 {
            // Writing to a string cannot fail.
            let _ = write!(text, ", {count} {what}");
        }
    }
    text
}

pub(crate) fn moment(time: DateTime<Utc>) -> String {
    time.format("%Y-%m-%d %H:%M:%S UTC").to_string()
}

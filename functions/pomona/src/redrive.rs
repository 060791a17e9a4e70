//! `pomona redrive`: let an execution on AWS that did not succeed go on.

use clap::Args;
use pomona_aws::Redriven;

use crate::stack::{self, NamedExecutionArgs};
use crate::{Ending, Error, console, status};

/// Let a run on AWS that failed, was stopped or took too long go on where it ended
#[derive(Debug, Args)]
pub(crate) struct RedriveArgs {
    #[command(flatten)]
    execution: NamedExecutionArgs,
    /// Print JSON, for scripts
    #[arg(long)]
    json: bool,
}

/// Runs `pomona redrive`.
pub(crate) async fn run(args: RedriveArgs) -> Result<Ending, Error> {
    let (stack, execution) = args.execution.find().await?;
    let redriven = stack.redrive(&execution).await?;
    if args.json {
        console::print_json(&serde_json::to_string_pretty(&redriven)?)?;
    } else {
        let arguments = stack::arguments(&stack, &execution);
        console::show(&screen(&redriven, &arguments))?;
    }
    Ok(Ending::Done)
}

/// How the execution had ended, and that it goes on.
fn screen(Redriven { before, redriven }: &Redriven, arguments: &str) -> String {
    let place = before.stage.map_or_else(String::new, |stage| format!(" in the stage {stage}"));
    format!(
        "{}redriven   {}: it goes on{place}; what is finished is not computed again\n\
         follow it  pomona watch {arguments}\n",
        status::screen(before),
        status::moment(*redriven)
    )
}

//! `pomona stop`: end an execution on AWS.

use clap::Args;
use pomona_aws::Stopped;

use crate::stack::{self, NamedExecutionArgs};
use crate::{Ending, Error, console, status};

/// Stop a run on AWS; what it has finished is kept
#[derive(Debug, Args)]
pub(crate) struct StopArgs {
    #[command(flatten)]
    execution: NamedExecutionArgs,
    /// Print JSON, for scripts
    #[arg(long)]
    json: bool,
}

/// Runs `pomona stop`.
pub(crate) async fn run(args: StopArgs) -> Result<Ending, Error> {
    let (stack, execution) = args.execution.find().await?;
    let stopped = stack.stop(&execution).await?;
    if args.json {
        console::print_json(&serde_json::to_string_pretty(&stopped)?)?;
    } else {
        console::show(&screen(&stopped, &stack::arguments(&stack, &execution)))?;
    }
    Ok(Ending::Done)
}

fn screen(Stopped { execution, started, stopped }: &Stopped, arguments: &str) -> String {
    format!(
        "execution  {execution}\n\
         stopped    {}, after {} s\n\
         kept       all parts that are finished; the next run does not compute them again\n\
         lock       void by itself: the next run on AWS takes the output\n\
         go on      pomona redrive {arguments}\n",
        status::moment(*stopped),
        (*stopped - *started).num_seconds()
    )
}

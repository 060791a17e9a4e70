//! `pomona start`: the whole pipeline on AWS.

use std::num::NonZeroU32;

use clap::Args;
use pomona_aws::RunRequest;
use pomona_run::{BucketLocation, RunId};

use crate::run::OptionArgs;
use crate::stack::{self, StackArgs};
use crate::{Ending, Error, console};

/// Start a run on AWS, with the stack's state machine, and return at once
#[derive(Debug, Args)]
pub(crate) struct StartArgs {
    /// The s3://bucket/prefix with the images [default: the stack's own]
    input: Option<BucketLocation>,
    /// The s3://bucket/prefix for the results [default: the stack's own]
    output: Option<BucketLocation>,
    #[command(flatten)]
    options: OptionArgs,
    /// Take the models of an earlier run at the same output instead of fitting new ones
    #[arg(long, value_name = "RUN-ID")]
    model: Option<RunId>,
    /// Shards that are worked on at once [default: the stack's own]
    #[arg(long, value_name = "N")]
    max_concurrency: Option<NonZeroU32>,
    #[command(flatten)]
    stack: StackArgs,
}

/// Runs `pomona start`.
pub(crate) async fn run(args: StartArgs, quiet: bool) -> Result<Ending, Error> {
    let request = RunRequest {
        input: args.input,
        output: args.output,
        options: args.options.into_options(),
        model: args.model,
        max_concurrency: args.max_concurrency,
    };
    request.validate()?;
    let stack = args.stack.find().await?;
    let execution = stack.start(&request).await?;
    if !quiet {
        let arguments = stack::arguments(&stack, &execution);
        console::tell(&format!(
            "started; follow it with `pomona watch {arguments}`, look at it with `pomona status {arguments}`"
        ));
    }
    console::show(&(execution + "\n"))?;
    Ok(Ending::Done)
}

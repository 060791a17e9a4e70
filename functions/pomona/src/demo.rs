//! `pomona demo`: the whole pipeline on pictures that Pomona draws itself.

use std::path::PathBuf;

use clap::Args;

use crate::model::{Fallback, ModelArgs};
use crate::run::{self, RunArgs};
use crate::{Ending, Error, console};

/// Draw some hundred pictures of made-up fruits and run the whole pipeline on them; without network on untrained
/// weights
#[derive(Debug, Args)]
pub(crate) struct DemoArgs {
    /// The folder for pictures and results
    #[arg(default_value = "pomona-demo")]
    folder: PathBuf,
    #[command(flatten)]
    model: ModelArgs,
}

/// Runs `pomona demo`.
pub(crate) async fn run(args: DemoArgs, quiet: bool) -> Result<Ending, Error> {
    let (images, results) = (args.folder.join("images"), args.folder.join("results"));
    let count = pomona_demo::draw(&images)?;
    if !quiet {
        console::tell(&format!("drew {count} pictures into {}", images.display()));
    }
    run::run(RunArgs::with_defaults(&images, &results, args.model), Fallback::Untrained, quiet).await
}

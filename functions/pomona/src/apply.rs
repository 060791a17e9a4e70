//! `pomona apply`: the models of an earlier run on other images.

use std::sync::OnceLock;

use clap::Args;
use pomona_run::Location;
use pomona_stages::models::Models;
use pomona_stages::open;

use crate::model::ModelArgs;
use crate::progress::Progress;
use crate::results::ResultsArgs;
use crate::run::{self, ImageArgs, MeansArgs, Wanted};
use crate::{Ending, Error, signals};

/// Use the models of an earlier run on other images: features, components and predicted labels, and nothing is fitted
#[derive(Debug, Args)]
pub(crate) struct ApplyArgs {
    #[command(flatten)]
    results: ResultsArgs,
    /// The folder (or s3://bucket/prefix) with the images
    input: Location,
    /// The folder (or s3://bucket/prefix) for the new results; may be that of the earlier ones
    output: Location,
    #[command(flatten)]
    images: ImageArgs,
    #[command(flatten)]
    model: ModelArgs,
    #[command(flatten)]
    means: MeansArgs,
}

/// Runs `pomona apply`.
pub(crate) async fn run(args: ApplyArgs, quiet: bool) -> Result<Ending, Error> {
    let options = args.images.into_options();
    options.validate()?;
    let (results, run_id) = args.results.locate().await?;
    let models = Models::find(results.as_ref(), run_id.as_ref()).await?;
    let from = args.input.into_absolute();
    let (place, archive) = pomona_dataset::parted(&from);
    let input = open::open(&place).await?;
    let progress = Progress::new(quiet);
    let model = args.model.load_for(models.recipe(), &progress)?;
    let to = args.output.to_string();
    let wanted =
        Wanted { from, input: input.as_ref(), archive, to: args.output, options, models: Some(&models), model };
    let received = OnceLock::new();
    let finished = run::make(wanted, args.means, &progress, signals::wait(&received)).await?;
    Ok(run::end(finished, received.into_inner(), &to, &progress, quiet))
}

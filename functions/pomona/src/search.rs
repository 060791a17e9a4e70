//! `pomona search`: the images most like a given one.

use std::path::PathBuf;

use clap::Args;
use pomona_pipeline::recipe::Recipe;
use pomona_pipeline::search::{self, Space};
use pomona_pipeline::{RunId, inspect, locations, plan};
use pomona_vision::extractor::Extractor;
use pomona_vision::pixels::Limits;

use crate::model::ModelArgs;
use crate::progress::Progress;
use crate::{Ending, Error};

/// Find the images of a run that are most like a given one
#[derive(Debug, Args)]
pub(crate) struct SearchArgs {
    /// The folder (or s3://bucket/prefix) with the results
    results: String,
    /// The image to compare with, a file
    image: PathBuf,
    /// How many images to show
    #[arg(long, value_name = "N", default_value_t = 10)]
    count: usize,
    /// Compare principal components instead of features
    #[arg(long)]
    pca: bool,
    /// A certain run [default: the newest successful one]
    #[arg(long, value_name = "RUN-ID")]
    run: Option<RunId>,
    /// Print JSON, for scripts
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    model: ModelArgs,
}

/// Runs `pomona search`.
pub(crate) async fn run(args: SearchArgs, quiet: bool) -> Result<Ending, Error> {
    let store = locations::open(&args.results).await?;
    let run_id = inspect::find_run(store.as_ref(), args.run.as_ref()).await?;
    let image = std::fs::read(&args.image).map_err(|source| Error::Image { path: args.image.clone(), source })?;
    let weights = plan::read_plan(store.as_ref(), &run_id).await?.recipe.weights;
    let extractor = Extractor::new(args.model.load_for(weights, &Progress::new(quiet))?, Limits::default());
    let mut session = extractor.session()?;
    let features = session.features(&image)?.map_err(|reject| Error::Rejected { path: args.image.clone(), reject })?;
    let space = if args.pca { Space::Components } else { Space::Features };
    let recipe = Recipe::of(&extractor);
    let hits = search::search(store.as_ref(), &run_id, &recipe, features, space, args.count).await?;
    if args.json {
        println!("{}", serde_json::to_string_pretty(&hits)?);
        return Ok(Ending::Done);
    }
    println!("distance  label  path");
    for hit in hits {
        println!("{:>8.4}  {}  {}", hit.distance, hit.label, hit.path);
    }
    Ok(Ending::Done)
}

//! `pomona search`: the images most like a given one.

use std::path::{Path, PathBuf};

use clap::Args;
use pomona_formats::planned;
use pomona_formats::recipe::Recipe;
use pomona_results::search::{self, Hit, Space};
use pomona_run::RunId;
use pomona_run::visible::visible;
use pomona_stages::recipe;
use pomona_store::Store;
use pomona_vision::extractor::Extractor;
use pomona_vision::model::Model;

use crate::model::ModelArgs;
use crate::progress::Progress;
use crate::results::ResultsArgs;
use crate::{Ending, Error, console};

/// Find the images of a run that are most like a given one
#[derive(Debug, Args)]
pub(crate) struct SearchArgs {
    #[command(flatten)]
    results: ResultsArgs,
    /// The image to compare with, a file
    image: PathBuf,
    /// How many images to show
    #[arg(long, value_name = "N", default_value_t = 10)]
    count: usize,
    /// Compare principal components instead of features
    #[arg(long)]
    pca: bool,
    /// Print JSON, for scripts
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    model: ModelArgs,
}

/// Runs `pomona search`.
pub(crate) async fn run(args: SearchArgs, quiet: bool) -> Result<Ending, Error> {
    let (store, run_id) = args.results.open().await?;
    let image = std::fs::read(&args.image).map_err(|source| Error::Image { path: args.image.clone(), source })?;
    let load = |recipe: &Recipe| args.model.load_for(recipe, &Progress::new(quiet));
    let space = if args.pca { Space::Components } else { Space::Features };
    let hits = nearest(store.as_ref(), &run_id, load, (&args.image, &image), space, args.count).await?;
    if args.json {
        console::print_json(&serde_json::to_string_pretty(&hits)?)?;
    } else {
        console::show(&table(&hits))?;
    }
    Ok(Ending::Done)
}

/// The `count` images of a run that are most like a given one, called by its path in messages. `load` loads the network
/// that the run was made with.
///
/// # Errors
/// [`Error::Rejected`] where the image cannot be used, those of `load`, and those of [`search::search`].
pub async fn nearest(
    results: &dyn Store,
    run_id: &RunId,
    load: impl FnOnce(&Recipe) -> Result<Model, Error>,
    (path, image): (&Path, &[u8]),
    space: Space,
    count: usize,
) -> Result<Vec<Hit>, Error> {
    let of_run = planned::read_plan(results, run_id).await?.recipe;
    let limits = of_run.limits;
    let extractor = Extractor::new(load(&of_run)?);
    let mut session = extractor.session()?;
    let features = session.features(image, &limits)?;
    let features = features.map_err(|reject| Error::Rejected { path: path.to_owned(), reject })?.values;
    let recipe = recipe::of(extractor.model()).with_max_pixels(limits.max_pixels);
    Ok(search::search(results, run_id, &recipe, features, space, count).await?)
}

fn table(hits: &[Hit]) -> String {
    let line = |hit: &Hit| format!("{:>8.4}  {}  {}\n", hit.distance, visible(&hit.label), visible(&hit.path));
    std::iter::once("distance  label  path\n".to_owned()).chain(hits.iter().map(line)).collect()
}

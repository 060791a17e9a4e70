//! Finding the model, and `pomona model`: fetching, verifying and drawing it.

use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::{Args, Subcommand};
use pomona_formats::recipe::{Recipe, UNTRAINED_NOTICE};
use pomona_stages::recipe;
use pomona_vision::model::{Model, ModelOptions, Weights};
use pomona_weights::{Cache, Edition, Event, FetchOptions, MODEL_NAME, Source, fetch};

use crate::progress::Progress;
use crate::usage::UsageArgs;
use crate::{Ending, Error, console};

/// Where a model file is named, beside the command line.
const MODEL_VARIABLE: &str = "POMONA_MODEL";

/// How long somebody who wants to see a demo waits for the published weights, which are 14 MB.
const DEMO_PATIENCE: Duration = Duration::from_secs(5);

/// Which model to use and how.
#[derive(Debug, Args)]
pub struct ModelArgs {
    /// The ONNX model [default: POMONA_MODEL, or the one in models/ in this folder, or MobileNetV2, fetched once and
    /// checked]
    #[arg(long, value_name = "FILE")]
    model: Option<PathBuf>,
    /// MobileNetV2 with untrained weights, for a trial without any download: its features know nothing of what ImageNet
    /// teaches
    #[arg(long, conflicts_with = "model")]
    untrained: bool,
    #[command(flatten)]
    usage: UsageArgs,
}

/// What to do where no model is named or at hand and the published one cannot be had.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fallback {
    /// Fail, and say how to get one.
    None,
    /// Wait less, and go on with untrained weights.
    Untrained,
}

impl ModelArgs {
    /// Loads the chosen model without a word; the published one is fetched where none is chosen and none is at hand.
    ///
    /// # Errors
    /// [`Error::Model`] and [`Error::Weights`].
    pub fn load_quietly(self) -> Result<Model, Error> {
        self.load(Fallback::None, &Progress::new(true))
    }

    /// As [`load_quietly`](Self::load_quietly), for a run that is there already: what is not chosen is as there.
    ///
    /// # Errors
    /// As [`load_quietly`](Self::load_quietly).
    pub fn load_quietly_for(self, recipe: &Recipe) -> Result<Model, Error> {
        self.load_for(recipe, &Progress::new(true))
    }

    /// Loads the chosen model; the published one is fetched where none is chosen and none is at hand.
    pub(crate) fn load(self, fallback: Fallback, progress: &Progress) -> Result<Model, Error> {
        self.load_with(ModelOptions::default(), fallback, progress)
    }

    /// What was not chosen is as in `base`.
    fn load_with(self, base: ModelOptions, fallback: Fallback, progress: &Progress) -> Result<Model, Error> {
        let options = self.usage.into_options(base)?;
        if self.untrained {
            return untrained(&options);
        }
        let path = match self.model.or_else(in_environment).or_else(in_working_folder) {
            Some(path) => path,
            None if fallback == Fallback::None => fetch_published(&FetchOptions::default(), progress)?,
            None => match fetch_published(
                &FetchOptions { within: Some(DEMO_PATIENCE), ..FetchOptions::default() },
                progress,
            ) {
                Ok(path) => path,
                Err(Error::Weights(error)) => {
                    progress.say(&format!(
                        "the published weights are not to be had ({}); going on with {UNTRAINED_NOTICE}",
                        reason(&error)
                    ));
                    return untrained(&options);
                }
                Err(other) => return Err(other),
            },
        };
        Ok(Model::load(&path, &options)?)
    }

    /// As [`load`](Self::load), for a run that is there already: what it used need not be asked for again.
    pub(crate) fn load_for(mut self, recipe: &Recipe, progress: &Progress) -> Result<Model, Error> {
        self.untrained |= recipe.weights == Weights::Untrained && self.model.is_none();
        let of_run = ModelOptions::of_names(&recipe.numerics, &recipe.pixels);
        self.load_with(of_run.unwrap_or_default(), Fallback::None, progress)
    }
}

/// Why there are no weights, without the ways out that somebody who only wants a look needs not.
fn reason(error: &pomona_weights::Error) -> String {
    match error {
        pomona_weights::Error::Unavailable { failures } => {
            failures.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
        }
        other => other.to_string(),
    }
}

fn untrained(options: &ModelOptions) -> Result<Model, Error> {
    Ok(Model::from_bytes(&pomona_weights::untrained(), "the network with untrained weights", options)?)
}

fn in_environment() -> Option<PathBuf> {
    std::env::var_os(MODEL_VARIABLE).filter(|value| !value.is_empty()).map(PathBuf::from)
}

fn in_working_folder() -> Option<PathBuf> {
    let path = Path::new("models").join(MODEL_NAME).with_added_extension("onnx");
    path.exists().then_some(path)
}

/// Fetch or verify the published MobileNetV2 model, write an untrained one, or a model's recipe
#[derive(Debug, Subcommand)]
pub(crate) enum ModelCommand {
    /// Fetch the published weights, check them and put the model into the cache folder
    Fetch {
        /// A mirror's URL, or a folder that holds the weight files
        #[arg(long, value_name = "URL|FOLDER")]
        from: Option<Source>,
    },
    /// Check that a model file is the published one
    Verify {
        /// The file [default: the model in the cache folder]
        file: Option<PathBuf>,
    },
    /// Write a model's recipe beside it, as the Lambda that plans runs needs it
    Recipe {
        /// The model, an ONNX file
        file: PathBuf,
        #[command(flatten)]
        usage: UsageArgs,
    },
    /// Write the same network with untrained weights, always the same, as an ONNX file
    Untrained {
        /// The file to write
        file: PathBuf,
    },
}

/// Runs `pomona model`.
pub(crate) fn run(command: ModelCommand, quiet: bool) -> Result<Ending, Error> {
    let done = match command {
        ModelCommand::Fetch { from } => {
            let mut options = FetchOptions::default();
            if let Some(source) = from {
                options.sources = vec![source];
            }
            let path = fetch_published(&options, &Progress::new(quiet))?;
            format!("{} is the published {MODEL_NAME}", path.display())
        }
        ModelCommand::Verify { file } => {
            let edition = Edition::published();
            let path = file.map_or_else(|| Cache::from_env().map(|cache| cache.model_path(&edition)), Ok)?;
            pomona_weights::verify(&path, &edition)?;
            format!("{} is the published {MODEL_NAME}", path.display())
        }
        ModelCommand::Recipe { file, usage } => {
            let model = Model::load(&file, &usage.into_options(ModelOptions::default())?)?;
            let progress = Progress::new(quiet);
            model.notices().iter().for_each(|notice| progress.say(notice));
            let (beside, recipe) = recipe::file_of(&file, &model)?;
            write(&beside, &recipe)?;
            format!("{} is the recipe of {}", beside.display(), file.display())
        }
        ModelCommand::Untrained { file } => {
            write(&file, &pomona_weights::untrained())?;
            format!("{} is {MODEL_NAME} with {UNTRAINED_NOTICE}", file.display())
        }
    };
    if !quiet {
        console::show(&(done + "\n"))?;
    }
    Ok(Ending::Done)
}

fn write(path: &Path, content: &[u8]) -> Result<(), Error> {
    pomona_weights::write_whole(path, content).map_err(|source| Error::WriteModel { path: path.to_owned(), source })
}

fn fetch_published(options: &FetchOptions, progress: &Progress) -> Result<PathBuf, Error> {
    let cache = Cache::from_env()?;
    let mut bar = None;
    let path = fetch(&cache, options, |event| match event {
        Event::Fetched { .. } => {
            bar.get_or_insert_with(|| progress.bar("fetch", "files", options.edition.files.len() as u64)).advance();
        }
        Event::Retrying { failure, wait } => {
            let text = format!("{failure}; again in {:.1} s", wait.as_secs_f64());
            progress.say_beside(bar.as_ref(), &text);
        }
        Event::NextSource { failure } => {
            progress.say_beside(bar.as_ref(), &format!("{failure}; asking the next source"));
        }
    })?;
    Ok(path)
}

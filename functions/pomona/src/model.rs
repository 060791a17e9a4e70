//! Finding the model, and `pomona model`: fetching and verifying it.

use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use pomona_vision::model::{Engine, Model, ModelOptions, Preprocess};
use pomona_weights::{Cache, Event, MODEL_NAME, Options, Source, weight_files};

use crate::progress::Progress;
use crate::{Ending, Error};

/// Which model to use and how.
#[derive(Debug, Args)]
pub(crate) struct ModelArgs {
    /// The ONNX model [default: the one in models/ in this folder, or MobileNetV2, fetched once and checked]
    #[arg(long, value_name = "FILE", env = "POMONA_MODEL")]
    model: Option<PathBuf>,
    /// What the model expects of pixels: tf (x / 127.5 - 1) or torch (ImageNet's mean and standard deviation)
    #[arg(long, value_name = "HOW", default_value_t = Preprocess::Tf)]
    preprocess: Preprocess,
    /// The model's node to take features from, where it is not its only output
    #[arg(long = "output", id = "model_output", value_name = "NAME")]
    output: Option<String>,
    /// What runs the model: pomona (fast) or tract (the reference)
    #[arg(long, value_name = "ENGINE", default_value_t = Engine::Pomona)]
    engine: Engine,
}

impl ModelArgs {
    /// Loads the chosen model; the published one is fetched where none is chosen and none is at hand.
    pub(crate) fn load(self, progress: &Progress) -> Result<Model, Error> {
        let options = ModelOptions { engine: self.engine, preprocess: self.preprocess, output: self.output };
        let path = match self.model.or_else(in_working_folder) {
            Some(path) => path,
            None => fetch(Options::default(), progress)?,
        };
        Ok(Model::load(&path, &options)?)
    }
}

fn in_working_folder() -> Option<PathBuf> {
    let path = Path::new("models").join(MODEL_NAME).with_added_extension("onnx");
    path.exists().then_some(path)
}

/// Fetch or verify the published MobileNetV2 model
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
}

/// Runs `pomona model`.
pub(crate) fn run(command: ModelCommand, quiet: bool) -> Result<Ending, Error> {
    let progress = Progress::new(quiet);
    let path = match command {
        ModelCommand::Fetch { from } => {
            let mut options = Options::default();
            if let Some(source) = from {
                options.sources = vec![source];
            }
            fetch(options, &progress)?
        }
        ModelCommand::Verify { file } => {
            let path = file.map_or_else(|| Cache::from_env().map(|cache| cache.model_path()), Ok)?;
            pomona_weights::verify(&path)?;
            path
        }
    };
    if !quiet {
        println!("{} is the published {MODEL_NAME}", path.display());
    }
    Ok(Ending::Done)
}

fn fetch(options: Options, progress: &Progress) -> Result<PathBuf, Error> {
    let cache = Cache::from_env()?;
    let mut bar = None;
    let path = pomona_weights::fetch(&cache, &options, |event| match event {
        Event::Fetched { .. } => {
            bar.get_or_insert_with(|| progress.bar("fetch", "files", weight_files().count() as u64)).advance();
        }
        Event::Retrying { failure, wait } => progress.say(&format!("{failure}; again in {:.1} s", wait.as_secs_f64())),
        Event::SourceFailed { failure } => progress.say(&failure.to_string()),
    })?;
    Ok(path)
}

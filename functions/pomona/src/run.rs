//! `pomona run`: the whole pipeline on this machine.

use std::num::NonZeroUsize;
use std::path::Path;
use std::str::FromStr;
use std::sync::OnceLock;

use clap::builder::{PossibleValuesParser, TypedValueParser};
use clap::{Args, FromArgMatches};
use pomona_aws::Executions;
use pomona_dataset::Images;
use pomona_pca::Components;
use pomona_run::Location;
use pomona_run::classify::{Classify, ClassifyOn};
use pomona_run::label::LabelFrom;
use pomona_run::options::{CsvTables, KeepFeatures, Options};
use pomona_stages::archives::KeptIndexes;
use pomona_stages::compute::ComputePool;
use pomona_stages::image_tables::ImageTables;
use pomona_stages::local::{self, Job, Observer, Summary};
use pomona_stages::models::Models;
use pomona_stages::open;
use pomona_stages::output::Output;
use pomona_stages::retention::KeepRuns;
use pomona_store::Store;
use pomona_vision::extractor::Extractor;
use pomona_vision::model::Model;

use crate::classes::{self, Classes};
use crate::model::{Fallback, ModelArgs};
use crate::progress::Progress;
use crate::runtime::available_threads;
use crate::signals::{self, Signal};
use crate::{Ending, Error, console, summary};

/// Turn a folder of images into features, principal components and validated tables
#[derive(Debug, Args)]
pub struct RunArgs {
    /// The folder (or s3://bucket/prefix) with the images; the name of an image's folder is its label (see
    /// --label-from)
    input: Location,
    /// The folder (or s3://bucket/prefix) for the results; made where it does not exist
    output: Location,
    #[command(flatten)]
    options: OptionArgs,
    #[command(flatten)]
    model: ModelArgs,
    #[command(flatten)]
    means: MeansArgs,
}

/// What a run on this machine may use and leaves behind.
#[derive(Debug, Default, Args)]
pub(crate) struct MeansArgs {
    /// Threads that compute [default: one per core]
    #[arg(long, value_name = "N", value_parser = threads)]
    threads: Option<NonZeroUsize>,
    /// Keep the tables of the newest N runs, and of older ones just reports and what is reused; 0 keeps all
    #[arg(long, value_name = "N", default_value_t)]
    keep_runs: KeepRuns,
}

/// More threads are a slip, and the system would come to its end over them.
const MOST_THREADS: usize = 1024;

/// How many threads compute, as a user has it.
///
/// # Errors
/// Where it is no number, or not from 1 to 1,024.
pub fn threads(text: &str) -> Result<NonZeroUsize, String> {
    let threads = text.parse().ok().filter(|threads: &NonZeroUsize| threads.get() <= MOST_THREADS);
    threads.ok_or_else(|| format!("give a number from 1 to {MOST_THREADS}"))
}

/// What a user may choose for a run, wherever it runs.
#[derive(Debug, Args)]
pub(crate) struct OptionArgs {
    /// Principal components to keep: a number, or the share of variance to keep such as 0.95 [default: 50, or as many
    /// as there are]
    #[arg(long, value_name = "K")]
    components: Option<Components>,
    /// Project raw features without subtracting their mean (as Spark MLlib does)
    #[arg(long)]
    no_center: bool,
    /// Divide each feature by its standard deviation first (as Spark's StandardScaler does)
    #[arg(long)]
    standardize: bool,
    #[command(flatten)]
    classify: ClassifyArgs,
    /// A file of labels, one a line, or an earlier run's classes.csv: they have the class ids 0, 1 ... in this order,
    /// further ones come behind
    #[arg(long, value_name = "FILE", value_parser = classes::read)]
    classes: Option<Classes>,
    #[command(flatten)]
    images: ImageArgs,
}

/// Which images a run takes and which tables it writes, whether it fits models or takes them.
#[derive(Debug, Args)]
pub(crate) struct ImageArgs {
    /// File name endings that make a file an image, in any case
    #[arg(long, value_name = "LIST", value_delimiter = ',', default_value = "jpg,jpeg,png")]
    extensions: Vec<String>,
    /// Only images whose path below INPUT matches this glob, for instance 'Apple*/*'
    #[arg(long, value_name = "GLOB")]
    filter: Option<String>,
    /// Not the files or folders whose path below INPUT matches this glob; may be given several times
    #[arg(long, value_name = "GLOB")]
    exclude: Vec<String>,
    /// Also hidden files, and what systems keep beside a user's (__MACOSX, @eaDir ...)
    #[arg(long)]
    include_hidden: bool,
    /// Which folder's name is an image's label: the one that it lies in (parent), the topmost below INPUT (top), the
    /// one of this level (2 is the one below the topmost), or none
    #[arg(long, value_name = "FOLDER", default_value_t = LabelFrom::default())]
    label_from: LabelFrom,
    /// A CSV or Parquet file (or s3://bucket/key) with the columns path and label: what labels are, and nothing else
    #[arg(long, value_name = "FILE", conflicts_with = "label_from")]
    labels: Option<String>,
    /// A file (or s3://bucket/key) with the paths of the images that are meant: text, one a line, CSV or Parquet, or a
    /// manifest.json of S3 Inventory
    #[arg(long, value_name = "FILE")]
    list: Option<String>,
    /// The field with the label in .json files beside images in tars
    #[arg(long, default_value_t = Options::default().label_field, value_name = "NAME")]
    label_field: String,
    /// The column of Parquet files that holds images [default: that of a Hugging Face dataset, or image, img, content
    /// ...]
    #[arg(long, value_name = "NAME")]
    image_column: Option<String>,
    /// The column of Parquet files that holds labels [default: that of a Hugging Face dataset, or label, class ...]
    #[arg(long, value_name = "NAME")]
    label_column: Option<String>,
    /// Only a sample of N images: of each label in proportion, at least one where N allows; nearly the same when images
    /// come
    #[arg(long, value_name = "N")]
    limit: Option<u64>,
    /// Reject pictures of more than N pixels (width x height); one may take N x 11 bytes of memory on each thread
    #[arg(long, value_name = "N", default_value_t = Options::default().max_pixels)]
    max_pixels: u64,
    /// Images per unit of work, at least, on average
    #[arg(long, value_name = "N", default_value_t = Options::default().shard_size)]
    shard_size: u64,
    /// Fail when more than this share of the images cannot be used
    #[arg(long, value_name = "SHARE", default_value_t = Options::default().max_reject_share)]
    max_reject_share: f64,
    /// Which tables to write as CSV beside Parquet: none, the components (pca), or components and features (all)
    #[arg(long, value_name = "TABLES", default_value_t, value_parser = choice::<CsvTables, _>(CsvTables::ALL.map(CsvTables::as_str)))]
    csv: CsvTables,
    /// Copy the features into the run: yes, no, or auto, which is yes up to 4096 features per image
    #[arg(long, value_name = "WHETHER", default_value_t, value_parser = choice::<KeepFeatures, _>(KeepFeatures::ALL.map(KeepFeatures::as_str)))]
    keep_features: KeepFeatures,
    /// The input may be empty although it had images: then no run is the newest any more
    #[arg(long)]
    allow_empty: bool,
    /// What the images are processed for; it stands in the run's record of processing (report/processing.json)
    #[arg(long, value_name = "TEXT")]
    purpose: Option<String>,
}

/// How labels are learned, wherever it is done.
#[derive(Debug, Args)]
struct ClassifyArgs {
    /// Learn to tell the labels apart by logistic regression, and say how well; components and scales are then those of
    /// the images that are learned from
    #[arg(long)]
    classify: bool,
    /// The share of the images to learn from; the others are the test
    #[arg(long, value_name = "SHARE", requires = "classify", default_value_t = Classify::default().train_share)]
    train_share: f64,
    /// Draw another split of the images, by another number
    #[arg(long, value_name = "N", requires = "classify", default_value_t = Classify::default().seed)]
    seed: u64,
    /// What to tell labels apart by: features or components; either is standardised
    #[arg(long, value_name = "WHAT", requires = "classify", default_value_t, value_parser = choice::<ClassifyOn, _>(ClassifyOn::ALL.map(ClassifyOn::as_str)))]
    classify_on: ClassifyOn,
    /// How much to hold the weights down, as Spark's regParam: for instance 0.01
    #[arg(long, value_name = "LAMBDA", requires = "classify", default_value_t = Classify::default().regularization)]
    regularization: f64,
    /// Passes that end the fit though it has not converged, about
    #[arg(long, value_name = "N", requires = "classify", default_value_t = Classify::default().max_iterations)]
    max_iterations: u64,
}

impl ClassifyArgs {
    fn into_choice(self) -> Option<Classify> {
        let Self { classify, train_share, seed, classify_on, regularization, max_iterations } = self;
        classify.then_some(Classify { train_share, seed, classify_on, regularization, max_iterations })
    }
}

impl RunArgs {
    /// A run with a model and no other option.
    pub(crate) fn with_defaults(input: &Path, output: &Path, model: ModelArgs) -> Self {
        Self {
            input: Location::Folder(input.to_owned()),
            output: Location::Folder(output.to_owned()),
            options: OptionArgs::default(),
            model,
            means: MeansArgs::default(),
        }
    }
}

impl Default for OptionArgs {
    /// What an empty command line says.
    fn default() -> Self {
        let command = Self::augment_args(clap::Command::new("options")).no_binary_name(true);
        let matches = command.try_get_matches_from(std::iter::empty::<&str>());
        matches.and_then(|matches| Self::from_arg_matches(&matches)).expect("every option has a default")
    }
}

impl OptionArgs {
    pub(crate) fn into_options(self) -> Options {
        let Self { components, no_center, standardize, classify, classes, images } = self;
        Options {
            components: components.unwrap_or_default(),
            center: !no_center,
            standardize,
            classify: classify.into_choice(),
            classes: classes.map(Classes::into_labels).unwrap_or_default(),
            ..images.into_options()
        }
    }
}

impl ImageArgs {
    /// With the usual models.
    pub(crate) fn into_options(self) -> Options {
        Options {
            extensions: self
                .extensions
                .iter()
                .map(|extension| extension.trim().trim_start_matches('.').to_owned())
                .collect(),
            filter: self.filter,
            exclude: self.exclude,
            include_hidden: self.include_hidden,
            label_from: self.label_from,
            labels: self.labels,
            list: self.list,
            label_field: self.label_field,
            image_column: self.image_column,
            label_column: self.label_column,
            limit: self.limit,
            max_pixels: self.max_pixels,
            shard_size: self.shard_size,
            max_reject_share: self.max_reject_share,
            csv: self.csv,
            keep_features: self.keep_features,
            allow_empty: self.allow_empty,
            purpose: self.purpose,
            ..Options::default()
        }
    }
}

/// A choice by its name.
pub(crate) fn choice<T, const N: usize>(names: [&'static str; N]) -> impl TypedValueParser<Value = T>
where
    T: FromStr<Err = String> + Clone + Send + Sync + 'static,
{
    PossibleValuesParser::new(names).try_map(|name| name.parse::<T>())
}

/// Runs the pipeline.
pub(crate) async fn run(args: RunArgs, fallback: Fallback, quiet: bool) -> Result<Ending, Error> {
    let progress = Progress::new(quiet);
    let to = args.output.to_string();
    let received = OnceLock::new();
    let load = |model: ModelArgs| model.load(fallback, &progress);
    let finished = run_with(args, load, &progress, signals::wait(&received)).await?;
    Ok(end(finished, received.into_inner(), &to, &progress, quiet))
}

/// Runs the pipeline and prints nothing; `stopped` ends it early, and then there is no summary.
///
/// # Errors
/// Those of the command.
pub async fn run_observed(
    args: RunArgs,
    observer: &dyn Observer,
    stopped: impl Future<Output = ()>,
) -> Result<Option<Summary>, Error> {
    run_with(args, ModelArgs::load_quietly, observer, stopped).await
}

async fn run_with(
    args: RunArgs,
    load: impl FnOnce(ModelArgs) -> Result<Model, Error>,
    observer: &dyn Observer,
    stopped: impl Future<Output = ()>,
) -> Result<Option<Summary>, Error> {
    let options = args.options.into_options();
    options.validate()?;
    let from = args.input.into_absolute();
    let (place, archive) = pomona_dataset::parted(&from);
    let input = open::open(&place).await?;
    let model = load(args.model)?;
    let wanted = Wanted { from, input: input.as_ref(), archive, to: args.output, options, models: None, model };
    make(wanted, args.means, observer, stopped).await
}

/// A run that is to be made here.
pub(crate) struct Wanted<'a> {
    /// Where its images are.
    pub(crate) from: Location,
    /// What was opened for them.
    pub(crate) input: &'a dyn Store,
    /// The archive there that alone is meant, if one is.
    pub(crate) archive: Option<String>,
    /// Where its results go.
    pub(crate) to: Location,
    /// What was chosen.
    pub(crate) options: Options,
    /// Models to take instead of fitting new ones.
    pub(crate) models: Option<&'a Models<'a>>,
    /// The network that makes features.
    pub(crate) model: Model,
}

/// Makes a run; none is made where `stopped` comes first.
pub(crate) async fn make(
    wanted: Wanted<'_>,
    means: MeansArgs,
    observer: &dyn Observer,
    stopped: impl Future<Output = ()>,
) -> Result<Option<Summary>, Error> {
    let Wanted { from, input, archive, to, options, models, model } = wanted;
    for notice in model.notices() {
        observer.notice(notice);
    }
    let threads = means.threads.map_or_else(available_threads, NonZeroUsize::get);
    let pool = ComputePool::new(Extractor::new(model), threads)?;
    let output = Output::open(&to, &from).await?;

    let indexes = KeptIndexes::new(output.store());
    let tables = ImageTables::read(&options, &from, open::open).await?;
    let images = tables.apply(Images::new(input).in_archive(archive).with_indexes(&indexes));
    let holder = format!("process {}", std::process::id());
    let job = Job {
        input: &images,
        output: output.store(),
        options: &options,
        models,
        pool: &pool,
        holder: &holder,
        keep_runs: means.keep_runs,
    };
    Ok(local::run(&job, output.holders(&Executions), observer, stopped).await?)
}

/// Tells what a run came to, or that a signal has stopped it.
pub(crate) fn end(
    finished: Option<Summary>,
    received: Option<Signal>,
    to: &str,
    progress: &Progress,
    quiet: bool,
) -> Ending {
    if let Some(finished) = finished {
        if !quiet {
            show_summary(&finished, to);
        }
        return Ending::Done;
    }
    progress.say("stopped; the same command goes on from here");
    received.map_or(Ending::Done, Ending::Stopped)
}

/// The run is done, whether or not anybody can be told.
fn show_summary(finished: &Summary, output: &str) {
    if let Err(error) = console::show(&summary::of(finished, output)) {
        console::tell(&format!("{error}; the run is complete: {}", summary::run_folder(finished, output)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn a_command_line_without_options_means_the_defaults() {
        assert_eq!(OptionArgs::default().into_options(), Options::default());
    }

    #[test]
    fn the_command_line_has_just_the_options_of_a_run() {
        let command = OptionArgs::augment_args(clap::Command::new("options"));
        let flags = command.get_arguments().filter_map(|argument| argument.get_long());
        let flags: BTreeSet<String> = flags.map(|flag| flag.trim_start_matches("no-").replace('-', "_")).collect();
        let all = Options {
            allow_empty: true,
            classify: Some(Classify::default()),
            label_field: "class".to_owned(),
            image_column: Some("image".to_owned()),
            label_column: Some("label".to_owned()),
            labels: Some("labels.csv".to_owned()),
            list: Some("list.txt".to_owned()),
            purpose: Some("sorting fruits".to_owned()),
            ..Options::default()
        };
        let written = serde_json::to_value(all).unwrap();
        let fields = |value: &serde_json::Value| value.as_object().unwrap().keys().cloned().collect::<BTreeSet<_>>();
        let written = &fields(&written) | &fields(&written["classify"]);
        assert_eq!(flags, written);
    }
}

//! What a Lambda learns from its environment.

use std::num::NonZeroU32;
use std::path::{Path, PathBuf};
use std::time::Duration;

use pomona_results::processing::Stack;
use pomona_run::pace;
use pomona_run::region;
use pomona_stages::recipe;
use pomona_stages::retention::KeepRuns;
use pomona_vision::extractor::Extractor;

use crate::BucketLocation;
use crate::cost::StackSettings;
use crate::error::Error;

const MODEL_FILE: &str = "mobilenet_v2_1.0_224_features.onnx";

/// For so long, at least, what a run uses must still be there: an execution takes a day at most, and may be redriven
/// within days.
const DAYS_TO_SPARE: u64 = 7;

const SECONDS_PER_DAY: u64 = 24 * 60 * 60;

/// The settings of a function.
#[derive(Clone, Debug, PartialEq)]
pub struct Settings {
    /// Threads that compute: one for each vCPU that the function's memory buys, to the nearest.
    pub threads: usize,
    /// The model file.
    pub model: PathBuf,
    /// Where images are when a request does not say.
    pub input: Option<BucketLocation>,
    /// Where results go when a request does not say.
    pub output: Option<BucketLocation>,
    /// The age at which parts and nodes that a run is going to use are made young again, because they would expire
    /// soon.
    pub refresh_age: Option<Duration>,
    /// Shards that a run works on at once when its request does not say.
    pub max_concurrency: NonZeroU32,
    /// Of how many runs the tables are kept.
    pub keep_runs: KeepRuns,
    /// What the stack's settings say about its cost.
    pub stack: StackSettings,
    /// How long the stack keeps what.
    pub retention: Stack,
    /// The state machine whose runs are started.
    pub state_machine: Option<String>,
    /// The queue that tells that the input has changed.
    pub queue: Option<String>,
    /// Options of runs that start by themselves, JSON as in an execution's input. Whether they can be used is asked when
    /// they are: a function that did not start could not tell CloudFormation what is wrong with them.
    pub run_options: String,
    /// At least so long after the start of one run the next one starts by itself.
    pub interval: Option<Duration>,
}

impl Settings {
    /// Reads the environment.
    ///
    /// # Errors
    /// [`pomona_run::Error::RegionNotAllowed`], and [`Error::Setting`] for a variable that is missing or cannot be
    /// used.
    pub fn from_env() -> Result<Self, Error> {
        Self::read(|name| std::env::var(name).ok(), Path::exists)
    }

    /// Loads the model as its recipe says, by which runs are planned.
    ///
    /// # Errors
    /// Those of [`recipe::load_beside`].
    pub fn extractor(&self) -> Result<Extractor, Error> {
        Ok(Extractor::new(recipe::load_beside(&self.model)?))
    }

    fn read(variable: impl Fn(&str) -> Option<String>, exists: impl Fn(&Path) -> bool) -> Result<Self, Error> {
        let variable = |name: &str| variable(name).filter(|value| !value.is_empty());
        let region = variable("AWS_REGION").ok_or_else(|| Error::setting("AWS_REGION", "it is not set"))?;
        region::check(&region, variable(region::VARIABLE).as_deref())?;
        let location = |name: &'static str| {
            let location = variable(name).map(|text| text.parse::<BucketLocation>());
            location.transpose().map_err(|error| Error::setting(name, error.to_string()))
        };
        Ok(Self {
            threads: threads(variable("AWS_LAMBDA_FUNCTION_MEMORY_SIZE"))?,
            model: variable("POMONA_MODEL")
                .map_or_else(|| bundled_model(variable("LAMBDA_TASK_ROOT"), exists), PathBuf::from),
            input: location("POMONA_INPUT")?,
            output: location("POMONA_OUTPUT")?,
            refresh_age: refresh_age(variable("POMONA_PARTS_EXPIRE_DAYS"))?,
            max_concurrency: max_concurrency(variable("POMONA_MAX_CONCURRENCY"))?,
            keep_runs: keep_runs(variable("POMONA_KEEP_RUNS"))?,
            stack: StackSettings::read(&region, variable)?,
            retention: retention(&region, variable)?,
            state_machine: variable("POMONA_STATE_MACHINE"),
            queue: variable("POMONA_QUEUE"),
            run_options: variable("POMONA_RUN_OPTIONS").unwrap_or_else(|| "{}".to_owned()),
            interval: interval(variable("POMONA_MINUTES_BETWEEN_RUNS"))?,
        })
    }
}

fn threads(memory_mb: Option<String>) -> Result<usize, Error> {
    let problem = "it is not a number of MB";
    let memory_mb: Option<usize> = memory_mb.and_then(|memory| memory.parse().ok());
    let memory_mb = memory_mb.ok_or_else(|| Error::setting("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", problem))?;
    let per_vcpu = pace::MB_PER_VCPU as usize;
    Ok(((memory_mb + per_vcpu / 2) / per_vcpu).max(1))
}

/// What is not set is as the template has it.
fn retention(region: &str, variable: impl Fn(&str) -> Option<String>) -> Result<Stack, Error> {
    let days = |name, otherwise| match variable(name) {
        Some(days) => days.parse().map_err(|_| Error::setting(name, "it is not a number of days")),
        None => Ok(otherwise),
    };
    Ok(Stack {
        region: region.to_owned(),
        parts_expire_days: days("POMONA_PARTS_EXPIRE_DAYS", 90)?,
        runs_expire_days: days("POMONA_RUNS_EXPIRE_DAYS", 365)?,
        old_versions_expire_days: days("POMONA_OLD_VERSIONS_EXPIRE_DAYS", 30)?,
    })
}

fn refresh_age(expire_days: Option<String>) -> Result<Option<Duration>, Error> {
    let Some(days) = expire_days else { return Ok(None) };
    let days: u64 =
        days.parse().map_err(|_| Error::setting("POMONA_PARTS_EXPIRE_DAYS", "it is not a number of days"))?;
    Ok(Some(Duration::from_secs(days.saturating_sub(DAYS_TO_SPARE) * SECONDS_PER_DAY)))
}

fn max_concurrency(shards: Option<String>) -> Result<NonZeroU32, Error> {
    let problem = "it is not a number of shards of at least 1";
    let shards = shards.map(|shards| shards.parse().map_err(|_| Error::setting("POMONA_MAX_CONCURRENCY", problem)));
    Ok(shards.transpose()?.unwrap_or(pace::SHARDS))
}

fn keep_runs(number: Option<String>) -> Result<KeepRuns, Error> {
    let number = number.map(|number| number.parse().map_err(|problem| Error::setting("POMONA_KEEP_RUNS", problem)));
    Ok(number.transpose()?.unwrap_or_default())
}

fn interval(minutes: Option<String>) -> Result<Option<Duration>, Error> {
    let minutes =
        minutes.map(|minutes| minutes.parse().map(|minutes: u32| Duration::from_secs(60 * u64::from(minutes))));
    minutes.transpose().map_err(|_| Error::setting("POMONA_MINUTES_BETWEEN_RUNS", "it is not a number of minutes"))
}

/// The model that came in the function's own package, or else in a layer.
fn bundled_model(task_root: Option<String>, exists: impl Fn(&Path) -> bool) -> PathBuf {
    let in_package = task_root.map(|root| Path::new(&root).join("models").join(MODEL_FILE));
    in_package.filter(|path| exists(path)).unwrap_or_else(|| Path::new("/opt/models").join(MODEL_FILE))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(variables: &[(&str, &str)]) -> Result<Settings, Error> {
        let always = [("AWS_REGION", "eu-west-1"), ("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "1769")];
        let find = |name: &str| {
            variables.iter().chain(&always).find(|(found, _)| *found == name).map(|(_, value)| (*value).to_owned())
        };
        Settings::read(find, |path| path.starts_with("/var/task"))
    }

    #[test]
    fn a_function_has_a_thread_for_each_vcpu() {
        for (memory, threads) in [("128", 1), ("1769", 1), ("3538", 2), ("8845", 5), ("10240", 6)] {
            assert_eq!(read(&[("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", memory)]).unwrap().threads, threads, "{memory} MB");
        }
    }

    #[test]
    fn the_model_is_the_named_one_or_the_one_in_the_package_or_in_a_layer() {
        let model = |variables: &[(&str, &str)]| read(variables).unwrap().model.display().to_string();
        assert_eq!(model(&[("POMONA_MODEL", "/opt/a.onnx")]), "/opt/a.onnx");
        assert_eq!(model(&[("LAMBDA_TASK_ROOT", "/var/task")]), format!("/var/task/models/{MODEL_FILE}"));
        assert_eq!(model(&[("LAMBDA_TASK_ROOT", "/elsewhere")]), format!("/opt/models/{MODEL_FILE}"));
        assert_eq!(model(&[]), format!("/opt/models/{MODEL_FILE}"));
    }

    #[test]
    fn locations_are_read_and_may_be_left_out() {
        let settings = read(&[("POMONA_INPUT", "s3://in/images/"), ("POMONA_OUTPUT", "")]).unwrap();
        assert_eq!((settings.input, settings.output), (Some("s3://in/images".parse().unwrap()), None));
    }

    #[test]
    fn parts_are_made_young_again_a_week_before_they_expire() {
        let days = |days| {
            read(&[("POMONA_PARTS_EXPIRE_DAYS", days)]).unwrap().refresh_age.unwrap().as_secs() / SECONDS_PER_DAY
        };
        assert_eq!((days("90"), days("14"), days("3")), (83, 7, 0));
        assert_eq!(read(&[]).unwrap().refresh_age, None);
    }

    #[test]
    fn the_stack_says_how_many_shards_are_worked_on_at_once_and_otherwise_there_are_as_many_as_locally() {
        let at_once = |variables: &[(&str, &str)]| read(variables).unwrap().max_concurrency.get();
        assert_eq!((at_once(&[("POMONA_MAX_CONCURRENCY", "8")]), at_once(&[])), (8, pace::SHARDS.get()));
    }

    #[test]
    fn runs_that_start_by_themselves_have_options_and_an_interval() {
        let settings =
            read(&[("POMONA_RUN_OPTIONS", r#"{"components": 20}"#), ("POMONA_MINUTES_BETWEEN_RUNS", "90")]).unwrap();
        assert_eq!(
            (settings.run_options.as_str(), settings.interval.unwrap().as_secs()),
            (r#"{"components": 20}"#, 5_400)
        );
        assert_eq!(read(&[]).unwrap().run_options, "{}");
    }

    #[test]
    fn all_tables_are_kept_unless_a_number_says_otherwise() {
        assert_eq!(read(&[]).unwrap().keep_runs, KeepRuns::default());
        assert_eq!(read(&[("POMONA_KEEP_RUNS", "3")]).unwrap().keep_runs, "3".parse().unwrap());
    }

    #[test]
    fn another_region_is_refused() {
        let refused = |variables: &[(&str, &str)]| read(variables).unwrap_err().name().as_str();
        assert_eq!(refused(&[("AWS_REGION", "us-east-1")]), "Pomona.RegionNotAllowed");
        assert_eq!(
            refused(&[("AWS_REGION", "us-east-1"), ("POMONA_ALLOWED_REGIONS", "us-east-1")]),
            "Pomona.RegionNotAllowed"
        );
        read(&[("AWS_REGION", "eu-north-1"), ("POMONA_ALLOWED_REGIONS", "eu-north-1,eu-west-1")]).unwrap();
    }

    #[test]
    fn what_cannot_be_used_is_refused_by_name() {
        for (name, value) in [
            ("AWS_REGION", ""),
            ("POMONA_OUTPUT", "results"),
            ("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "much"),
            ("POMONA_PARTS_EXPIRE_DAYS", "-1"),
            ("POMONA_MINUTES_BETWEEN_RUNS", "soon"),
            ("POMONA_MAX_CONCURRENCY", "0"),
            ("POMONA_KEEP_RUNS", "few"),
        ] {
            let error = read(&[(name, value)]).unwrap_err();
            assert!(error.to_string().contains(name), "{error}");
        }
    }
}

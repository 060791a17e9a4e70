//! Which results, and which run of them, a command is about.

use std::sync::Arc;

use clap::Args;
use pomona_results::inspect;
use pomona_run::{Location, RunId};
use pomona_stages::open;
use pomona_store::Store;

use crate::Error;

/// Where results are.
#[derive(Debug, Args)]
pub struct ResultsArgs {
    /// The folder (or s3://bucket/prefix) with the results, or the folder of one of its runs
    results: String,
    /// A certain run [default: the newest successful one]
    #[arg(long, value_name = "RUN-ID")]
    run: Option<RunId>,
}

impl ResultsArgs {
    /// Opens the results, and finds the run that is meant.
    ///
    /// # Errors
    /// [`Error::File`] where there is no such run, and those of the store.
    pub async fn open(&self) -> Result<(Arc<dyn Store>, RunId), Error> {
        let (store, named) = self.locate().await?;
        let run_id = inspect::find_run(store.as_ref(), named.as_ref()).await?;
        Ok((store, run_id))
    }

    /// Opens the results, and says which run is named, if one is.
    pub(crate) async fn locate(&self) -> Result<(Arc<dyn Store>, Option<RunId>), Error> {
        let (output, run) = match split_run(&self.results) {
            Some((output, run)) => (output, Some(run)),
            None => (self.results.as_str(), None),
        };
        if let (Some(in_path), Some(asked)) = (&run, &self.run)
            && in_path != asked
        {
            return Err(Error::TwoRuns { path: self.results.clone(), run: asked.clone() });
        }
        let output = output.parse::<Location>().map_err(pomona_run::Error::from)?;
        Ok((open::open(&output).await?, run.or(self.run.clone())))
    }
}

/// The results and the run of a path such as `results/runs/20260131T120000Z-0123abcd`, which `pomona run` ends with.
fn split_run(path: &str) -> Option<(&str, RunId)> {
    let (runs, run_id) = path.trim_end_matches('/').rsplit_once('/')?;
    let run_id = run_id.parse().ok()?;
    let output = match runs.strip_suffix("runs")? {
        "" => ".",
        "/" => "/",
        output => output.strip_suffix('/')?,
    };
    Some((output, run_id))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_path_of_a_run_is_its_results_and_its_name() {
        let run = "20260131T120000Z-0123abcd";
        let split = |path: &str| split_run(&path.replace("RUN", run)).map(|(output, run)| (output.to_owned(), run));
        for (path, output) in [
            ("results/runs/RUN", "results"),
            ("/a/b/runs/RUN/", "/a/b"),
            ("s3://bucket/runs/RUN", "s3://bucket"),
            ("s3://bucket/a/runs/RUN", "s3://bucket/a"),
            ("runs/RUN", "."),
            ("/runs/RUN", "/"),
        ] {
            assert_eq!(split(path), Some((output.to_owned(), run.parse().unwrap())), "{path}");
        }
        for path in ["results", "RUN", "results/RUN", "results/myruns/RUN", "results/runs/latest"] {
            assert_eq!(split(path), None, "{path}");
        }
    }
}

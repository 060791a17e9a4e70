//! What a run left behind.

use std::ffi::OsString;
use std::path::Path;
use std::sync::Arc;

use numpy::{IntoPyArray, PyArray2, PyReadonlyArray2};
use pomona_cli::{Error, ModelArgs, ResultsArgs, nearest, parse, runtime};
use pomona_formats::model_file;
use pomona_results::search::Space;
use pomona_results::tables::{self, Document, Rows};
use pomona_run::layout::RunLayout;
use pomona_run::{ErrorName, Location, RunId};
use pomona_store::Store;
use pyo3::prelude::*;
use pyo3::pybacked::PyBackedBytes;

use crate::error;
use crate::interruptible::{Stopped, interruptible};
use crate::table::Table;

/// Waits for `work` on the run that the flags name, as `pomona inspect` takes them.
fn with_run<T: Send + 'static>(
    py: Python<'_>,
    flags: Vec<OsString>,
    work: impl AsyncFnOnce(Arc<dyn Store>, RunId) -> Result<T, Error> + Send + 'static,
) -> PyResult<T> {
    let args: ResultsArgs = parse(flags).map_err(|problem| error::of_options(&problem))?;
    let work = move || {
        let runtime = runtime()?;
        let done = runtime.block_on(async {
            let (store, run_id) = args.open().await?;
            work(store, run_id).await
        });
        runtime.shutdown_background();
        done
    };
    interruptible(py, work, || Stopped::Left, |_| Ok(()))?.map_err(error::exception)
}

/// Where the results are, and which run of them is meant.
#[pyfunction]
pub(crate) fn find_run(py: Python<'_>, flags: Vec<OsString>) -> PyResult<(String, String)> {
    let (location, run_id) = with_run(py, flags, async |store, run_id| Ok((store.location().to_owned(), run_id)))?;
    // Who moves to another folder still means this one.
    let location: Location = location.parse().map_err(pomona_run::Error::from).map_err(error::exception)?;
    Ok((location.into_absolute().to_string(), run_id.to_string()))
}

/// A table of a run by its name.
#[pyfunction]
pub(crate) fn table(py: Python<'_>, flags: Vec<OsString>, name: &str) -> PyResult<Table> {
    let rows = match name {
        "features" => Some(Rows::Features),
        "components" => Some(Rows::Components),
        "metadata" => Some(Rows::Metadata),
        "predictions" => Some(Rows::Predictions),
        "errors" => Some(Rows::Errors),
        "classes" => None,
        _ => return Err(error::named(ErrorName::BadInput, &format!("a run has no table `{name}`"))),
    };
    let read = async move |store: Arc<dyn Store>, run_id: RunId| {
        Ok(match rows {
            Some(rows) => tables::read(store.as_ref(), &run_id, rows).await?,
            None => tables::classes(store.as_ref(), &run_id).await?,
        })
    };
    with_run(py, flags, read).map(Table)
}

/// The text of a file of a run's report by its name.
#[pyfunction]
pub(crate) fn document(py: Python<'_>, flags: Vec<OsString>, name: &str) -> PyResult<String> {
    let which = match name {
        "info" => Document::Info,
        "metrics" => Document::Metrics,
        "validation" => Document::Validation,
        "page" => Document::Page,
        _ => return Err(error::named(ErrorName::BadInput, &format!("a run has no file `{name}`"))),
    };
    with_run(py, flags, async move |store, run_id| Ok(tables::document(store.as_ref(), &run_id, which).await?))
}

/// The images of a run most like a given one: path, label and distance of each.
#[pyfunction]
pub(crate) fn search(
    py: Python<'_>,
    flags: Vec<OsString>,
    model_flags: Vec<OsString>,
    image: PyBackedBytes,
    path: String,
    count: usize,
    pca: bool,
) -> PyResult<Vec<(String, String, f64)>> {
    let model: ModelArgs = parse(model_flags).map_err(|problem| error::of_options(&problem))?;
    let space = if pca { Space::Components } else { Space::Features };
    let hits = with_run(py, flags, async move |store, run_id| {
        let load = |recipe: &_| model.load_quietly_for(recipe);
        nearest(store.as_ref(), &run_id, load, (Path::new(&path), &image), space, count).await
    })?;
    Ok(hits.into_iter().map(|hit| (hit.path, hit.label, hit.distance)).collect())
}

/// A run's principal components.
#[pyclass(frozen, module = "pomona._pomona")]
pub(crate) struct Pca(pomona_pca::Pca);

#[pymethods]
impl Pca {
    #[new]
    fn new(py: Python<'_>, flags: Vec<OsString>) -> PyResult<Self> {
        let read = async |store: Arc<dyn Store>, run_id: RunId| {
            let layout = RunLayout::new(run_id.as_str());
            Ok(model_file::read(store.as_ref(), &layout).await?.pca)
        };
        with_run(py, flags, read).map(Self)
    }

    /// Features [n, d] in component space [n, k].
    fn transform<'py>(
        &self,
        py: Python<'py>,
        features: PyReadonlyArray2<'py, f32>,
    ) -> PyResult<Bound<'py, PyArray2<f32>>> {
        let rows = features.as_array();
        let projected = py.detach(|| self.0.project(rows));
        Ok(projected.map_err(pomona_formats::Error::from).map_err(error::exception)?.into_pyarray(py))
    }
}

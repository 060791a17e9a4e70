//! `pomona.Extractor`'s network.

use std::ffi::OsString;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::{fs, io};

use clap::Args;
use futures::future::try_join_all;
use ndarray::Array2;
use numpy::{IntoPyArray, PyArray2, PyReadonlyArray3};
use pomona_cli::{Error, ModelArgs, available_threads, parse, threads};
use pomona_stages::compute::ComputePool;
use pomona_vision::extractor::{Extractor, Session};
use pomona_vision::model::ModelError;
use pomona_vision::pixels::{ExifOrientation, Limits, Picture, Reject};
use pyo3::prelude::*;
use pyo3::pybacked::PyBackedBytes;
use tokio::runtime::Builder;

use crate::error;
use crate::interruptible::{Stopped, interruptible};

/// What an extractor may be told, as on the command line.
#[derive(Debug, Args)]
struct ExtractorArgs {
    #[command(flatten)]
    model: ModelArgs,
    #[arg(long, value_name = "N", value_parser = threads)]
    threads: Option<NonZeroUsize>,
    #[arg(long, value_name = "N")]
    max_pixels: Option<u64>,
}

/// A model, and the threads that compute with it.
#[pyclass(frozen, weakref, module = "pomona._pomona")]
pub(crate) struct Network {
    pool: Arc<ComputePool>,
    limits: Limits,
    /// The process that has the pool's threads.
    process: u32,
}

impl Drop for Network {
    fn drop(&mut self) {
        if std::process::id() != self.process {
            // A child of fork has a copy of the pool's memory without its threads, which ending it would wait for.
            std::mem::forget(self.pool.clone());
        }
    }
}

/// What an image was given as.
enum Item {
    File(PathBuf),
    Bytes(PyBackedBytes),
    Picture { width: u32, height: u32, rgb: Vec<u8> },
}

impl FromPyObject<'_, '_> for Item {
    type Error = PyErr;

    fn extract(item: Borrowed<'_, '_, PyAny>) -> PyResult<Self> {
        if let Ok(bytes) = item.extract() {
            return Ok(Self::Bytes(bytes));
        }
        if let Ok(array) = item.extract::<PyReadonlyArray3<'_, u8>>() {
            let array = array.as_array();
            let (height, width, _) = array.dim();
            let side = |side| u32::try_from(side).unwrap_or(u32::MAX);
            return Ok(Self::Picture {
                width: side(width),
                height: side(height),
                rgb: array.as_slice().map_or_else(|| array.iter().copied().collect(), <[u8]>::to_vec),
            });
        }
        item.extract().map(Self::File)
    }
}

/// What became of an image.
enum Outcome {
    Features(Vec<f32>),
    /// Its kind and what is wrong.
    Failed(String, String),
}

impl Item {
    fn features(&self, session: &mut Session, limits: &Limits) -> Result<Outcome, ModelError> {
        let features = match self {
            Self::File(path) => match read(path, limits) {
                Ok(Ok(bytes)) => session.features(&bytes, limits)?,
                Ok(Err(reject)) => Err(reject),
                Err(problem) => {
                    let is_missing = problem.kind() == io::ErrorKind::NotFound;
                    let kind = if is_missing { "missing" } else { "unreadable" };
                    return Ok(Outcome::Failed(kind.to_owned(), problem.to_string()));
                }
            },
            Self::Bytes(bytes) => session.features(bytes, limits)?,
            Self::Picture { width, height, rgb } => {
                session.features_of_picture(&Picture { width: *width, height: *height, rgb }, limits)?
            }
        };
        Ok(match features {
            Ok(features) => Outcome::Features(features.values.to_vec()),
            Err(reject) => Outcome::Failed(reject.reason.as_str().to_owned(), reject.detail),
        })
    }
}

/// The bytes of a file, unless there are too many; a pipe might never end.
fn read(path: &Path, limits: &Limits) -> io::Result<Result<Vec<u8>, Reject>> {
    let about = fs::metadata(path)?;
    if !about.is_file() {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "it is no file"));
    }
    match limits.check_size(about.len()) {
        Ok(()) => fs::read(path).map(Ok),
        Err(reject) => Ok(Err(reject)),
    }
}

/// Rows of features, and of each failed image its row, kind and detail.
type Extracted<'py> = (Bound<'py, PyArray2<f32>>, Vec<(usize, String, String)>);

#[pymethods]
impl Network {
    #[new]
    fn new(py: Python<'_>, flags: Vec<OsString>) -> PyResult<Self> {
        let ExtractorArgs { model, threads, max_pixels } =
            parse(flags).map_err(|problem| error::of_options(&problem))?;
        let threads = threads.map_or_else(available_threads, NonZeroUsize::get);
        let load = move || -> Result<ComputePool, Error> {
            Ok(ComputePool::new(Extractor::new(model.load_quietly()?), threads)?)
        };
        let pool = interruptible(py, load, || Stopped::Left, |_| Ok(()))?.map_err(error::exception)?;
        let limits = Limits { max_pixels: max_pixels.unwrap_or(Limits::DEFAULT.max_pixels), ..Limits::DEFAULT };
        Ok(Self { pool: Arc::new(pool), limits, process: std::process::id() })
    }

    /// Features per image, d.
    #[getter]
    fn width(&self) -> usize {
        self.pool.extractor().model().width()
    }

    /// Whether pictures are turned as their Exif data says.
    #[getter]
    fn turns(&self) -> bool {
        self.pool.extractor().model().pixels().exif_orientation == ExifOrientation::Apply
    }

    /// Features [n, d] of images on all threads. Rows of images that cannot be used are NaN.
    fn features<'py>(&self, py: Python<'py>, items: Vec<Item>) -> PyResult<Extracted<'py>> {
        let (pool, limits, width) = (self.pool.clone(), self.limits, self.width());
        let stopped = Arc::new(AtomicBool::new(false));
        let stop = stopped.clone();
        let work = move || -> Result<Vec<Outcome>, Error> {
            let outcome = |item: Item| {
                let stopped = stopped.clone();
                pool.run_with_session(move |session| match stopped.load(Ordering::Relaxed) {
                    true => Ok(Outcome::Failed("stopped".to_owned(), String::new())),
                    false => item.features(session, &limits),
                })
            };
            let runtime = Builder::new_current_thread().build().map_err(Error::Runtime)?;
            let outcomes = runtime.block_on(try_join_all(items.into_iter().map(outcome)))?;
            Ok(outcomes.into_iter().collect::<Result<_, _>>()?)
        };
        let stop = || {
            stop.store(true, Ordering::Relaxed);
            Stopped::Ending
        };
        let outcomes = interruptible(py, work, stop, |_| Ok(()))?;
        let outcomes = outcomes.map_err(error::exception)?;
        let (mut rows, mut failed) = (Array2::from_elem((outcomes.len(), width), f32::NAN), Vec::new());
        for (index, outcome) in outcomes.into_iter().enumerate() {
            match outcome {
                Outcome::Features(values) => rows.row_mut(index).assign(&ndarray::ArrayView1::from(&values)),
                Outcome::Failed(kind, detail) => failed.push((index, kind, detail)),
            }
        }
        Ok((rows.into_pyarray(py), failed))
    }
}

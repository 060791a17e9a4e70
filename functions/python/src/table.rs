//! Tables for Python: Arrow's C data interface, and numpy.

use arrow_array::RecordBatchIterator;
use arrow_array::ffi::FFI_ArrowSchema;
use arrow_array::ffi_stream::FFI_ArrowArrayStream;
use numpy::{IntoPyArray, PyArray2};
use pomona_results::tables;
use pomona_run::ErrorName;
use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use pyo3::types::PyCapsule;

use crate::error;

/// A table in memory, which pyarrow, pandas, Polars and DuckDB take without a copy.
#[pyclass(frozen, module = "pomona")]
pub(crate) struct Table(pub(crate) tables::Table);

#[pymethods]
impl Table {
    /// The table as Arrow's C stream.
    #[pyo3(signature = (requested_schema=None))]
    fn __arrow_c_stream__<'py>(
        &self,
        py: Python<'py>,
        requested_schema: Option<Bound<'py, PyAny>>,
    ) -> PyResult<Bound<'py, PyCapsule>> {
        // A wish that need not be granted, says the interface; who takes the stream casts it.
        drop(requested_schema);
        let batches = self.0.batches().to_vec().into_iter().map(Ok);
        let reader = RecordBatchIterator::new(batches, self.0.schema().clone());
        PyCapsule::new_with_value(py, FFI_ArrowArrayStream::new(Box::new(reader)), c"arrow_array_stream")
    }

    /// The columns as Arrow's C schema.
    fn __arrow_c_schema__<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyCapsule>> {
        let schema = FFI_ArrowSchema::try_from(self.0.schema().as_ref());
        let schema = schema.map_err(|problem| error::named(ErrorName::Internal, &problem.to_string()))?;
        PyCapsule::new_with_value(py, schema, c"arrow_schema")
    }

    /// Return the column of vectors as an array.
    ///
    /// Returns
    /// -------
    /// ndarray
    ///     (n, d) float32, a row for each row of the table.
    ///
    /// Raises
    /// ------
    /// TypeError
    ///     Where the table has no column of vectors.
    ///
    /// Examples
    /// --------
    /// >>> pomona.open(results).components().matrix().dtype
    /// dtype('float32')
    fn matrix<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyArray2<f32>>> {
        let Some(vectors) = py.detach(|| self.0.vectors()) else {
            return Err(PyTypeError::new_err("the table has no column of vectors"));
        };
        Ok(vectors.map_err(error::exception)?.into_pyarray(py))
    }

    /// The names of the columns, in order.
    ///
    /// Examples
    /// --------
    /// >>> pomona.open(results).metadata().columns
    /// ['path', 'label', 'class_id', 'image_id']
    #[getter]
    fn columns(&self) -> Vec<String> {
        self.0.schema().fields().iter().map(|field| field.name().clone()).collect()
    }

    fn __len__(&self) -> usize {
        self.0.rows()
    }

    fn __repr__(&self) -> String {
        format!("<pomona.Table of {} rows: {}>", self.0.rows(), self.columns().join(", "))
    }
}

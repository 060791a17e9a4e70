//! The compiled part of the package for Python: what `pomona/` next to it wraps into functions and classes with
//! documentation. Whatever takes long runs on threads of its own, without Python's lock ([`interruptible`]).

mod error;
mod features;
mod interruptible;
mod results;
mod run;
mod table;

use std::ffi::OsString;

use pyo3::prelude::*;

#[pymodule]
mod _pomona {
    #[pymodule_export]
    use super::features::Network;
    #[pymodule_export]
    use super::main;
    #[pymodule_export]
    use super::results::{Pca, document, find_run, search, table};
    #[pymodule_export]
    use super::run::run;
    #[pymodule_export]
    use super::table::Table;

    use pomona_run::ErrorName;
    use pyo3::prelude::*;

    #[pymodule_init]
    fn init(module: &Bound<'_, PyModule>) -> PyResult<()> {
        module.add("__version__", env!("CARGO_PKG_VERSION"))?;
        module.add("ERROR_NAMES", ErrorName::ALL.map(ErrorName::as_str))
    }
}

/// The command line: does what it says and returns its exit code.
#[pyfunction]
fn main(py: Python<'_>, arguments: Vec<OsString>) -> u8 {
    py.detach(|| pomona_cli::main(arguments))
}

//! Errors as exceptions: the closed set of names is that of the classes in `pomona.errors`.

use pomona_cli::Error;
use pomona_run::ErrorName;
use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;

/// The exception for an error of the libraries.
pub(crate) fn exception(error: impl Into<Error>) -> PyErr {
    let error = error.into();
    named(error.name(), &error.to_string())
}

/// The exception of this name.
pub(crate) fn named(name: ErrorName, message: &str) -> PyErr {
    Python::attach(|py| {
        let class = name.as_str().rsplit('.').next().unwrap_or_default();
        let made = py.import("pomona.errors").and_then(|errors| errors.getattr(class)?.call1((message,)));
        made.map_or_else(|error| error, PyErr::from_value)
    })
}

/// The exception for options that the command line does not have, or not with this value.
pub(crate) fn of_options(error: &clap::Error) -> PyErr {
    let text = error.to_string();
    let message = text.split("\n\n").next().unwrap_or_default().trim_start_matches("error: ").trim_end();
    match error.kind() {
        clap::error::ErrorKind::UnknownArgument => PyTypeError::new_err(message.to_owned()),
        _ => named(ErrorName::BadInput, message),
    }
}

//! Globs over keys.

use globset::{GlobBuilder, GlobSet, GlobSetBuilder};

use crate::error::Error;

/// The set of the given patterns, in which `*` does not cross a `/` and `**` does.
///
/// # Errors
/// [`Error::Option`] names `option` where a pattern is no glob.
pub fn globs<G: AsRef<str>>(option: &'static str, patterns: impl IntoIterator<Item = G>) -> Result<GlobSet, Error> {
    let refuse = |error: globset::Error| Error::Option {
        option,
        problem: format!("{error}; write a glob over keys such as 'Apple*/*'"),
    };
    let mut set = GlobSetBuilder::new();
    for pattern in patterns {
        set.add(GlobBuilder::new(pattern.as_ref()).literal_separator(true).build().map_err(refuse)?);
    }
    set.build().map_err(refuse)
}

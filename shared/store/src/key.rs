//! Which keys may be written, and which prefixes listed.

use crate::Error;

/// Names that begin so belong to writes that have not finished; no key may use them.
pub(crate) const TEMPORARY: &str = ".pomona-tmp-";

/// Checks a key that an object is to be written under, in any store.
///
/// Every other character is allowed, backslashes, newlines and spaces included.
pub(crate) fn check(key: &str) -> Result<(), Error> {
    let problem = if key.is_empty() {
        "a key must not be empty"
    } else if key.contains('\0') {
        "a key must not contain the character NUL"
    } else if key.split('/').any(|name| matches!(name, "" | "." | "..")) {
        "a key must be relative, with non-empty names other than . and .. between its slashes"
    } else if key.split('/').any(|name| name.starts_with(TEMPORARY)) {
        "names that begin with .pomona-tmp- are reserved for unfinished writes"
    } else {
        return Ok(());
    };
    Err(Error::invalid(key, problem))
}

/// Checks a prefix to list below: "" for everything, or names each followed by a slash.
pub(crate) fn check_prefix(prefix: &str) -> Result<(), Error> {
    if prefix.is_empty() {
        return Ok(());
    }
    match prefix.strip_suffix('/') {
        Some(folder) => check(folder),
        None => Err(Error::invalid(prefix, "a prefix must be empty or end with a slash")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_that_could_leave_the_store_or_name_nothing_are_invalid() {
        for key in ["", "/a", "a/", "a//b", "..", "a/../b", "./a", "a\0b", "a/.pomona-tmp-1"] {
            assert!(matches!(check(key), Err(Error::Invalid { .. })), "{key:?}");
        }
    }

    #[test]
    fn odd_but_harmless_keys_are_valid() {
        for key in ["a", "a b/c+d", "100%", "..a", "a\\b", "new\nline", "é/日本", "\"'"] {
            assert!(check(key).is_ok(), "{key:?}");
        }
    }

    #[test]
    fn a_prefix_is_empty_or_a_folder() {
        assert!(check_prefix("").is_ok());
        assert!(check_prefix("a/b/").is_ok());
        for prefix in ["a", "/", "a//", "../"] {
            assert!(matches!(check_prefix(prefix), Err(Error::Invalid { .. })), "{prefix:?}");
        }
    }
}

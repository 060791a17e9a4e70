//! The options of runs that start by themselves, as the stack's parameter RunOptions has them.

use pomona_run::{Error as RunError, Options};
use serde_json::Value;

use crate::error::Error;

/// The options, if they are some: better refused now than by every run.
pub(super) fn usable(text: &str) -> Result<Value, Error> {
    let options: Value = serde_json::from_str(text).map_err(|error| refused(None, format!("no JSON: {error}")))?;
    let parsed: Options = serde_path_to_error::deserialize(options.clone()).map_err(|error| {
        let path = error.path().to_string();
        refused(named_in(&path), format!("`{path}`: {}", error.into_inner()))
    })?;
    parsed.validate().map_err(|error| refused(option_of(&error), error.to_string()))?;
    Ok(options)
}

fn refused(option: Option<String>, problem: String) -> Error {
    Error::RunOptions { option, problem }
}

/// The option that a path leads to; nothing where there is none of that name, because anything may stand there.
fn named_in(path: &str) -> Option<String> {
    let name = path.split(['.', '[']).next()?;
    let all = serde_json::to_value(Options { allow_empty: true, ..Options::default() }).ok()?;
    all.get(name).map(|_| name.to_owned())
}

fn option_of(error: &RunError) -> Option<String> {
    let RunError::Option { option, .. } = error else { return None };
    Some((*option).to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_that_no_run_could_honour_are_refused_by_name_and_without_their_values() {
        usable(r#"{"components": 0.9}"#).unwrap();
        for (text, named) in [
            (r#"{"limit": "Anna"}"#, "its option `limit`"),
            (r#"{"classes": [{"Anna": 1}]}"#, "its option `classes`"),
            (r#"{"filter": "Anna[", "limit": 3}"#, "its option `filter`"),
            (r#"{"Anna": 1}"#, "it holds what is no option"),
            (r#"{"filter": Anna}"#, "it holds what is no option"),
            (r#"{"shard_size": 0}"#, "its option `shard"),
            ("\"Anna\"", "is no JSON"),
            ("", "is no JSON"),
        ] {
            let error = usable(text).unwrap_err();
            assert_eq!(error.name().as_str(), "Pomona.BadInput");
            let outline = error.outline();
            assert!(outline.contains("RunOptions") && outline.contains(named), "{text}: {outline}");
            assert!(!outline.contains("Anna"), "{outline}");
        }
        let wrong = usable(r#"{"limit": "Anna"}"#).unwrap_err().to_string();
        assert!(wrong.contains("Anna") && wrong.contains("`limit`"), "{wrong}");
    }
}

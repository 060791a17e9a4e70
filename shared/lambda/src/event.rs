//! Reading events.

use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::error::Error;

/// Reads `value`; the error names the field that is wrong, by its path.
pub(crate) fn parse<T: DeserializeOwned>(subject: &'static str, value: Value) -> Result<T, Error> {
    serde_path_to_error::deserialize(value).map_err(|error| {
        let path = error.path().to_string();
        let problem = error.into_inner();
        let problem = if path == "." { problem.to_string() } else { format!("`{path}`: {problem}") };
        Error::Event { subject, problem }
    })
}

/// Reads what an event asks for, its field `task`, and gives the other fields.
pub(crate) fn task<T: DeserializeOwned>(mut event: Value) -> Result<(T, Value), Error> {
    let task = event.as_object_mut().and_then(|fields| fields.remove("task")).unwrap_or_default();
    let task = T::deserialize(task).map_err(|problem| {
        let problem = format!("`task`: {problem}");
        Error::Event { subject: "the event", problem }
    })?;
    Ok((task, event))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde::Deserialize;
    use serde_json::json;

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Outer {
        #[expect(dead_code, reason = "only how it is read matters")]
        inner: Inner,
    }

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Inner {
        #[expect(dead_code, reason = "only how it is read matters")]
        count: u32,
    }

    #[test]
    fn an_error_names_the_wrong_field_by_its_path() {
        let problem = |value| parse::<Outer>("the event", value).unwrap_err().to_string();
        assert!(problem(json!({"inner": {"count": "many"}})).contains("`inner.count`: invalid type"));
        assert!(problem(json!({"inner": {"count": 1, "cuont": 2}})).contains("cuont"));
        assert!(problem(json!({"outer": 1})).starts_with("the event cannot be used: "));
        assert!(problem(json!({})).contains("missing field `inner`"));
    }
}

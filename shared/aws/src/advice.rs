//! What an execution's error means, and what to do: the table in `infra/README.md`, which is the only place where that
//! is written.

use serde::Serialize;

const DOCUMENT: &str = include_str!("../../../infra/README.md");

/// A row of the table.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Advice {
    /// What the error means.
    pub meaning: &'static str,
    /// What to do.
    pub remedy: &'static str,
}

/// What is known about an error, by the name that Step Functions gives it.
pub fn advice(error: &str) -> Option<Advice> {
    DOCUMENT.lines().filter_map(row).find(|(names, _)| is_among(error, names)).map(|(_, advice)| advice)
}

/// The names and the advice of a line such as ``| `A`, `B` | what it means | what to do |``.
fn row(line: &'static str) -> Option<(&'static str, Advice)> {
    let cells: Vec<&str> = line.strip_prefix('|')?.strip_suffix('|')?.split('|').map(str::trim).collect();
    match cells[..] {
        [names, meaning, remedy] => Some((names, Advice { meaning, remedy })),
        _ => None,
    }
}

fn is_among(error: &str, names: &str) -> bool {
    names.split(", ").any(|name| name.strip_prefix('`').and_then(|name| name.strip_suffix('`')) == Some(error))
}

#[cfg(test)]
mod tests {
    use super::*;
    use pomona_run::ErrorName;

    #[test]
    fn there_is_advice_on_every_error_of_ours() {
        for name in ErrorName::ALL {
            let advice = advice(name.as_str()).unwrap_or_else(|| panic!("infra/README.md lacks {}", name.as_str()));
            assert!(!advice.meaning.is_empty() && !advice.remedy.is_empty());
        }
    }

    #[test]
    fn there_is_advice_on_the_errors_of_aws_that_a_run_can_meet() {
        for name in [
            "States.ExceedToleratedFailureThreshold",
            "States.Timeout",
            "Sandbox.Timedout",
            "Runtime.ExitError",
            "Lambda.TooManyRequestsException",
        ] {
            assert!(advice(name).is_some(), "{name}");
        }
        assert!(advice("Lambda.TooManyRequestsException").unwrap().remedy.contains("max_concurrency"));
    }

    #[test]
    fn on_anything_else_there_is_none() {
        for name in ["Pomona", "images", "error", "", "---"] {
            assert_eq!(advice(name), None, "{name}");
        }
    }
}

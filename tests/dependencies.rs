//! What comes with Pomona: every dependency is from the registry and under a licence that can be passed on with an
//! Apache-2.0 program. These are cargo-deny's checks of sources and licences, with the library that it reads
//! expressions by; they need no network and no tool to install. What needs a network, known weaknesses, is left out.

use std::process::Command;

use pomona_tests::{project, succeed};
use serde_json::Value;
use spdx::{Expression, LicenseReq, ParseMode};

/// Licences of which each dependency must offer one, in the terms of its licence expression.
const ALLOWED: [&str; 14] = [
    "0BSD",
    "Apache-2.0",
    "Apache-2.0 WITH LLVM-exception",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "BSL-1.0",
    "CC0-1.0",
    "CDLA-Permissive-2.0",
    "IJG",
    "ISC",
    "MIT",
    "MIT-0",
    "Unicode-3.0",
    "Zlib",
];

fn packages() -> Vec<Value> {
    let mut command = Command::new(env!("CARGO"));
    command.current_dir(project()).args(["metadata", "--locked", "--format-version", "1"]);
    let metadata: Value = serde_json::from_str(&succeed(&mut command)).unwrap();
    metadata["packages"].as_array().unwrap().clone()
}

/// Whether a licence expression can be met; older ones have a slash for `OR`.
fn is_met(expression: &str) -> bool {
    let allows = |wanted: &LicenseReq| ALLOWED.contains(&wanted.to_string().as_str());
    Expression::parse_mode(expression, ParseMode::LAX).is_ok_and(|expression| expression.evaluate(allows))
}

#[test]
fn every_dependency_has_a_licence_that_can_be_passed_on() {
    for package in packages() {
        let licence = package["license"].as_str().unwrap_or("none");
        assert!(is_met(licence), "{}: {licence}", package["name"]);
    }
}

#[test]
fn every_dependency_comes_from_the_registry_or_this_workspace() {
    for package in packages() {
        let source = package["source"].as_str().unwrap_or("this workspace");
        assert!(source == "this workspace" || source.starts_with("registry+"), "{}: {source}", package["name"]);
    }
}

#[test]
fn licence_expressions_are_understood() {
    for met in [
        "MIT",
        "MIT OR Apache-2.0",
        "GPL-3.0 OR MIT",
        "MIT/Apache-2.0",
        "(MIT OR GPL-3.0) AND ISC",
        "Apache-2.0 AND ISC",
    ] {
        assert!(is_met(met), "{met}");
    }
    for unmet in ["GPL-3.0", "none", "MIT AND GPL-3.0", "(MIT OR ISC) AND GPL-3.0"] {
        assert!(!is_met(unmet), "{unmet}");
    }
}

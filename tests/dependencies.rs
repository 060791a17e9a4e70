//! What comes with Pomona: every dependency is from the registry, under a licence that can be passed on with an
//! Apache-2.0 program, none that is unwanted, and in one version where that can be had. These are cargo-deny's checks
//! of sources, licences and bans, with the library that it reads expressions by; they need no network and no tool to
//! install. What needs a network, known weaknesses, is left out.

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;

use pomona_tests::{project, succeed};
use serde_json::Value;
use spdx::{Expression, LicenseReq, ParseMode};

/// Licences of which each dependency must offer one, in the terms of its licence expression.
const ALLOWED: [&str; 15] = [
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
    "NCSA",
    "Unicode-3.0",
    "Zlib",
];

/// What must not come in, and what is used instead.
const UNWANTED: [(&str, &str); 5] = [
    ("openssl-sys", "rustls, which needs no library of the system"),
    ("native-tls", "rustls"),
    ("reqwest", "the HTTP client that the AWS SDK is made of"),
    ("polars", "parquet and arrow"),
    ("image", "the decoders themselves, whose pixels are held equal to Pillow's"),
];

/// Crates that come in several versions, because crates that we use have not moved on to the same one. A new name here
/// is more to compile for everybody: see with `cargo tree --duplicates` whom it comes from first.
const SEVERAL_VERSIONS: [&str; 22] = [
    "base64",
    "bit-vec",
    "block-buffer",
    "cpufeatures",
    "crypto-common",
    "digest",
    "equator",
    "equator-macro",
    "getrandom",
    "glam",
    "hashbrown",
    "itertools",
    "miniz_oxide",
    "nom",
    "num-bigint",
    "r-efi",
    "sha2",
    "syn",
    "synstructure",
    "thiserror",
    "thiserror-impl",
    "windows-sys",
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
fn nothing_unwanted_comes_in() {
    for package in packages() {
        let instead = UNWANTED.iter().find(|(name, _)| package["name"] == *name);
        assert!(instead.is_none(), "{}: use {}", package["name"], instead.unwrap().1);
    }
}

#[test]
fn what_comes_in_several_versions_is_known() {
    let mut versions: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for package in packages() {
        let text = |field: &str| package[field].as_str().unwrap().to_owned();
        versions.entry(text("name")).or_default().insert(text("version"));
    }
    let several: Vec<&str> =
        versions.iter().filter(|(_, each)| each.len() > 1).map(|(name, _)| name.as_str()).collect();
    assert_eq!(several, SEVERAL_VERSIONS);
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

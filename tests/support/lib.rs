//! What tests share: the program, pictures, Python, the reference data, and results compared byte for byte.

pub mod onnx;

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::Value;

/// The project's folder.
pub fn project() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// The folder with published weights, photographs and reference results that lies beside the project. Tests that need
/// it are ignored until somebody who has it asks for them, as `make test` does.
///
/// # Panics
/// Where it is missing.
pub fn reference() -> PathBuf {
    needed(project().join("../shared"), "the reference data")
}

/// The Python with the packages of tests/python/requirements.txt: `$POMONA_PYTHON`, or that of the project.
///
/// # Panics
/// Where it is missing.
pub fn python() -> PathBuf {
    let chosen = std::env::var_os("POMONA_PYTHON").map(PathBuf::from);
    needed(
        chosen.unwrap_or_else(|| project().join(".venv/bin/python")),
        "the tests' Python, which `make test` installs (or POMONA_PYTHON names),",
    )
}

fn needed(path: PathBuf, what: &str) -> PathBuf {
    assert!(path.exists(), "{what} is missing at {}", path.display());
    path
}

/// The program, built by `cargo build --release` into the folder that the tests were built into.
pub fn pomona() -> Command {
    let test = std::env::current_exe().expect("a test knows its own path");
    let program = test.parent().and_then(Path::parent).expect("tests lie in target/release/deps").join("pomona");
    assert!(program.exists(), "{} is missing: run `cargo build --release` before the tests", program.display());
    let mut command = Command::new(program);
    command.env_remove("POMONA_MODEL");
    command
}

/// `pomona run` with untrained weights.
pub fn pomona_run(input: &Path, output: &Path) -> Command {
    let mut command = pomona();
    command.arg("run").arg(input).arg(output).arg("--untrained");
    command
}

/// `pomona run` with the published weights of the reference data.
pub fn pomona_run_published(input: &Path, output: &Path) -> Command {
    let mut command = pomona();
    command.arg("run").arg(input).arg(output);
    command.arg("--model").arg(reference().join("models/mobilenet_v2_1.0_224_features.onnx"));
    command
}

/// Runs a command that must succeed, and returns what it printed.
pub fn succeed(command: &mut Command) -> String {
    let output = command.output().expect("the program starts");
    assert!(output.status.success(), "{command:?}\n{}", all_output(&output));
    String::from_utf8(output.stdout).expect("programs print UTF-8")
}

/// Runs a command that must fail with exit code 1, and returns its error message.
pub fn fail(command: &mut Command) -> String {
    let output = command.output().expect("the program starts");
    assert_eq!(output.status.code(), Some(1), "{command:?}\n{}", all_output(&output));
    String::from_utf8(output.stderr).expect("programs print UTF-8")
}

fn all_output(output: &Output) -> String {
    format!("{}\n{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

/// Runs a script of tests/python, which ends with an error where something is not as it should be.
pub fn run_python(python: &Path, script: &str, arguments: &[&OsStr]) {
    let script = project().join("tests/python").join(script);
    print!("{}", succeed(Command::new(python).arg(script).args(arguments)));
}

/// Links `files` (paths below `from`) into the folder `to` under the same paths.
pub fn link_files<'a>(from: &Path, files: impl IntoIterator<Item = &'a str>, to: &Path) {
    for file in files {
        let target = to.join(file);
        fs::create_dir_all(target.parent().expect("a file lies in a folder")).expect("folders can be made");
        std::os::unix::fs::symlink(from.canonicalize().expect("the folder exists").join(file), target)
            .expect("links can be made");
    }
}

/// The folder `to` with 360 pictures in 12 classes.
pub fn pictures(to: &Path) -> PathBuf {
    pomona_demo::draw(to).expect("pictures can be drawn");
    to.to_owned()
}

/// The folder `to` with the first pictures of some classes, `count` in all.
pub fn few_pictures(count: usize, to: &Path) -> PathBuf {
    let all = tempfile::tempdir().expect("a temporary folder");
    pictures(all.path());
    let mut classes: Vec<PathBuf> =
        fs::read_dir(all.path()).expect("a folder").map(|entry| entry.expect("an entry").path()).collect();
    classes.sort();
    for number in 0..count {
        let class = &classes[number % classes.len()];
        let picture = class.join(format!("{:03}.png", number / classes.len()));
        let target = to.join(picture.strip_prefix(all.path()).expect("pictures lie below their folder"));
        fs::create_dir_all(target.parent().expect("a picture lies in a folder")).expect("folders can be made");
        fs::copy(picture, target).expect("pictures can be copied");
    }
    to.to_owned()
}

/// The folder of the newest successful run.
pub fn latest_run(output: &Path) -> PathBuf {
    let latest = fs::read(output.join("latest.json")).expect("there is a successful run");
    let latest: Value = serde_json::from_slice(&latest).expect("latest.json is JSON");
    output.join(latest["folder"].as_str().expect("latest.json names a folder"))
}

/// The result of the newest successful run, as [`result_of`] has it.
pub fn result(output: &Path) -> BTreeMap<String, Vec<u8>> {
    result_of(&latest_run(output))
}

/// The result of the run whose folder this is: every file by its path below it, model_info.json without its timestamp.
pub fn result_of(run: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut files = BTreeMap::new();
    for folder in ["features", "pca", "metadata", "classes", "errors", "model_info"] {
        collect(run, &run.join(folder), &mut files);
    }
    if run.join("classify").exists() {
        collect(run, &run.join("classify"), &mut files);
    }
    let info = files.get_mut("model_info/model_info.json").expect("a run has its model_info");
    let mut json: Value = serde_json::from_slice(info).expect("model_info is JSON");
    json.as_object_mut().and_then(|info| info.remove("timestamp")).expect("model_info has a timestamp");
    *info = serde_json::to_vec(&json).expect("JSON can be written");
    files
}

fn collect(root: &Path, folder: &Path, files: &mut BTreeMap<String, Vec<u8>>) {
    for entry in fs::read_dir(folder).expect("a run has all its folders") {
        let path = entry.expect("folders can be listed").path();
        if path.is_dir() {
            collect(root, &path, files);
        } else {
            let name = path.strip_prefix(root).expect("files lie below the run").display().to_string();
            files.insert(name, fs::read(&path).expect("files can be read"));
        }
    }
}

/// Fails where two results are not the same files with the same bytes.
pub fn assert_same(a: &BTreeMap<String, Vec<u8>>, b: &BTreeMap<String, Vec<u8>>) {
    let differing: Vec<&String> = a.keys().chain(b.keys()).filter(|name| a.get(*name) != b.get(*name)).collect();
    assert!(differing.is_empty(), "these files differ: {differing:?}");
}

//! What the whole-system tests share: the program, the reference data, Python, and results compared byte for byte.

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

/// The folder with models, images and reference results that lies beside the project. Without it a test that needs it fails in CI,
/// and elsewhere says so and ends.
pub fn reference_data() -> Option<PathBuf> {
    needed(project().join("../shared"), "the folder `shared` with reference data does not lie beside the project")
}

/// The Python with the packages of tests/python/requirements.txt; as for [`reference_data`] where there is none.
pub fn python() -> Option<PathBuf> {
    let chosen = std::env::var_os("POMONA_PYTHON").map(PathBuf::from);
    let python = chosen.unwrap_or_else(|| project().join(".venv/bin/python"));
    needed(python, "there is no Python with the tests' packages; `make test` installs it")
}

fn needed(path: PathBuf, missing: &str) -> Option<PathBuf> {
    if path.exists() {
        return Some(path);
    }
    assert!(std::env::var_os("CI").is_none(), "{missing}: {}", path.display());
    eprintln!("skipped: {missing}");
    None
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

/// `pomona run` with the reference model.
pub fn pomona_run(shared: &Path, input: &Path, output: &Path) -> Command {
    let mut command = pomona();
    command.arg("run").arg(input).arg(output);
    command.arg("--model").arg(shared.join("models/mobilenet_v2_1.0_224_features.onnx"));
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

/// The paths of the 300 images that reference/pca_300.json is about, below images/fruits-360.
pub fn reference_paths(shared: &Path) -> Vec<String> {
    let json = fs::read(shared.join("reference/pca_300.json")).expect("the reference can be read");
    let json: Value = serde_json::from_slice(&json).expect("the reference is JSON");
    let paths = json["paths"].as_array().expect("the reference has paths");
    paths.iter().map(|path| path.as_str().expect("paths are text").to_owned()).collect()
}

/// A folder with links to the 300 reference images.
pub fn reference_images(shared: &Path, to: &Path) -> PathBuf {
    let paths = reference_paths(shared);
    link_files(&shared.join("images/fruits-360"), paths.iter().map(String::as_str), to);
    to.to_owned()
}

/// The folder of the newest successful run.
pub fn latest_run(output: &Path) -> PathBuf {
    let latest = fs::read(output.join("latest.json")).expect("there is a successful run");
    let latest: Value = serde_json::from_slice(&latest).expect("latest.json is JSON");
    output.join(latest["folder"].as_str().expect("latest.json names a folder"))
}

/// The result of the newest successful run: every file by its path below the run's folder, model_info.json without its timestamp.
pub fn result(output: &Path) -> BTreeMap<String, Vec<u8>> {
    let run = latest_run(output);
    let mut files = BTreeMap::new();
    for folder in ["features", "pca", "metadata", "classes", "errors", "model_info"] {
        collect(&run, &run.join(folder), &mut files);
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

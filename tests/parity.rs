//! The program's pixels, features and components against the programs that it replaces: Pillow and ONNX Runtime, numpy
//! and scikit-learn, asked while the tests run.

use std::ffi::OsStr;
use std::path::Path;

use pomona_tests::{pictures, pomona, pomona_run, python, run_python, succeed};

fn untrained_model(folder: &Path) -> std::path::PathBuf {
    let file = folder.join("untrained.onnx");
    succeed(pomona().args(["model", "untrained"]).arg(&file));
    file
}

#[test]
fn photographs_and_drawings_have_the_features_of_onnx_runtime_with_either_engine() {
    let folder = tempfile::tempdir().unwrap();
    let (input, model) = (folder.path().join("in"), untrained_model(folder.path()));
    run_python(&python(), "write_pictures.py", &[input.as_os_str()]);
    for engine in ["pomona", "tract"] {
        let output = folder.path().join(engine);
        // Some are there to be rejected.
        let arguments =
            ["--engine", engine, "--max-reject-share", "0.5", "--extensions", "jpg,jpeg,png,gif,bmp,webp,tif"];
        succeed(pomona_run(&input, &output).args(arguments));
        check_features(&output, &input, &model, "1e-4");
    }
}

fn check_features(output: &Path, input: &Path, model: &Path, tolerance: &str) {
    let arguments = [output.as_os_str(), input.as_os_str(), model.as_os_str(), OsStr::new(tolerance)];
    run_python(&python(), "check_features.py", &arguments);
}

/// Every pixel rounds in the same direction there, so differences add up: the README says by how much.
#[test]
fn plain_colours_have_the_features_of_onnx_runtime_to_the_bound_that_is_said() {
    let folder = tempfile::tempdir().unwrap();
    let (input, output) = (folder.path().join("in"), folder.path().join("out"));
    let model = untrained_model(folder.path());
    run_python(&python(), "write_colours.py", &[input.as_os_str()]);
    succeed(&mut pomona_run(&input, &output));
    check_features(&output, &input, &model, "1.4e-4");
}

#[test]
fn components_equal_those_of_numpy_and_scikit_learn_in_every_setting() {
    let folder = tempfile::tempdir().unwrap();
    let input = pictures(&folder.path().join("in"));
    let output = folder.path().join("out");
    let settings: [&[&str]; 3] =
        [&["--components", "50"], &["--components", "100"], &["--components", "10", "--standardize"]];
    for setting in settings {
        for centring in [&[][..], &["--no-center"]] {
            succeed(pomona_run(&input, &output).args(setting).args(centring));
            run_python(&python(), "check_components.py", &[output.as_os_str()]);
        }
    }
}

#[test]
fn the_demo_s_classes_lie_apart_although_the_weights_are_untrained() {
    let folder = tempfile::tempdir().unwrap();
    let input = pictures(&folder.path().join("in"));
    let output = folder.path().join("out");
    succeed(&mut pomona_run(&input, &output));
    run_python(&python(), "check_neighbours.py", &[output.as_os_str(), OsStr::new("0.9")]);
}

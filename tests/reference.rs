//! What only the published weights and real photographs can show, with the folder `shared` that holds them beside the
//! project.

use std::ffi::OsStr;
use std::fs;

use pomona_tests::{
    assert_same, fail, link_files, pictures, pomona, pomona_run_published, python, reference, result, run_python,
    succeed,
};

#[test]
#[ignore = "needs the reference data in ../shared"]
fn tricky_files_have_the_features_of_keras_or_are_rejects_with_their_reason() {
    let (shared, folder) = (reference(), tempfile::tempdir().unwrap());
    let (input, output) = (folder.path().join("in"), folder.path().join("out"));
    let tricky = fs::read_dir(shared.join("reference/tricky")).unwrap();
    let tricky: Vec<String> = tricky.map(|file| file.unwrap().file_name().into_string().unwrap()).collect();
    link_files(&shared.join("reference/tricky"), tricky.iter().map(String::as_str), &input);
    // A quarter of them are there to be rejected.
    succeed(pomona_run_published(&input, &output).args(["--max-reject-share", "0.5"]));
    let table = shared.join("reference/tricky.parquet");
    run_python(&python(), "check_published_features.py", &[output.as_os_str(), table.as_os_str()]);
    let rejects = shared.join("reference/rejects.json");
    run_python(&python(), "check_published_rejects.py", &[output.as_os_str(), rejects.as_os_str()]);
}

#[test]
#[ignore = "needs the reference data in ../shared"]
fn features_equal_those_of_keras_for_one_image_of_each_class() {
    let (shared, folder) = (reference(), tempfile::tempdir().unwrap());
    let (input, output) = (folder.path().join("in"), folder.path().join("out"));
    let table = shared.join("reference/features.parquet");
    let images = shared.join("images/fruits-360");
    let arguments = [table.as_os_str(), images.as_os_str(), input.as_os_str()];
    run_python(&python(), "link_images.py", &arguments);
    succeed(&mut pomona_run_published(&input, &output));
    run_python(&python(), "check_published_features.py", &[output.as_os_str(), table.as_os_str()]);
}

#[test]
#[ignore = "needs the reference data in ../shared"]
fn components_equal_those_that_lapack_found_in_the_features_of_keras() {
    let (shared, folder) = (reference(), tempfile::tempdir().unwrap());
    let (input, output) = (folder.path().join("in"), folder.path().join("out"));
    let json = fs::read(shared.join("reference/pca_300.json")).unwrap();
    let json: serde_json::Value = serde_json::from_slice(&json).unwrap();
    let paths = json["paths"].as_array().unwrap().iter().map(|path| path.as_str().unwrap());
    link_files(&shared.join("images/fruits-360"), paths, &input);
    let settings: [(&str, &[&str]); 3] = [
        ("0", &["--components", "50"]),
        ("1", &["--components", "100"]),
        ("2", &["--components", "10", "--standardize"]),
    ];
    for (case, arguments) in settings {
        for centring in [&[][..], &["--no-center"]] {
            succeed(pomona_run_published(&input, &output).args(arguments).args(centring));
            let centred = if centring.is_empty() { "centered" } else { "uncentered" };
            let arguments = [output.as_os_str(), shared.as_os_str(), OsStr::new(case), OsStr::new(centred)];
            run_python(&python(), "check_published_components.py", &arguments);
        }
    }
}

#[test]
#[ignore = "needs the reference data in ../shared"]
fn components_of_the_last_feature_map_equal_the_exact_ones_of_the_features_of_keras() {
    let (shared, folder) = (reference(), tempfile::tempdir().unwrap());
    let (input, output) = (folder.path().join("in"), folder.path().join("out"));
    let json = fs::read(shared.join("reference/wide_300.json")).unwrap();
    let json: serde_json::Value = serde_json::from_slice(&json).unwrap();
    let paths = json["paths"].as_array().unwrap().iter().map(|path| path.as_str().unwrap());
    link_files(&shared.join("images/fruits-360"), paths, &input);
    let wide = ["--layer", "Conv_1", "--components", "100", "--keep-features", "yes"];
    let printed = succeed(pomona_run_published(&input, &output).args(wide));
    assert!(printed.contains("300 x 62720") && printed.contains("passes"), "{printed}");
    run_python(&python(), "check_published_wide.py", &[output.as_os_str(), shared.as_os_str()]);
}

#[test]
#[ignore = "needs the reference data in ../shared"]
fn the_published_model_is_fetched_once_checked_and_then_found() {
    let (shared, folder) = (reference().canonicalize().unwrap(), tempfile::tempdir().unwrap());
    let pomona = || {
        let mut command = pomona();
        command.env("POMONA_CACHE", folder.path()).current_dir(folder.path());
        command
    };
    let printed = succeed(pomona().args(["model", "fetch", "--from"]).arg(shared.join("models/mobilenetv2_nhwc")));
    assert!(printed.contains("is the published"), "{printed}");
    succeed(pomona().args(["model", "verify"]));
    succeed(pomona().args(["model", "verify"]).arg(shared.join("models/mobilenet_v2_1.0_224_features.onnx")));
    fail(pomona().args(["model", "verify"]).arg(shared.join("models/mobilenetv2_layers.json")));

    // The cached model is used without being asked for, and gives what the reference file gives.
    let input = pictures(&folder.path().join("in"));
    let (fetched, given) = (folder.path().join("fetched"), folder.path().join("given"));
    succeed(pomona().arg("run").arg(&input).arg(&fetched).args(["--limit", "20"]));
    succeed(pomona_run_published(&input, &given).args(["--limit", "20"]));
    assert_same(&result(&fetched), &result(&given));

    // What untrained weights would have made is another part, and the result shows no trace of it.
    succeed(pomona().arg("run").arg(&input).arg(&given).args(["--limit", "20", "--untrained"]));
    let summary = succeed(pomona_run_published(&input, &given).args(["--limit", "20"]));
    assert!(summary.contains("nothing: all features were there already"), "{summary}");
    assert_same(&result(&fetched), &result(&given));
}

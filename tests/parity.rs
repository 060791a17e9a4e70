//! The program's features and components against Keras's and LAPACK's, on real photographs.

use std::ffi::OsStr;

use pomona_tests::{link_files, pomona_run, python, reference_data, reference_images, run_python, succeed};

#[test]
fn tricky_files_have_the_features_of_keras_or_are_rejects_with_their_reason() {
    let (Some(shared), Some(python)) = (reference_data(), python()) else { return };
    let folder = tempfile::tempdir().unwrap();
    let (input, output) = (folder.path().join("in"), folder.path().join("out"));
    let tricky = std::fs::read_dir(shared.join("reference/tricky")).unwrap();
    let tricky: Vec<String> = tricky.map(|file| file.unwrap().file_name().into_string().unwrap()).collect();
    link_files(&shared.join("reference/tricky"), tricky.iter().map(String::as_str), &input);
    // A quarter of them are there to be rejected.
    succeed(pomona_run(&shared, &input, &output).args(["--max-reject-share", "0.5"]));
    let table = shared.join("reference/tricky.parquet");
    run_python(&python, "check_features.py", &[output.as_os_str(), table.as_os_str()]);
    let rejects = shared.join("reference/rejects.json");
    run_python(&python, "check_rejects.py", &[output.as_os_str(), rejects.as_os_str()]);
}

#[test]
fn features_equal_those_of_keras_for_one_image_of_each_class() {
    let (Some(shared), Some(python)) = (reference_data(), python()) else { return };
    let folder = tempfile::tempdir().unwrap();
    let (input, output) = (folder.path().join("in"), folder.path().join("out"));
    let table = shared.join("reference/features.parquet");
    let images = shared.join("images/fruits-360");
    let arguments = [table.as_os_str(), images.as_os_str(), input.as_os_str()];
    run_python(&python, "link_images.py", &arguments);
    succeed(&mut pomona_run(&shared, &input, &output));
    run_python(&python, "check_features.py", &[output.as_os_str(), table.as_os_str()]);
}

#[test]
fn components_equal_those_of_lapack_in_every_setting() {
    let (Some(shared), Some(python)) = (reference_data(), python()) else { return };
    let folder = tempfile::tempdir().unwrap();
    let input = reference_images(&shared, &folder.path().join("in"));
    let output = folder.path().join("out");
    let settings: [(&str, &[&str]); 3] = [
        ("0", &["--components", "50"]),
        ("1", &["--components", "100"]),
        ("2", &["--components", "10", "--standardize"]),
    ];
    for (case, arguments) in settings {
        for centring in [&[][..], &["--no-center"]] {
            succeed(pomona_run(&shared, &input, &output).args(arguments).args(centring));
            let centred = if centring.is_empty() { "centered" } else { "uncentered" };
            let arguments = [output.as_os_str(), shared.as_os_str(), OsStr::new(case), OsStr::new(centred)];
            run_python(&python, "check_components.py", &arguments);
        }
    }
}

//! Wrong requests end in a clear error that says what to do, and unusable images in rejects.

use std::fs;
use std::path::Path;

use pomona_tests::{fail, few_pictures, pomona, pomona_run, succeed};

#[test]
fn requests_that_cannot_work_say_what_is_wrong() {
    let folder = tempfile::tempdir().unwrap();
    let (input, output) = (folder.path().join("in"), folder.path().join("out"));
    few_pictures(6, &input);
    let empty = folder.path().join("empty");
    fs::create_dir(&empty).unwrap();
    let nowhere = folder.path().join("nowhere");
    let file = folder.path().join("file");
    fs::write(&file, "text").unwrap();
    let run = |input: &Path, output: &Path, arguments: &[&str]| fail(pomona_run(input, output).args(arguments));
    let cases = [
        (run(&nowhere, &output, &[]), "no such folder"),
        (run(&file, &output, &[]), "not a folder"),
        (run(&empty, &output, &[]), "no images"),
        (run(&input, &output, &["--filter", "Pear/*"]), "matches the filter `Pear/*`"),
        (run(&input, &output, &["--filter", "a["]), "option `filter`"),
        (run(&input, &output, &["--extensions", "gif"]), "gif"),
        (run(&input, &input.join("out"), &[]), "lies inside the input"),
        (run(&input, &input, &[]), "lies inside the input"),
        (run(&input, &file, &[]), "file"),
        (run(&input, &output, &["--components", "6"]), "at most 5 components"),
        (run(&input, &output, &["--limit", "0"]), "option `limit`"),
        (run(&input, &output, &["--limit", "1"]), "at least 2"),
        (run(&input, &output, &["--max-reject-share", "2"]), "option `max-reject-share`"),
    ];
    for (message, expected) in &cases {
        let error = message.lines().last().unwrap_or_default();
        assert!(error.starts_with("error: ") && error.contains(expected), "{expected:?} is not in {message:?}");
        assert!(!message.contains("panicked"), "{message}");
    }
    assert!(!input.join("out").exists(), "nothing is written below the input");
}

#[test]
fn a_model_that_cannot_be_used_says_why() {
    let folder = tempfile::tempdir().unwrap();
    let (input, output) = (folder.path().join("in"), folder.path().join("out"));
    few_pictures(3, &input);
    let text = folder.path().join("text.onnx");
    fs::write(&text, "this is no model").unwrap();
    for (model, expected) in [(folder.path().join("none.onnx"), "none.onnx"), (text, "text.onnx")] {
        let message = fail(pomona().arg("run").arg(&input).arg(&output).arg("--model").arg(model));
        assert!(message.contains(expected), "{message}");
        assert!(!message.contains("panicked"), "{message}");
    }
}

#[test]
fn the_model_is_found_by_option_variable_or_in_the_working_folder() {
    let folder = tempfile::tempdir().unwrap();
    let (input, output) = (folder.path().join("in"), folder.path().join("out"));
    few_pictures(3, &input);
    let model = folder.path().join("untrained.onnx");
    succeed(pomona().args(["model", "untrained"]).arg(&model));
    succeed(pomona().arg("run").arg(&input).arg(&output).env("POMONA_MODEL", &model));
    fs::create_dir(folder.path().join("models")).unwrap();
    fs::rename(&model, folder.path().join("models/mobilenet_v2_1.0_224_features.onnx")).unwrap();
    let summary = succeed(pomona().arg("run").arg(&input).arg(&output).current_dir(folder.path()));
    assert!(summary.contains("nothing: all features were there already"), "{summary}");
}

#[test]
fn a_file_that_may_not_be_read_is_a_reject_and_not_the_end_of_the_run() {
    let folder = tempfile::tempdir().unwrap();
    let (input, output) = (folder.path().join("in"), folder.path().join("out"));
    few_pictures(20, &input);
    // A link that leads nowhere cannot be read by anybody, the superuser included.
    std::os::unix::fs::symlink(folder.path().join("gone"), input.join("broken.jpg")).unwrap();
    let summary = succeed(&mut pomona_run(&input, &output));
    assert!(summary.contains("1 unreadable"), "{summary}");
    assert!(summary.contains("20 x 1280"), "{summary}");
}

#[test]
fn wrong_usage_has_an_exit_code_of_its_own() {
    for arguments in [&["run"][..], &["run", "a", "b", "--components", "0"], &["run", "a", "b", "--csv", "some"]] {
        let output = pomona().args(arguments).output().unwrap();
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
    }
}

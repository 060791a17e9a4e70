//! Labels that are learned, by the program itself.

use std::fs;
use std::path::Path;

use pomona_tests::{fail, few_pictures, latest_run, pictures, pomona_run, python, run_python, succeed};

fn check(output: &Path) {
    run_python(&python(), "check_classifier.py", &[output.as_os_str()]);
}

/// `pomona run --classify` with a classifier that is held down, as only such a one is the same for everybody.
fn classify(input: &Path, output: &Path, options: &[&str]) -> std::process::Command {
    let mut command = pomona_run(input, output);
    command.args(["--classify", "--regularization", "0.01"]).args(options);
    command
}

#[test]
fn a_classifier_is_scikit_learns_on_the_images_that_it_learned_from() {
    let folder = tempfile::tempdir().unwrap();
    let (input, output) = (pictures(&folder.path().join("in")), folder.path().join("out"));
    // Images without a label take no part.
    fs::copy(input.join("Amberling/000.png"), input.join("unlabelled.png")).unwrap();
    let options: [&[&str]; 3] = [
        &["--components", "10", "--shard-size", "50"],
        &["--components", "10", "--classify-on", "components", "--seed", "7", "--train-share", "0.5"],
        &["--components", "10", "--train-share", "1", "--filter", "[A-F]*/*"],
    ];
    for options in options {
        let said = succeed(&mut classify(&input, &output, options));
        assert!(said.contains("training images right"), "{said}");
        check(&output);
    }
}

#[test]
fn labels_that_cannot_be_learned_are_refused_before_any_image_is_read() {
    let folder = tempfile::tempdir().unwrap();
    let (input, output) = (few_pictures(12, &folder.path().join("in")), folder.path().join("out"));
    for options in [["--label-from", "none"], ["--train-share", "0.000001"]] {
        let said = fail(&mut classify(&input, &output, &options));
        assert!(said.contains("option `classify`: a classifier needs images of at least 2 labels"), "{said}");
    }
    assert!(!output.join("parts").exists());
    let said = pomona_run(&input, &output).args(["--seed", "1"]).output().unwrap();
    assert!(String::from_utf8_lossy(&said.stderr).contains("--classify"), "{said:?}");
}

#[test]
fn a_label_that_is_not_learned_and_a_fit_that_does_not_converge_are_said() {
    let folder = tempfile::tempdir().unwrap();
    // One image of each of twelve labels: more labels than images on either side, and some on neither.
    let (input, output) = (few_pictures(12, &folder.path().join("in")), folder.path().join("out"));
    let said = succeed(&mut classify(&input, &output, &["--components", "2", "--max-iterations", "1"]));
    assert!(said.contains("had not converged after 1 iteration"), "{said}");
    assert!(said.contains("no training image"), "{said}");
    let metrics = fs::read_to_string(latest_run(&output).join("classify/metrics.json")).unwrap();
    let metrics: serde_json::Value = serde_json::from_str(&metrics).unwrap();
    assert_eq!(metrics["descent"]["converged"], false);
    // What nobody learned cannot be told: every test image is of such a label.
    assert_eq!(metrics["test"]["accuracy"], 0.0);
    let page = fs::read_to_string(latest_run(&output).join("report/report.html")).unwrap();
    assert!(page.contains("Classification") && page.matches("had not converged").count() == 1);
}

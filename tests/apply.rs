//! The models of an earlier run, used on other images by the program itself.

use std::fs;
use std::path::Path;
use std::process::Command;

use pomona_tests::{fail, few_pictures, latest_run, pictures, pomona, pomona_run, python, result, run_python, succeed};

/// `pomona apply` on untrained weights, which the run whose models it takes says.
fn apply(results: &Path, input: &Path, output: &Path) -> Command {
    let mut command = pomona();
    command.arg("apply").args([results, input, output]);
    command
}

#[test]
fn models_are_used_on_other_images_as_numpy_would_use_their_files() {
    let folder = tempfile::tempdir().unwrap();
    let (input, results) = (pictures(&folder.path().join("in")), folder.path().join("results"));
    for (number, options) in ["--standardize", "--no-center"].iter().enumerate() {
        let mut fit = pomona_run(&input, &results);
        fit.args(["--components", "7", "--classify", "--regularization", "0.01", options]);
        succeed(fit.args(["--classify-on", ["features", "components"][number], "--filter", "[A-F]*/*"]));
        let output = folder.path().join(format!("applied {number}"));
        let said = succeed(&mut apply(&results, &input, &output));
        let fitted = latest_run(&results);
        let run_id = fitted.file_name().unwrap().to_str().unwrap();
        assert!(said.contains(&format!("of the variance of the images of run {run_id}")), "{said}");
        assert!(said.contains("have labels that the classifier does not know"), "{said}");
        run_python(&python(), "check_apply.py", &[fitted.as_os_str(), latest_run(&output).as_os_str()]);
        let inspected = succeed(pomona().arg("inspect").arg(&output));
        assert!(inspected.contains(run_id) && inspected.contains("untrained weights"), "{inspected}");
    }
}

#[test]
fn a_runs_own_images_give_its_own_bytes() {
    let folder = tempfile::tempdir().unwrap();
    let (input, results) = (few_pictures(24, &folder.path().join("in")), folder.path().join("results"));
    let options = ["--shard-size", "5", "--csv", "all"];
    succeed(pomona_run(&input, &results).args(["--components", "3", "--classify"]).args(options));
    let output = folder.path().join("applied");
    succeed(apply(&results, &input, &output).args(options));
    let (mut fitted, mut applied) = (result(&results), result(&output));
    // It says whose models they are.
    for info in [&mut fitted, &mut applied] {
        info.remove("model_info/model_info.json").expect("a run has its model_info");
    }
    assert!(fitted == applied, "other bytes");
    assert!(fitted.keys().any(|file| file.starts_with("classify/predictions/")));

    // The folder of the run, and the same output; nothing is computed again.
    let said = succeed(apply(&latest_run(&results), &input, &results).args(options));
    assert!(said.contains("nothing: all features were there already"), "{said}");
    // However the place is written: the newest run has taken its models from the same output.
    succeed(apply(&folder.path().join("./results"), &input, &results).args(options));
    succeed(apply(&results, &input, &results).args(options));
}

#[test]
fn what_cannot_be_applied_is_refused_by_name() {
    let folder = tempfile::tempdir().unwrap();
    let (input, results) = (few_pictures(6, &folder.path().join("in")), folder.path().join("results"));
    let output = folder.path().join("applied");
    fs::create_dir(&results).unwrap();
    let said = fail(&mut apply(&results, &input, &output));
    assert!(said.contains("no run was successful yet"), "{said}");
    succeed(pomona_run(&input, &results).args(["--components", "2"]));
    let said = fail(apply(&results, &input, &output).args(["--preprocess", "torch"]));
    assert!(said.contains("made in another way: by the numerics"), "{said}");
    let said = fail(&mut apply(&results, &input, &input.join("applied")));
    assert!(said.contains("lies inside the input"), "{said}");
    let said = apply(&results, &input, &output).args(["--components", "3"]).output().unwrap();
    assert!(!said.status.success() && String::from_utf8_lossy(&said.stderr).contains("--components"), "{said:?}");
    assert!(!output.join("latest.json").exists());
}

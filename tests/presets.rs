//! Runs with the pixels and preprocessing of other programs, against these programs.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use pomona_tests::{fail, latest_run, pomona, pomona_run, python, result, run_python, succeed};

/// Six photographs, three of which are stored on their side.
fn photographs(folder: &Path) -> PathBuf {
    let input = folder.join("in");
    run_python(&python(), "write_turned.py", &[input.as_os_str()]);
    input
}

#[test]
fn each_preset_has_the_features_of_the_program_that_it_is_named_after() {
    let folder = tempfile::tempdir().unwrap();
    let (input, model) = (photographs(folder.path()), folder.path().join("untrained.onnx"));
    succeed(pomona().args(["model", "untrained"]).arg(&model));
    for preset in ["keras", "keras-load-img", "opencv", "torchvision"] {
        let output = folder.path().join(preset);
        succeed(pomona_run(&input, &output).args(["--preset", preset]));
        let arguments =
            [output.as_os_str(), input.as_os_str(), model.as_os_str(), OsStr::new(preset), OsStr::new("1e-5")];
        run_python(&python(), "check_presets.py", &arguments);
    }
}

#[test]
fn what_uses_a_run_s_features_makes_pixels_as_the_run_did() {
    let folder = tempfile::tempdir().unwrap();
    let (input, output, applied) = (photographs(folder.path()), folder.path().join("out"), folder.path().join("new"));
    succeed(pomona_run(&input, &output).args(["--preset", "opencv", "--crop", "300"]));
    assert!(succeed(pomona().arg("inspect").arg(&output)).contains("opencv-2/crop=300/exif/bgr"));

    let hits = succeed(pomona().arg("search").arg(&output).arg(input.join("label1/chelsea.jpg")));
    assert!(hits.contains("0.0000  label1  label1/chelsea.jpg"), "{hits}");

    succeed(pomona().arg("apply").arg(&output).arg(&input).arg(&applied));
    let features = |output: &Path| result(output).remove("features/parquet/00000.parquet").unwrap();
    assert!(features(&output) == features(&applied));
    let refused = fail(pomona().arg("apply").arg(&output).arg(&input).arg(&applied).args(["--preset", "keras"]));
    assert!(refused.contains("pixels"), "{refused}");
}

#[test]
fn how_jpegs_are_decoded_is_part_of_what_a_run_is() {
    let folder = tempfile::tempdir().unwrap();
    let (input, output) = (photographs(folder.path()), folder.path().join("out"));
    let recipe = || succeed(pomona().arg("inspect").arg(&output));
    succeed(pomona_run(&input, &output).args(["--decode", "scaled"]));
    assert!(recipe().contains("pillow-6/scaled"));
    let summary = succeed(&mut pomona_run(&input, &output));
    assert!(!recipe().contains("scaled") && summary.contains("computed   all"), "{summary}");
    let refused = fail(
        pomona().arg("apply").arg(&output).arg(&input).arg(folder.path().join("new")).args(["--decode", "scaled"]),
    );
    assert!(refused.contains("pixels"), "{refused}");
}

#[test]
fn orientations_that_are_not_applied_are_counted() {
    let folder = tempfile::tempdir().unwrap();
    let (input, output) = (photographs(folder.path()), folder.path().join("out"));
    let run = |arguments: &[&str]| succeed(pomona_run(&input, &output).args(arguments));
    let notice = "3 images carry an orientation that was not applied";
    assert!(run(&[]).contains(notice));
    // Also where what was made is used again.
    assert!(run(&[]).contains(notice));
    assert!(succeed(pomona().arg("inspect").arg(&output)).contains(notice));
    let info = std::fs::read_to_string(latest_run(&output).join("model_info/model_info.json")).unwrap();
    let info: serde_json::Value = serde_json::from_str(&info).unwrap();
    assert_eq!(info["losses"]["orientation_ignored"], 3);
    assert!(!run(&["--exif-orientation", "apply"]).contains("orientation"));
}

#[test]
fn a_picture_that_cannot_be_cut_from_another_is_refused_before_the_run() {
    let folder = tempfile::tempdir().unwrap();
    let (input, output) = (photographs(folder.path()), folder.path().join("out"));
    let refused = fail(pomona_run(&input, &output).args(["--crop", "200"]));
    assert!(refused.contains("224 x 224") && refused.contains("--crop"), "{refused}");
    assert!(!output.exists() || std::fs::read_dir(&output).unwrap().next().is_none());
}

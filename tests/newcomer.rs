//! A newcomer's first commands: fetching the model, the demo, a look at the results.

use std::path::Path;
use std::process::Command;

use pomona_tests::{
    assert_same, fail, latest_run, pomona, pomona_run, reference_data, reference_images, result, succeed,
};
use serde_json::Value;

/// `pomona` with a cache folder of its own and no way to the network: a closed port answers for every proxy.
fn offline(cache: &Path) -> Command {
    let mut command = pomona();
    command.env("POMONA_CACHE", cache).env("HTTPS_PROXY", "http://127.0.0.1:9").env_remove("NO_PROXY");
    command.current_dir(cache);
    command
}

fn json(command: &mut Command) -> Value {
    serde_json::from_str(&succeed(command)).expect("--json prints JSON")
}

#[test]
fn the_model_is_fetched_once_checked_and_then_found() {
    let Some(shared) = reference_data() else { return };
    let shared = shared.canonicalize().unwrap();
    let cache = tempfile::tempdir().unwrap();
    let weights = shared.join("models/mobilenetv2_nhwc");
    let printed = succeed(offline(cache.path()).args(["model", "fetch", "--from"]).arg(&weights));
    assert!(printed.contains("is the published"), "{printed}");
    succeed(offline(cache.path()).args(["model", "verify"]));
    succeed(
        offline(cache.path()).args(["model", "verify"]).arg(shared.join("models/mobilenet_v2_1.0_224_features.onnx")),
    );
    fail(offline(cache.path()).args(["model", "verify"]).arg(shared.join("models/mobilenetv2_layers.json")));

    // The cached model is used without being asked for, and gives what the reference file gives.
    let input = reference_images(&shared, &cache.path().join("in"));
    let (fetched, given) = (cache.path().join("fetched"), cache.path().join("given"));
    succeed(offline(cache.path()).arg("run").arg(&input).arg(&fetched).args(["--limit", "20"]));
    succeed(pomona_run(&shared, &input, &given).args(["--limit", "20"]));
    assert_same(&result(&fetched), &result(&given));
}

#[test]
fn without_model_and_network_one_message_names_both_ways_out() {
    let cache = tempfile::tempdir().unwrap();
    let message = fail(offline(cache.path()).args(["demo", "demo"]));
    let error = message.split("error: ").nth(1).expect("there is an error");
    assert!(error.contains("--from") && error.contains("--model"), "{message}");
}

#[test]
fn the_demo_ends_with_a_report_that_inspect_and_search_can_read() {
    let Some(shared) = reference_data() else { return };
    let model = shared.canonicalize().unwrap().join("models/mobilenet_v2_1.0_224_features.onnx");
    let folder = tempfile::tempdir().unwrap();
    let demo = |arguments: &[&str]| {
        let mut command = pomona();
        command.current_dir(folder.path()).env("POMONA_MODEL", &model).env("NO_COLOR", "1").args(arguments);
        command
    };
    let summary = succeed(&mut demo(&["demo"]));
    assert!(summary.contains("360 in 12 classes"), "{summary}");
    let results = folder.path().join("pomona-demo/results");
    assert!(latest_run(&results).join("report/report.html").is_file());

    let screen = succeed(&mut demo(&["inspect", "pomona-demo/results"]));
    for expected in ["360", "1280", "variance explained", "█", "Amberling", "features/parquet", "extract"] {
        assert!(screen.contains(expected), "{expected} is not in\n{screen}");
    }
    let inspection = json(&mut demo(&["inspect", "pomona-demo/results", "--json"]));
    assert_eq!(inspection["info"]["num_images_processed"], 360);
    assert_eq!(inspection["classes"].as_array().unwrap().len(), 12);
    let run_id = inspection["plan"]["run_id"].as_str().unwrap();
    succeed(&mut demo(&["inspect", "pomona-demo/results", "--run", run_id]));
    let message = fail(&mut demo(&["inspect", "pomona-demo/results", "--run", "20200101T000000Z-00000000"]));
    assert!(message.contains("no successful run"), "{message}");

    let image = "pomona-demo/images/Inkfig/007.png";
    for space in [&[][..], &["--pca"]] {
        let arguments = [&["search", "pomona-demo/results", image, "--json", "--count", "8"], space].concat();
        let hits = json(&mut demo(&arguments));
        let hits = hits.as_array().unwrap();
        assert_eq!(hits.len(), 8);
        assert_eq!(hits[0]["path"], "Inkfig/007.png");
        assert!(hits[0]["distance"].as_f64().unwrap().abs() < 1e-6);
        let alike = hits.iter().filter(|hit| hit["label"] == "Inkfig").count();
        assert!(alike >= 5, "{hits:?}");
        assert!(hits.windows(2).all(|pair| pair[0]["distance"].as_f64() <= pair[1]["distance"].as_f64()));
    }
    let table = succeed(&mut demo(&["search", "pomona-demo/results", image]));
    assert!(table.contains("Inkfig/007.png"), "{table}");
    let message = fail(&mut demo(&["search", "pomona-demo/results", "pomona-demo/results/latest.json"]));
    assert!(message.contains("unsupported"), "{message}");
}

#[test]
fn results_of_another_preprocessing_are_not_searched() {
    let Some(shared) = reference_data() else { return };
    let folder = tempfile::tempdir().unwrap();
    let input = reference_images(&shared, &folder.path().join("in"));
    let output = folder.path().join("out");
    succeed(pomona_run(&shared, &input, &output).args(["--limit", "10", "--preprocess", "torch"]));
    let image = shared.join("images/fruits-360/Banana/100_100.jpg");
    let model = shared.join("models/mobilenet_v2_1.0_224_features.onnx");
    let mut search = pomona();
    search.arg("search").arg(&output).arg(image).arg("--model").arg(model);
    assert!(fail(&mut search).contains("another model or preprocessing"));
    succeed(search.args(["--preprocess", "torch"]));
}

#[test]
fn quiet_says_nothing_and_verbose_says_what_is_done_without_colours_where_none_are_wanted() {
    let Some(shared) = reference_data() else { return };
    let folder = tempfile::tempdir().unwrap();
    let input = reference_images(&shared, &folder.path().join("in"));
    let run = |option: &str| {
        let mut command = pomona_run(&shared, &input, &folder.path().join("out"));
        let output = command.args(["--limit", "10", option]).env("NO_COLOR", "1").output().unwrap();
        assert!(output.status.success(), "{output:?}");
        (String::from_utf8(output.stdout).unwrap(), String::from_utf8(output.stderr).unwrap())
    };
    assert_eq!(run("--quiet"), (String::new(), String::new()));
    let (_, log) = run("--verbose");
    assert!(log.contains("stage finished") && log.contains("project"), "{log}");
    assert!(!log.contains('\x1b'), "{log}");
}

#[test]
fn shells_and_manuals_get_what_they_need() {
    for shell in ["bash", "zsh", "fish"] {
        assert!(succeed(pomona().args(["completions", shell])).contains("inspect"));
    }
    let manual = succeed(pomona().arg("man"));
    assert!(manual.contains("pomona\\-run") && manual.contains("max\\-reject\\-share"), "{manual}");
}

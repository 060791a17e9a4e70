//! A newcomer's first commands: fetching the model, the demo, a look at the results.

use std::fs;
use std::path::Path;
use std::process::Command;

use pomona_tests::{fail, few_pictures, latest_run, pictures, pomona, pomona_run, succeed};
use serde_json::Value;

/// What is said of untrained weights wherever somebody looks.
const UNTRAINED: &str = "untrained weights: their features tell colours, edges and textures apart";

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
fn without_model_and_network_a_run_names_three_ways_out_in_one_line() {
    let folder = tempfile::tempdir().unwrap();
    few_pictures(3, &folder.path().join("in"));
    for arguments in [&["run", "in", "out"][..], &["model", "fetch"]] {
        let message = fail(offline(folder.path()).args(arguments));
        assert_eq!(message.lines().count(), 1, "{message}");
        for way in ["proxy 127.0.0.1:9", "`pomona model fetch --from URL|FOLDER`", "`--model FILE`", "`--untrained`"] {
            assert!(message.contains(way), "{way}: {message}");
        }
    }
}

#[test]
fn the_demo_needs_no_network_says_so_once_and_ends_with_results_that_inspect_and_search_can_read() {
    let folder = tempfile::tempdir().unwrap();
    let demo = |arguments: &[&str]| {
        let mut command = offline(folder.path());
        command.env("NO_COLOR", "1").args(arguments);
        command
    };
    let output = demo(&["demo"]).output().unwrap();
    let (summary, notices) = (String::from_utf8(output.stdout).unwrap(), String::from_utf8(output.stderr).unwrap());
    assert!(output.status.success(), "{notices}");
    let told: Vec<&str> = notices.lines().filter(|line| line.contains("not to be had")).collect();
    assert!(matches!(told[..], [line] if line.contains("untrained weights")), "{notices}");
    assert!(summary.contains(UNTRAINED), "{summary}");
    assert!(summary.contains("360 in 12 classes"), "{summary}");
    let results = folder.path().join("pomona-demo/results");
    let page = fs::read_to_string(latest_run(&results).join("report/report.html")).unwrap();
    assert!(page.contains("class=\"notice\"") && page.contains(UNTRAINED), "{page}");
    let info = fs::read(latest_run(&results).join("model_info/model_info.json")).unwrap();
    assert_eq!(serde_json::from_slice::<Value>(&info).unwrap()["recipe"]["weights"], "untrained");

    let screen = succeed(&mut demo(&["inspect", "pomona-demo/results"]));
    for expected in ["360", "1280", "variance explained", "█", "Amberling", "features/parquet", "extract", UNTRAINED]
    {
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
    let folder = tempfile::tempdir().unwrap();
    let input = pictures(&folder.path().join("in"));
    let output = folder.path().join("out");
    succeed(pomona_run(&input, &output).args(["--limit", "10", "--preprocess", "torch"]));
    let image = fs::read_dir(&input).unwrap().next().unwrap().unwrap().path().join("000.png");
    let mut search = pomona();
    search.arg("search").arg(&output).arg(image);
    assert!(fail(&mut search).contains("another model or preprocessing"));
    succeed(search.args(["--preprocess", "torch"]));
}

#[test]
fn quiet_says_nothing_and_verbose_says_what_is_done_without_colours_where_none_are_wanted() {
    let folder = tempfile::tempdir().unwrap();
    let input = pictures(&folder.path().join("in"));
    let run = |option: &str| {
        let mut command = pomona_run(&input, &folder.path().join("out"));
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

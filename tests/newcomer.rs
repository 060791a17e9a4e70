//! A newcomer's first commands: fetching the model, the demo, a look at the results.

use std::fs;
use std::path::Path;
use std::process::Command;

use pomona_tests::{fail, few_pictures, latest_run, onnx, pictures, pomona, pomona_run, succeed};
use serde_json::Value;

/// What is said of untrained weights wherever somebody looks.
const UNTRAINED: &str = "untrained weights: their features tell colours, edges and textures apart";

/// `pomona` with a cache folder of its own and no way to the network: a closed port answers for every proxy.
fn offline(cache: &Path) -> Command {
    let mut command = pomona();
    for variable in ["ALL_PROXY", "all_proxy", "https_proxy", "HTTP_PROXY", "http_proxy", "NO_PROXY", "no_proxy"] {
        command.env_remove(variable);
    }
    command.env("POMONA_CACHE", cache).env("HTTPS_PROXY", "http://127.0.0.1:9");
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
fn the_demo_needs_no_place_for_a_cache() {
    let folder = tempfile::tempdir().unwrap();
    let mut demo = offline(folder.path());
    demo.env_remove("POMONA_CACHE").env_remove("XDG_CACHE_HOME").env_remove("HOME").arg("demo");
    assert!(succeed(&mut demo).contains(UNTRAINED));
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
fn a_search_uses_what_the_run_used_and_refuses_anything_else() {
    let folder = tempfile::tempdir().unwrap();
    let input = pictures(&folder.path().join("in"));
    let output = folder.path().join("out");
    succeed(pomona_run(&input, &output).args(["--limit", "10", "--preprocess", "torch", "--engine", "tract"]));
    let image = any_image(&input);
    let search = |arguments: &[&str]| {
        let mut command = pomona();
        command.arg("search").arg(&output).arg(&image).args(arguments);
        command
    };
    succeed(&mut search(&[]));
    for other in [["--preprocess", "tf"], ["--engine", "pomona"]] {
        assert!(fail(&mut search(&other)).contains("another model or preprocessing"));
    }
}

#[test]
fn a_run_takes_features_from_the_layer_that_is_named_and_so_do_its_search_and_its_recipe() {
    let folder = tempfile::tempdir().unwrap();
    let (input, output) = (few_pictures(6, &folder.path().join("in")), folder.path().join("out"));
    let model = folder.path().join("model.onnx");
    fs::write(&model, onnx::chain(&["Relu", "GlobalAveragePool", "Flatten"], 8, 3)).unwrap();
    let run = |arguments: &[&str]| {
        let mut command = pomona();
        command.arg("run").arg(&input).arg(&output).arg("--model").arg(&model).args(arguments);
        command
    };
    assert!(succeed(&mut run(&[])).contains("6 x 3"));
    // The first operation's output, which is an image of three channels; the option's old name still means it.
    let layer = ["--layer", "between 1"];
    assert!(succeed(&mut run(&layer)).contains("6 x 192"));
    let again = succeed(&mut run(&["--output", "between 1"]));
    assert!(again.contains("6 x 192") && again.contains("all features were there already"), "{again}");
    let message = fail(&mut run(&["--layer", "between 9"]));
    assert!(message.contains("between 9") && message.contains("between 2, between 1"), "{message}");

    let image = any_image(&input);
    let search = |arguments: &[&str]| {
        let mut command = pomona();
        command.arg("search").arg(&output).arg(&image).arg("--model").arg(&model).args(arguments);
        command
    };
    succeed(&mut search(&[]));
    assert!(fail(&mut search(&["--layer", "pooled"])).contains("another model or preprocessing"));

    succeed(pomona().args(["model", "recipe"]).arg(&model).args(layer));
    let recipe: Value = serde_json::from_slice(&fs::read(folder.path().join("model.recipe.json")).unwrap()).unwrap();
    assert_eq!(recipe["numerics"], "tract-0.23.9/tf/between 1");
    assert_eq!(recipe["feature_width"], 192);
}

fn any_image(input: &Path) -> std::path::PathBuf {
    fs::read_dir(input).unwrap().next().unwrap().unwrap().path().join("000.png")
}

#[test]
fn a_search_for_an_image_whose_features_are_no_numbers_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let (input, output) = (folder.path().join("in"), folder.path().join("out"));
    fs::create_dir(&input).unwrap();
    // The logarithm of the mean colour in -1..1: there is one of bright pictures only.
    let model = folder.path().join("model.onnx");
    fs::write(&model, onnx::chain(&["GlobalAveragePool", "Flatten", "Log"], 8, 3)).unwrap();
    (0..3).for_each(|number| fs::write(input.join(format!("{number}.bmp")), pixel(250 - number)).unwrap());
    let dark = folder.path().join("dark.bmp");
    fs::write(&dark, pixel(2)).unwrap();
    succeed(pomona().arg("run").arg(&input).arg(&output).args(["--extensions", "bmp"]).arg("--model").arg(&model));
    let search = |image: &Path| {
        let mut command = pomona();
        command.arg("search").arg(&output).arg(image).arg("--model").arg(&model);
        command
    };
    succeed(&mut search(&input.join("0.bmp")));
    let message = fail(&mut search(&dark));
    assert!(message.contains("not_finite: the model's feature 0 of it is NaN"), "{message}");
}

/// A BMP of one grey pixel.
fn pixel(grey: u8) -> Vec<u8> {
    let header = [54, 0, 0, 0, 40, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 1, 0, 24];
    [b"BM".as_slice(), &[0; 8], &header, &[0; 25], &[grey; 4]].concat()
}

#[test]
fn the_path_that_a_run_ends_with_is_one_that_inspect_and_search_take() {
    let folder = tempfile::tempdir().unwrap();
    let (input, output) = (few_pictures(12, &folder.path().join("in")), folder.path().join("out"));
    let path = |summary: String| summary.lines().last().unwrap().trim_start_matches("results").trim().to_owned();
    let first = path(succeed(&mut pomona_run(&input, &output)));
    let second = path(succeed(&mut pomona_run(&input, &output)));
    for run in [&first, &second, &format!("{first}/")] {
        let inspection = json(pomona().args(["inspect", run, "--json"]));
        assert!(run.contains(inspection["plan"]["run_id"].as_str().unwrap()), "{inspection}");
    }
    let image = fs::read_dir(&input).unwrap().next().unwrap().unwrap().path().join("000.png");
    succeed(pomona().args(["search", &first]).arg(&image));
    let other = Path::new(&second).file_name().unwrap().to_str().unwrap();
    let message = fail(pomona().args(["inspect", &first, "--run", other]));
    assert!(message.contains("name one of them"), "{message}");

    // Without latest.json the runs are there all the same, and are named.
    fs::remove_file(output.join("latest.json")).unwrap();
    let message = fail(pomona().arg("inspect").arg(&output));
    assert!(message.contains("name one of the 2 finished with `--run`") && message.contains(other), "{message}");
    succeed(pomona().arg("inspect").arg(&output).args(["--run", other]));
    let empty = folder.path().join("empty");
    fs::create_dir(&empty).unwrap();
    assert!(fail(pomona().arg("inspect").arg(&empty)).contains("no run was successful yet"));
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
fn a_damaged_file_is_named_set_aside_and_made_anew() {
    let folder = tempfile::tempdir().unwrap();
    let (input, output) = (few_pictures(12, &folder.path().join("in")), folder.path().join("out"));
    succeed(&mut pomona_run(&input, &output));
    let verify = |options: &[&str]| {
        let mut command = pomona();
        command.arg("verify").arg(&output).args(options);
        command
    };
    assert!(succeed(&mut verify(&[])).contains("damaged     none"));
    let is_table = |name: &str| name.ends_with(".features.parquet");
    let parts = fs::read_dir(output.join("parts")).unwrap().map(|part| part.unwrap().path());
    let part = parts.into_iter().find(|part| is_table(part.to_str().unwrap())).unwrap();
    // It is the same file as the run's table.
    let mut bytes = fs::read(&part).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(&part, bytes).unwrap();
    fs::write(output.join("notes.txt"), "mine").unwrap();

    let found = verify(&["--json", "--quiet"]).output().unwrap();
    assert_eq!(found.status.code(), Some(1));
    let report: Value = serde_json::from_slice(&found.stdout).unwrap();
    assert_eq!(
        (&report["counts"]["damaged"]["files"], &report["unknown"][0]),
        (&Value::from(2), &Value::from("notes.txt"))
    );
    let message = fail(&mut verify(&[]));
    assert!(message.contains("2 damaged, 0 missing") && message.contains("--repair"), "{message}");
    let repaired = succeed(&mut verify(&["--repair", "--prune"]));
    assert!(repaired.contains("is no result any more") && repaired.contains("pruned"), "{repaired}");
    succeed(&mut pomona_run(&input, &output));
    succeed(&mut verify(&["--prune"]));
    assert!(succeed(&mut verify(&[])).contains("unneeded    none") && output.join("notes.txt").exists());
    assert!(fail(pomona().arg("verify").arg(&input)).contains("no run was successful yet"));
    assert!(!output.join("lock.json").exists());
}

#[test]
fn shells_and_manuals_get_what_they_need() {
    for shell in ["bash", "zsh", "fish"] {
        assert!(succeed(pomona().args(["completions", shell])).contains("inspect"));
    }
    let manual = succeed(pomona().arg("man"));
    assert!(manual.contains("pomona\\-run") && manual.contains("max\\-reject\\-share"), "{manual}");
}

//! A whole run on this machine: repeated, resumed after being killed, on several threads.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use pomona_tests::{assert_same, latest_run, pictures, pomona_run, result, succeed};

#[test]
fn a_run_writes_every_file_that_it_promises() {
    let folder = tempfile::tempdir().unwrap();
    let input = pictures(&folder.path().join("in"));
    let output = folder.path().join("out");
    let summary = succeed(pomona_run(&input, &output).args(["--limit", "40", "--csv", "all"]));
    assert!(summary.contains("40 in") && summary.contains("40 x 1280"), "{summary}");
    let run = latest_run(&output);
    for file in [
        "plan.json",
        "shards.json",
        "missing.json",
        "merge/1.json",
        "features/parquet/00000.parquet",
        "features/csv/00000.csv",
        "pca/parquet/00000.parquet",
        "pca/csv/00000.csv",
        "metadata/00000.csv",
        "errors/00000.csv",
        "classes/classes.csv",
        "model_info/model_info.json",
        "model_info/variance.csv",
        "model_info/pca_model.parquet",
        "report/report.html",
        "report/validation.json",
        "report/timings.csv",
        "_SUCCESS",
    ] {
        assert!(run.join(file).is_file(), "{file} is missing");
    }
    let listing = fs::read_dir(run.join("listing")).unwrap().next().expect("one shard").unwrap().file_name();
    assert!(listing.to_str().unwrap().starts_with("00000-"), "{listing:?}");
    assert!(!output.join("lock.json").exists(), "the lock is given back");
    let timings = fs::read_to_string(run.join("report/timings.csv")).unwrap();
    let stages: Vec<&str> = timings.lines().skip(1).filter_map(|line| line.split(',').next()).collect();
    assert_eq!(stages, ["plan", "extract", "reduce", "project"]);
}

#[test]
fn other_formats_are_read_where_their_endings_are_asked_for() {
    let folder = tempfile::tempdir().unwrap();
    let (input, output) = (folder.path().join("in"), folder.path().join("out"));
    fs::create_dir(&input).unwrap();
    // One pixel each: dark in the GIF, white in the BMP.
    let gif = b"GIF87a\x01\0\x01\0\x80\0\0abcdef,\0\0\0\0\x01\0\x01\0\0\x02\x02L\x01\0;";
    let header = [54, 0, 0, 0, 40, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 1, 0, 24];
    fs::write(input.join("a.GIF"), gif).unwrap();
    fs::write(input.join("b.bmp"), [b"BM".as_slice(), &[0; 8], &header, &[0; 25], &[255; 4]].concat()).unwrap();
    let summary = succeed(pomona_run(&input, &output).args(["--extensions", "gif,bmp"]));
    assert!(summary.contains("2 x 1280") && summary.contains("rejects    none"), "{summary}");
}

#[test]
fn a_second_run_computes_nothing_says_so_and_has_the_same_result() {
    let folder = tempfile::tempdir().unwrap();
    let input = pictures(&folder.path().join("in"));
    let output = folder.path().join("out");
    succeed(pomona_run(&input, &output).args(["--limit", "60"]));
    let first = result(&output);
    let summary = succeed(pomona_run(&input, &output).args(["--limit", "60"]));
    assert!(summary.contains("nothing: all features were there already"), "{summary}");
    assert_same(&first, &result(&output));
}

#[test]
fn the_number_of_threads_changes_no_byte() {
    let folder = tempfile::tempdir().unwrap();
    let input = pictures(&folder.path().join("in"));
    let results = ["1", "2", "3"].map(|threads| {
        let output = folder.path().join(threads);
        succeed(pomona_run(&input, &output).args(["--threads", threads, "--shard-size", "50"]));
        result(&output)
    });
    assert_same(&results[0], &results[1]);
    assert_same(&results[0], &results[2]);
}

#[test]
fn a_run_that_was_killed_goes_on_where_it_was_and_has_the_same_result() {
    let folder = tempfile::tempdir().unwrap();
    let input = pictures(&folder.path().join("in"));
    let (output, whole) = (folder.path().join("out"), folder.path().join("whole"));
    let arguments = ["--shard-size", "20", "--threads", "1"];
    let mut child = start(pomona_run(&input, &output).args(arguments));
    wait_for_parts(&output, 3, &mut child);
    child.kill().unwrap();
    assert_eq!(child.wait().unwrap().signal(), Some(9));
    assert!(!output.join("latest.json").exists(), "the run was killed too late to prove anything");
    let before = parts(&output);

    let summary = succeed(pomona_run(&input, &output).args(arguments));
    assert!(summary.contains("the features of the others were there already"), "{summary}");
    assert!(parts(&output).is_superset(&before));
    succeed(pomona_run(&input, &whole).args(arguments));
    assert_same(&result(&output), &result(&whole));
    assert_eq!(parts(&output), parts(&whole), "nothing half-written has a final name");
}

#[test]
fn a_signal_ends_a_run_at_once_gives_the_lock_back_and_loses_no_part() {
    let folder = tempfile::tempdir().unwrap();
    let input = pictures(&folder.path().join("in"));
    for (signal, code) in [("INT", 130), ("TERM", 143), ("HUP", 129)] {
        let output = folder.path().join(signal);
        let mut child = start(&mut run_under(&format!("--default-signal={signal}"), &input, &output));
        wait_for_parts(&output, 2, &mut child);
        succeed(Command::new("kill").args([&format!("-{signal}"), &child.id().to_string()]));
        assert_eq!(child.wait().unwrap().code(), Some(code), "{signal}");
        assert!(!output.join("lock.json").exists());
        assert!(!output.join("latest.json").exists());
        assert!(whole_parts(&output) >= 2);
    }
}

#[test]
fn under_nohup_a_run_outlives_its_terminal() {
    let folder = tempfile::tempdir().unwrap();
    let input = pictures(&folder.path().join("in"));
    let output = folder.path().join("out");
    let mut child = start(&mut run_under("--ignore-signal=HUP", &input, &output));
    wait_for_parts(&output, 1, &mut child);
    succeed(Command::new("kill").args(["-HUP", &child.id().to_string()]));
    assert!(child.wait().unwrap().success());
    assert!(output.join("latest.json").exists());
}

/// `pomona run` on one thread, as `env` starts it with what is said of a signal.
fn run_under(signals: &str, input: &Path, output: &Path) -> Command {
    let run = pomona_run(input, output);
    let mut command = Command::new("env");
    command.arg(signals).arg(run.get_program()).args(run.get_args()).args(["--shard-size", "20", "--threads", "1"]);
    command.env_remove("POMONA_MODEL");
    command
}

#[test]
fn a_second_run_on_the_same_output_meanwhile_is_refused_and_harms_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let input = pictures(&folder.path().join("in"));
    let output = folder.path().join("out");
    let mut child = start(pomona_run(&input, &output).args(["--shard-size", "20", "--threads", "1"]));
    wait_for_parts(&output, 1, &mut child);
    let message = pomona_tests::fail(&mut pomona_run(&input, &output));
    assert!(message.contains("in use by another run"), "{message}");
    assert!(message.contains(&format!("process {}", child.id())), "{message}");
    assert!(child.wait().unwrap().success());
}

#[test]
fn another_shard_size_gives_the_same_features_and_the_same_components_to_rounding() {
    let folder = tempfile::tempdir().unwrap();
    let input = pictures(&folder.path().join("in"));
    let outputs = ["25", "1000"].map(|size| {
        let output = folder.path().join(size);
        succeed(pomona_run(&input, &output).args(["--shard-size", size, "--csv", "all"]));
        output
    });
    let features = outputs.each_ref().map(|output| rows_by_path(&latest_run(output).join("features/csv")));
    assert_eq!(features[0], features[1]);
    let info = outputs.each_ref().map(|output| {
        let info = fs::read(latest_run(output).join("model_info/model_info.json")).unwrap();
        serde_json::from_slice::<serde_json::Value>(&info).unwrap()
    });
    let shares = info.each_ref().map(|info| info["variance_by_component"].as_array().unwrap().clone());
    for (a, b) in shares[0].iter().zip(&shares[1]) {
        let (a, b) = (a.as_f64().unwrap(), b.as_f64().unwrap());
        assert!((a - b).abs() <= 1e-9 * a, "{a} {b}");
    }
}

fn start(command: &mut Command) -> Child {
    command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
}

fn parts(output: &Path) -> BTreeSet<String> {
    let Ok(entries) = fs::read_dir(output.join("parts")) else { return BTreeSet::new() };
    let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    // What a killed write leaves behind is hidden, and swept away by a later run.
    names.filter(|name| !name.starts_with('.')).collect()
}

fn whole_parts(output: &Path) -> usize {
    parts(output).iter().filter(|name| name.ends_with(".moments")).count()
}

fn wait_for_parts(output: &Path, count: usize, child: &mut Child) {
    let started = Instant::now();
    while whole_parts(output) < count {
        assert!(child.try_wait().unwrap().is_none(), "the run ended before it could be stopped");
        assert!(started.elapsed() < Duration::from_secs(120), "the run makes no parts");
        std::thread::sleep(Duration::from_millis(5));
    }
}

fn rows_by_path(folder: &Path) -> BTreeSet<String> {
    let files = fs::read_dir(folder).unwrap().map(|file| fs::read_to_string(file.unwrap().path()).unwrap());
    files.flat_map(|file| file.lines().skip(1).map(str::to_owned).collect::<Vec<_>>()).collect()
}

//! Wrong requests end in a clear error that says what to do, and unusable images in rejects.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::Command;

use pomona_tests::{fail, few_pictures, onnx, pomona, pomona_run, succeed};

#[test]
fn where_the_system_has_no_threads_that_is_said() {
    let folder = tempfile::tempdir().unwrap();
    // The program runs as nobody, who must be able to write there.
    fs::set_permissions(&folder, fs::Permissions::from_mode(0o777)).unwrap();
    let (program, input) = (folder.path().join("pomona"), few_pictures(6, &folder.path().join("in")));
    fs::copy(pomona().get_program(), &program).unwrap();
    // For root there is no such limit.
    let is_root = fs::metadata("/proc/self").is_ok_and(|process| process.uid() == 0);
    let nobody = ["setpriv", "--reuid=65534", "--clear-groups"];
    let limited = |threads: u32| {
        let mut command = Command::new(if is_root { nobody[0] } else { "env" });
        command.args(nobody.iter().skip(1).filter(|_| is_root));
        command.args(["bash", "-c", &format!("ulimit -u {threads}; exec \"$@\""), "bash"]).arg(&program);
        command
    };
    let output = folder.path().join("out");
    let run = |mut command: Command| {
        command.arg("run").arg(&input).arg(&output).args(["--untrained", "--threads", "2"]).output().unwrap()
    };
    let said = fail(limited(3).arg("run").arg(&input).arg(&output).arg("--untrained"));
    assert!(said.starts_with("error: cannot start: ") && said.contains("raise the limit of threads"), "{said}");
    if !is_root {
        // What else this user runs counts too, so that no further limit says anything.
        return;
    }
    // Further limits are met further on, until there is room for all.
    let enough = (1..100).find(|&threads| {
        let ended = run(limited(threads));
        let said = String::from_utf8_lossy(&ended.stderr);
        let is_named = said.lines().any(|line| line.starts_with("error: "));
        assert!(ended.status.success() || ended.status.code() == Some(1) && is_named, "{threads}: {said}");
        ended.status.success()
    });
    assert!(enough.is_some_and(|threads| threads > 3), "{enough:?}");
    for arguments in [&["verify"][..], &["inspect"], &["erase", "--filter", "*1*"]] {
        for threads in 1..=enough.unwrap() {
            let ended = limited(threads).arg(arguments[0]).arg(&output).args(&arguments[1..]).output().unwrap();
            let said = String::from_utf8_lossy(&ended.stderr);
            let is_named = said.lines().any(|line| line.starts_with("error: "));
            assert!(ended.status.success() || is_named, "{arguments:?} {threads}: {said}");
        }
    }
}

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

/// One byte is another: a convolution is to pad 116 rows where it padded none, which keeps tract's symbolic dimensions
/// busy without end.
#[test]
fn a_damaged_model_that_would_never_be_ready_is_given_up() {
    let folder = tempfile::tempdir().unwrap();
    let (input, output) = (folder.path().join("in"), folder.path().join("out"));
    few_pictures(3, &input);
    let model = folder.path().join("damaged.onnx");
    succeed(pomona().args(["model", "untrained"]).arg(&model));
    let mut bytes = fs::read(&model).unwrap();
    let after = |from: usize, text: &[u8]| {
        let found = bytes[from..].windows(text.len()).position(|window| window == text);
        from + found.expect("the model is as it was when this test was written") + text.len()
    };
    let pads = after(after(0, b"\x0eblock_7_expand\"\x04Conv"), b"pads@\0@\0@");
    bytes[pads] = 116;
    fs::write(&model, bytes).unwrap();
    let message = fail(pomona().arg("run").arg(&input).arg(&output).arg("--model").arg(&model));
    assert!(message.contains("damaged.onnx was not ready after 30 s"), "{message}");
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

/// The folder of the only run at `output`.
fn only_run(output: &Path) -> PathBuf {
    let mut runs: Vec<PathBuf> = fs::read_dir(output.join("runs")).unwrap().map(|run| run.unwrap().path()).collect();
    assert_eq!(runs.len(), 1);
    runs.remove(0)
}

fn read_all(folder: &Path) -> String {
    fs::read_dir(folder).unwrap().map(|file| fs::read_to_string(file.unwrap().path()).unwrap()).collect()
}

#[test]
fn a_run_that_fails_for_its_rejects_names_some_and_leaves_errors_and_a_report() {
    let folder = tempfile::tempdir().unwrap();
    let (input, output) = (folder.path().join("in"), folder.path().join("out"));
    few_pictures(6, &input);
    for number in 0..5 {
        fs::write(input.join(format!("broken-{number}.jpg")), if number == 0 { "" } else { "no image" }).unwrap();
    }
    let message = fail(&mut pomona_run(&input, &output));
    let run = only_run(&output);
    for expected in ["5 of 11 images", "`broken-0.jpg` (empty: ", "`broken-1.jpg` (unsupported: ", "and 2 more"] {
        assert!(message.contains(expected), "{expected} is not in {message}");
    }
    assert!(
        message.contains(&format!("`{}/errors/` lists them all", run.display())) && !message.contains(".parquet"),
        "{message}"
    );
    let errors = read_all(&run.join("errors"));
    assert!((0..5).all(|number| errors.contains(&format!("broken-{number}.jpg,,"))), "{errors}");
    let page = fs::read_to_string(run.join("report/report.html")).unwrap();
    assert!(page.contains("The run failed") && page.contains("broken-4.jpg"), "{page}");
    assert!(!run.join("_SUCCESS").exists() && !output.join("latest.json").exists());
    succeed(pomona_run(&input, &output).args(["--max-reject-share", "0.5"]));
}

#[test]
fn an_input_of_nothing_but_broken_images_says_that_none_can_be_used() {
    let folder = tempfile::tempdir().unwrap();
    let (input, output) = (folder.path().join("in"), folder.path().join("out"));
    fs::create_dir(&input).unwrap();
    (0..3).for_each(|number| fs::write(input.join(format!("{number}.jpg")), "no image").unwrap());
    for share in ["0.05", "1"] {
        let message = fail(pomona_run(&input, &output).args(["--max-reject-share", share]));
        assert!(message.contains("no image of 3 can be used (3 unsupported)"), "{message}");
    }
}

#[test]
fn one_image_is_said_to_differ_from_no_other() {
    let folder = tempfile::tempdir().unwrap();
    let (input, output) = (folder.path().join("in"), folder.path().join("out"));
    few_pictures(1, &input);
    let message = fail(&mut pomona_run(&input, &output));
    assert!(message.contains("error: one image differs from no other") && message.contains("at least 2"), "{message}");
    assert!(!message.contains("could not be used"), "{message}");
    fs::write(input.join("broken.jpg"), "no image").unwrap();
    let message = fail(pomona_run(&input, &output).args(["--max-reject-share", "0.5"]));
    assert!(
        message.contains("one image differs from no other") && message.contains("`broken.jpg` (unsupported"),
        "{message}"
    );
}

#[test]
fn identical_images_are_said_to_be_the_same() {
    let folder = tempfile::tempdir().unwrap();
    let (input, output) = (folder.path().join("in"), folder.path().join("out"));
    let class = few_pictures(1, &input);
    let class = fs::read_dir(class).unwrap().next().unwrap().unwrap().path();
    fs::copy(class.join("000.png"), class.join("again.png")).unwrap();
    let summary = succeed(&mut pomona_run(&input, &output));
    let same = "the features of all images are the same: nothing tells one from another";
    assert!(summary.contains(same), "{summary}");
    assert!(succeed(pomona().arg("inspect").arg(&output)).contains(same));
}

#[test]
fn features_too_wide_for_memory_are_refused_before_the_run_with_what_they_would_take() {
    let folder = tempfile::tempdir().unwrap();
    let (input, output) = (folder.path().join("in"), folder.path().join("out"));
    few_pictures(3, &input);
    let model = folder.path().join("wide.onnx");
    fs::write(&model, onnx::chain(&["Flatten"], 112, 37_632)).unwrap();
    let program = pomona().get_program().to_owned();
    let mut command = Command::new("sh");
    command.args(["-c", r#"ulimit -v 1200000; exec "$0" "$@""#]).arg(program);
    let message = fail(command.arg("run").arg(&input).arg(&output).arg("--model").arg(model));
    assert!(message.contains("features of 37632 numbers") && message.contains("1.1 GB"), "{message}");
    assert!(!output.join("runs").exists(), "nothing was begun");
}

#[test]
fn a_file_of_two_gigabytes_is_told_from_others_without_being_held() {
    let folder = tempfile::tempdir().unwrap();
    let (input, output) = (few_pictures(6, &folder.path().join("in")), folder.path().join("out"));
    let model = folder.path().join("small.onnx");
    fs::write(&model, onnx::chain(&["Flatten"], 4, 48)).unwrap();
    fs::File::create(input.join("huge.png")).unwrap().set_len(2_200_000_000).unwrap();
    let mut command = Command::new("sh");
    command
        .args(["-c", r#"ulimit -v 1000000; exec "$0" "$@""#])
        .arg(pomona().get_program())
        .env("MALLOC_ARENA_MAX", "1");
    command
        .arg("run")
        .arg(input)
        .arg(&output)
        .args(["--max-reject-share", "0.5", "--threads", "1", "--model"])
        .arg(model);
    let summary = succeed(&mut command);
    assert!(summary.contains("1 too_large"), "{summary}");
}

#[test]
fn verify_holds_few_bytes_at_once_however_large_the_output_is() {
    let folder = tempfile::tempdir().unwrap();
    let output = folder.path().join("out");
    let input = few_pictures(60, &folder.path().join("in"));
    let model = folder.path().join("small.onnx");
    fs::write(&model, onnx::chain(&["Flatten"], 4, 48)).unwrap();
    succeed(pomona().arg("run").arg(input).arg(&output).args(["--shard-size", "1", "--model"]).arg(model));
    // Of more than two gigabytes nothing lies on the disk.
    let parts = fs::read_dir(output.join("parts")).unwrap().map(|part| part.unwrap().path());
    let features: Vec<_> = parts.filter(|part| part.to_string_lossy().ends_with(".features.parquet")).collect();
    for part in &features {
        fs::File::options().write(true).open(part).unwrap().set_len(100_000_000).unwrap();
    }
    assert!(features.len() >= 20, "{}", features.len());
    let mut command = Command::new("sh");
    // glibc sets addresses aside for each thread otherwise.
    command
        .args(["-c", r#"ulimit -v 1000000; exec "$0" "$@""#])
        .arg(pomona().get_program())
        .env("MALLOC_ARENA_MAX", "1");
    let message = fail(command.arg("verify").arg(&output));
    assert!(message.contains("is not whole"), "{message}");
}

#[test]
fn wrong_usage_has_an_exit_code_of_its_own() {
    for arguments in [&["run"][..], &["run", "a", "b", "--components", "0"], &["run", "a", "b", "--csv", "some"]] {
        let output = pomona().args(arguments).output().unwrap();
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
    }
}

//! Archives and tables as input of the program itself, as Python, GNU tar, pyarrow, Polars and DuckDB write them.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use pomona_tests::{
    assert_same, fail, few_pictures, latest_run, pomona, pomona_run, python, result, run_python, succeed,
};

/// Pictures in `in`, and beside it the archives of them that `archives.py` makes.
fn archives(folder: &Path, count: usize) {
    let input = few_pictures(count, &folder.join("in"));
    run_python(&python(), "archives.py", &[input.as_os_str(), folder.join("archives").as_os_str()]);
}

#[test]
fn whatever_wrote_an_archive_it_has_the_result_of_the_files_in_it() {
    let folder = tempfile::tempdir().unwrap();
    archives(folder.path(), 30);
    let (input, files) = (folder.path().join("in"), folder.path().join("files"));
    let options = ["--components", "4", "--csv", "all", "--classify", "--regularization", "0.1"];
    succeed(pomona_run(&input, &files).args(options));
    let expected = result(&files);
    let (mut tried, mut is_first_zip) = (0, true);
    for archive in fs::read_dir(folder.path().join("archives")).unwrap() {
        let archive = archive.unwrap().path();
        let output = folder.path().join("of").join(archive.file_name().unwrap());
        let said = succeed(pomona_run(&archive, &output).args(options));
        assert!(said.contains("30 in 12 classes"), "{said}");
        assert_same(&result(&output), &expected);
        tried += 1;
        // Members of a tar and rows are told apart by their bytes, as files are; members of zips by their checksums.
        let said = succeed(pomona_run(&archive, &files).args(options));
        let is_zip = archive.extension().is_some_and(|ending| ending == "zip");
        assert_eq!(said.contains("nothing: all features were there already"), !(is_zip && is_first_zip), "{said}");
        is_first_zip &= !is_zip;
    }
    assert_eq!(tried, 17);
}

#[test]
fn archives_lie_beside_files_and_what_is_appended_is_all_that_is_computed() {
    let folder = tempfile::tempdir().unwrap();
    archives(folder.path(), 30);
    let (input, results) = (folder.path().join("in"), folder.path().join("results"));
    let archive = input.join("more.tar");
    fs::copy(folder.path().join("archives/python.tar"), &archive).unwrap();
    fs::write(folder.path().join("archives/notes.txt"), "no image").unwrap();
    let said = succeed(pomona_run(&input, &results).args(["--components", "4", "--shard-size", "8"]));
    assert!(said.contains("60 in 12 classes") && said.contains("1 archive was read"), "{said}");

    fs::create_dir(folder.path().join("new")).unwrap();
    fs::copy(input.join("Amberling/000.png"), folder.path().join("new/000.png")).unwrap();
    succeed(Command::new("tar").arg("-rf").arg(&archive).arg("-C").arg(folder.path()).arg("new"));
    let said = succeed(pomona_run(&input, &results).args(["--components", "4", "--shard-size", "8"]));
    assert!(said.contains("61 in 13 classes") && said.contains("computed   1;"), "{said}");
    let fresh = folder.path().join("fresh");
    succeed(pomona_run(&input, &fresh).args(["--components", "4", "--shard-size", "8"]));
    assert_same(&result(&results), &result(&fresh));

    // Cut off as by a full disk: what is whole is used, and one reject says so.
    let bytes = fs::read(&archive).unwrap();
    fs::write(&archive, &bytes[..bytes.len() / 2]).unwrap();
    let said = succeed(pomona_run(&input, &results).args(["--components", "4", "--shard-size", "8"]));
    assert!(said.contains("rejects    1"), "{said}");
    let errors = all_errors(&latest_run(&results).join("errors"));
    assert!(errors.contains("more.tar") && errors.contains("broken behind its first"), "{errors}");
    succeed(pomona().arg("inspect").arg(&results));
}

#[test]
fn models_are_applied_to_an_archive_and_columns_chosen_by_name() {
    let folder = tempfile::tempdir().unwrap();
    archives(folder.path(), 30);
    let place = |name: &str| folder.path().join(name);
    succeed(pomona_run(&place("in"), &place("results")).args(["--components", "4"]));
    let expected = result(&place("results"));
    for archive in ["published.parquet", "stored.zip", "python.tar.gz"] {
        let output = place("applied").join(archive);
        let archive = place("archives").join(archive);
        succeed(pomona().arg("apply").args([&place("results"), &archive, &output]));
        let applied = result(&output);
        for file in expected.keys().filter(|file| file.starts_with("pca/") || file.starts_with("features/")) {
            assert_eq!(applied.get(file), expected.get(file), "{file} of {}", archive.display());
        }
    }
    let table = place("named/named.parquet");
    let said = succeed(pomona_run(&table, &place("unlabelled")).args(["--components", "4", "--image-column", "scan"]));
    assert!(said.contains("30 in 1 class"), "{said}");
    let columns = ["--components", "4", "--image-column", "scan", "--label-column", "fruit"];
    let said = succeed(pomona_run(&table, &place("labelled")).args(columns));
    assert!(said.contains("30 in 12 classes"), "{said}");
}

fn all_errors(folder: &Path) -> String {
    fs::read_dir(folder).unwrap().map(|entry| fs::read_to_string(entry.unwrap().path()).unwrap()).collect()
}

#[test]
fn a_table_says_what_labels_are_and_a_list_which_images_are_meant() {
    let folder = tempfile::tempdir().unwrap();
    let (input, results) = (few_pictures(12, &folder.path().join("in")), folder.path().join("results"));
    let mut paths: Vec<String> = files_below(&input).iter().map(|file| relative(&input, file)).collect();
    paths.sort();
    let place = |name: &str| folder.path().join(name);
    let rows: String = paths.iter().take(9).map(|path| format!("{path},kind {}\n", path.len() % 2)).collect();
    fs::write(place("labels.csv"), format!("file_name,label\n{rows}")).unwrap();
    fs::write(place("list.txt"), format!("{}\nnot/there.jpg\n", paths[3..].join("\n"))).unwrap();
    let mut run = pomona_run(&input, &results);
    run.arg("--labels").arg(place("labels.csv")).arg("--list").arg(place("list.txt"));
    let said = succeed(run.args(["--components", "2", "--max-reject-share", "0.2"]));
    assert!(said.contains("10 in 3 classes") && said.contains("rejects    1"), "{said}");
    assert!(
        said.contains("images have no row in --labels") && said.contains("rows of --labels name no image"),
        "{said}"
    );
    assert!(all_errors(&latest_run(&results).join("errors")).contains("not/there.jpg"));

    for (options, problem) in [
        (["--labels", "nowhere.csv"], "option `labels`: there is no `nowhere.csv`"),
        (["--list", "/"], "option `list`: `/` cannot be read: Is a directory"),
        (["--list", "/dev/null"], "`/dev/null` cannot be used: it names no image"),
        (["--labels", "/dev/null"], "`/dev/null` cannot be used: it is empty"),
    ] {
        let said = fail(pomona_run(&input, &place("none")).args(options));
        assert!(said.contains(problem), "{said}");
    }
}

#[test]
fn a_list_may_come_from_a_program() {
    let folder = tempfile::tempdir().unwrap();
    let (input, results) = (few_pictures(12, &folder.path().join("in")), folder.path().join("results"));
    let mut list = Command::new("sh")
        .args(["-c", "find . -name '*.png' | sort | head -n 5"])
        .current_dir(&input)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut run = pomona_run(&input, &results);
    run.args(["--list", "/dev/stdin", "--components", "1"]).stdin(list.stdout.take().unwrap());
    let said = succeed(&mut run);
    assert!(list.wait().unwrap().success() && said.contains("5 in 5 classes"), "{said}");
}

#[test]
fn what_is_wrong_with_an_archive_is_said_whatever_else_is_asked_for() {
    let folder = tempfile::tempdir().unwrap();
    let (input, results) = (folder.path().join("in"), folder.path().join("results"));
    fs::create_dir(&input).unwrap();
    fs::write(input.join("broken.zip"), b"no zip").unwrap();
    for options in [&["--components", "4"][..], &["--classify"], &["--limit", "1"]] {
        let said = fail(pomona_run(&input, &results).args(options));
        assert!(said.contains("`broken.zip` (corrupt: the archive is broken"), "{options:?}: {said}");
    }
    few_pictures(3, &input.join("pictures"));
    let said = fail(pomona_run(&input, &results).args(["--components", "4"]));
    assert!(said.contains("3 images") && said.contains("; 1 more cannot be read"), "{said}");
}

fn files_below(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    entries.flat_map(|path| if path.is_dir() { files_below(&path) } else { vec![path] }).collect()
}

fn relative(folder: &Path, file: &Path) -> String {
    file.strip_prefix(folder).unwrap().to_str().unwrap().to_owned()
}

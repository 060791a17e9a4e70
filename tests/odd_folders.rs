//! Folders that hold more than images: nothing is left out without a word.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use pomona_tests::{fail, few_pictures, latest_run, pomona, pomona_run, succeed};

/// Larger than any file that is read, in bytes; sparse, so it takes no room.
const TOO_LARGE: u64 = 300 << 20;

/// Twelve pictures of twelve classes below `fruit/`, and all that is not one of them.
fn odd_folder(folder: &Path) -> PathBuf {
    let input = folder.join("in");
    few_pictures(12, &input.join("fruit"));
    let picture = first_picture(&input.join("fruit"));
    for copy in ["fruit/.hidden/1.png", "__MACOSX/1.png", "draft/1.png", "fruit/cherry.v2/1.webp", "fruit/notes.txt"] {
        fs::create_dir_all(input.join(copy).parent().unwrap()).unwrap();
        fs::copy(&picture, input.join(copy)).unwrap();
    }
    fs::create_dir(input.join("fruit/nothing")).unwrap();
    symlink("/nowhere/at/all", input.join("fruit/gone.v1")).unwrap();
    symlink("/nowhere/at/all.png", input.join("fruit/gone.png")).unwrap();
    File::create(input.join("fruit/huge.png")).unwrap().set_len(TOO_LARGE).unwrap();
    fs::copy(&picture, input.join("fruit").join(OsStr::from_bytes(b"p\xEAche.png"))).unwrap();
    input
}

fn first_picture(folder: &Path) -> PathBuf {
    let class = fs::read_dir(folder).unwrap().next().unwrap().unwrap().path();
    fs::read_dir(class).unwrap().next().unwrap().unwrap().path()
}

fn read_all(folder: &Path) -> String {
    let files = fs::read_dir(folder).unwrap().map(|file| fs::read_to_string(file.unwrap().path()).unwrap());
    files.collect()
}

#[test]
fn what_lies_beside_the_images_is_counted_and_said_here_and_in_inspect() {
    let folder = tempfile::tempdir().unwrap();
    let (input, output) = (odd_folder(folder.path()), folder.path().join("out"));
    let arguments = ["--extensions", "jpg, .png", "--exclude", "draft", "--max-reject-share", "0.5"];
    let summary = succeed(pomona_run(&input, &output).args(arguments));
    let inspected = succeed(pomona().arg("inspect").arg(&output));
    let said = [
        "1 .webp file skipped; add them with --extensions",
        "2 hidden or system files skipped (--include-hidden)",
        "3 folders without an image, or links that lead nowhere: see errors/folders.csv",
    ];
    for (command, text) in [("run", &summary), ("inspect", &inspected)] {
        assert!(said.iter().all(|notice| text.contains(notice)), "{command}: {text}");
        assert!(text.contains("1 too_large, 2 unreadable"), "{command}: {text}");
    }

    let errors = latest_run(&output).join("errors");
    let folders = fs::read_to_string(errors.join("folders.csv")).unwrap();
    for row in
        ["fruit/cherry.v2/,cherry.v2,empty,", "fruit/nothing/,nothing,empty,", "fruit/gone.v1/,gone.v1,unreadable,"]
    {
        assert!(folders.contains(row), "{row} is not in {folders}");
    }
    let rejects = read_all(&errors);
    for detail in [
        format!("fruit/huge.png,fruit,too_large,\"{TOO_LARGE} bytes, more than"),
        "fruit/gone.png,fruit,unreadable,a link that leads nowhere".to_owned(),
        "fruit,unreadable,its name is not UTF-8; rename it".to_owned(),
    ] {
        assert!(rejects.contains(&detail), "{detail} is not in {rejects}");
    }
}

#[test]
fn what_is_asked_for_is_taken() {
    let folder = tempfile::tempdir().unwrap();
    let (input, output) = (odd_folder(folder.path()), folder.path().join("out"));
    let classes = folder.path().join("classes.txt");
    fs::write(&classes, "none of these\nfruit\n").unwrap();
    let arguments = ["--extensions", "png,webp", "--include-hidden", "--exclude", "fruit/*.png", "--label-from", "top"];
    let summary = succeed(pomona_run(&input, &output).args(arguments).arg("--classes").arg(&classes));
    // Twelve pictures, one hidden, one of a system's, a draft, and a PNG that is called WebP.
    assert!(summary.contains("images     16 in 4 classes") && summary.contains("rejects    none"), "{summary}");
    assert!(
        summary
            .contains("2 labels are not among the classes that were given, and numbered behind them: __MACOSX, draft"),
        "{summary}"
    );
    let counted = read_all(&latest_run(&output).join("classes"));
    assert!(counted.contains("0,none of these,0\n1,fruit,14\n"), "{counted}");

    let limited = ["--extensions", "png", "--exclude", "fruit/*.png", "--max-pixels", "9", "--max-reject-share", "1"];
    let message = fail(pomona_run(&input, &output).args(limited));
    assert!(message.contains("no image of 13 can be used (13 too_large)"), "{message}");
}

#[test]
fn a_folder_of_other_image_types_says_which() {
    let folder = tempfile::tempdir().unwrap();
    let (input, output) = (odd_folder(folder.path()), folder.path().join("out"));
    let message = fail(pomona_run(&input, &output).args(["--extensions", "jpg"]));
    assert!(message.contains("png files skipped; add them with --extensions"), "{message}");
    assert!(message.contains("1 .webp file skipped"), "{message}");
}

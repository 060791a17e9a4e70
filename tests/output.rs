//! What the program prints, whoever reads it: a terminal, a pipe that nobody reads, a disk that is full.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use pomona_tests::{few_pictures, latest_run, pomona, pomona_run, succeed};

/// Results of a few pictures.
struct Results {
    folder: tempfile::TempDir,
}

impl Results {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        few_pictures(12, &folder.path().join("in"));
        Self { folder }
    }

    fn of_a_run() -> Self {
        let results = Self::new();
        succeed(&mut results.run());
        results
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn run(&self) -> Command {
        pomona_run(&self.path("in"), &self.path("out"))
    }

    fn any_image(&self) -> PathBuf {
        let class = fs::read_dir(self.path("in")).unwrap().next().unwrap().unwrap().path();
        fs::read_dir(class).unwrap().next().unwrap().unwrap().path()
    }

    /// Every command that prints what somebody asked for.
    fn printing(&self) -> Vec<Command> {
        let image = self.any_image();
        let lines: [&[&str]; 9] = [
            &["inspect", "OUT"],
            &["inspect", "OUT", "--json"],
            &["search", "OUT", "IMAGE"],
            &["verify", "OUT"],
            &["verify", "OUT", "--json"],
            &["completions", "bash"],
            &["man"],
            &["cost", "--images", "1000", "--mean-kb", "50"],
            &["--help"],
        ];
        let command = |line: &&[&str]| {
            let mut command = pomona();
            for argument in *line {
                match *argument {
                    "OUT" => command.arg(self.path("out")),
                    "IMAGE" => command.arg(&image),
                    other => command.arg(other),
                };
            }
            command
        };
        lines.iter().map(command).collect()
    }
}

/// As `command | true`: its standard output has a reader that goes at once.
fn without_reader(command: &mut Command) -> Output {
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    drop(child.stdout.take());
    child.wait_with_output().unwrap()
}

fn full_disk() -> Stdio {
    File::options().write(true).open("/dev/full").unwrap().into()
}

fn errors(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
fn a_reader_that_goes_early_ends_no_command_in_a_panic() {
    let results = Results::of_a_run();
    for mut command in results.printing() {
        let output = without_reader(&mut command);
        assert_eq!(output.status.code(), Some(0), "{command:?} {}", errors(&output));
        assert!(!errors(&output).contains("panicked"), "{}", errors(&output));
    }
}

#[test]
fn a_full_disk_is_an_error_that_says_so_where_printing_is_all_that_was_asked_for() {
    let results = Results::of_a_run();
    for mut command in
        results.printing().into_iter().filter(|command| command.get_args().next() != Some("--help".as_ref()))
    {
        let output = command.stdout(full_disk()).output().unwrap();
        assert_eq!(output.status.code(), Some(1), "{command:?} {}", errors(&output));
        let is_told = |line: &str| line.starts_with("error: cannot print: No space left");
        assert!(errors(&output).lines().any(is_told), "{}", errors(&output));
    }
}

#[test]
fn a_run_is_complete_whether_or_not_its_summary_and_its_log_can_be_written() {
    let results = Results::new();
    let output = without_reader(&mut results.run());
    assert_eq!(output.status.code(), Some(0), "{}", errors(&output));
    let first = latest_run(&results.path("out"));

    let output = results.run().stdout(full_disk()).output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", errors(&output));
    let second = latest_run(&results.path("out"));
    assert_ne!(first, second);
    assert!(errors(&output).contains(&format!("the run is complete: {}", second.display())), "{}", errors(&output));

    let status = results.run().arg("--verbose").stdout(Stdio::null()).stderr(full_disk()).status().unwrap();
    assert_eq!(status.code(), Some(0));
    assert_ne!(second, latest_run(&results.path("out")));
    let status = pomona().args(["inspect", "nowhere"]).stderr(full_disk()).status().unwrap();
    assert_eq!(status.code(), Some(1), "an error that cannot be told is one all the same");
}

#[test]
fn nothing_but_a_terminal_gets_colour_codes() {
    let results = Results::new();
    let output = results.run().arg("--verbose").env_remove("NO_COLOR").output().unwrap();
    assert!(errors(&output).contains("stage finished"), "{}", errors(&output));
    assert!(!errors(&output).contains('\x1b') && !output.stdout.contains(&0x1b), "{}", errors(&output));
}

#[test]
fn quiet_says_nothing_of_damaged_images_either() {
    let results = Results::new();
    let photograph = jpeg_without_its_end();
    fs::write(results.path("in").join("cut.jpg"), photograph).unwrap();
    let output = results.run().args(["--quiet", "--max-reject-share", "0.5"]).output().unwrap();
    assert!(output.status.success());
    assert_eq!((String::from_utf8(output.stdout.clone()).unwrap(), errors(&output)), (String::new(), String::new()));
}

/// The header of a JPEG of 64 x 64 grey pixels, and nothing of the pixels.
fn jpeg_without_its_end() -> Vec<u8> {
    let quantisation = [&[0xff, 0xdb, 0, 67, 0][..], &[1; 64]].concat();
    let frame = [0xff, 0xc0, 0, 11, 8, 0, 64, 0, 64, 1, 1, 0x11, 0];
    [&[0xff, 0xd8][..], &quantisation, &frame].concat()
}

#[test]
fn names_of_files_do_nothing_to_a_terminal() {
    let results = Results::new();
    let (nasty, image) = ("red \x1b[31m\u{7f}\nlabel", results.any_image());
    fs::create_dir(results.path("in").join(nasty)).unwrap();
    for number in 0..3 {
        fs::copy(&image, results.path("in").join(nasty).join(format!("bell\x07{number}.png"))).unwrap();
    }
    succeed(&mut results.run());
    let mut inspect = pomona();
    inspect.arg("inspect").arg(results.path("out"));
    let mut search = pomona();
    search.arg("search").arg(results.path("out")).arg(&image).args(["--count", "100"]);
    for mut command in [inspect, search] {
        let screen = succeed(&mut command);
        assert!(screen.contains("red ␛[31m␡␊label"), "{screen:?}");
        assert!(screen.chars().all(|character| character == '\n' || !character.is_control()), "{screen:?}");
    }
    // An error names files, too.
    fs::write(results.path("in").join(nasty).join("empty\r.png"), "").unwrap();
    let output = results.run().args(["--max-reject-share", "0"]).output().unwrap();
    assert!(errors(&output).contains("red ␛[31m␡␊label/empty␍.png"), "{}", errors(&output));
    assert!(!errors(&output).contains('\x1b'), "{}", errors(&output));
}

#[test]
fn counts_of_one_and_names_of_options_read_well() {
    let results = Results::new();
    let class = fs::read_dir(results.path("in")).unwrap().next().unwrap().unwrap().path();
    few_pictures(24, &results.path("in"));
    let filter = format!("{}/*", class.file_name().unwrap().to_str().unwrap());
    let summary = succeed(results.run().args(["--filter", &filter]));
    assert!(summary.contains(" in 1 class\n"), "{summary}");
    let screen = succeed(pomona().arg("inspect").arg(results.path("out")));
    assert!(screen.contains("1 shard\n") && !screen.contains("items"), "{screen}");
    assert!(screen.contains("CSV of the components") && !screen.contains("Pca"), "{screen}");
}

#[test]
fn a_relative_input_is_kept_as_where_it_is_and_not_as_it_was_called() {
    let results = Results::new();
    let run = |folder: &Path| {
        let mut command = pomona();
        command.args(["run", "in"]).arg(results.path("out")).arg("--untrained").current_dir(folder).output().unwrap()
    };
    assert!(run(results.folder.path()).status.success());
    let latest = fs::read(results.path("out/latest.json")).unwrap();
    let plan = fs::read(latest_run(&results.path("out")).join("plan.json")).unwrap();
    let plan: serde_json::Value = serde_json::from_slice(&plan).unwrap();
    assert_eq!(plan["input"].as_str(), results.path("in").to_str());

    // Elsewhere the same name is another folder: that it is empty says nothing of the first one.
    let elsewhere = results.path("elsewhere");
    fs::create_dir_all(elsewhere.join("in")).unwrap();
    assert_eq!(run(&elsewhere).status.code(), Some(1));
    assert_eq!(fs::read(results.path("out/latest.json")).unwrap(), latest);
}

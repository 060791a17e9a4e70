//! Pictures to choose from, models, and what fresh runs on them come to.

use std::collections::{BTreeMap, HashMap};
use std::env;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, Mutex, OnceLock};
use std::thread::sleep;
use std::time::Duration;

use pomona_tests::{few_pictures, onnx, result};
use tempfile::TempDir;

use super::{Order, Random, World};

/// How many inputs there are: each has other images than the one before, and some with another content.
pub const VARIANTS: u64 = 6;

/// Pictures that inputs are made of.
const PICTURES: usize = 48;

/// Labels of inputs.
const LABELS: [&str; 3] = ["apple", "berry", "cherry"];

/// Files in each label of the first input; others differ by a few.
const IN_LABEL: u64 = 8;

/// Megabytes that histories fit into.
const ENOUGH: u64 = 1_024;

/// How long a file must be unchanged before its digest is remembered, and a little more.
const SETTLED: Duration = Duration::from_millis(3_200);

/// What is run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// `pomona run`.
    Fit,
    /// `pomona run` that removes the tables of the runs before it, and writes all of its own.
    KeepOne,
    /// `pomona run --classify`.
    Classify,
    /// `pomona run` on features so wide that components are found by passes.
    Wide,
    /// `pomona apply` of the models of a run with a classifier.
    Apply,
}

impl Kind {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Fit, Self::KeepOne, Self::Classify, Self::Wide, Self::Apply];

    /// The command's arguments but for its folders.
    pub fn arguments(self) -> &'static [&'static str] {
        match self {
            Self::Fit => &["--components", "3"],
            Self::Wide => &["--components", "3", "--keep-features", "yes"],
            Self::KeepOne => &["--components", "3", "--csv", "all", "--keep-runs", "1"],
            Self::Classify => &["--components", "3", "--classify", "--regularization", "0.1", "--max-iterations", "3"],
            Self::Apply => &["--csv", "all"],
        }
    }
}

/// What is run on which input.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Case {
    /// What.
    pub kind: Kind,
    /// The input's number, below [`VARIANTS`].
    pub variant: u64,
}

/// What an undisturbed run in an empty output comes to.
#[derive(Debug)]
pub struct Fresh {
    /// Its files.
    pub result: BTreeMap<String, Vec<u8>>,
    /// How many calls it makes that are counted.
    pub calls: u64,
}

/// All that histories are made of.
#[derive(Debug)]
pub struct Pool {
    folder: TempDir,
    place: PathBuf,
    pictures: Vec<PathBuf>,
    fresh: Mutex<HashMap<Case, Arc<Fresh>>>,
    fitted: OnceLock<World>,
}

impl Pool {
    /// Draws the pictures and waits until their digests may be remembered, so that runs write that memory, too.
    pub fn new() -> Self {
        let place = place();
        let folder = tempfile::tempdir_in(&place).expect("a temporary folder");
        let drawn = few_pictures(PICTURES, &folder.path().join("drawn"));
        let mut pictures: Vec<PathBuf> = entries(&drawn).iter().flat_map(|class| entries(class)).collect();
        pictures.sort();
        fs::write(folder.path().join("narrow.onnx"), onnx::chain(&["Flatten"], 4, 48)).expect("a model");
        fs::write(folder.path().join("wide.onnx"), onnx::chain(&["Flatten"], 38, 4_332)).expect("a model");
        sleep(SETTLED);
        Self { folder, place, pictures, fresh: Mutex::default(), fitted: OnceLock::new() }
    }

    /// Where the folders of histories are made.
    pub fn place(&self) -> &Path {
        &self.place
    }

    /// The model of a kind of runs.
    pub fn model(&self, kind: Kind) -> PathBuf {
        self.folder.path().join(if kind == Kind::Wide { "wide.onnx" } else { "narrow.onnx" })
    }

    /// The output of a run whose models are applied.
    pub fn fitted(&self) -> PathBuf {
        self.fitted.get_or_init(|| self.run(Case { kind: Kind::Classify, variant: 0 })).output()
    }

    /// What a fresh run of a case comes to.
    pub fn fresh(&self, case: Case) -> Arc<Fresh> {
        let known = self.fresh.lock().expect("no test fails with the results in hand").get(&case).cloned();
        known.unwrap_or_else(|| {
            let world = self.run(case);
            let fresh = Arc::new(Fresh { result: result(&world.output()), calls: world.calls() });
            self.fresh.lock().expect("no test fails with the results in hand").insert(case, Arc::clone(&fresh));
            fresh
        })
    }

    fn run(&self, case: Case) -> World {
        let world = World::new(self);
        let ended = world.attempt(self, case, &Order::End);
        assert!(ended.is_done(), "a run without any mishap: {ended}");
        world
    }

    /// Makes `folder` an input: a picture by links, as they are remembered for longer; some broken files.
    pub fn lay(&self, variant: u64, folder: &Path) {
        if folder.exists() {
            fs::remove_dir_all(folder).expect("an input can be removed");
        }
        let mut random = Random::new(variant);
        for (first, label) in (0..).step_by(PICTURES / LABELS.len()).zip(LABELS) {
            let label = folder.join(label);
            fs::create_dir_all(&label).expect("folders can be made");
            for number in 0..IN_LABEL + random.below(4) {
                // Variants leave some out, and have others' pictures in the place of some.
                if variant > 0 && random.chance(15) {
                    continue;
                }
                let picture = if random.chance(15) { random.below(PICTURES as u64) } else { first + number };
                let name = label.join(format!("{number:02}.png"));
                symlink(&self.pictures[picture as usize], name).expect("links can be made");
            }
        }
        self.break_some(folder, &mut random);
    }

    /// One that is empty, one that is none, and now and then one that ends too soon.
    fn break_some(&self, folder: &Path, random: &mut Random) {
        fs::write(folder.join("apple/empty.png"), "").expect("files can be written");
        fs::write(folder.join("berry/text.jpg"), "no image").expect("files can be written");
        if random.chance(50) {
            let picture = fs::read(&self.pictures[0]).expect("a picture");
            fs::write(folder.join("cut.png"), &picture[..picture.len() / 2]).expect("files can be written");
        }
    }
}

/// Memory where there is enough of it, because no disk is waited for; otherwise, or where `TMPDIR` says so, where
/// temporary files are.
fn place() -> PathBuf {
    let memory = Path::new("/dev/shm");
    let free = Command::new("df").args(["--output=avail", "--block-size=1M"]).arg(memory).output();
    let free = free.ok().and_then(|free| String::from_utf8(free.stdout).ok());
    let free = free.and_then(|free| free.lines().last()?.trim().parse::<u64>().ok());
    let is_chosen = env::var_os("TMPDIR").is_none() && free.is_some_and(|free| free >= ENOUGH);
    if is_chosen { memory.to_owned() } else { env::temp_dir() }
}

fn entries(folder: &Path) -> Vec<PathBuf> {
    fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("an entry").path()).collect()
}

//! A folder in which a history takes place: an input, an output, the user's cache, a journal.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::sleep;

use pomona_tests::pomona;
use tempfile::TempDir;

use super::program::{library, with_signals};
use super::{Case, Ended, Kind, Order, Pool, Process};

/// The folder.
#[derive(Debug)]
pub struct World {
    folder: TempDir,
    /// The number of the input that is laid, and [`NONE`] before.
    laid: AtomicU64,
}

/// No input's number.
const NONE: u64 = u64::MAX;

impl World {
    /// An empty one.
    pub fn new(pool: &Pool) -> Self {
        let folder = tempfile::tempdir_in(pool.place()).expect("a temporary folder");
        let world = Self { folder, laid: AtomicU64::new(NONE) };
        fs::create_dir(world.kept()).expect("folders can be made");
        world
    }

    /// A place in the folder.
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Where calls are counted: the output and the user's cache lie there.
    pub fn kept(&self) -> PathBuf {
        self.path("kept")
    }

    /// Where results go.
    pub fn output(&self) -> PathBuf {
        self.path("kept/out")
    }

    /// Where the images are.
    pub fn input(&self) -> PathBuf {
        self.path("in")
    }

    /// Where the library writes down what is not yet safe from a loss of power.
    pub fn journal(&self) -> PathBuf {
        self.path("journal")
    }

    /// How many calls the journal has.
    pub fn calls(&self) -> u64 {
        fs::read_to_string(self.journal().join("journal")).map_or(0, |journal| journal.lines().count() as u64)
    }

    /// The runs that have a folder.
    pub fn runs(&self) -> BTreeSet<OsString> {
        let Ok(runs) = fs::read_dir(self.output().join("runs")) else { return BTreeSet::new() };
        runs.map(|run| run.expect("folders can be listed").file_name()).collect()
    }

    /// The program on the input as it is, with nothing to happen to it.
    pub fn command(&self, pool: &Pool, kind: Kind) -> Command {
        let mut command = pomona();
        match kind {
            Kind::Apply => command.arg("apply").arg(pool.fitted()),
            _ => command.arg("run"),
        };
        command.arg(self.input()).arg(self.output()).args(kind.arguments()).arg("--model").arg(pool.model(kind));
        command.args(["--shard-size", "4", "--threads", "1", "--max-reject-share", "0.5", "--quiet"]);
        command.env("XDG_CACHE_HOME", self.path("kept/cache")).env("POMONA_CACHE", self.path("kept/cache"));
        command
    }

    /// The program with the library.
    pub fn watched(&self, pool: &Pool, kind: Kind, order: &Order) -> Command {
        self.watch(self.command(pool, kind), order)
    }

    fn watch(&self, mut command: Command, order: &Order) -> Command {
        command.env("LD_PRELOAD", library()).env("POMONA_KILLS_BELOW", self.kept());
        command.env("POMONA_KILLS_JOURNAL", self.journal());
        if let Order::At(number, how) = order {
            command.env("POMONA_KILLS_AT", number.to_string()).env("POMONA_KILLS_HOW", how);
        }
        command
    }

    /// Starts a command whose messages go to a file here.
    pub fn start(&self, command: &mut Command) -> Process {
        Process::start(command, &self.path("errors"))
    }

    /// Starts a command that was ordered to stop, and waits until it has; `None` where it ended before that.
    pub fn stopped(&self, command: &Command) -> Option<Process> {
        let mut process = self.start(&mut with_signals(command));
        process.is_stopped().then_some(process)
    }

    /// Has the input be the one of this number.
    pub fn lay(&self, pool: &Pool, variant: u64) {
        if self.laid.swap(variant, Ordering::Relaxed) != variant {
            pool.lay(variant, &self.input());
        }
    }

    /// Lays the input of a case, runs it, and has happen to it what is said.
    pub fn attempt(&self, pool: &Pool, case: Case, order: &Order) -> Ended {
        self.lay(pool, case.variant);
        self.have_happen(&mut self.watched(pool, case.kind, order), order)
    }

    /// Has the output mended and what nobody needs removed, and that happen to it which is said.
    pub fn mend(&self, order: &Order) -> Ended {
        self.have_happen(&mut self.mending(order), order)
    }

    /// The command that mends the output and removes what nobody needs.
    pub fn mending(&self, order: &Order) -> Command {
        let mut command = pomona();
        command.arg("verify").arg(self.output()).args(["--repair", "--prune", "--quiet"]);
        self.watch(command, order)
    }

    /// Has images erased, as a file names them, and that happen to it which is said.
    pub fn erase(&self, keys: &Path, order: &Order) -> Ended {
        self.have_happen(&mut self.erasing(keys, order), order)
    }

    /// The command that erases what a file names.
    pub fn erasing(&self, keys: &Path, order: &Order) -> Command {
        let mut command = pomona();
        command.arg("erase").arg(self.output()).arg("--keys").arg(keys).arg("--quiet");
        self.watch(command, order)
    }

    /// Holds the certificates of erasures against what is there.
    pub fn verify_erasures(&self) -> Ended {
        let mut command = pomona();
        command.arg("verify-erasure").arg(self.output());
        self.have_happen(&mut self.watch(command, &Order::End), &Order::End)
    }

    fn have_happen(&self, command: &mut Command, order: &Order) -> Ended {
        let mut process = self.start(command);
        if let Order::After(time) = order {
            sleep(*time);
            process.kill();
        }
        process.end()
    }
}

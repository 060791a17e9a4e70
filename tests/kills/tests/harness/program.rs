//! The program, with the library that kills it.

use std::fmt;
use std::fs::{self, File};
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

/// Far longer than any run takes here.
const PATIENCE: Duration = Duration::from_secs(30);

/// What the standard library says in a panic of its own, before it runs anything in a new thread.
const NO_ROOM_FOR_A_THREAD: &str = "failed to allocate an alternative stack: Cannot allocate memory";

/// How often somebody looks whether something has happened.
const PACE: Duration = Duration::from_millis(1);

/// Signals that ask a program to end, and the exit codes of one that hears them.
pub const SIGNALS: [(&str, i32); 3] = [("TERM", 143), ("HUP", 129), ("INT", 130)];

/// What happens to an attempt.
#[derive(Clone, Debug)]
pub enum Order {
    /// Nothing.
    End,
    /// At the call of this number what `POMONA_KILLS_HOW` calls so.
    At(u64, String),
    /// It is killed after this time.
    After(Duration),
}

impl fmt::Display for Order {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::End => f.write_str("nothing happens"),
            Self::At(number, how) => write!(f, "`{how}` at call {number}"),
            Self::After(time) => write!(f, "killed after {time:?}"),
        }
    }
}

/// The library, which Cargo has built beside the tests.
pub fn library() -> PathBuf {
    let test = std::env::current_exe().expect("a test knows its own path");
    let folders = test.ancestors().skip(1).take(2);
    let found = folders.map(|folder| folder.join("libpomona_kills.so")).find(|library| library.exists());
    found.unwrap_or_else(|| {
        panic!(
            "libpomona_kills.so is neither beside {} nor above: run `cargo build --release --workspace --all-targets`",
            test.display()
        )
    })
}

/// The command in a process that hears all signals, whatever started the tests.
pub fn with_signals(command: &Command) -> Command {
    let mut under = Command::new("env");
    under.arg("--default-signal=HUP,INT,TERM").arg("-u").arg("POMONA_MODEL");
    for (name, value) in command.get_envs().filter_map(|(name, value)| Some((name, value?))) {
        let mut assignment = name.to_owned();
        assignment.push("=");
        assignment.push(value);
        under.arg(assignment);
    }
    under.arg(command.get_program()).args(command.get_args());
    under
}

/// A program that is at work; killed where a test fails.
#[derive(Debug)]
pub struct Process {
    child: Child,
    errors: PathBuf,
}

/// How it ended.
#[derive(Debug)]
pub struct Ended {
    status: ExitStatus,
    /// What it wrote to standard error.
    pub said: String,
}

impl Process {
    /// Starts the program. What it says goes to a file, so that nobody need read while it works.
    pub fn start(command: &mut Command, errors: &Path) -> Self {
        let file = File::create(errors).expect("a file for messages");
        let child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(file).spawn();
        Self { child: child.expect("the program starts"), errors: errors.to_owned() }
    }

    /// Its number.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Sends it SIGKILL.
    pub fn kill(&mut self) {
        self.child.kill().expect("a child can be killed");
    }

    /// Sends it a signal by name.
    pub fn signal(&self, name: &str) {
        let sent = Command::new("kill").args([format!("-{name}"), self.id().to_string()]).status();
        assert!(sent.expect("kill starts").success());
    }

    /// Sends a process that stands still a signal, and has it go on.
    pub fn go_on_with(self, signal: &str) -> Ended {
        self.signal(signal);
        self.signal("CONT");
        self.end()
    }

    /// Waits until it has stopped itself; `false` where it ended before.
    pub fn is_stopped(&mut self) -> bool {
        let started = Instant::now();
        while self.child.try_wait().expect("a child can be waited for").is_none() {
            assert!(started.elapsed() < PATIENCE, "the program neither stops nor ends");
            let status = fs::read_to_string(format!("/proc/{}/stat", self.id())).unwrap_or_default();
            if status.rsplit(") ").next().is_some_and(|rest| rest.starts_with('T')) {
                return true;
            }
            sleep(PACE);
        }
        false
    }

    /// Waits for its end.
    pub fn end(mut self) -> Ended {
        let started = Instant::now();
        let status = loop {
            if let Some(status) = self.child.try_wait().expect("a child can be waited for") {
                break status;
            }
            assert!(started.elapsed() < PATIENCE, "the program does not end");
            sleep(PACE);
        };
        let said = String::from_utf8(fs::read(&self.errors).expect("messages")).expect("programs print UTF-8");
        let panicked = said.contains("panicked") && !said.contains(NO_ROOM_FOR_A_THREAD);
        assert!(!said.contains("pomona-kills:") && !panicked, "{status}: {said}");
        Ended { status, said }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // Where it has ended there is nobody to kill.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

impl Ended {
    /// Whether it said that all is done.
    pub fn is_done(&self) -> bool {
        self.status.success()
    }

    /// Whether it was killed.
    pub fn is_killed(&self) -> bool {
        self.status.signal() == Some(9)
    }

    /// Its exit code, as shells have it: 128 and the number where a signal ended it.
    pub fn code(&self) -> Option<i32> {
        self.status.code().or_else(|| self.status.signal().map(|signal| 128 + signal))
    }
}

impl fmt::Display for Ended {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.status, self.said)
    }
}

//! What is asked of the library, by environment variables.

use std::env;
use std::path::PathBuf;

/// What happens at the chosen call.
#[derive(Clone, Copy, Debug)]
pub(crate) enum How {
    /// Killed before the call.
    Before,
    /// Killed after the call.
    After,
    /// Killed when half of a write is written; any other call is made whole.
    Middle,
    /// Stopped before the call, as by SIGSTOP, and its clock is wrong by so many seconds when it goes on.
    Stop(i64),
    /// The call fails, or the next one that can fail so.
    Fail(i32),
    /// All calls from this one on fail that can fail so.
    FailOn(i32),
    /// The clock is wrong by so many seconds from the call on.
    Clock(i64),
}

/// All that is asked.
#[derive(Debug)]
pub(crate) struct Orders {
    /// Calls that concern this folder are counted.
    pub below: PathBuf,
    /// At which call something happens.
    pub at: u64,
    /// What happens.
    pub how: How,
    /// Where the journal and the files' second names go.
    pub journal: Option<PathBuf>,
}

impl Orders {
    /// # Panics
    /// Where a variable says nothing that could be understood: whoever preloads the library is to know.
    pub fn from_environment() -> Option<Self> {
        let below = PathBuf::from(env::var_os("POMONA_KILLS_BELOW")?);
        let at = env::var("POMONA_KILLS_AT").map_or(0, |value| number(&value));
        let how = env::var("POMONA_KILLS_HOW").map_or(How::Before, |value| how(&value));
        let journal = env::var_os("POMONA_KILLS_JOURNAL").map(PathBuf::from);
        Some(Self { below, at, how, journal })
    }
}

fn how(value: &str) -> How {
    match value.split_once(' ') {
        Some(("fail", errno)) => How::Fail(number(errno)),
        Some(("fail-on", errno)) => How::FailOn(number(errno)),
        Some(("clock", seconds)) => How::Clock(number(seconds)),
        None if value == "before" => How::Before,
        None if value == "after" => How::After,
        None if value == "middle" => How::Middle,
        None if value == "stop" => How::Stop(0),
        Some(("stop", seconds)) => How::Stop(number(seconds)),
        _ => panic!("POMONA_KILLS_HOW cannot be `{value}`"),
    }
}

fn number<T: std::str::FromStr>(value: &str) -> T {
    value.parse().unwrap_or_else(|_| panic!("`{value}` is no number"))
}

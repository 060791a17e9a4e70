//! What was found of the files below an output.

use pomona_formats::error::Damage;
use pomona_run::RunId;
use serde::{Serialize, Serializer};

/// What a look at every file below an output came to.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Verification {
    /// The output.
    pub location: String,
    /// The run that holds the output. What it is making is not checked, and nothing is called unneeded under its hands.
    pub going_on: Option<RunId>,
    /// Runs whose lists of what they use cannot be read, so that everything may be needed.
    pub in_doubt: Vec<RunId>,
    /// Erasures that are not done, so that what they are to erase may still be there.
    pub not_erased: Vec<RunId>,
    /// Files whose bytes are those that were written.
    #[serde(skip)]
    pub whole: Tally,
    /// Files that are not what was written.
    pub damaged: Vec<Damaged>,
    /// Files that are not there although something whole vouches for them.
    pub missing: Vec<Missing>,
    /// Files that nobody needs.
    pub unneeded: Vec<Unneeded>,
    /// Files of which nothing says what they must be.
    pub unchecked: Vec<Unchecked>,
    /// Files that no run writes.
    pub unknown: Vec<String>,
}

impl Verification {
    /// Whether nothing is damaged or missing.
    pub fn is_whole(&self) -> bool {
        self.damaged.is_empty() && self.missing.is_empty()
    }

    /// How many files there are of each kind. Of what is missing or unknown no size is known.
    pub fn counts(&self) -> Counts {
        let without_size = |files: usize| Tally { files: files as u64, bytes: 0 };
        Counts {
            whole: self.whole,
            damaged: self.damaged.iter().map(|damaged| damaged.bytes).collect(),
            missing: without_size(self.missing.len()),
            unneeded: self.unneeded.iter().map(|unneeded| unneeded.bytes).collect(),
            unchecked: self.unchecked.iter().map(|unchecked| unchecked.bytes).collect(),
            unknown: without_size(self.unknown.len()),
        }
    }
}

/// Files by what was found of them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Counts {
    /// Files whose bytes are those that were written.
    pub whole: Tally,
    /// Files that are not what was written.
    pub damaged: Tally,
    /// Files that are not there.
    pub missing: Tally,
    /// Files that nobody needs.
    pub unneeded: Tally,
    /// Files of which nothing says what they must be.
    pub unchecked: Tally,
    /// Files that no run writes.
    pub unknown: Tally,
}

/// How many files, and how large they are together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Tally {
    /// Files.
    pub files: u64,
    /// Bytes.
    pub bytes: u64,
}

impl Tally {
    /// Counts one more file.
    pub fn add(&mut self, bytes: u64) {
        self.files += 1;
        self.bytes += bytes;
    }
}

impl FromIterator<u64> for Tally {
    /// Of files of these sizes.
    fn from_iter<T: IntoIterator<Item = u64>>(sizes: T) -> Self {
        let mut tally = Self::default();
        sizes.into_iter().for_each(|bytes| tally.add(bytes));
        tally
    }
}

/// A file that is not what was written.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Damaged {
    /// The file (key at the output).
    pub file: String,
    /// Its size in bytes.
    pub bytes: u64,
    /// What is wrong with it.
    #[serde(serialize_with = "as_text")]
    pub problem: Problem,
    /// What follows.
    #[serde(serialize_with = "as_text")]
    pub follows: Consequence,
}

/// A file that is not there.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Missing {
    /// The file (key at the output).
    pub file: String,
    /// What follows.
    #[serde(serialize_with = "as_text")]
    pub follows: Consequence,
}

/// A file that nobody needs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Unneeded {
    /// The file (key at the output).
    pub file: String,
    /// Its size in bytes.
    pub bytes: u64,
    /// Why nobody does.
    #[serde(serialize_with = "as_text")]
    pub reason: Useless,
}

/// A file of which nothing says what it must be.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Unchecked {
    /// The file (key at the output).
    pub file: String,
    /// Its size in bytes.
    pub bytes: u64,
    /// Why nothing does.
    #[serde(serialize_with = "as_text")]
    pub reason: Unvouched,
}

/// What is wrong with a file.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Problem {
    /// It is not what was written.
    #[error("{0}")]
    Damaged(Damage),
    /// It cannot be read, now or ever; what it holds is not known.
    #[error("it cannot be read: {0}")]
    Unreadable(String),
}

/// What follows from damage, and who makes it good.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Consequence {
    /// It is made again when it is needed.
    #[error("the next run makes it anew")]
    NextRun,
    /// The results of a run are not complete.
    #[error(
        "run {0} is not complete: `--repair` restores what stands elsewhere too, and a run over the same images with \
         the same options makes the rest again"
    )]
    Rerun(RunId),
    /// A run has come to its end, and nobody can tell: it was ended in that very moment, or somebody deleted the mark.
    #[error("nobody takes run {0} for a result; where all else of it is whole, `--repair` marks it again")]
    Unmarked(RunId),
    /// The run did not succeed, and served later ones only.
    #[error("its run did not succeed, and what later ones would have taken over from it here is computed anew")]
    NotTakenOver,
    /// It says which images were erased, or proves it, and nothing else does.
    #[error("which images were erased is not known, and no run is made before it is: put the file back from a copy")]
    Unprovable,
    /// It served a run that has ended.
    #[error("nothing: its run has ended, and nobody reads it again")]
    Nothing,
}

/// Why nobody needs a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, thiserror::Error)]
pub enum Useless {
    /// Of a run that left nothing for others.
    #[error("its run did not succeed, and no later run takes anything over from it")]
    ForgottenRun,
    /// A table of a run without its mark.
    #[error("it is a table of a run that did not succeed")]
    UnfinishedTable,
    /// A table whose removal was cut short.
    #[error("it is a table of an older run whose tables were to be removed (`--keep-runs`)")]
    RemovedTable,
    /// A part, node or fit of runs that are gone.
    #[error("no run that is here and remembered uses it; only one over the same images would take it over")]
    UnusedResult,
    /// Files without the moments that are written last.
    #[error("the part that it is of was not finished, or was set aside")]
    UnfinishedPart,
    /// A fragment of a part that was finished.
    #[error("the part that it is of is there")]
    FinishedPart,
    /// A state or a sum of a fit that has come to its model.
    #[error("the fit that it is of is done")]
    FinishedFit,
    /// A list that a later plan of the same run made anew.
    #[error("an earlier plan of its run left it")]
    EarlierPlan,
    /// A lock whose time is over.
    #[error("the lock's time is over")]
    StaleLock,
}

/// Why nothing says what a file must be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, thiserror::Error)]
pub enum Unvouched {
    /// Nobody ever wrote that down.
    #[error("nobody writes down what it must be")]
    ByNobody,
    /// What says it is damaged or missing itself.
    #[error("what says what it must be is damaged, or cannot be used here")]
    ByDamaged,
    /// What says it is written at the end of a run.
    #[error("its run did not succeed")]
    ByUnfinishedRun,
    /// It is whole, and says something to another version only.
    #[error("it was written by another version of pomona")]
    ByOtherVersion,
    /// It may change, come or go at any time.
    #[error("a run is going on")]
    ByRunGoingOn,
}

fn as_text<S: Serializer>(value: &impl ToString, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&value.to_string())
}

//! Files that name an erased image, older versions of files among them.

use std::collections::BTreeSet;

use futures::stream::{self, StreamExt, TryStreamExt};
use pomona_formats::erasure::{Examined, FileVersion, LeftFile, WhyLeft, is_handed_over};
use pomona_formats::suppressed::Suppressed;
use pomona_formats::{planned, run_aside, strings};
use pomona_run::RunId;
use pomona_run::layout::RunLayout;
use pomona_run::place::Place;
use pomona_store::{Error as StoreError, Store, Version, VersionKind};
use serde::{Deserialize, Serialize};

use crate::error::Error;
use crate::history::of_earlier_run;

/// Files that are held at once: of the largest, some 50 MB each, fewer than fill the memory of a Lambda.
const FILES_AT_ONCE: usize = 16;

/// What a look at everything came to.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Traces {
    /// What was read.
    pub examined: Examined,
    /// Files that name an erased image.
    pub holding: Vec<FileVersion>,
    /// Files that are not what their names say, so that nothing is known of them.
    pub unreadable: Vec<FileVersion>,
    /// Files of runs without a plan, which a call may have written that went on when its run had been deleted: nobody
    /// can tell of what images they were made.
    pub remains: Vec<FileVersion>,
    /// Files that no run writes: nobody looked into these.
    pub foreign: u64,
}

impl Traces {
    /// Whether there are any.
    pub(super) fn are_any(&self) -> bool {
        self.suspects().next().is_some()
    }

    /// The runs that have any now.
    pub(super) fn runs(&self) -> BTreeSet<RunId> {
        self.suspects().filter(|file| file.is_current()).filter_map(|file| Place::run_of(&file.file)).collect()
    }

    /// The runs of which an older version of a file has any.
    pub(super) fn runs_that_had_any(&self) -> BTreeSet<RunId> {
        self.suspects().filter(|file| !file.is_current()).filter_map(|file| Place::run_of(&file.file)).collect()
    }

    /// What two looks came to.
    pub(super) fn and(mut self, other: Self) -> Self {
        self.examined.files += other.examined.files;
        self.examined.bytes += other.examined.bytes;
        self.examined.older_versions += other.examined.older_versions;
        self.holding.extend(other.holding);
        self.unreadable.extend(other.unreadable);
        self.remains.extend(other.remains);
        self.foreign += other.foreign;
        self
    }

    /// Leaves out what an attempt before this one had begun of a run that is whole now.
    pub(super) fn forget(&mut self, run_id: &RunId) {
        self.remains.retain(|file| Place::run_of(&file.file).as_ref() != Some(run_id));
    }

    /// Adds the runs at this output that took their models of a run that has any: these were learned from its images.
    pub(super) async fn add_followers(&mut self, output: &dyn Store) -> Result<(), Error> {
        let keys = output.sizes("runs/").await?.into_iter().map(|(key, _)| key);
        let plans: Vec<String> = keys.filter(|key| key.ends_with("/plan.json")).collect();
        while let Some(followers) = self.followers(output, &plans).await? {
            self.holding.extend(followers);
        }
        Ok(())
    }

    /// Plans of runs that have none, and took their models of one that has.
    async fn followers(&self, output: &dyn Store, plans: &[String]) -> Result<Option<Vec<FileVersion>>, Error> {
        let (mut followers, runs) = (Vec::new(), self.runs());
        for key in plans {
            let Some(run_id) = Place::run_of(key).filter(|run_id| !runs.contains(run_id)) else { continue };
            let Some(plan) = of_earlier_run(planned::read_plan(output, &run_id).await)? else { continue };
            let models = plan.models_of.filter(|models| models.results.is_none());
            if models.is_some_and(|models| runs.contains(&models.run_id)) {
                followers.push(FileVersion { file: key.clone(), version: None });
            }
        }
        Ok(Some(followers).filter(|followers| !followers.is_empty()))
    }

    /// A file of which nothing is known may hold anything.
    pub(super) fn suspects(&self) -> impl Iterator<Item = &FileVersion> {
        self.holding.iter().chain(&self.unreadable).chain(&self.remains)
    }

    /// The files, each with what is wrong about it.
    pub(super) fn left(&self) -> impl Iterator<Item = LeftFile> {
        let holding = self.holding.iter().map(|file| (file, WhyLeft::NamesAnErasedImage));
        let unreadable = self.unreadable.iter().map(|file| (file, WhyLeft::Unreadable));
        let remains = self.remains.iter().map(|file| (file, WhyLeft::OfNoRun));
        holding.chain(unreadable).chain(remains).map(|(file, why)| LeftFile { file: file.clone(), why })
    }
}

/// Reads all files below an output, and what a bucket keeps of older ones, and looks for erased images in whatever text
/// they hold.
///
/// # Errors
/// Those of the store.
pub(super) async fn find(output: &dyn Store, erased: &Suppressed) -> Result<Traces, Error> {
    let Everything { files, told } = Everything::list(output).await?;
    Ok(told.and(look_through(output, erased, files.into_iter().map(|(file, _)| file)).await?))
}

/// All that can be looked into.
pub(super) struct Everything {
    /// Files, and their sizes in bytes.
    pub(super) files: Vec<(FileVersion, u64)>,
    /// What the listing tells by itself.
    pub(super) told: Traces,
}

impl Everything {
    pub(super) async fn list(output: &dyn Store) -> Result<Self, Error> {
        let versions = output.versions("").await?;
        let told = Traces { remains: remains(&versions), ..Traces::default() };
        let mut everything = Self { files: Vec::new(), told };
        let contents = versions.iter().filter(|version| version.is_content() && !is_handed_over(&version.key));
        for version in contents {
            // A user's own file beside ours is none of ours.
            match is_ours(&version.key) {
                true => everything.files.push((version.into(), version.size)),
                false => everything.told.foreign += 1,
            }
        }
        Ok(everything)
    }
}

/// Reads these files.
pub(super) async fn look_through(
    output: &dyn Store,
    erased: &Suppressed,
    files: impl IntoIterator<Item = FileVersion>,
) -> Result<Traces, Error> {
    let mut traces = Traces::default();
    let look = |file: FileVersion| async move { Ok::<_, Error>((look(output, erased, &file).await?, file)) };
    let mut looks = stream::iter(files).map(look).buffered(FILES_AT_ONCE);
    while let Some((Look { bytes, seen }, file)) = looks.try_next().await? {
        traces.examined.files += u64::from(seen != Seen::Gone);
        traces.examined.bytes += bytes;
        traces.examined.older_versions += u64::from(seen != Seen::Gone && !file.is_current());
        match seen {
            Seen::Gone | Seen::Clean => {}
            Seen::Holding => traces.holding.push(file),
            Seen::Unreadable => traces.unreadable.push(file),
        }
    }
    Ok(traces)
}

/// Files of runs without a plan, but for what says why they have none: that is text, and is looked into.
fn remains(versions: &[Version]) -> Vec<FileVersion> {
    let current: BTreeSet<&str> =
        versions.iter().filter(|version| version.is_current()).map(|version| version.key.as_str()).collect();
    let has_plan = |run_id: &RunId| current.contains(RunLayout::new(run_id.as_str()).plan().as_str());
    let is_problem = |key: &str, run_id: &RunId| key.starts_with(&RunLayout::new(run_id.as_str()).problems());
    let is_remains = |key: &&&str| {
        is_ours(key) && Place::run_of(key).is_some_and(|run_id| !has_plan(&run_id) && !is_problem(key, &run_id))
    };
    current.iter().filter(is_remains).map(|key| FileVersion { file: (*key).to_owned(), version: None }).collect()
}

/// What a file is seen to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Seen {
    Gone,
    Clean,
    Holding,
    Unreadable,
}

struct Look {
    bytes: u64,
    seen: Seen,
}

async fn look(output: &dyn Store, erased: &Suppressed, file: &FileVersion) -> Result<Look, Error> {
    let bytes = match output.get_version(&version(file)).await {
        Ok(bytes) => bytes,
        Err(StoreError::NotFound { .. }) => return Ok(Look { bytes: 0, seen: Seen::Gone }),
        Err(error) => return Err(error.into()),
    };
    let (own_key, erased, size) = (file.file.clone(), erased.clone(), bytes.len() as u64);
    let seen = run_aside(move || {
        let mut is_holding = false;
        match strings::each(&own_key, bytes, &mut |text| is_holding |= names_any(text, &erased)) {
            _ if is_holding => Seen::Holding,
            Ok(()) => Seen::Clean,
            Err(_) => Seen::Unreadable,
        }
    });
    Ok(Look { bytes: size, seen: seen.await? })
}

/// The version by which a store knows it.
fn version(file: &FileVersion) -> Version {
    let kind = if file.is_current() { VersionKind::Current } else { VersionKind::Older };
    Version { key: file.file.clone(), kind, id: file.version.clone(), size: 0 }
}

pub(super) fn is_ours(key: &str) -> bool {
    match Place::of(key) {
        None => false,
        Some(Place::OfRun { run_id, .. }) => RunLayout::new(run_id.as_str()).has(key),
        Some(_) => true,
    }
}

/// Messages have what they name between backticks, or as Rust quotes text; people write it among other words.
pub(super) fn names_any(text: &str, erased: &Suppressed) -> bool {
    let quoted = |quote: char| text.contains(quote) && text.split(quote).any(|part| erased.has(part));
    let around = |c: char| ",;:.!?()[]{}<>'\"`".contains(c);
    let is_erased_word = |word: &str| erased.has(word) || erased.has(word.trim_matches(around));
    // A figure's points have their label and their path, each in a line.
    let is_erased_line = || text.lines().map(str::trim).any(|line| line != text && erased.has(line));
    let among_words = || text.contains(char::is_whitespace) && text.split_whitespace().any(is_erased_word);
    erased.has(text) || quoted('`') || quoted('"') || is_erased_line() || among_words()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_found_by_itself_quoted_or_among_other_words() {
        let none = Suppressed::none().unwrap();
        let digests = ["anna/1.jpg", "the sea/2.jpg"].map(|key| none.digest(key));
        let erased = Suppressed::of(none.salt().to_owned(), digests.into());
        for text in [
            "anna/1.jpg",
            "`anna/1.jpg` could not be read",
            "Damaged { file: \"the sea/2.jpg\" }",
            "an album with anna/1.jpg",
            "Anna (anna/1.jpg), Ben",
            "class 1\nthe sea/2.jpg",
        ] {
            assert!(names_any(text, &erased), "{text}");
        }
        for text in ["anna", "anna/1", "anna/1.jpgs", "b/anna/1.jpg", "the sea", "`anna`/1.jpg", ""] {
            assert!(!names_any(text, &erased), "{text}");
        }
    }
}

//! Older runs that had an erased image: they go as a whole, or are made anew without it.

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

use pomona_formats::erasure::Rewritten;
use pomona_formats::planned;
use pomona_formats::planned_runs::PlannedRuns;
use pomona_formats::suppressed::Suppressed;
use pomona_run::RunId;
use pomona_run::layout::RunLayout;
use pomona_store::Store;

use super::rebuild::{self, Anew};
use super::removal::Removal;
use crate::error::Error;
use crate::history::of_earlier_run;
use crate::local::Observer;
use crate::report::Rank;

/// What becomes of older runs that had an erased image.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Older {
    /// They are deleted.
    #[default]
    Delete,
    /// Those that have their tables are made anew without it, by other names.
    Rewrite,
}

impl Older {
    /// All choices.
    pub const ALL: [Self; 2] = [Self::Delete, Self::Rewrite];

    /// The choice as the command line has it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Delete => "delete",
            Self::Rewrite => "rewrite",
        }
    }
}

impl fmt::Display for Older {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

impl FromStr for Older {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let found = Self::ALL.into_iter().find(|older| older.as_str() == text);
        found.ok_or_else(|| format!("`{text}` is neither delete nor rewrite"))
    }
}

/// Makes those of the runs that are `gone`, and not the newest one, anew of the features that are there, in the order in
/// which they were planned. One that cannot be is told of, and goes with the others. What attempts before this one have
/// made stands in the journal, and stays.
pub(super) async fn rewrite(
    output: &dyn Store,
    (gone, newest): (&BTreeSet<RunId>, Option<&RunId>),
    removal: &mut Removal<'_>,
    threads: usize,
    suppressed: &Suppressed,
    observer: &dyn Observer,
) -> Result<(), Error> {
    let planned = PlannedRuns::read(output).await?;
    let older = planned.run_ids().iter().rev().filter(|run_id| gone.contains(run_id) && Some(*run_id) != newest);
    for run_id in older {
        if removal.has_rewritten(run_id) || !output.exists(&RunLayout::new(run_id.as_str()).success()).await? {
            continue;
        }
        let Some(plan) = of_earlier_run(planned::read_plan(output, run_id).await)? else { continue };
        let anew = removal.name_anew(run_id);
        if newest.is_some_and(|newest| removal.is_made_of(newest, run_id)) {
            // It was the newest one itself when an attempt before this one began.
            continue;
        }
        let anew = Anew { run_id: &anew, rank: Rank::Older };
        match rebuild::run(output, &plan, anew, threads, suppressed, observer).await {
            Ok(Some(run)) => removal.note_rewritten(Rewritten { was: run_id.clone(), run }).await?,
            Ok(None) => {}
            Err(error) if rebuild::is_about_its_images(&error) => {
                observer.notice(&format!("run {run_id} is deleted, because it cannot be made anew: {error}"));
            }
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

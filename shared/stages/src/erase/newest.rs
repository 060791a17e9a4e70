//! The newest run, which is made anew where it has any of the images.

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};
use pomona_formats::Error as FileError;
use pomona_formats::planned::{self, Plan};
use pomona_formats::suppressed::Suppressed;
use pomona_results::latest::{self, Latest};
use pomona_results::verify;
use pomona_run::RunId;
use pomona_run::layout::{LATEST, RunLayout};
use pomona_store::Store;

use super::rebuild::{self, Anew};
use super::removal::Removal;
use crate::error::Error;
use crate::local::Observer;
use crate::report::Rank;

/// The newest run; where latest.json cannot be read, or names a run that is gone but for what a late call has written
/// of it, it is made to name the newest one that is left.
pub(super) async fn mend(output: &dyn Store) -> Result<Option<RunId>, Error> {
    let gone = match latest::read(output).await {
        Err(FileError::Damaged { .. }) => None,
        Err(error) => return Err(error.into()),
        Ok(None) => return Ok(None),
        Ok(Some(Latest { run_id, .. })) if output.exists(&RunLayout::new(run_id.as_str()).plan()).await? => {
            return Ok(Some(run_id));
        }
        Ok(Some(Latest { run_id, .. })) => Some(run_id),
    };
    let newest = verify::runs(output).await?.newest;
    let is_mended = match &newest {
        Some(newest) => latest::point_at(output, newest, gone.as_ref()).await?,
        None => latest::remove(output, gone.as_ref()).await?,
    };
    if is_mended { Ok(newest) } else { Err(Error::Overtaken { file: LATEST.to_owned() }) }
}

/// Writes down that an attempt before this one has made the run that is the newest now, and was ended before it could do
/// so itself.
pub(super) async fn note(
    output: &dyn Store,
    newest: &RunId,
    removal: &mut Removal<'_>,
    gone: &BTreeSet<RunId>,
) -> Result<(), Error> {
    if gone.iter().any(|run_id| removal.is_made_of(newest, run_id)) {
        removal.note_run(Some(rebuild::named(output, newest).await?), None).await?;
    }
    Ok(())
}

/// Makes the newest run anew; gives why it cannot be.
pub(super) async fn remake(
    output: &dyn Store,
    newest: &RunId,
    removal: &mut Removal<'_>,
    (suppressed, threads, observer): (&Suppressed, usize, &dyn Observer),
) -> Result<Option<Error>, Error> {
    let (earlier, run_id) = (planned::read_plan(output, newest).await?, removal.name_anew(newest));
    let anew = Anew { run_id: &run_id, rank: Rank::Newest };
    match rebuild::run(output, &earlier, anew, threads, suppressed, observer).await {
        Ok(Some(run)) => {
            removal.note_run(Some(run), None).await?;
            Ok(None)
        }
        Ok(None) => give_up(output, newest, removal, None).await,
        Err(error) if rebuild::is_about_what_stays(&error) => give_up(output, newest, removal, Some(error)).await,
        Err(error) => Err(error),
    }
}

/// Plans the newest run anew; nothing where it cannot be made.
pub(super) async fn plan_anew(
    output: &dyn Store,
    newest: &RunId,
    removal: &mut Removal<'_>,
    suppressed: &Suppressed,
    (started, replans): (DateTime<Utc>, u32),
) -> Result<Option<Plan>, Error> {
    let (earlier, run_id) = (planned::read_plan(output, newest).await?, removal.name_anew(newest));
    let anew = Anew { run_id: &run_id, rank: Rank::Newest };
    match rebuild::plan(output, &earlier, anew, suppressed, (started, replans)).await {
        Ok(None) => give_up(output, newest, removal, None).await?,
        Err(error) if rebuild::is_about_what_stays(&error) => give_up(output, newest, removal, Some(error)).await?,
        planned => return planned,
    };
    Ok(None)
}

/// There is no newest run any more.
async fn give_up(
    output: &dyn Store,
    newest: &RunId,
    removal: &mut Removal<'_>,
    obstacle: Option<Error>,
) -> Result<Option<Error>, Error> {
    removal.note_run(None, obstacle.as_ref()).await?;
    match latest::remove(output, Some(newest)).await? {
        true => Ok(obstacle),
        false => Err(Error::Overtaken { file: LATEST.to_owned() }),
    }
}

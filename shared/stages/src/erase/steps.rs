//! An erasure in steps, each a call of its own that may be made twice: how a state machine erases. Whoever calls holds the
//! output's lock over all of them; what one hands to the next lies at the output.
//!
//! | step | then |
//! |---|---|
//! | [`begin`] | [`search`](super::search()) for each group |
//! | [`remake`] | where it plans a run: [`make_part`] for each missing one, and all later stages of a run |
//! | [`remove`], until it is done | [`search`](super::search()) for each group |
//! | [`certify`] | |

use chrono::{DateTime, Utc};
use pomona_formats::erasure::{Certificate, Erasures};
use pomona_formats::planned::{self, Plan, Shard};
use pomona_run::{RunId, layout};
use pomona_store::Store;
use tokio::time::Instant;

use super::asked::{self, Asked};
use super::handed_over::{self, Attempt, Round};
use super::removal::Removal;
use super::search::{self, Seen};
use super::traces::{self, Traces};
use super::{newest, proof, rebuild};
use crate::error::Error;

/// Begins with all that was asked for and is not done, or without that once more with all that ever was: what is asked
/// for now is called by the lock, too. `started` is when all of it was.
///
/// # Errors
/// [`Error::NothingToErase`], [`Error::LockLost`], and those of the store.
pub async fn begin(output: &dyn Store, lock: &RunId, started: DateTime<Utc>) -> Result<Attempt, Error> {
    let mut asked = Asked::read(output).await?;
    asked.refuse_what_a_machine_cannot_do()?;
    if asked.requests.is_empty() {
        if asked.suppressed.is_empty() {
            return Err(asked::nothing(output, "nobody has asked for it; `pomona erase --on-aws` does"));
        }
        // A call may be handed over twice, and come to it when what the other one has begun is done.
        if Erasures::is_any_done_since(output, started).await? {
            return Err(asked::nothing(output, "all that was asked for has been done since this was started"));
        }
        asked.ask_again(output, lock).await?;
    }
    let attempt = Attempt::at(&asked.requests, lock)?;
    // Or when it is under way.
    if output.exists(&attempt.groups(Round::Before)).await? {
        return Ok(attempt);
    }
    Erasures::delete_work_of_done(output).await?;
    handed_over::clear(output, lock).await?;
    asked.put_in_force(output).await?;
    output.settle(&traces::is_ours).await?;
    search::deal(output, &attempt, Round::Before, Vec::new()).await?;
    Ok(attempt)
}

/// Plans the newest run anew if it has any of the images, for the time of `replans` after the first; nothing where it has
/// none, has been made, or cannot be.
///
/// # Errors
/// [`Error::ModelsOfAnother`], [`Error::LockLost`], and those of planning.
pub async fn remake(
    output: &dyn Store,
    attempt: &Attempt,
    started: DateTime<Utc>,
    replans: u32,
) -> Result<Option<Plan>, Error> {
    let Asked { requests, suppressed } = asked_before(output).await?;
    let mut removal = Removal::go_on(output, attempt.clone(), &requests).await?;
    let gone = found_before(output, attempt).await?.runs();
    match newest::mend(output).await?.filter(|newest| gone.contains(newest)) {
        Some(newest) => newest::plan_anew(output, &newest, &mut removal, &suppressed, (started, replans)).await,
        None => Ok(None),
    }
}

/// Makes the part of a shard of the run that is made anew, of features that are there.
///
/// # Errors
/// [`Error::FeaturesGone`], and those of the store.
pub async fn make_part(output: &dyn Store, shard: &Shard) -> Result<(), Error> {
    rebuild::make_part(output, shard, &planned::read_plan(output, &shard.run_id).await?).await
}

/// Deletes what holds one of the images or was made of it, as far as it comes `until` then; whether that is all of it.
///
/// # Errors
/// [`Error::LockLost`], and those of the store.
pub async fn remove(output: &dyn Store, attempt: &Attempt, until: Instant) -> Result<bool, Error> {
    let mut removal =
        Removal::go_on(output, attempt.clone(), &asked_before(output).await?.requests).await?.until(until);
    let traces = found_before(output, attempt).await?;
    let gone = traces.runs();
    if let Some(newest) = newest::mend(output).await? {
        newest::note(output, &newest, &mut removal, &gone).await?;
        // What an attempt before had begun of it may have been found before it had a plan.
        if gone.contains(&newest) && !removal.made.contains(&newest) {
            return Err(Error::internal("the newest run was not made anew"));
        }
    }
    let is_done = removal.remove(traces).await?;
    match is_done {
        true => search::deal(output, attempt, Round::After, removal.refused).await?,
        false => removal.hand_over_refused().await?,
    }
    Ok(is_done)
}

/// Writes the certificates, which nobody signs.
///
/// # Errors
/// [`Error::TracesLeft`], [`Error::LockLost`], and those of the store.
pub async fn certify(output: &dyn Store, attempt: &Attempt) -> Result<Vec<Certificate>, Error> {
    let mut requests = asked_before(output).await?.requests;
    let removal = Removal::go_on(output, attempt.clone(), &requests).await?;
    let Seen { traces, requests: looked_for, refused } = search::gather(output, attempt, Round::After).await?;
    requests.retain(|request| looked_for.contains(&request.id));
    proof::certify(output, requests, &removal.but_for(refused), &traces, None).await
}

/// The certificate, where [`certify`] has come to its end before.
///
/// # Errors
/// Those of the store.
pub async fn certified(output: &dyn Store, erasure: &RunId) -> Result<Option<Certificate>, Error> {
    match output.exists(&layout::erasure_certificate(erasure)).await? {
        true => Ok(Some(Certificate::read(output, erasure).await?)),
        false => Ok(None),
    }
}

/// What is not done: what the erasure was begun for, and what a certificate was for that could not be read and has gone.
async fn asked_before(output: &dyn Store) -> Result<Asked, Error> {
    let asked = Asked::read(output).await?;
    if asked.requests.is_empty() {
        return Err(asked::nothing(output, "all that was asked for is done"));
    }
    Ok(asked)
}

async fn found_before(output: &dyn Store, attempt: &Attempt) -> Result<Traces, Error> {
    let mut traces = search::gather(output, attempt, Round::Before).await?.traces;
    traces.add_followers(output).await?;
    Ok(traces)
}

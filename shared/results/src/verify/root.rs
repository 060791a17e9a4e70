//! The files that are of no run: which one is the newest, which were planned, who holds the output.

use std::collections::BTreeSet;

use pomona_formats::Error;
use pomona_formats::erasure::is_handed_over;
use pomona_formats::error::Damage;
use pomona_formats::json;
use pomona_formats::lock_file::Lock;
use pomona_formats::planned_runs::PlannedRuns;
use pomona_formats::suppressed::Suppressed;
use pomona_run::RunId;
use pomona_run::layout::{self, FOLLOW_UP, LATEST, LOCK, PLANNED, SUPPRESSED};
use pomona_run::place::Place;
use pomona_store::Error as StoreError;
use serde_json::Value;

use super::checker::{Checker, File};
use super::findings::{Consequence, Problem, Unvouched, Useless};
use super::survey::Survey;
use crate::latest;

/// Checks them; one that must be there is missing otherwise.
pub(super) async fn check(checker: &Checker<'_>, survey: &Survey) -> Result<(), Error> {
    check_latest(checker, survey).await?;
    if survey.at_root.contains_key(PLANNED) || survey.has_planned_any() {
        checker.check(&file(survey, PLANNED), &Consequence::NextRun, |_, bytes| PlannedRuns::decode(bytes)).await?;
    }
    if survey.at_root.contains_key(FOLLOW_UP) {
        checker.unchecked(file(survey, FOLLOW_UP), Unvouched::ByNobody);
    }
    check_erasures(checker, survey).await?;
    check_lock(checker, survey).await
}

/// What was erased, what was asked to be, and what proves it.
async fn check_erasures(checker: &Checker<'_>, survey: &Survey) -> Result<(), Error> {
    let is_certificate =
        |key: &&String| layout::erasure_of(key).is_some_and(|id| **key == layout::erasure_certificate(&id));
    if survey.at_root.keys().any(|key| is_certificate(&key)) && !survey.at_root.contains_key(SUPPRESSED) {
        checker.missing(SUPPRESSED, &Consequence::Unprovable);
    }
    for key in survey.at_root.keys() {
        let key = key.as_str();
        match Place::of(key) {
            Some(Place::Suppressed) => {
                let decode = |_: &str, bytes: &[u8]| Suppressed::decode(bytes);
                checker.check(&file(survey, key), &Consequence::Unprovable, decode).await?;
            }
            Some(Place::OfErasure) if !key.ends_with(".json") || is_handed_over(key) => {
                checker.unchecked(file(survey, key), Unvouched::ByNobody);
            }
            Some(Place::OfErasure) => {
                let decode = |key: &str, bytes: &[u8]| json::unseal::<Value>(key, bytes);
                checker.check(&file(survey, key), &Consequence::Unprovable, decode).await?;
            }
            _ => {}
        }
    }
    Ok(())
}

/// It is not sealed, because scripts read it; but it says the same thing twice, and names a run that must be there.
async fn check_latest(checker: &Checker<'_>, survey: &Survey) -> Result<(), Error> {
    if !survey.at_root.contains_key(LATEST) && !survey.has_succeeded_any() {
        return Ok(());
    }
    let succeeded = survey.runs.iter().filter(|(_, run)| run.has_success);
    let succeeded: BTreeSet<RunId> = succeeded.map(|(run_id, _)| run_id.clone()).collect();
    let decode = move |_: &str, bytes: &[u8]| {
        let run_id = latest::named(bytes)?.run_id;
        if succeeded.contains(&run_id) { Ok(()) } else { Err(Error::damaged(LATEST, Damage::NamesNoRun)) }
    };
    checker.check(&file(survey, LATEST), &Consequence::NextRun, decode).await.map(drop)
}

/// A lock says nothing that could be checked, but one that nobody can read holds nothing.
async fn check_lock(checker: &Checker<'_>, survey: &Survey) -> Result<(), Error> {
    if !survey.at_root.contains_key(LOCK) {
        return Ok(());
    }
    let read = match checker.output.get(LOCK).await {
        Ok(stored) => Lock::decode(&stored.bytes),
        Err(error) if !error.is_about_object() => return Err(error.into()),
        // It was given back meanwhile.
        Err(StoreError::NotFound { .. }) => {
            checker.pass(&file(survey, LOCK));
            return Ok(());
        }
        Err(_) => None,
    };
    let lock = file(survey, LOCK);
    match read {
        Some(read) if read.is_held() => checker.unchecked(lock, Unvouched::ByNobody),
        Some(_) => checker.unneeded(lock, Useless::StaleLock),
        None => {
            checker.pass(&lock);
            checker.damaged(&lock, Problem::Damaged(Damage::Unknown), &Consequence::NextRun);
        }
    }
    Ok(())
}

fn file(survey: &Survey, key: &str) -> File {
    File { key: key.to_owned(), bytes: survey.at_root.get(key).copied() }
}

//! Looking through everything below an output in groups of files, each by a call of its own: an output may hold more than
//! one machine can read in time.

use std::collections::BTreeSet;

use pomona_formats::erasure::{FileVersion, LeftFile};
use pomona_formats::suppressed::Suppressed;
use pomona_formats::{digests, json};
use pomona_run::RunId;
use pomona_store::{Error as StoreError, Store};
use serde::{Deserialize, Serialize};

use super::asked;
use super::handed_over::{Attempt, Round};
use super::traces::{self, Everything, Traces};
use crate::error::Error;

/// Bounds of a group: with its files' names it is handed over within the 256 KiB of a state, and it is read within half a
/// minute, since a child may have waited for a Lambda before.
const MOST_FILES: usize = 400;
const MOST_BYTES: u64 = 1 << 28;

/// Files that one call looks through.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Group {
    /// For whom.
    pub attempt: Attempt,
    /// Why.
    pub round: Round,
    /// Counted from 1.
    pub number: u32,
    /// The files.
    pub files: Vec<FileVersion>,
}

/// What is known of a round when it is dealt, and at last what was found in it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Seen {
    pub(super) traces: Traces,
    /// What was asked for before: whatever is asked for later is not looked for everywhere.
    pub(super) requests: BTreeSet<RunId>,
    /// What could not be deleted before.
    pub(super) refused: Vec<LeftFile>,
}

/// Lists everything in groups, and writes the list down for a Map. `refused` is what could not be deleted before.
pub(super) async fn deal(
    output: &dyn Store,
    attempt: &Attempt,
    round: Round,
    refused: Vec<LeftFile>,
) -> Result<(), Error> {
    let requests = asked::certifiable(output, false).await?.into_iter().map(|request| request.id).collect();
    let Everything { files, told: traces } = Everything::list(output).await?;
    let groups = grouped(attempt, round, files);
    let told = Seen { traces, requests, refused };
    let key = attempt.told(round);
    output.put(&key, json::seal(&key, &told)?).await?;
    let key = attempt.groups(round);
    Ok(output.put(&key, json::encode(&key, &groups)?).await?)
}

fn grouped(attempt: &Attempt, round: Round, files: Vec<(FileVersion, u64)>) -> Vec<Group> {
    let (mut groups, mut bytes) = (Vec::<Group>::new(), 0);
    for (file, size) in files {
        let is_full = groups.last().is_none_or(|group| group.files.len() == MOST_FILES || bytes + size > MOST_BYTES);
        if is_full {
            bytes = 0;
            let number = u32::try_from(groups.len() + 1).unwrap_or(u32::MAX);
            groups.push(Group { attempt: attempt.clone(), round, number, files: Vec::new() });
        }
        bytes += size;
        if let Some(group) = groups.last_mut() {
            group.files.push(file);
        }
    }
    groups
}

/// Looks through a group and writes down what it found, unless another call has done so.
///
/// # Errors
/// Those of the store.
pub async fn search(output: &dyn Store, group: &Group) -> Result<Traces, Error> {
    let key = group.attempt.found(group.round, group.number, &group.files)?;
    if output.exists(&key).await? {
        return Ok(digests::read_sealed(output, &key).await?);
    }
    let erased = Suppressed::read(output).await?.map_or_else(Suppressed::none, Ok)?;
    let traces = traces::look_through(output, &erased, group.files.iter().cloned()).await?;
    output.put(&key, json::seal(&key, &traces)?).await?;
    Ok(traces)
}

/// What was found in all groups; what calls have left out is looked through now.
pub(super) async fn gather(output: &dyn Store, attempt: &Attempt, round: Round) -> Result<Seen, Error> {
    let key = attempt.groups(round);
    let groups: Vec<Group> = match output.get(&key).await {
        // Whoever begins an erasure deletes what others have left.
        Err(StoreError::NotFound { .. }) => return Err(asked::nothing(output, "another attempt has gone on with it")),
        stored => json::decode(&key, &stored?.bytes)?,
    };
    let key = attempt.told(round);
    let mut seen: Seen = digests::read_sealed(output, &key).await?;
    for group in &groups {
        seen.traces = seen.traces.and(search(output, group).await?);
    }
    Ok(seen)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_group_holds_so_many_files_and_bytes_at_most() {
        let file = |number: usize| FileVersion { file: format!("runs/{number}"), version: None };
        let numbers = |sizes: &[u64]| -> Vec<Vec<String>> {
            let files = sizes.iter().enumerate().map(|(number, &size)| (file(number), size)).collect();
            let attempt = Attempt { erasure: RunId::now(), lock: RunId::now() };
            let groups = grouped(&attempt, Round::Before, files);
            assert!(groups.iter().zip(1..).all(|(group, number)| group.number == number));
            groups.into_iter().map(|group| group.files.into_iter().map(|file| file.file).collect()).collect()
        };
        assert!(numbers(&[]).is_empty());
        let lengths = |sizes: &[u64]| numbers(sizes).iter().map(Vec::len).collect::<Vec<_>>();
        assert_eq!(lengths(&vec![1; MOST_FILES + 1]), [MOST_FILES, 1]);
        assert_eq!(lengths(&[MOST_BYTES, 0, 1, MOST_BYTES + 1, 1]), [2, 1, 1, 1]);
        assert_eq!(numbers(&[1, 2]), [["runs/0", "runs/1"]]);
    }
}

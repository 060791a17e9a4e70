//! The task `check` of the Lambda `plan`: what a Map has left undone, and whether it should be entered again.

use pomona_run::RunId;
use pomona_run::stage::Stage;
use pomona_stages::left::{self, Items, Left};
use serde::{Deserialize, Serialize};

use crate::BucketLocation;
use crate::error::Error;
use crate::stores::Stores;

/// What is asked.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct CheckRequest {
    output: BucketLocation,
    run_id: RunId,
    /// The Map that has ended.
    stage: Stage,
    /// Of combine, the merge level; 1 is the first.
    level: Option<u32>,
    /// What the last check found, or the plan left.
    before: Checked,
}

/// What was found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Checked {
    /// Items that are not there; the run's left.json lists them.
    pub missing: u64,
    /// Images that were found changed since the plan was made: it does not hold any more.
    pub changed: u64,
    /// Files that were found damaged since then, and set aside: a new plan has them made anew.
    pub damaged: u64,
    /// How often in turn a Map that was entered again has come no further.
    pub idle: u32,
}

/// Looks at what a Map has left.
pub(crate) async fn check(stores: &Stores, request: &CheckRequest) -> Result<Checked, Error> {
    let items = items(request.stage, request.level)?;
    let left = left::look(stores.open(&request.output).await?.as_ref(), &request.run_id, items).await?;
    Ok(request.before.then(left))
}

impl Checked {
    /// The first check after a Map counts as idle where anything is left: no Lambda was free for so long as a child
    /// waits for one.
    fn then(self, left: Left) -> Self {
        let Left { missing, changed, damaged } = left;
        let has_advanced = missing == 0 || missing < self.missing;
        Self { missing, changed, damaged, idle: if has_advanced { 0 } else { self.idle + 1 } }
    }
}

fn items(stage: Stage, level: Option<u32>) -> Result<Items, Error> {
    match (stage, level) {
        (Stage::Extract, None) => Ok(Items::Parts),
        (Stage::Combine, Some(level)) => Ok(Items::Nodes { level }),
        (Stage::Sweep, None) => Ok(Items::Sums),
        (Stage::Project, None) => Ok(Items::Tables),
        _ => Err(Error::Event {
            subject: "the event",
            problem: format!("`stage`, `level`: {stage} with level {level:?} is no Map"),
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn left(missing: u64) -> Left {
        Left { missing, changed: 0, damaged: 0 }
    }

    #[test]
    fn a_map_is_idle_when_as_much_is_left_as_before() {
        let first = Checked::default().then(left(5));
        assert_eq!((first.missing, first.idle), (5, 1));
        let further = first.then(left(3));
        assert_eq!((further.missing, further.idle), (3, 0));
        let idle = further.then(left(3)).then(left(4));
        assert_eq!((idle.missing, idle.idle), (4, 2));
        assert_eq!(idle.then(left(0)), Checked::default());
    }

    #[test]
    fn only_a_map_is_checked_and_only_combine_has_levels() {
        assert_eq!(items(Stage::Extract, None).unwrap(), Items::Parts);
        assert_eq!(items(Stage::Combine, Some(2)).unwrap(), Items::Nodes { level: 2 });
        assert_eq!(items(Stage::Sweep, None).unwrap(), Items::Sums);
        assert_eq!(items(Stage::Project, None).unwrap(), Items::Tables);
        for (stage, level) in [(Stage::Combine, None), (Stage::Extract, Some(1)), (Stage::Reduce, None)] {
            let error = items(stage, level).unwrap_err();
            assert!(error.to_string().contains(stage.as_str()), "{error}");
        }
    }
}

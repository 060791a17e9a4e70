//! The Lambda `reduce`: merges one group of moments, or the last ones and fits the PCA.

use pomona_run::RunId;
use pomona_run::tree::Group;
use pomona_stages::combine;
use pomona_stages::reduce::{self, Reduced};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::BucketLocation;
use crate::edge::{Answer, Function};
use crate::error::Error;
use crate::event::{parse, task};
use crate::stores::Stores;

/// Merges and fits.
#[derive(Debug, Default)]
pub struct Reduce {
    /// Open stores.
    pub stores: Stores,
}

/// What the function answers.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(untagged)]
pub enum ReduceAnswer {
    /// To the task `combine`.
    Combined {
        /// How many moments the group has.
        merged: usize,
    },
    /// To the task `reduce`.
    Reduced(Reduced),
}

impl Answer for ReduceAnswer {}

/// What the function is asked for: the field `task` of an event.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Task {
    Combine,
    Reduce,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct ToCombine {
    output: BucketLocation,
    group: Group,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct ToReduce {
    output: BucketLocation,
    run_id: RunId,
}

impl Function for Reduce {
    type Answer = ReduceAnswer;

    async fn handle(&self, event: Value) -> Result<ReduceAnswer, Error> {
        match task(event)? {
            (Task::Combine, event) => {
                let ToCombine { output, group } = parse("the event", event)?;
                combine::combine(self.stores.open(&output).await?.as_ref(), &group).await?;
                Ok(ReduceAnswer::Combined { merged: group.children.len() })
            }
            (Task::Reduce, event) => {
                let ToReduce { output, run_id } = parse("the event", event)?;
                Ok(ReduceAnswer::Reduced(reduce::reduce(self.stores.open(&output).await?.as_ref(), &run_id).await?))
            }
        }
    }

    fn stores(&self) -> &Stores {
        &self.stores
    }
}

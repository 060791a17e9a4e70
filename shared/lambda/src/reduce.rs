//! The Lambda `reduce`: merges one group of moments, or the last ones and fits the PCA.

use pomona_run::RunId;
use pomona_run::tree::Group;
use pomona_stages::merge;
use pomona_stages::reduce::{self, Reduced};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::Location;
use crate::edge::{Answer, Function};
use crate::error::Error;
use crate::event::parse;
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
    /// To an event with a group.
    Combined {
        /// How many moments the group has.
        merged: usize,
    },
    /// To an event with a run.
    Reduced(Reduced),
}

impl Answer for ReduceAnswer {}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct CombineEvent {
    output: Location,
    group: Group,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct ReduceEvent {
    output: Location,
    run_id: RunId,
}

impl Function for Reduce {
    type Answer = ReduceAnswer;

    async fn handle(&self, event: Value) -> Result<ReduceAnswer, Error> {
        if event.get("group").is_some() {
            let CombineEvent { output, group } = parse("the event", event)?;
            merge::combine(self.stores.open(&output).await?.as_ref(), &group).await?;
            return Ok(ReduceAnswer::Combined { merged: group.children.len() });
        }
        let ReduceEvent { output, run_id } = parse("the event", event)?;
        Ok(ReduceAnswer::Reduced(reduce::reduce(self.stores.open(&output).await?.as_ref(), &run_id).await?))
    }
}

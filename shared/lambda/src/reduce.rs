//! The Lambda `reduce`: merges one group of moments, or the last ones and fits; or takes the step behind a pass.

use pomona_run::RunId;
use pomona_run::sweep::Method;
use pomona_run::tree::Group;
use pomona_stages::combine;
use pomona_stages::fit::{self, Advance};
use pomona_stages::left;
use pomona_stages::reduce::Reduced;
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
    /// To the task `reduce`, where a pass is to be made first.
    Pass {
        /// Groups of parts whose sums are missing; the run's left.json lists them.
        groups: usize,
        /// What is fitted.
        method: Method,
        /// The pass, counted from 0.
        pass: u32,
        /// How far the fit is from its end, where that is known.
        distance: Option<f64>,
    },
    /// To the task `reduce`, where the model is written.
    Reduced {
        /// None.
        groups: usize,
        /// What fitting came to.
        #[serde(flatten)]
        reduced: Reduced,
    },
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
                let output = self.stores.open(&output).await?;
                match fit::advance(output.as_ref(), &run_id).await? {
                    Advance::Done(reduced) => Ok(ReduceAnswer::Reduced { groups: 0, reduced }),
                    Advance::Sweep(pass) => {
                        left::write_groups(output.as_ref(), &run_id, &pass.missing).await?;
                        let (groups, distance) = (pass.missing.len(), pass.distance);
                        Ok(ReduceAnswer::Pass { groups, method: pass.method, pass: pass.pass, distance })
                    }
                }
            }
        }
    }

    fn stores(&self) -> &Stores {
        &self.stores
    }
}

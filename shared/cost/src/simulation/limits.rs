//! What AWS allows, and what a workload exceeds.

use std::fmt;

use pomona_run::function::Function;
use serde::{Deserialize, Serialize};

use crate::workload::LAMBDA_QUOTA;

/// Children of one Map Run at once (Step Functions quotas).
pub(crate) const CHILDREN_AT_ONCE: u32 = 10_000;
/// STANDARD children that are started in a second (Step Functions quotas). For EXPRESS ones no rate was found.
pub(crate) const STANDARD_STARTS_PER_SECOND: f64 = 100.0;
/// Map Runs that an account may have open; an execution has one at a time (Step Functions quotas).
pub const OPEN_MAP_RUNS: u64 = 1_000;
/// Events of one execution (Step Functions quotas).
pub(crate) const HISTORY_EVENTS: u64 = 25_000;
/// Bytes of the list that a Map reads (Step Functions guide, `ItemReader`).
pub(crate) const ITEMS_BYTES: f64 = 10e9;
/// Seconds of an EXPRESS execution (Step Functions quotas).
pub(crate) const EXPRESS_SECONDS: f64 = 300.0;
/// Seconds of plan: the most that a Lambda may have (Lambda quotas).
pub(crate) const PLAN_SECONDS: f64 = 900.0;
/// Seconds of sweep, as the template sets them: what is left of a child's five minutes after waiting for a Lambda.
pub(crate) const SWEEP_SECONDS: f64 = 140.0;
/// Seconds of the other functions, as the template sets them.
pub(crate) const FUNCTION_SECONDS: f64 = 300.0;
/// Environments that Lambda makes at once for one function (Lambda guide, scaling behavior: 1,000 every 10 seconds,
/// refilled continuously) ...
pub(crate) const ENVIRONMENTS_AT_ONCE: f64 = 1_000.0;
/// ... and in each further second.
pub(crate) const ENVIRONMENTS_PER_SECOND: f64 = 100.0;
/// GET and HEAD requests that one partition of a bucket serves in a second (S3 guide, performance).
pub(crate) const GETS_PER_SECOND: f64 = 5_500.0;
/// PUT and COPY requests that one partition serves in a second.
pub(crate) const PUTS_PER_SECOND: f64 = 3_500.0;

/// What a run would exceed, or needs that an account may lack.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Flag {
    /// More shards at once than a Map Run has children.
    ChildrenAtOnce {
        /// What was asked for.
        concurrency: u32,
    },
    /// More environments than an account has without asking.
    LambdaQuota {
        /// Environments at once.
        at_once: u32,
    },
    /// A call takes longer than it may.
    Time {
        /// The function.
        function: String,
        /// Seconds of a call.
        seconds: f64,
        /// Seconds that it may take.
        limit: f64,
    },
    /// A function needs more memory than it has.
    Memory {
        /// The function.
        function: String,
        /// MB that it needs.
        needs_mb: f64,
        /// MB that it has.
        has_mb: u32,
    },
    /// An execution has more events than Step Functions keeps.
    History {
        /// Events.
        events: u64,
    },
    /// A Map's list is larger than Step Functions reads.
    Items {
        /// Bytes.
        bytes: f64,
    },
    /// Fewer Lambdas are free than a Map has children, which wait for them.
    Throttled {
        /// The stage.
        stage: String,
        /// How often the Map is entered.
        passes: u32,
        /// Whether the run gives up, because there is no progress.
        is_lost: bool,
    },
    /// S3 refuses requests, so that calls take longer and cost more.
    SlowDown {
        /// The stage.
        stage: String,
        /// Requests that would be made in a second.
        wanted: f64,
        /// Requests that are served in a second.
        served: f64,
    },
}

impl Flag {
    /// Whether the run would fail, and not just be slower or ask for a quota.
    pub fn is_fatal(&self) -> bool {
        match self {
            Self::LambdaQuota { .. } | Self::SlowDown { .. } | Self::ChildrenAtOnce { .. } => false,
            Self::Throttled { is_lost, .. } => *is_lost,
            Self::Time { .. } | Self::Memory { .. } | Self::History { .. } | Self::Items { .. } => true,
        }
    }
}

impl fmt::Display for Flag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ChildrenAtOnce { concurrency } => {
                write!(f, "a Map Run has at most {CHILDREN_AT_ONCE} children at once, not {concurrency}")
            }
            Self::LambdaQuota { at_once } => write!(
                f,
                "{at_once} Lambdas at once are more than the default quota of {LAMBDA_QUOTA}; ask AWS for more, or \
                 lower max_concurrency"
            ),
            Self::Time { function, seconds, limit } => {
                let advice = match *function == Function::Plan.to_string() {
                    true => "pack zips, or add archives in several runs: what one has looked through is kept",
                    false => "lower max_concurrency or shard_size",
                };
                write!(f, "a call of {function} takes {seconds:.0} s and may take {limit:.0} s; {advice}")
            }
            Self::Memory { function, needs_mb, has_mb } => {
                write!(f, "{function} needs some {needs_mb:.0} MB and has {has_mb} MB; raise its memory")
            }
            Self::History { events } => {
                write!(f, "the execution has {events} events and may have {HISTORY_EVENTS}")
            }
            Self::Items { bytes } => write!(f, "the list of shards has {:.1} GB and may have 10 GB", bytes / 1e9),
            Self::Throttled { stage, passes, .. } => write!(
                f,
                "{stage} waits for Lambdas that are not free, and its Map is entered {passes} times; lower \
                 max_concurrency to what is free, or ask AWS for more"
            ),
            Self::SlowDown { stage, wanted, served } => write!(
                f,
                "{stage} asks S3 for {wanted:.0} requests/s and gets {served:.0}: Lambdas wait and are paid for; lower \
                 max_concurrency, or spread the images over more prefixes"
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sweep_may_take_as_long_as_the_template_says() {
        let template = include_str!("../../../../infra/template.yaml");
        let function = template.split("FunctionName: !Sub ${AWS::StackName}-sweep\n").nth(1).unwrap();
        let timeout = function.lines().find_map(|line| line.trim().strip_prefix("Timeout: ")).unwrap();
        assert_eq!(timeout.parse::<f64>().unwrap(), SWEEP_SECONDS);
    }
}

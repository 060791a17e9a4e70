//! The stages: all that is to be known of each stands in [`Stage::spec`], and how long each took in a [`Timing`].

use std::fmt;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::function::Function;

/// A stage of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Stage {
    /// List, cut, name.
    Plan,
    /// Images to parts.
    Extract,
    /// Moments to nodes.
    Combine,
    /// Parts to sums of a pass.
    Sweep,
    /// Moments, or sums, to a model.
    Reduce,
    /// Parts to final tables.
    Project,
    /// Checks and reports.
    Report,
}

/// What there is to know of a stage, in one place.
#[derive(Clone, Copy, Debug)]
pub struct Spec {
    /// The name as files and messages show it.
    pub name: &'static str,
    /// What it works on one by one, as a word for one and for several; none where it works on the whole run at once.
    pub unit: Option<(&'static str, &'static str)>,
    /// On AWS: what its Distributed Map hands to a child, as a word for several; none where it is no Map.
    pub children: Option<&'static str>,
    /// On AWS: the Lambda that does its work.
    pub function: Function,
    /// On AWS: the states of the state machine that belong to it.
    pub states: &'static [&'static str],
    /// On AWS: the metric of its seconds.
    pub metric: &'static str,
}

impl Stage {
    /// All, in their order.
    pub const ALL: [Self; 7] =
        [Self::Plan, Self::Extract, Self::Combine, Self::Sweep, Self::Reduce, Self::Project, Self::Report];

    /// The table of stages.
    pub const fn spec(self) -> Spec {
        match self {
            Self::Plan => Spec {
                name: "plan",
                unit: None,
                children: None,
                function: Function::Plan,
                // Whichever stage met damage or changed images, a new plan is what mends it.
                states: &[
                    "Plan",
                    "IsAnyPartMissing",
                    "IsPlanStillTrue",
                    "InputKeepsChanging",
                    "IsDamageMendable",
                    "DamageRecurs",
                    "Replan",
                ],
                metric: "plan_seconds",
            },
            Self::Extract => Spec {
                name: "extract",
                unit: Some(("image", "images")),
                children: Some("shards"),
                function: Function::ListBatch,
                states: &[
                    "AllMissing",
                    "WhoExtracts",
                    "Extract",
                    "CheckParts",
                    "IsExtractDone",
                    "ExtractLeft",
                    "NoLambdaIsFree",
                ],
                metric: "extract_seconds",
            },
            Self::Combine => Spec {
                name: "combine",
                unit: Some(("group", "groups")),
                children: Some("groups"),
                function: Function::Reduce,
                states: &[
                    "IsCombiningNeeded",
                    "FirstLevel",
                    "Level",
                    "Combine",
                    "CheckNodes",
                    "IsLevelDone",
                    "CombineLeft",
                    "NextLevel",
                    "IsAnyLevelLeft",
                ],
                metric: "combine_seconds",
            },
            Self::Sweep => Spec {
                name: "sweep",
                unit: Some(("shard", "shards")),
                children: Some("groups"),
                function: Function::Sweep,
                states: &["FirstPass", "AllGroups", "Sweep", "CheckSums", "IsPassDone", "SweepLeft"],
                metric: "sweep_seconds",
            },
            Self::Reduce => Spec {
                name: "reduce",
                unit: None,
                children: None,
                function: Function::Reduce,
                states: &["Reduce", "IsFitted"],
                metric: "reduce_seconds",
            },
            Self::Project => Spec {
                name: "project",
                unit: Some(("shard", "shards")),
                children: Some("shards"),
                function: Function::ProjectMap,
                states: &["AllShards", "Project", "CheckTables", "IsProjectDone", "ProjectLeft"],
                metric: "project_seconds",
            },
            Self::Report => Spec {
                name: "report",
                unit: None,
                children: None,
                function: Function::Report,
                states: &["Report"],
                metric: "report_seconds",
            },
        }
    }

    /// The name as files and messages show it.
    pub fn as_str(self) -> &'static str {
        self.spec().name
    }

    /// What the stage works on one by one, as a word for `count` of them; nothing where it works on the whole run at
    /// once.
    pub fn unit(self, count: u64) -> Option<&'static str> {
        self.spec().unit.map(|(one, many)| if count == 1 { one } else { many })
    }

    /// The stage that a state of the state machine belongs to.
    pub fn of_state(state: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|stage| stage.spec().states.contains(&state))
    }
}

impl fmt::Display for Stage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// When a stage ran, and how many items (images, groups or shards) it worked on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Timing {
    /// The stage.
    pub stage: Stage,
    /// When it started.
    pub started: DateTime<Utc>,
    /// When it ended.
    pub finished: DateTime<Utc>,
    /// Items.
    pub items: u64,
}

impl Timing {
    /// Seconds from start to end.
    pub fn seconds(&self) -> f64 {
        (self.finished - self.started).as_seconds_f64()
    }
}

/// How long a stage took.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct StageTime {
    /// The stage.
    pub stage: Stage,
    /// Seconds from start to end.
    pub seconds: f64,
    /// Images, groups or shards.
    pub items: u64,
}

impl From<&Timing> for StageTime {
    fn from(timing: &Timing) -> Self {
        Self { stage: timing.stage, seconds: timing.seconds(), items: timing.items }
    }
}

/// The times by stage: one that was gone through several times, as passes are, stands there once.
pub fn by_stage(times: impl IntoIterator<Item = StageTime>) -> Vec<StageTime> {
    let times: Vec<StageTime> = times.into_iter().collect();
    let of_stage = |stage| {
        let own = times.iter().filter(move |time| time.stage == stage);
        own.copied().reduce(|sum, time| StageTime {
            stage,
            seconds: sum.seconds + time.seconds,
            items: sum.items + time.items,
        })
    };
    Stage::ALL.into_iter().filter_map(of_stage).collect()
}

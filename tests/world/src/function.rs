//! The functions of the template.

use std::time::Duration;

/// One of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Name {
    Plan,
    ListBatch,
    Sweep,
    Reduce,
    ProjectMap,
    Report,
    Erase,
    Trigger,
}

impl Name {
    /// As the state machine names it before CloudFormation fills it in.
    pub(crate) fn from_placeholder(placeholder: &str) -> Self {
        match placeholder {
            "${PlanFunctionArn}" => Self::Plan,
            "${ListBatchFunctionArn}" => Self::ListBatch,
            "${SweepFunctionArn}" => Self::Sweep,
            "${ReduceFunctionArn}" => Self::Reduce,
            "${ProjectMapFunctionArn}" => Self::ProjectMap,
            "${ReportFunctionArn}" => Self::Report,
            "${EraseFunctionArn}" => Self::Erase,
            other => panic!("the world has no function {other}"),
        }
    }

    /// The template's time limits, of list-batch the one that it has by default.
    pub(crate) fn time_limit(self) -> Duration {
        Duration::from_secs(match self {
            Self::Plan | Self::Erase => 900,
            Self::ListBatch => 120,
            Self::Sweep => 140,
            Self::Reduce | Self::ProjectMap | Self::Report => 300,
            Self::Trigger => 60,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_limits_are_the_template_s() {
        let template = include_str!("../../../infra/template.yaml");
        let functions = [
            (Name::Plan, "plan"),
            (Name::ListBatch, "list-batch"),
            (Name::Sweep, "sweep"),
            (Name::Reduce, "reduce"),
            (Name::ProjectMap, "project-map"),
            (Name::Report, "report"),
            (Name::Erase, "erase"),
            (Name::Trigger, "trigger"),
        ];
        let after = |text: &str, what: &str| -> String {
            let from = template.find(text).unwrap_or_else(|| panic!("the template has no {text}"));
            let line = template[from..].lines().find_map(|line| line.trim().strip_prefix(what));
            line.unwrap_or_else(|| panic!("{text} has no {what}")).trim().to_owned()
        };
        for (name, function) in functions {
            let limit = after(&format!("FunctionName: !Sub ${{AWS::StackName}}-{function}\n"), "Timeout:");
            let limit =
                limit.strip_prefix("!Ref ").map_or(limit.clone(), |name| after(&format!("\n  {name}:\n"), "Default:"));
            assert_eq!(limit, name.time_limit().as_secs().to_string(), "{function}");
        }
    }
}

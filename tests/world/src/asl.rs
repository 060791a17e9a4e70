//! The state machine's definition as it stands in statemachine/, read into types that know every field that it uses: one
//! that is new is an error here, and nothing is passed over.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::{Map, Value};

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub(crate) struct Machine {
    #[serde(rename = "Comment")]
    _comment: String,
    pub(crate) start_at: String,
    pub(crate) timeout_seconds: u64,
    pub(crate) states: BTreeMap<String, State>,
}

#[derive(Debug, Deserialize)]
#[serde(tag = "Type", deny_unknown_fields)]
pub(crate) enum State {
    Pass(Pass),
    Task(Task),
    Choice(Choice),
    Map(Box<MapState>),
    Succeed(Succeed),
    Fail(Fail),
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub(crate) struct Pass {
    #[serde(rename = "Comment", default)]
    _comment: String,
    pub(crate) parameters: Option<Value>,
    #[serde(default, deserialize_with = "path")]
    pub(crate) result_path: ResultPath,
    pub(crate) assign: Option<Map<String, Value>>,
    pub(crate) next: String,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub(crate) struct Task {
    #[serde(rename = "Comment", default)]
    _comment: String,
    #[serde(rename = "Resource")]
    _resource: LambdaInvoke,
    pub(crate) parameters: Invocation,
    pub(crate) timeout_seconds: u64,
    #[serde(default)]
    pub(crate) retry: Vec<Retrier>,
    #[serde(default)]
    pub(crate) catch: Vec<Catcher>,
    pub(crate) assign: Option<Map<String, Value>>,
    pub(crate) result_selector: Option<Value>,
    #[serde(default, deserialize_with = "path")]
    pub(crate) result_path: ResultPath,
    pub(crate) output_path: Option<String>,
    pub(crate) next: Option<String>,
    #[serde(default)]
    pub(crate) end: bool,
}

#[derive(Debug, Deserialize)]
enum LambdaInvoke {
    #[serde(rename = "arn:aws:states:::lambda:invoke")]
    LambdaInvoke,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub(crate) struct Invocation {
    pub(crate) function_name: String,
    pub(crate) payload: Value,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub(crate) struct Retrier {
    pub(crate) error_equals: Vec<String>,
    pub(crate) interval_seconds: u64,
    pub(crate) backoff_rate: u32,
    pub(crate) max_delay_seconds: u64,
    pub(crate) max_attempts: u32,
    #[serde(rename = "JitterStrategy")]
    _jitter_strategy: FullJitter,
}

#[derive(Debug, Deserialize)]
enum FullJitter {
    #[serde(rename = "FULL")]
    Full,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub(crate) struct Catcher {
    pub(crate) error_equals: Vec<String>,
    pub(crate) next: String,
    #[serde(default, deserialize_with = "path")]
    pub(crate) result_path: ResultPath,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub(crate) struct Choice {
    #[serde(rename = "Comment", default)]
    _comment: String,
    pub(crate) choices: Vec<Rule>,
    pub(crate) default: String,
}

#[derive(Debug, Deserialize)]
#[serde(try_from = "Map<String, Value>")]
pub(crate) struct Rule {
    pub(crate) variable: String,
    pub(crate) next: String,
    pub(crate) test: Test,
}

impl TryFrom<Map<String, Value>> for Rule {
    type Error = String;

    fn try_from(mut fields: Map<String, Value>) -> Result<Self, String> {
        let mut text = |name: &str| match fields.remove(name) {
            Some(Value::String(text)) => Ok(text),
            other => Err(format!("a rule's {name} is {other:?}")),
        };
        let (variable, next) = (text("Variable")?, text("Next")?);
        let test = serde_json::from_value(fields.into()).map_err(|error| format!("a rule's test: {error}"))?;
        Ok(Self { variable, next, test })
    }
}

/// What a rule asks of its variable; exactly one thing.
#[derive(Debug, Deserialize)]
pub(crate) enum Test {
    NumericEquals(f64),
    NumericGreaterThan(f64),
    NumericLessThan(f64),
    NumericLessThanEqualsPath(String),
    IsNull(bool),
    IsPresent(bool),
    BooleanEquals(bool),
    StringEquals(String),
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub(crate) struct MapState {
    #[serde(rename = "Comment", default)]
    _comment: String,
    pub(crate) label: String,
    pub(crate) item_reader: ItemReader,
    pub(crate) item_selector: Value,
    pub(crate) item_processor: ItemProcessor,
    pub(crate) max_concurrency_path: String,
    pub(crate) result_writer: ResultWriter,
    pub(crate) retry: Vec<Retrier>,
    #[serde(deserialize_with = "path")]
    pub(crate) result_path: ResultPath,
    pub(crate) next: String,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub(crate) struct ItemReader {
    #[serde(rename = "Resource")]
    _resource: GetObject,
    #[serde(rename = "ReaderConfig")]
    _reader_config: ReaderConfig,
    pub(crate) parameters: Value,
}

#[derive(Debug, Deserialize)]
enum GetObject {
    #[serde(rename = "arn:aws:states:::s3:getObject")]
    GetObject,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct ReaderConfig {
    #[serde(rename = "InputType")]
    _input_type: InputType,
}

#[derive(Debug, Deserialize)]
enum InputType {
    #[serde(rename = "JSON")]
    Json,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub(crate) struct ItemProcessor {
    #[serde(rename = "ProcessorConfig")]
    _processor_config: ProcessorConfig,
    pub(crate) start_at: String,
    pub(crate) states: BTreeMap<String, State>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct ProcessorConfig {
    #[serde(rename = "Mode")]
    _mode: Distributed,
    #[serde(rename = "ExecutionType")]
    _execution_type: ChildExecutionType,
}

#[derive(Debug, Deserialize)]
enum Distributed {
    #[serde(rename = "DISTRIBUTED")]
    Distributed,
}

#[derive(Debug, Deserialize)]
enum ChildExecutionType {
    #[serde(rename = "${ChildExecutionType}")]
    AsTheStackSays,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub(crate) struct ResultWriter {
    #[serde(rename = "Resource")]
    _resource: PutObject,
    pub(crate) parameters: Value,
}

#[derive(Debug, Deserialize)]
enum PutObject {
    #[serde(rename = "arn:aws:states:::s3:putObject")]
    PutObject,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub(crate) struct Succeed {}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub(crate) struct Fail {
    pub(crate) error: String,
    pub(crate) cause: String,
}

/// Where a state's result goes.
#[derive(Clone, Debug, Default)]
pub(crate) enum ResultPath {
    /// It is the output.
    #[default]
    Whole,
    /// Nowhere: the output is the input.
    Nowhere,
    /// A field of the input.
    Field(String),
}

fn path<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<ResultPath, D::Error> {
    Ok(match Option::<String>::deserialize(deserializer)? {
        None => ResultPath::Nowhere,
        Some(path) => match path.strip_prefix("$.") {
            Some(field) if !field.contains('.') => ResultPath::Field(field.to_owned()),
            _ => return Err(serde::de::Error::custom(format!("the world knows no ResultPath like {path}"))),
        },
    })
}

impl Machine {
    /// The project's own.
    pub(crate) fn read() -> Self {
        let machine: Self =
            serde_json::from_str(include_str!("../../../statemachine/pipeline.asl.json")).expect("the world knows it");
        machine.states.values().for_each(State::check);
        machine
    }
}

impl State {
    /// Of errors only names are matched here, no wildcards.
    fn check(&self) {
        let (retry, catch): (&[Retrier], &[Catcher]) = match self {
            Self::Task(task) => (&task.retry, &task.catch),
            Self::Map(map) => {
                map.item_processor.states.values().for_each(Self::check);
                (&map.retry, &[])
            }
            _ => (&[], &[]),
        };
        let names = retry.iter().map(|retrier| &retrier.error_equals).chain(catch.iter().map(|it| &it.error_equals));
        let wildcard = names.flatten().find(|name| ["States.ALL", "States.TaskFailed"].contains(&name.as_str()));
        assert!(wildcard.is_none(), "the world knows no {wildcard:?}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_state_machine_has_no_field_that_the_world_does_not_know() {
        assert!(Machine::read().states.len() > 30);
        let text = include_str!("../../../statemachine/pipeline.asl.json");
        let mut wrong: Value = serde_json::from_str(text).unwrap();
        wrong["States"]["Extract"]["ToleratedFailurePercentage"] = 5.into();
        assert!(
            serde_json::from_value::<Machine>(wrong).unwrap_err().to_string().contains("ToleratedFailurePercentage")
        );
    }
}

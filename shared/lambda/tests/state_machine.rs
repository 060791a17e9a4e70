//! Holds `statemachine/pipeline.asl.json` against the functions: names of errors, events, answers.

mod asl;

use std::collections::BTreeSet;

use asl::StateMachine;
use pomona_lambda::plan;
use pomona_run::ErrorName;
use pomona_run::stage::Stage;
use serde_json::Value;

/// All strings below `value` that stand in lists or fields called `field`.
fn strings<'a>(value: &'a Value, field: &str, found: &mut Vec<&'a str>) {
    match value {
        Value::Object(fields) => {
            for (name, value) in fields {
                match value {
                    Value::String(text) if name == field => found.push(text),
                    Value::Array(texts) if name == field => found.extend(texts.iter().filter_map(Value::as_str)),
                    _ => strings(value, field, found),
                }
            }
        }
        Value::Array(values) => values.iter().for_each(|value| strings(value, field, found)),
        _ => {}
    }
}

fn ours<'a>(value: &'a Value, field: &str) -> BTreeSet<&'a str> {
    let mut found = Vec::new();
    strings(value, field, &mut found);
    found.into_iter().filter(|name| name.starts_with("Pomona.")).collect()
}

/// Every error that the fields called `field` of all states match.
fn matched_by(field: &str) -> BTreeSet<String> {
    let machine = StateMachine::read();
    let each = machine.states().into_iter().flat_map(|(_, state)| ours(&state[field], "ErrorEquals"));
    each.map(str::to_owned).collect()
}

#[test]
fn every_name_that_the_state_machine_knows_is_an_errors_name() {
    let machine = StateMachine::read();
    let known: BTreeSet<&str> = ErrorName::ALL.iter().map(|name| name.as_str()).collect();
    for field in ["ErrorEquals", "Error"] {
        let used = ours(machine.definition(), field);
        assert!(!used.is_empty() && used.is_subset(&known), "{field}: {used:?}");
    }
}

#[test]
fn only_what_may_succeed_later_is_tried_again_and_only_changed_input_and_damage_are_caught() {
    assert_eq!(matched_by("Retry"), [ErrorName::Retryable.as_str().to_owned()].into());
    let caught = [ErrorName::InputChanged, ErrorName::Damaged].map(|name| name.as_str().to_owned());
    assert_eq!(matched_by("Catch"), caught.into());
}

#[test]
fn every_task_tries_again_what_may_succeed_later() {
    let machine = StateMachine::read();
    let tasks: Vec<_> = machine.states().into_iter().filter(|(_, state)| state["Type"] == "Task").collect();
    assert_eq!(tasks.len(), 17);
    for (name, task) in tasks {
        assert!(ours(&task["Retry"], "ErrorEquals").contains(ErrorName::Retryable.as_str()), "{name}");
    }
}

/// What begins and ends an execution, and what erases.
const OF_NO_STAGE: [&str; 16] = [
    "Start",
    "IsErasure",
    "IsRunOfErasure",
    "Done",
    "EraseBegin",
    "KeepErasure",
    "Search",
    "IsRemoved",
    "EraseRemake",
    "IsRunToBeMade",
    "Rebuild",
    "EraseRemove",
    "IsAllRemoved",
    "SearchAgain",
    "EraseCertify",
    "WhoPlans",
];

#[test]
fn the_table_of_stages_is_what_the_state_machine_does() {
    let machine = StateMachine::read();
    let outer = machine.definition()["States"].as_object().unwrap();
    for (name, state) in outer.iter().filter(|(name, _)| !OF_NO_STAGE.contains(&name.as_str())) {
        let spec = Stage::of_state(name).unwrap_or_else(|| panic!("{name} belongs to no stage")).spec();
        assert_eq!(state["Type"] == "Map", spec.children.is_some() && name.eq_ignore_ascii_case(spec.name), "{name}");
        let tasks = state["ItemProcessor"]["States"].as_object().into_iter().flatten().map(|(_, task)| task);
        let called = tasks.filter_map(|task| task["Parameters"]["FunctionName"].as_str()).next();
        if let Some(called) = called {
            assert_eq!(called.to_lowercase(), format!("${{{}functionarn}}", spec.function.as_str().replace('-', "")));
        }
    }
    let states: usize = Stage::ALL.iter().map(|stage| stage.spec().states.len()).sum();
    assert_eq!(states + OF_NO_STAGE.len(), outer.len(), "a stage names a state that there is not");
    assert_eq!(Stage::of_state("ListBatch"), None);
}

#[test]
fn the_dashboard_shows_the_seconds_of_every_stage_that_ends_before_the_report() {
    let template = include_str!("../../../infra/template.yaml");
    for stage in Stage::ALL.into_iter().filter(|stage| *stage != Stage::Report) {
        let metric = format!("[\"Pomona\", \"{}\", \"function\", \"${{Report}}\"]", stage.spec().metric);
        assert!(template.contains(&metric), "{metric}");
    }
}

#[test]
fn the_template_gives_the_functions_the_memory_that_the_model_of_the_cost_has() {
    let template = include_str!("../../../infra/template.yaml");
    let default = format!("    Default: {}", pomona_run::pace::MB_PER_VCPU);
    for parameter in ["PlanMemory", "ListBatchMemory"] {
        let definition = template.split(&format!("  {parameter}:\n")).nth(1).unwrap();
        assert!(definition.lines().take(3).any(|line| line == default), "{parameter}");
    }
}

#[test]
fn the_lock_lasts_as_long_as_an_execution_may() {
    assert_eq!(StateMachine::read().definition()["TimeoutSeconds"], plan::LEASE.as_secs());
}

#[test]
fn the_state_holds_what_the_plan_answers_and_the_check_for_changed_input() {
    let machine = StateMachine::read();
    let mut used = BTreeSet::new();
    for (_, state) in machine.definition()["States"].as_object().unwrap() {
        let mut own = state.clone();
        own.as_object_mut().unwrap().remove("ItemProcessor");
        used.extend(references(&own));
    }
    // Of an answer of Lambda, before it becomes the state.
    used.remove("Payload");
    let expected = [
        "bucket",
        "check",
        "combine_levels",
        "erase",
        "erasure",
        "fit",
        "input",
        "is_done",
        "items",
        "left_key",
        "max_concurrency",
        "missing",
        "output",
        "run_id",
        "run_prefix",
        "shards",
        "shards_key",
        "todo",
        "work_prefix",
    ];
    assert_eq!(used, expected.map(str::to_owned).into());
}

/// The first name of every path `$.name` below `value`.
fn references(value: &Value) -> BTreeSet<String> {
    let text = value.to_string();
    let after = |part: &str| part.split(|c: char| !c.is_alphanumeric() && c != '_').next().unwrap_or("").to_owned();
    text.replace("$$.", "").split("$.").skip(1).map(after).filter(|name| !name.is_empty()).collect()
}

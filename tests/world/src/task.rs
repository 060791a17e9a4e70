//! A state that calls a function: its tries, what it catches, and where its answer goes.

use std::future::Future;
use std::rc::Rc;
use std::time::Duration;

use serde_json::{Map, Value, json};
use tokio::time::{sleep, timeout};

use crate::asl::{Catcher, ResultPath, Retrier, Task};
use crate::dice::Dice;
use crate::execution::Step;
use crate::function::Name;
use crate::lambda::{self, Failure};
use crate::paths::Scope;
use crate::world::World;

/// What a task came to.
pub(crate) enum Taken {
    Answered { output: Value, assigned: Map<String, Value>, next: Option<String> },
    Caught { output: Value, next: String },
}

impl From<Taken> for Step {
    fn from(taken: Taken) -> Self {
        match taken {
            Taken::Answered { output, next: Some(next), .. } | Taken::Caught { output, next } => {
                Self::Next(next, output)
            }
            Taken::Answered { output, next: None, .. } => Self::End(output),
        }
    }
}

/// Calls the task's function until it answers or there is no use in it any more. `entry` names this entry of the state.
pub(crate) async fn run(
    world: &Rc<World>,
    task: &Task,
    scope: &Scope<'_>,
    entry: &str,
    count_tries: impl Fn(u64),
) -> Result<Taken, Failure> {
    let function = Name::from_placeholder(&task.parameters.function_name);
    let payload = scope.fill(&task.parameters.payload);
    world.hand_on(&payload);
    let limit = Duration::from_secs(task.timeout_seconds);
    let answered = retried(world, &task.retry, entry, |number| {
        count_tries(1);
        let (payload, caller) = (payload.clone(), format!("{entry} {number}"));
        async move {
            let called = timeout(limit, lambda::call(world, function, payload, &caller)).await;
            called.unwrap_or_else(|_| Err(Failure::of("States.Timeout", "")))
        }
    });
    match answered.await {
        Ok(payload) => {
            world.hand_on(&payload);
            Ok(answer(task, scope, payload))
        }
        Err(failure) => match task.catch.iter().find(|catcher| catcher.error_equals.contains(&failure.error)) {
            Some(catcher) => Ok(caught(catcher, scope, &failure)),
            None => Err(failure),
        },
    }
}

fn answer(task: &Task, scope: &Scope<'_>, payload: Value) -> Taken {
    let result = json!({"ExecutedVersion": "$LATEST", "Payload": payload, "StatusCode": 200});
    let scope_of_result = Scope { state: &result, context: scope.context, variables: scope.variables };
    let assigned = task.assign.as_ref().map(|assign| scope_of_result.fill_fields(assign)).unwrap_or_default();
    let selected = task.result_selector.as_ref().map(|selector| scope_of_result.fill(selector));
    let output = put(&task.result_path, scope.state, selected.unwrap_or_else(|| result.clone()));
    let scope_of_output = Scope { state: &output, context: scope.context, variables: scope.variables };
    let output = task.output_path.as_ref().map_or_else(|| output.clone(), |path| scope_of_output.evaluate(path));
    assert!(task.end != task.next.is_some(), "a task ends or has a next state");
    Taken::Answered { output, assigned, next: task.next.clone() }
}

fn caught(catcher: &Catcher, scope: &Scope<'_>, failure: &Failure) -> Taken {
    let error = json!({"Error": failure.error, "Cause": failure.cause});
    Taken::Caught { output: put(&catcher.result_path, scope.state, error), next: catcher.next.clone() }
}

/// A state's output of its input and its result.
pub(crate) fn put(path: &ResultPath, input: &Value, result: Value) -> Value {
    match path {
        ResultPath::Whole => result,
        ResultPath::Nowhere => input.clone(),
        ResultPath::Field(field) => {
            let mut output = input.clone();
            output[field] = result;
            output
        }
    }
}

/// Tries again as the retriers say; each counts for itself.
pub(crate) async fn retried<T, F: Future<Output = Result<T, Failure>>>(
    world: &Rc<World>,
    retriers: &[Retrier],
    entry: &str,
    attempt: impl Fn(u32) -> F,
) -> Result<T, Failure> {
    let mut dice = Dice::of(world.seed, &format!("{entry}, retried"));
    let mut used = vec![0; retriers.len()];
    for number in 0.. {
        let failure = match attempt(number).await {
            Ok(answer) => return Ok(answer),
            Err(failure) => failure,
        };
        world.hear(&failure.cause);
        let matching = retriers.iter().position(|retrier| retrier.error_equals.contains(&failure.error));
        let Some((retrier, used)) = matching.map(|index| (&retriers[index], &mut used[index])) else {
            return Err(failure);
        };
        if *used == retrier.max_attempts {
            return Err(failure);
        }
        let seconds = retrier.interval_seconds.saturating_mul(u64::from(retrier.backoff_rate.saturating_pow(*used)));
        let most = Duration::from_secs(seconds.min(retrier.max_delay_seconds));
        *used += 1;
        sleep(dice.between(Duration::ZERO, most)).await;
    }
    unreachable!("tries are counted without an end")
}

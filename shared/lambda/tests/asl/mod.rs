//! The state machine's definition: its states, and the payloads that its tasks hand to the functions.

use serde_json::{Map, Value};

pub struct StateMachine(Value);

impl StateMachine {
    pub fn read() -> Self {
        Self(serde_json::from_str(include_str!("../../../../statemachine/pipeline.asl.json")).unwrap())
    }

    #[allow(dead_code, reason = "not every test needs it")]
    pub fn definition(&self) -> &Value {
        &self.0
    }

    /// All states by name, those of the Maps included.
    pub fn states(&self) -> Vec<(&str, &Value)> {
        let outer = self.0["States"].as_object().unwrap();
        let inner = outer.values().filter_map(|state| state["ItemProcessor"]["States"].as_object()).flatten();
        outer.iter().chain(inner).map(|(name, state)| (name.as_str(), state)).collect()
    }

    #[allow(dead_code, reason = "not every test needs it")]
    fn state(&self, name: &str) -> &Value {
        self.states().into_iter().find(|(found, _)| *found == name).unwrap_or_else(|| panic!("no state {name}")).1
    }

    /// The event that the task `name` hands to its function. `scope` holds the state (`$`), the context object (`$$`)
    /// and the variables (`$name`).
    #[allow(dead_code, reason = "not every test needs it")]
    pub fn payload(&self, name: &str, scope: &Value) -> Value {
        evaluate(&self.state(name)["Parameters"]["Payload"], scope)
    }

    /// What the Map `name` hands to one of its children.
    #[allow(dead_code, reason = "not every test needs it")]
    pub fn item(&self, name: &str, scope: &Value) -> Value {
        evaluate(&self.state(name)["ItemSelector"], scope)
    }
}

fn evaluate(template: &Value, scope: &Value) -> Value {
    match template {
        Value::Object(fields) => {
            let field = |(name, value): (&String, &Value)| match (name.strip_suffix(".$"), value) {
                (Some(name), Value::String(path)) => (name.to_owned(), resolve(path, scope)),
                _ => (name.clone(), evaluate(value, scope)),
            };
            fields.iter().map(field).collect::<Map<_, _>>().into()
        }
        Value::Array(values) => values.iter().map(|value| evaluate(value, scope)).collect(),
        plain => plain.clone(),
    }
}

fn resolve(path: &str, scope: &Value) -> Value {
    let step = |found: &'_ Value, name: &str| found.get(name).unwrap_or_else(|| panic!("no {path}")).clone();
    path.split('.').fold(scope.clone(), |found, name| step(&found, name))
}

//! Templates of the Amazon States Language: JSONPaths, the context object, variables and the two intrinsic functions
//! that the state machine uses.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

/// What paths lead into.
pub(crate) struct Scope<'a> {
    /// `$`
    pub(crate) state: &'a Value,
    /// `$$`
    pub(crate) context: &'a Value,
    /// `$name`
    pub(crate) variables: &'a BTreeMap<String, Value>,
}

impl Scope<'_> {
    /// A template with its paths filled in.
    pub(crate) fn fill(&self, template: &Value) -> Value {
        match template {
            Value::Object(fields) => self.fill_fields(fields).into(),
            Value::Array(values) => values.iter().map(|value| self.fill(value)).collect(),
            plain => plain.clone(),
        }
    }

    pub(crate) fn fill_fields(&self, fields: &Map<String, Value>) -> Map<String, Value> {
        let field = |(name, value): (&String, &Value)| match (name.strip_suffix(".$"), value) {
            (Some(name), Value::String(expression)) => (name.to_owned(), self.evaluate(expression)),
            (Some(_), other) => panic!("{name} is to be a path, not {other}"),
            (None, value) => (name.clone(), self.fill(value)),
        };
        fields.iter().map(field).collect()
    }

    /// The value of a path or of an intrinsic function.
    pub(crate) fn evaluate(&self, expression: &str) -> Value {
        if let Some(arguments) = call("States.Format", expression) {
            return self.format(&arguments).into();
        }
        if let Some(arguments) = call("States.MathAdd", expression) {
            let sum: i64 = arguments.iter().map(|argument| self.number(argument)).sum();
            return sum.into();
        }
        self.resolve(expression)
    }

    /// Whether there is anything where a path of the state leads.
    pub(crate) fn leads_somewhere(&self, path: &str) -> bool {
        let fields = path.strip_prefix("$.").unwrap_or_else(|| panic!("the world knows nothing like {path}"));
        fields.split('.').try_fold(self.state, |found, field| found.get(field)).is_some()
    }

    fn resolve(&self, path: &str) -> Value {
        let (root, fields) = path.split_once('.').unwrap_or((path, ""));
        let root = match root {
            "$" => self.state,
            "$$" => self.context,
            variable => {
                let name = variable.strip_prefix('$').unwrap_or_else(|| panic!("the world knows nothing like {path}"));
                self.variables.get(name).unwrap_or_else(|| panic!("no variable {variable}"))
            }
        };
        let fields = fields.split('.').filter(|field| !field.is_empty());
        fields.fold(root, |found, field| found.get(field).unwrap_or_else(|| panic!("{path} leads nowhere"))).clone()
    }

    fn number(&self, argument: &str) -> i64 {
        let number = argument.parse().ok().or_else(|| self.resolve(argument).as_i64());
        number.unwrap_or_else(|| panic!("{argument} is no number"))
    }

    fn format(&self, arguments: &[&str]) -> String {
        let [template, values @ ..] = arguments else { panic!("States.Format wants a template") };
        let mut text = template.trim_matches('\'').to_owned();
        for value in values {
            let value = match self.resolve(value) {
                Value::String(text) => text,
                other => other.to_string(),
            };
            text = text.replacen("{}", &value, 1);
        }
        text
    }
}

fn call<'a>(function: &str, expression: &'a str) -> Option<Vec<&'a str>> {
    let arguments = expression.strip_prefix(function)?.strip_prefix('(')?.strip_suffix(')')?;
    Some(arguments.split(',').map(str::trim).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn templates_are_filled_in() {
        let variables = BTreeMap::from([("level".to_owned(), json!(2)), ("nothing".to_owned(), Value::Null)]);
        let scope = Scope {
            state: &json!({"run_prefix": "all/runs/1", "items": {"key": "k"}}),
            context: &json!({"Execution": {"Name": "e"}}),
            variables: &variables,
        };
        let template = json!({
            "plain": "$.not a path", "key.$": "$.items.key", "all.$": "$", "name.$": "$$.Execution.Name",
            "next.$": "States.MathAdd($level, 1)", "list": [{"of.$": "$nothing"}],
            "file.$": "States.Format('{}/merge/{}.json', $.run_prefix, $level)",
        });
        let expected = json!({
            "plain": "$.not a path", "key": "k", "all": scope.state, "name": "e", "next": 3, "list": [{"of": null}],
            "file": "all/runs/1/merge/2.json",
        });
        assert_eq!(scope.fill(&template), expected);
    }

    #[test]
    #[should_panic(expected = "$.missing leads nowhere")]
    fn a_path_that_leads_nowhere_is_an_error() {
        Scope { state: &json!({}), context: &Value::Null, variables: &BTreeMap::new() }.evaluate("$.missing");
    }
}

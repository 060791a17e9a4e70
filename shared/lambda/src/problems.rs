//! What leaves a Lambda when it fails. A message may name images, so it is written beside the run, and only the error's
//! name and where its message lies go to Step Functions and into the log.

use lambda_runtime::Diagnostic;
use pomona_formats::problem;
use pomona_run::RunId;
use serde::Deserialize;
use serde_json::Value;

use crate::BucketLocation;
use crate::error::Error;
use crate::stores::Stores;

/// A run, and where it lies.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RunPlace {
    /// Where results go.
    pub output: BucketLocation,
    /// The run.
    pub run_id: RunId,
}

impl RunPlace {
    /// The run that an event names: itself, or by its shard or its group.
    pub fn named_in(event: &Value) -> Option<Self> {
        let holders = [event, &event["shard"], &event["group"]];
        let run_id = holders.into_iter().find_map(|holder| RunId::deserialize(&holder["run_id"]).ok())?;
        Some(Self { output: BucketLocation::deserialize(&event["output"]).ok()?, run_id })
    }

    async fn write(&self, stores: &Stores, error: &Error) -> Result<String, Error> {
        let output = stores.open(&self.output).await?;
        let key = problem::write(output.as_ref(), &self.run_id, error.name(), &error.to_string()).await?;
        Ok(format!("s3://{}/{}", self.output.bucket(), self.output.key(&key)))
    }
}

/// Writes down what `error` says, and gives what may be said of it elsewhere. Where it cannot be written, that is the
/// error: a run that goes on counts what was written.
pub(crate) async fn report(stores: &Stores, run: Option<&RunPlace>, error: Error) -> Diagnostic {
    let Some(run) = run else { return diagnostic(&error, "the event names no run that could keep the rest") };
    match run.write(stores, &error).await {
        Ok(place) => diagnostic(&error, &format!("{place} says more")),
        // What could not be written is no image.
        Err(unwritten) => Diagnostic {
            error_type: unwritten.name().as_str().to_owned(),
            error_message: format!("{unwritten}; so the message of {} is lost", error.name().as_str()),
        },
    }
}

fn diagnostic(error: &Error, more: &str) -> Diagnostic {
    Diagnostic { error_type: error.name().as_str().to_owned(), error_message: format!("{}; {more}", error.outline()) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn an_event_names_its_run_itself_or_by_its_shard_or_its_group() {
        let run_id = "20260131T120000Z-0123abcd";
        let place = Some(RunPlace { output: "s3://b/all".parse().unwrap(), run_id: run_id.parse().unwrap() });
        for event in [
            json!({"output": "s3://b/all/", "run_id": run_id}),
            json!({"output": "s3://b/all", "shard": {"run_id": run_id, "shard": 1}}),
            json!({"output": "s3://b/all", "group": {"run_id": run_id}}),
        ] {
            assert_eq!(RunPlace::named_in(&event), place, "{event}");
        }
        for event in [json!({}), json!([]), json!({"output": "s3://b"}), json!({"output": "b", "run_id": run_id})] {
            assert_eq!(RunPlace::named_in(&event), None, "{event}");
        }
    }
}

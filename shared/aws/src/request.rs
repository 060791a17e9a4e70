//! What an execution is asked to do.

use std::num::NonZeroU32;

use pomona_run::{BucketLocation, Error, Location, Options, RunId};
use serde::Serialize;

/// The longest input of an execution (quota of Step Functions: 256 KiB, with the name that EventBridge may add).
const MOST_BYTES: usize = 255 << 10;

/// The state machine's input, as `statemachine/README.md` documents it. What is left out is the stack's own.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct RunRequest {
    /// Where images are.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub input: Option<BucketLocation>,
    /// Where results go.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub output: Option<BucketLocation>,
    /// What the user chose.
    pub options: Options,
    /// An earlier run at the same output whose models are taken, instead of fitting the run's own.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub model: Option<RunId>,
    /// Shards that are worked on at once.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_concurrency: Option<NonZeroU32>,
}

impl RunRequest {
    /// Checks what can be checked before anything is started.
    ///
    /// # Errors
    /// Those of [`Options::validate`] and, where models are taken, [`Options::refuse_fitting`];
    /// [`Error::OutputInsideInput`].
    pub fn validate(&self) -> Result<(), Error> {
        self.options.validate()?;
        if self.model.is_some() {
            self.options.refuse_fitting()?;
        }
        for (option, place) in [("labels", &self.options.labels), ("list", &self.options.list)] {
            if place.as_deref().is_some_and(|place| place.parse::<BucketLocation>().is_err()) {
                return Err(Error::option(option, "must lie in S3, below the images' place: write s3://bucket/key"));
            }
        }
        let bytes = serde_json::to_vec(self).map_or(0, |written| written.len());
        if bytes > MOST_BYTES {
            let problem =
                format!("with them the request has {bytes} bytes, and an execution takes {MOST_BYTES}; name fewer");
            return Err(Error::option("classes", problem));
        }
        if let (Some(input), Some(output)) = (&self.input, &self.output) {
            Location::from(input.clone()).refuse_inside(&output.clone().into())?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use pomona_lambda::plan;
    use serde_json::json;

    fn as_the_plan_reads_it(request: &RunRequest) -> plan::ExecutionInput {
        serde_json::from_value(serde_json::to_value(request).unwrap()).unwrap()
    }

    #[test]
    fn a_request_is_what_the_lambda_plan_takes() {
        let request = RunRequest {
            input: Some("s3://in/images".parse().unwrap()),
            output: Some("s3://out".parse().unwrap()),
            options: Options { limit: Some(3), filter: Some("a/*".into()), standardize: true, ..Options::default() },
            model: Some("20260131T120000Z-0123abcd".parse().unwrap()),
            max_concurrency: NonZeroU32::new(5),
        };
        let read = as_the_plan_reads_it(&request);
        assert_eq!((read.input, read.output, read.options), (request.input, request.output, request.options));
        assert_eq!((read.model, read.max_concurrency), (request.model, request.max_concurrency));
    }

    #[test]
    fn what_is_left_out_is_left_to_the_stack() {
        let written = serde_json::to_value(RunRequest::default()).unwrap();
        assert_eq!(written, json!({"options": Options::default()}));
        assert_eq!(as_the_plan_reads_it(&RunRequest::default()).input, None);
    }

    #[test]
    fn what_cannot_work_is_refused_before_anything_is_started() {
        let inside = RunRequest {
            input: Some("s3://b".parse().unwrap()),
            output: Some("s3://b/results".parse().unwrap()),
            ..RunRequest::default()
        };
        assert!(matches!(inside.validate(), Err(Error::OutputInsideInput { .. })));
        let options = Options { shard_size: 0, ..Options::default() };
        assert!(matches!(RunRequest { options, ..RunRequest::default() }.validate(), Err(Error::Option { .. })));
        let model = Some("20260131T120000Z-0123abcd".parse().unwrap());
        let options = Options { standardize: true, ..Options::default() };
        assert!(matches!(RunRequest { model, options, ..RunRequest::default() }.validate(), Err(Error::Option { .. })));
        let classes = (0..60_000).map(|number| number.to_string()).collect();
        let long = RunRequest { options: Options { classes, ..Options::default() }, ..RunRequest::default() };
        assert!(long.validate().unwrap_err().to_string().starts_with("option `classes`: with them the request has"));
        for (labels, list, is_valid) in [
            (Some("labels.csv"), None, false),
            (None, Some("/list.txt"), false),
            (Some("s3://b/labels.csv"), None, true),
        ] {
            let [labels, list] = [labels, list].map(|place: Option<&str>| place.map(str::to_owned));
            let options = Options { labels, list, ..Options::default() };
            assert_eq!(RunRequest { options, ..RunRequest::default() }.validate().is_ok(), is_valid);
        }
        RunRequest::default().validate().unwrap();
    }
}

//! The edge between Lambda's runtime and a function: one event in, one answer or one named error out.

use std::any::Any;
use std::panic::AssertUnwindSafe;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use chrono::Utc;
use futures::FutureExt;
use lambda_runtime::{Diagnostic, LambdaEvent, service_fn};
use serde::Serialize;
use serde_json::Value;

use crate::error::Error;
use crate::metrics::{Invocation, RunFigures, Work};

/// What one Lambda does.
pub trait Function {
    /// What it answers.
    type Answer: Answer;

    /// Answers an event.
    fn handle(&self, event: Value) -> impl Future<Output = Result<Self::Answer, Error>>;
}

/// What a function answers; it goes out as JSON.
pub trait Answer: Serialize {
    /// What the metrics count.
    fn work(&self) -> Work {
        Work::default()
    }

    /// The run that this invocation finished.
    fn run(&self) -> Option<&RunFigures> {
        None
    }
}

/// Answers events with `function` until Lambda ends the process. A function that could not be made answers each event
/// with the reason, so that the state machine learns it by name.
///
/// # Errors
/// Those of Lambda's runtime API.
pub async fn serve<F: Function>(function: Result<F, Error>) -> Result<(), lambda_runtime::Error> {
    let edge = Edge::new(function);
    lambda_runtime::run(service_fn(|event: LambdaEvent<Value>| edge.answer(event))).await
}

struct Edge<F> {
    function: Result<F, Diagnostic>,
    is_warm: AtomicBool,
}

impl<F: Function> Edge<F> {
    fn new(function: Result<F, Error>) -> Self {
        Self { function: function.map_err(Diagnostic::from), is_warm: AtomicBool::new(false) }
    }

    async fn answer(&self, event: LambdaEvent<Value>) -> Result<Value, Diagnostic> {
        let started = Instant::now();
        let is_cold_start = !self.is_warm.swap(true, Ordering::Relaxed);
        let answer = self.call(event.payload).await.inspect_err(log_failure)?;
        let invocation = Invocation {
            function: &event.context.env_config.function_name,
            request_id: &event.context.request_id,
            is_cold_start,
            duration: started.elapsed(),
            work: answer.work(),
            run: answer.run(),
        };
        println!("{}", invocation.line(Utc::now()));
        serde_json::to_value(answer).map_err(|error| internal(error.to_string()))
    }

    async fn call(&self, event: Value) -> Result<F::Answer, Diagnostic> {
        let function = self.function.as_ref().map_err(Clone::clone)?;
        match AssertUnwindSafe(function.handle(event)).catch_unwind().await {
            Ok(answer) => answer.map_err(Diagnostic::from),
            Err(panic) => Err(internal(format!("panic: {}", message_of(panic.as_ref())))),
        }
    }
}

/// The message may name an image, so it is logged in detailed logs only; the state machine gets it in any case.
fn log_failure(diagnostic: &Diagnostic) {
    tracing::error!(error = diagnostic.error_type, "the invocation failed");
    tracing::debug!(error = diagnostic.error_type, message = diagnostic.error_message);
}

fn internal(problem: String) -> Diagnostic {
    Error::from(pomona_formats::Error::Internal(problem)).into()
}

fn message_of(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<&str>().copied();
    text.or_else(|| panic.downcast_ref::<String>().map(String::as_str)).unwrap_or("without a message")
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::{Arc, Mutex};

    use lambda_runtime::Context;
    use serde_json::json;

    struct Echo;

    #[derive(Debug, Serialize)]
    struct Echoed(Value);

    impl Answer for Echoed {}

    impl Function for Echo {
        type Answer = Echoed;

        async fn handle(&self, event: Value) -> Result<Echoed, Error> {
            match event["then"].as_str() {
                Some("panic") => panic!("no {}", "way"),
                Some("fail") => {
                    Err(pomona_dataset::Error::Changed { location: "s3://in".into(), id: "a/secret.jpg".into() })?
                }
                _ => Ok(Echoed(event)),
            }
        }
    }

    async fn answer(function: Result<Echo, Error>, event: Value) -> Result<Value, Diagnostic> {
        Edge::new(function).answer(LambdaEvent::new(event, Context::default())).await
    }

    #[tokio::test]
    async fn an_event_is_answered_by_the_function() {
        assert_eq!(answer(Ok(Echo), json!({"a": 1})).await.unwrap(), json!({"a": 1}));
    }

    #[tokio::test]
    async fn a_panic_is_an_internal_error_with_its_message() {
        let diagnostic = answer(Ok(Echo), json!({"then": "panic"})).await.unwrap_err();
        assert_eq!(diagnostic.error_type, "Pomona.Internal");
        assert!(diagnostic.error_message.contains("no way"), "{}", diagnostic.error_message);
    }

    #[tokio::test]
    async fn a_function_that_could_not_be_made_answers_with_the_reason() {
        let reason = pomona_run::Error::RegionNotAllowed { region: "us-east-1".into(), allowed: "eu-west-1".into() };
        let diagnostic = answer(Err(reason.into()), json!({})).await.unwrap_err();
        assert_eq!(diagnostic.error_type, "Pomona.RegionNotAllowed");
        assert!(diagnostic.error_message.contains("us-east-1"), "{}", diagnostic.error_message);
    }

    #[derive(Clone, Default)]
    struct Log(Arc<Mutex<Vec<u8>>>);

    impl std::io::Write for Log {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    #[tokio::test]
    async fn a_failure_is_logged_by_its_name_and_without_the_image_that_the_message_names() {
        let log = Log::default();
        let writer = log.clone();
        let lines =
            tracing_subscriber::fmt().json().with_max_level(tracing::Level::INFO).with_writer(move || writer.clone());
        // For all threads: one that holds for this thread alone can miss lines while other tests log in theirs.
        tracing::subscriber::set_global_default(lines.finish()).expect("no other test here listens");
        let diagnostic = answer(Ok(Echo), json!({"then": "fail"})).await.unwrap_err();
        assert!(diagnostic.error_message.contains("a/secret.jpg"));
        let logged = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
        assert!(logged.contains("Pomona.InputChanged") && !logged.contains("secret"), "{logged}");
    }
}

//! The edge between Lambda's runtime and a function: one event in, one answer or one named error out.

use std::any::Any;
use std::panic::AssertUnwindSafe;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use futures::FutureExt;
use lambda_runtime::{Diagnostic, LambdaEvent, service_fn};
use pomona_run::clock;
use pomona_stages::memory;
use serde::Serialize;
use serde_json::Value;
use tracing::Instrument;

use crate::error::Error;
use crate::metrics::{Invocation, RunFigures, Timed, Work};
use crate::problems::{self, RunPlace};
use crate::stores::Stores;
use crate::trigger;

/// What one Lambda does.
pub trait Function {
    /// What it answers.
    type Answer: Answer;

    /// Answers an event.
    fn handle(&self, event: Value) -> impl Future<Output = Result<Self::Answer, Error>>;

    /// Its open stores.
    fn stores(&self) -> &Stores;

    /// The run that an event is about, if it is about one.
    fn run_of(&self, event: &Value) -> Option<RunPlace> {
        RunPlace::named_in(event)
    }
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

    /// Whether its duration and its cold start are worth a metric.
    fn is_timed(&self) -> bool {
        true
    }
}

/// Answers events with `function` until Lambda ends the process. A function that could not be made answers each event
/// with the reason, so that the state machine learns it by name.
///
/// # Errors
/// Those of Lambda's runtime API.
pub async fn serve<F: Function>(function: Result<F, Error>) -> Result<(), lambda_runtime::Error> {
    memory::give_large_blocks_back();
    let edge = Edge::new(function, |line| println!("{line}"));
    lambda_runtime::run(service_fn(|event: LambdaEvent<Value>| edge.answer(event))).await
}

/// A function with all that stands between it and Lambda.
pub struct Edge<F> {
    function: Result<F, Diagnostic>,
    /// Takes the lines that tell CloudWatch of metrics.
    write: fn(&Value),
    is_warm: AtomicBool,
}

impl<F: Function> Edge<F> {
    /// A function, or why there is none. Metrics go to `write`.
    pub fn new(function: Result<F, Error>, write: fn(&Value)) -> Self {
        Self { function: function.map_err(|error| unmade(&error)), write, is_warm: AtomicBool::new(false) }
    }

    /// Answers an event.
    ///
    /// # Errors
    /// What Lambda hands to whoever called: the error's name, and where it says more.
    pub async fn answer(&self, event: LambdaEvent<Value>) -> Result<Value, Diagnostic> {
        let function = match &self.function {
            Ok(function) => function,
            Err(reason) => {
                trigger::answer_without_function(&event.payload, &reason.error_message).await;
                return Err(reason.clone());
            }
        };
        let run = function.run_of(&event.payload);
        let run_id = run.as_ref().map(|run| run.run_id.as_str().to_owned());
        let span = tracing::error_span!("invocation", run_id, request_id = event.context.request_id);
        self.answer_of(function, run, event).instrument(span).await
    }

    async fn answer_of(
        &self,
        function: &F,
        run: Option<RunPlace>,
        event: LambdaEvent<Value>,
    ) -> Result<Value, Diagnostic> {
        let started = Instant::now();
        let is_cold_start = !self.is_warm.swap(true, Ordering::Relaxed);
        let (answer, json) = match call(function, event.payload).await {
            Ok(answered) => answered,
            Err(error) => {
                tracing::error!(error = error.name().as_str(), outline = error.outline(), "the invocation failed");
                return Err(problems::report(function.stores(), run.as_ref(), error).await);
            }
        };
        let invocation = Invocation {
            function: &event.context.env_config.function_name,
            request_id: &event.context.request_id,
            run_id: run.as_ref().map(|run| &run.run_id),
            timed: answer.is_timed().then(|| Timed { is_cold_start, duration: started.elapsed() }),
            work: answer.work(),
            run: answer.run(),
        };
        if let Some(line) = invocation.line(clock::now()) {
            (self.write)(&line);
        }
        Ok(json)
    }
}

/// The answer, and the JSON that it goes out as.
async fn call<F: Function>(function: &F, event: Value) -> Result<(F::Answer, Value), Error> {
    let answer = AssertUnwindSafe(function.handle(event)).catch_unwind().await;
    let answer = answer.map_err(|panic| internal(format!("panic: {}", message_of(panic.as_ref()))))??;
    let json = serde_json::to_value(&answer).map_err(|error| internal(error.to_string()))?;
    Ok((answer, json))
}

fn internal(problem: String) -> Error {
    pomona_formats::Error::Internal(problem).into()
}

/// What a function is made of, its settings and its model, names no image.
fn unmade(error: &Error) -> Diagnostic {
    tracing::error!(error = error.name().as_str(), message = %error, "the function could not be made");
    Diagnostic { error_type: error.name().as_str().to_owned(), error_message: error.to_string() }
}

fn message_of(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<&str>().copied();
    text.or_else(|| panic.downcast_ref::<String>().map(String::as_str)).unwrap_or("without a message")
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;
    use std::sync::{Arc, Mutex};

    use lambda_runtime::Context;
    use pomona_store::Store;
    use pomona_store::testing::{FailingStore, Fault, MemoryStore, Operation};
    use serde_json::json;

    use crate::error::one_of_each_kind;
    use crate::logging;

    /// Stands in every text that a message can be made of.
    const MARK: &str = "family/Anna.jpg";
    const RUN_ID: &str = "20260131T120000Z-0123abcd";

    /// Does what the event says.
    #[derive(Default)]
    struct Echo {
        stores: Stores,
        error: Mutex<Option<Error>>,
    }

    #[derive(Debug, Serialize)]
    struct Echoed(Value);

    impl Answer for Echoed {}

    impl Function for Echo {
        type Answer = Echoed;

        async fn handle(&self, event: Value) -> Result<Echoed, Error> {
            if event["then"] == "panic" {
                panic!("no way with {MARK}");
            }
            self.error.lock().unwrap().take().map_or(Ok(Echoed(event)), Err)
        }

        fn stores(&self) -> &Stores {
            &self.stores
        }
    }

    /// A function over a store, which fails with `error`.
    fn failing(store: Arc<dyn Store>, error: Option<Error>) -> Echo {
        Echo { stores: [("s3://out".parse().unwrap(), store)].into_iter().collect(), error: Mutex::new(error) }
    }

    fn empty() -> Arc<MemoryStore> {
        Arc::new(MemoryStore::new("s3://out", BTreeMap::new()))
    }

    async fn answer(function: Result<Echo, Error>, event: Value) -> Result<Value, Diagnostic> {
        Edge::new(function, |_| ()).answer(LambdaEvent::new(event, Context::default())).await
    }

    fn event() -> Value {
        json!({"output": "s3://out", "run_id": RUN_ID})
    }

    /// The message that lies where a diagnostic says.
    async fn message_beside_the_run(output: &MemoryStore, diagnostic: &Diagnostic) -> Value {
        let named = diagnostic.error_message.split(' ').find_map(|word| word.strip_prefix("s3://out/"));
        let key = named.unwrap_or_else(|| panic!("{} names no file", diagnostic.error_message));
        assert!(key.starts_with(&format!("runs/{RUN_ID}/problems/{}-", diagnostic.error_type)), "{key}");
        serde_json::from_slice(&output.get(key).await.unwrap().bytes).unwrap()
    }

    #[tokio::test]
    async fn an_event_is_answered_by_the_function() {
        assert_eq!(answer(Ok(Echo::default()), json!({"a": 1})).await.unwrap(), json!({"a": 1}));
    }

    #[tokio::test]
    async fn a_function_that_could_not_be_made_answers_with_the_reason() {
        let reason = pomona_run::Error::RegionNotAllowed { region: "us-east-1".into(), allowed: "eu-west-1".into() };
        let diagnostic = answer(Err(reason.into()), json!({})).await.unwrap_err();
        assert_eq!(diagnostic.error_type, "Pomona.RegionNotAllowed");
        assert!(diagnostic.error_message.contains("us-east-1"), "{}", diagnostic.error_message);
    }

    #[tokio::test]
    async fn an_error_of_no_run_leaves_as_its_outline() {
        let error = Error::Event { subject: "the event", problem: MARK.into() };
        let diagnostic = answer(Ok(failing(empty(), Some(error))), json!({"output": MARK})).await.unwrap_err();
        assert_eq!(diagnostic.error_type, "Pomona.BadInput");
        assert!(diagnostic.error_message.starts_with("the event cannot be used; "), "{}", diagnostic.error_message);
    }

    #[tokio::test]
    async fn a_message_that_cannot_be_kept_is_the_error_because_a_run_that_goes_on_counts_them() {
        let changed = pomona_dataset::Error::Changed { location: "s3://in".into(), id: MARK.into() };
        let store = FailingStore::new(empty());
        store.on(Operation::Put, |_| true, .., Fault::transient());
        let diagnostic = answer(Ok(failing(Arc::new(store), Some(changed.into()))), event()).await.unwrap_err();
        assert_eq!(diagnostic.error_type, "Pomona.Retryable");
        assert!(diagnostic.error_message.contains("Pomona.InputChanged"), "{}", diagnostic.error_message);
        assert!(!diagnostic.error_message.contains(MARK));
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
    async fn what_a_user_or_an_image_gave_an_error_stands_beside_the_run_and_nowhere_else() {
        let log = Log::default();
        let writer = log.clone();
        let lines = logging::lines().with_writer(move || writer.clone());
        // For all threads: one that holds for this thread alone can miss lines while other tests log in theirs.
        tracing::subscriber::set_global_default(logging::subscriber(lines)).expect("no other test here listens");
        let output = empty();
        let mut kept = 0;
        for (name, error) in one_of_each_kind(MARK) {
            let message = error.to_string();
            let diagnostic = answer(Ok(failing(output.clone(), Some(error))), event()).await.unwrap_err();
            assert_eq!(diagnostic.error_type, name);
            assert!(!diagnostic.error_message.contains(MARK), "{}", diagnostic.error_message);
            let found = message_beside_the_run(&output, &diagnostic).await;
            assert_eq!(found, json!({"error": name, "message": message}));
            kept += usize::from(message.contains(MARK));
        }
        assert!(kept > 25, "only {kept} errors had the mark in them");

        let usual = std::panic::take_hook();
        logging::log_panics_by_their_place();
        let mut event = event();
        event["then"] = "panic".into();
        let diagnostic = answer(Ok(failing(output.clone(), None)), event).await.unwrap_err();
        std::panic::set_hook(usual);
        assert_eq!(diagnostic.error_type, "Pomona.Internal");
        assert!(!diagnostic.error_message.contains(MARK), "{}", diagnostic.error_message);
        let found = message_beside_the_run(&output, &diagnostic).await;
        assert!(found["message"].as_str().unwrap().contains("no way with"), "{found}");

        let logged = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
        assert!(!logged.contains(MARK), "{logged}");
        assert!(logged.contains("Pomona.InputChanged") && logged.contains("edge.rs"), "{logged}");
        let of_runs = logged.lines().filter(|line| line.contains("the invocation failed")).collect::<Vec<_>>();
        assert!(of_runs.len() > 30 && of_runs.iter().filter(|line| line.contains(RUN_ID)).count() > 30, "{logged}");
    }
}

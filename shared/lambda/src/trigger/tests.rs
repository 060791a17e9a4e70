//! The trigger in a world of its own: a clock, a queue, a state machine whose list of runs may be behind, calls that
//! fail.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard};

use async_trait::async_trait;
use pomona_store::Store;
use pomona_store::testing::MemoryStore;
use proptest::prelude::*;

use super::*;

const OUTPUT: &str = "s3://results/all";
const INTERVAL: i64 = 3_600;
/// The queue's visibility timeout (a static test holds it to the template's).
const HIDDEN: i64 = 660;

#[derive(Clone, Debug)]
struct Run {
    name: String,
    input: Value,
    start: i64,
    end: i64,
    /// It found the output in use and did nothing.
    is_busy: bool,
}

#[derive(Clone, Copy, Debug)]
struct Waiting {
    arrives: i64,
    is_follow_up: bool,
}

/// What happens to a call.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Fault {
    None,
    Before,
    /// It has its effect, but its answer is lost.
    After,
}

#[derive(Debug, Default)]
struct State {
    now: i64,
    /// So far the list of runs is behind.
    lag: i64,
    run_seconds: i64,
    /// When a program on some machine holds the output.
    held: Option<(i64, i64)>,
    runs: Vec<Run>,
    queue: Vec<Waiting>,
    faults: Vec<Fault>,
}

impl State {
    fn call<T>(&mut self, effect: impl FnOnce(&mut Self) -> T) -> Result<T, Error> {
        let fault = self.faults.pop().unwrap_or(Fault::None);
        if fault == Fault::Before {
            return Err(Error::call("a call", "injected"));
        }
        let done = effect(self);
        if fault == Fault::After { Err(Error::call("a call", "injected")) } else { Ok(done) }
    }

    fn is_in_use(&self) -> bool {
        let is_held = self.held.is_some_and(|(from, to)| (from..to).contains(&self.now));
        is_held || self.runs.iter().any(|run| run.end > self.now)
    }

    fn begin(&mut self, name: &str, input: &Value) {
        let (start, is_busy) = (self.now, self.is_in_use());
        let end = if is_busy { start } else { start + self.run_seconds };
        self.runs.push(Run { name: name.to_owned(), input: input.clone(), start, end, is_busy });
        if is_busy {
            // The template's rule for runs of the trigger that found the output in use.
            self.put(0, false);
        }
    }

    fn put(&mut self, delay: i64, is_follow_up: bool) {
        self.queue.push(Waiting { arrives: self.now + delay, is_follow_up });
    }

    fn pending_follow_ups(&self) -> usize {
        self.queue.iter().filter(|message| message.is_follow_up && message.arrives > self.now + 5).count()
    }
}

#[derive(Debug, Default)]
struct World(Mutex<State>);

impl World {
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap()
    }
}

#[async_trait]
impl Runs for Arc<World> {
    async fn recent(&self) -> Result<Recent, Error> {
        self.state().call(|state| {
            let known = || state.runs.iter().filter(|run| run.start <= state.now - state.lag);
            Recent {
                is_any_going: known().any(|run| run.end > state.now),
                newest_start: known().map(|run| run.start).max().map(time),
            }
        })
    }

    async fn oldest_going(&self) -> Result<Option<DateTime<Utc>>, Error> {
        self.state().call(|state| {
            let going = state.runs.iter().filter(|run| run.end > state.now);
            going.map(|run| run.start).min().map(time)
        })
    }

    async fn error_of(&self, execution: &str) -> Result<Option<String>, Error> {
        self.state().call(|state| {
            let run = state.runs.iter().find(|run| run.name == execution);
            run.map(|run| if run.is_busy { "Pomona.Busy" } else { "Pomona.BadInput" }.to_owned())
        })
    }

    async fn start(&self, name: &str, input: &Value) -> Result<bool, Error> {
        self.state().call(|state| {
            let namesake = state.runs.iter().find(|run| run.name == name);
            let is_the_same = namesake.map(|run| run.input == *input && run.end > state.now);
            if is_the_same.is_none() {
                state.begin(name, input);
            }
            is_the_same.unwrap_or(true)
        })
    }
}

#[async_trait]
impl Queue for Arc<World> {
    async fn send(&self, _: &str, delay: Duration) -> Result<(), Error> {
        self.state().call(|state| state.put(delay.as_secs() as i64, true))
    }
}

#[async_trait]
impl Buckets for Arc<World> {
    async fn switch_on(&self, _: &str) -> Result<(), Error> {
        unreachable!("nobody asks")
    }
}

fn time(second: i64) -> DateTime<Utc> {
    DateTime::from_timestamp(1_700_000_000 + second, 0).unwrap()
}

/// A trigger in a world that starts with `state`.
struct Scene {
    world: Arc<World>,
    trigger: Trigger,
}

impl Scene {
    fn new(state: State) -> Self {
        let world = Arc::new(World(Mutex::new(state)));
        let output: BucketLocation = OUTPUT.parse().unwrap();
        let store: Arc<dyn Store> = Arc::new(MemoryStore::new(OUTPUT, BTreeMap::new()));
        let trigger = Trigger {
            stores: [(output.clone(), store)].into_iter().collect(),
            runs: Box::new(world.clone()),
            queue: Box::new(world.clone()),
            buckets: Box::new(world.clone()),
            dataset: Dataset {
                input: "s3://images".parse().unwrap(),
                output,
                options: r#"{"components": 2}"#.to_owned(),
            },
            interval: Duration::from_secs(INTERVAL as u64),
        };
        Self { world, trigger }
    }

    /// A batch of messages about so many uploads at this second.
    async fn deliver(&self, uploads: usize, second: i64) -> Result<Outcome, Error> {
        self.hand_over(&vec!["{}"; uploads], second).await
    }

    async fn hand_over(&self, bodies: &[&str], second: i64) -> Result<Outcome, Error> {
        self.world.state().now = second;
        let messages: Vec<Value> = bodies.iter().map(|body| json!({"messageId": "1", "body": body})).collect();
        let batch = parse("the event", json!({"Records": messages})).unwrap();
        self.trigger.on_messages(&batch, time(second)).await
    }

    /// Lets the queue deliver all that has arrived, in batches of ten.
    async fn deliver_arrived(&self, now: i64) {
        let arrived: Vec<Waiting> = self.world.state().queue.extract_if(.., |message| message.arrives <= now).collect();
        for batch in arrived.chunks(10) {
            let body = |message: &Waiting| if message.is_follow_up { follow_up::BODY } else { "{}" };
            if self.hand_over(&batch.iter().map(body).collect::<Vec<_>>(), now).await.is_err() {
                let again = |message: &Waiting| Waiting { arrives: now + HIDDEN, ..*message };
                self.world.state().queue.extend(batch.iter().map(again));
            }
        }
    }

    /// Lets all of it happen, and then the queue deliver until it is empty; `check` looks after each step. When the
    /// last upload was.
    async fn live_through(&self, history: Vec<(i64, Happening)>, check: impl Fn(&State)) -> Option<i64> {
        let mut last_upload = None;
        let mut elapsed = 0;
        let mut coming: VecDeque<(i64, Happening)> = history
            .into_iter()
            .map(|(gap, happening)| {
                elapsed += gap;
                (elapsed, happening)
            })
            .collect();
        while let Some(now) = self.next_moment(coming.front()) {
            self.world.state().now = now;
            while let Some((_, happening)) = coming.pop_front_if(|next| next.0 <= now) {
                let mut state = self.world.state();
                match happening {
                    Happening::Uploads(count) => {
                        last_upload = Some(now);
                        (0..count).for_each(|_| state.put(0, false));
                    }
                    Happening::Start if state.is_in_use() => {}
                    Happening::Start => state.begin(&format!("by hand {now}"), &json!({})),
                }
            }
            self.deliver_arrived(now).await;
            check(&self.world.state());
            assert!(now < 10_000_000, "it never ends");
        }
        last_upload
    }

    fn next_moment(&self, next: Option<&(i64, Happening)>) -> Option<i64> {
        let arrivals = self.world.state().queue.iter().map(|message| message.arrives).min();
        arrivals.into_iter().chain(next.map(|next| next.0)).min()
    }

    fn names(&self) -> Vec<String> {
        self.world.state().runs.iter().map(|run| run.name.clone()).collect()
    }
}

#[tokio::test]
async fn an_upload_starts_a_run_named_by_dataset_and_window() {
    let scene = Scene::new(State { run_seconds: 60, ..State::default() });
    let Outcome::Started { execution } = scene.deliver(1, 0).await.unwrap() else { panic!("not started") };
    // 1,700,000,000 is 22:13:20 of 14 November 2023, in the window of an hour that begins at 22:00.
    assert!(execution.ends_with("-20231114T220000Z"), "{execution}");
    // `printf 's3://images\0s3://results/all' | sha256sum | cut -c1-16`
    assert!(execution.starts_with("uploads-975b7ee00528f955-"), "{execution}");
    assert!(execution.len() <= 80, "the most that Step Functions takes");
    let input = scene.world.state().runs[0].input.clone();
    let expected = json!({
        "input": "s3://images", "output": OUTPUT, "options": {"components": 2}, "requested": "2023-11-14T22:13:20Z"
    });
    assert_eq!(input, expected);

    let mut other = Scene::new(State::default()).trigger;
    other.dataset.input = "s3://other".parse().unwrap();
    assert_ne!(other.name(time(0)), execution, "another dataset");
}

#[tokio::test]
async fn the_input_of_a_run_that_starts_by_itself_is_one_that_the_plan_takes() {
    let scene = Scene::new(State::default());
    let request: crate::plan::ExecutionInput = serde_json::from_value(scene.trigger.request(time(1)).unwrap()).unwrap();
    assert_eq!((request.requested, request.options.limit), (Some(time(1)), None));
}

#[tokio::test]
async fn sixty_thousand_uploads_start_two_runs_and_leave_one_message() {
    let scene = Scene::new(State { run_seconds: 600, ..State::default() });
    let mut started = 0;
    for batch in 0..20 {
        let outcome = scene.deliver(3_000, 15 * batch).await.unwrap();
        started += usize::from(matches!(outcome, Outcome::Started { .. }));
    }
    assert_eq!((started, scene.world.state().queue.len()), (1, 1));
    let left = scene.world.state().queue[0];
    assert_eq!(left.arrives, 15 + 900, "left by the second batch");
    for minute in 0..120 {
        scene.deliver_arrived(60 * minute).await;
    }
    assert_eq!(scene.names().len(), 2);
    assert!(scene.world.state().queue.is_empty());
}

#[tokio::test]
async fn a_run_that_is_going_or_has_only_just_been_is_followed_by_another() {
    for run_seconds in [30, 2 * INTERVAL] {
        let scene = Scene::new(State { run_seconds, ..State::default() });
        scene.deliver(1, 0).await.unwrap();
        assert_eq!(scene.deliver(1, 60).await.unwrap(), Outcome::Postponed);
        assert_eq!(scene.deliver(1, 70).await.unwrap(), Outcome::PostponedBefore);
        let next = INTERVAL.max(run_seconds);
        assert!(!matches!(scene.deliver(1, next - 1).await.unwrap(), Outcome::Started { .. }));
        assert!(matches!(scene.deliver(1, next).await.unwrap(), Outcome::Started { .. }));
    }
}

#[tokio::test]
async fn of_two_calls_that_know_of_no_run_one_starts_it_and_the_other_leaves_a_message() {
    let scene = Scene::new(State { lag: 30, run_seconds: 600, ..State::default() });
    assert!(matches!(scene.deliver(1, 0).await.unwrap(), Outcome::Started { .. }));
    assert_eq!(scene.deliver(1, 1).await.unwrap(), Outcome::Postponed);
    assert_eq!(scene.names().len(), 1);
}

#[tokio::test]
async fn a_message_that_could_not_be_sent_is_relied_upon_by_nobody() {
    let scene = Scene::new(State { run_seconds: 5_000, ..State::default() });
    scene.deliver(1, 0).await.unwrap();
    scene.world.state().faults = vec![Fault::Before, Fault::None];
    assert!(scene.deliver(1, 10).await.is_err());
    assert_eq!(scene.deliver(1, 20).await.unwrap(), Outcome::Postponed);
    assert_eq!(scene.deliver(1, 10 + HIDDEN).await.unwrap(), Outcome::PostponedBefore);
    assert_eq!(scene.world.state().queue.len(), 1);
}

/// Whoever comes with an upload after the message has arrived relies on nothing, however slow their clock is.
#[tokio::test]
async fn a_message_that_has_arrived_is_relied_upon_by_nobody() {
    let scene = Scene::new(State { run_seconds: 60, ..State::default() });
    scene.deliver(1, 0).await.unwrap();
    assert_eq!(scene.deliver(1, 3_100).await.unwrap(), Outcome::Postponed);
    let arrived = scene.world.state().queue[0].arrives;
    scene.deliver_arrived(arrived).await;
    assert!(scene.world.state().queue.is_empty() && scene.names().len() == 2, "it has started a run");
    assert_eq!(scene.deliver(1, arrived - 600).await.unwrap(), Outcome::Postponed);
}

#[tokio::test]
async fn of_runs_that_failed_only_one_that_found_the_output_in_use_asks_for_another() {
    let scene = Scene::new(State { run_seconds: 60, ..State::default() });
    {
        let mut state = scene.world.state();
        state.begin("going", &json!({}));
        state.begin("busy", &json!({}));
        state.now = 5_000;
        state.begin("bad input", &json!({}));
    }
    let about = |execution: &str, error: Option<&str>| {
        let mut detail = json!({"executionArn": execution, "status": "FAILED"});
        if let Some(error) = error {
            detail["error"] = error.into();
        }
        let body = json!({"source": "aws.states", "detail": detail}).to_string();
        json!({"body": body})
    };
    let upload = json!({"body": json!({"source": "aws.s3", "detail": {}}).to_string()});
    for (messages, asks) in [
        (vec![about("busy", Some("Pomona.Busy"))], true),
        (vec![about("bad input", Some("Pomona.BadInput"))], false),
        // Where the event leaves it out, the execution itself is asked.
        (vec![about("busy", None)], true),
        (vec![about("bad input", None), about("unknown", None)], false),
        (vec![about("bad input", None), upload], true),
    ] {
        let batch: Batch = parse("the event", json!({"Records": messages})).unwrap();
        assert_eq!(batch.asks_for_run(&scene.world).await.unwrap(), asks, "{batch:?}");
    }
    let unwanted: Batch = parse("the event", json!({"Records": [about("bad input", None)]})).unwrap();
    let runs = scene.names();
    assert_eq!(scene.trigger.on_messages(&unwanted, time(9_000)).await.unwrap(), Outcome::NotWanted);
    assert_eq!(scene.names(), runs);
}

#[tokio::test]
async fn the_clock_is_told_for_how_long_the_oldest_run_has_been_going() {
    let scene = Scene::new(State { run_seconds: 10_000, ..State::default() });
    let watched = async |second: i64| {
        scene.world.state().now = second;
        scene.trigger.watch(time(second)).await.unwrap()
    };
    assert_eq!(watched(0).await.work().running_minutes, None);
    scene.world.state().begin("long", &json!({}));
    assert_eq!(watched(7_260).await, Outcome::Watched { running_minutes: Some(121) });
    assert_eq!(watched(7_260).await.work().running_minutes, Some(121));
    assert_eq!(watched(10_001).await, Outcome::Watched { running_minutes: None });
    scene.trigger.handle(json!({"task": "watch"})).await.unwrap();
    assert!(scene.trigger.handle(json!({"task": "look"})).await.is_err());
}

#[tokio::test]
async fn a_file_that_says_nothing_of_a_message_is_replaced() {
    let scene = Scene::new(State { run_seconds: 5_000, ..State::default() });
    let store = scene.trigger.stores.open(&OUTPUT.parse().unwrap()).await.unwrap();
    store.put(pomona_run::layout::FOLLOW_UP, "soon".into()).await.unwrap();
    scene.deliver(1, 0).await.unwrap();
    assert_eq!(scene.deliver(1, 10).await.unwrap(), Outcome::Postponed);
}

#[tokio::test]
async fn what_is_no_batch_and_no_request_is_refused() {
    let scene = Scene::new(State::default());
    for event in [json!({}), json!({"Records": [{}]}), json!({"RequestType": "Create"})] {
        assert_eq!(scene.trigger.handle(event).await.unwrap_err().name().as_str(), "Pomona.BadInput");
    }
}

/// Something that happens so many seconds after what happened before.
#[derive(Clone, Debug)]
enum Happening {
    Uploads(usize),
    /// Somebody starts a run by hand.
    Start,
}

fn history() -> impl Strategy<Value = Vec<(i64, Happening)>> {
    let happening = prop_oneof![4 => (1usize..25).prop_map(Happening::Uploads), 1 => Just(Happening::Start)];
    let gap = prop_oneof![3 => 0i64..30, 2 => 30i64..1_000, 1 => 1_000i64..10_000];
    prop::collection::vec((gap, happening), 1..15)
}

fn faults() -> impl Strategy<Value = Vec<Fault>> {
    let fault = prop_oneof![4 => Just(Fault::None), 1 => Just(Fault::Before), 1 => Just(Fault::After)];
    prop_oneof![1 => Just(Vec::new()), 1 => prop::collection::vec(fault, 0..20)]
}

proptest! {
    // As many cases as PROPTEST_CASES says, 256 otherwise.
    #[test]
    fn any_history_ends_with_a_run_after_the_last_upload_and_has_no_more_runs_than_the_interval_allows(
        history in history(),
        lag in prop_oneof![Just(0i64), 1i64..20],
        run_seconds in prop_oneof![1i64..300, 300i64..9_000],
        held in prop::option::of((0i64..20_000, 1i64..9_000)),
        faults in faults(),
    ) {
        let held = held.map(|(from, seconds)| (from, from + seconds));
        let is_faultless = faults.is_empty();
        let scene = Scene::new(State { lag, run_seconds, held, faults, ..State::default() });
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let last_upload = runtime.block_on(scene.live_through(history, |state| {
            assert!(!is_faultless || state.pending_follow_ups() <= 1, "{state:?}");
        }));
        let state = scene.world.state();
        let sees = |upload| state.runs.iter().any(|run| !run.is_busy && run.start >= upload);
        prop_assert!(last_upload.is_none_or(sees), "{state:?}");
        let mut names: Vec<&str> = state.runs.iter().map(|run| run.name.as_str()).collect();
        names.sort_unstable();
        names.dedup();
        prop_assert_eq!(names.len(), state.runs.len(), "one run of a name, so one in each window");
        if lag == 0 {
            for (before, run) in state.runs.iter().zip(state.runs.iter().skip(1)) {
                let is_by_hand = run.name.starts_with("by hand");
                prop_assert!(is_by_hand || run.start - before.start >= INTERVAL, "{before:?} {run:?}");
            }
        }
    }
}

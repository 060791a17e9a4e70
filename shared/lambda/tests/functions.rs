//! The five functions, fed by the state machine's own payloads, over folders that stand for buckets.

mod asl;
mod counting;
#[path = "../../stages/tests/support/result.rs"]
mod result;
#[path = "../../stages/tests/support/mod.rs"]
#[allow(dead_code, reason = "not every test needs all of it")]
mod support;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use asl::StateMachine;
use counting::{Counting, Requests};
use pomona_lambda::list_batch::ListBatch;
use pomona_lambda::plan::Planner;
use pomona_lambda::project_map::ProjectMap;
use pomona_lambda::reduce::Reduce;
use pomona_lambda::report::Report;
use pomona_lambda::sweep::Sweep;
use pomona_lambda::{BucketLocation, Error, Function, Obstacle, StackSettings, Stores};
use pomona_run::{Options, pace};
use pomona_stages::compute::ComputePool;
use pomona_stages::lock::{Holders, NoOtherHolders, UnknownHolders};
use pomona_stages::recipe;
use pomona_store::testing::{FailingStore, Fault, Operation};
use pomona_store::{Error as StoreError, LocalStore, Store};
use serde_json::{Value, json};

const INPUT: &str = "s3://images/fruits";
const OUTPUT: &str = "s3://results/all";

/// Two folders behind the names of buckets.
struct Cloud {
    folder: tempfile::TempDir,
    requests: Arc<Requests>,
    pool: fn(usize) -> ComputePool,
}

impl Cloud {
    fn new() -> Self {
        let cloud = Self { folder: tempfile::tempdir().unwrap(), requests: Arc::default(), pool: support::pool };
        std::fs::create_dir(cloud.input()).unwrap();
        cloud
    }

    fn with_images(count: u64) -> Self {
        let cloud = Self::new();
        for number in 0..count {
            support::write(&cloud.input(), &format!("class {}/{number}.png", number % 3), &support::picture(number));
        }
        cloud
    }

    fn input(&self) -> PathBuf {
        self.folder.path().join("in")
    }

    fn output(&self) -> PathBuf {
        self.folder.path().join("out")
    }

    fn stores(&self) -> Stores {
        let counting = |store| -> Arc<dyn Store> { Arc::new(Counting { store, requests: self.requests.clone() }) };
        let input = counting(LocalStore::open(self.input()).unwrap());
        let output = counting(LocalStore::create(self.output()).unwrap());
        let at = |location: &str| location.parse::<BucketLocation>().unwrap();
        [(at(INPUT), input), (at(OUTPUT), output)].into_iter().collect()
    }

    fn plan(&self, holders: Box<dyn Holders>) -> Planner {
        Planner {
            stores: self.stores(),
            recipe: recipe::of((self.pool)(1).extractor().model()),
            input: Some(INPUT.parse().unwrap()),
            output: Some(OUTPUT.parse().unwrap()),
            max_concurrency: pace::SHARDS,
            refresh_age: Some(Duration::ZERO),
            holders,
        }
    }

    fn report(&self) -> Report {
        let stack = StackSettings { region: "eu-west-1".into(), settings: pomona_cost::workload::Workload::default() };
        Report { stores: self.stores(), stack, keep_runs: "3".parse().unwrap() }
    }

    /// What a Map's ResultWriter leaves behind; each child took two seconds.
    fn write_results(&self, run_prefix: &str, stage: &str, answers: &[Value]) {
        let run_prefix = run_prefix.strip_prefix("all/").expect("keys lie below the output's prefix");
        let folder = self.output().join(run_prefix).join("map").join(stage).join("0123");
        std::fs::create_dir_all(&folder).unwrap();
        let child = |answer: &Value| {
            json!({
                "Input": "{}", "Output": answer.to_string(), "Status": "SUCCEEDED",
                "StartDate": "2026-01-31T12:00:02.000Z", "StopDate": "2026-01-31T12:00:04.000Z",
            })
        };
        let children: Vec<Value> = answers.iter().map(child).collect();
        std::fs::write(folder.join("SUCCEEDED_0.json"), serde_json::to_vec(&children).unwrap()).unwrap();
        std::fs::write(folder.join("manifest.json"), "{}").unwrap();
    }

    fn is_locked(&self) -> bool {
        self.output().join("lock.json").exists()
    }

    /// An object of the output, by its complete key in the bucket.
    fn read(&self, key: &str) -> Value {
        let key = key.strip_prefix("all/").expect("keys lie below the output's prefix");
        serde_json::from_slice(&std::fs::read(self.output().join(key)).unwrap()).unwrap()
    }
}

/// The context object and the variables of an execution.
fn scope(execution: &str, input: Value) -> Value {
    let execution = json!({
        "Id": format!("arn:aws:states:eu-west-1:123456789012:execution:pomona:{execution}"),
        "Name": execution,
        "StartTime": "2026-01-31T12:00:00.123Z",
        "Input": input,
    });
    let at = |second: u32| json!(format!("2026-01-31T12:00:{second:02}.000Z"));
    json!({
        "$$": {"Execution": execution, "State": {"EnteredTime": at(59)}},
        "$plan_started": at(1), "$extract_started": at(2), "$combine_started": null, "$sweep_started": null,
        "$reduce_started": at(9), "$project_started": at(11),
    })
}

async fn answer<F: Function>(function: &F, event: Value) -> Result<Value, Error> {
    // As Lambda does, the answer leaves as text.
    Ok(serde_json::to_value(function.handle(event).await?).unwrap())
}

async fn ask_for_plan(plan: &Planner, execution: &str, request: Value) -> Result<Value, Error> {
    answer(plan, StateMachine::read().payload("Plan", &scope(execution, request))).await
}

/// What a Map answers for all its items.
async fn map<F: Function>(function: &F, names: [&str; 2], scope: &Value, items: &Value) -> Vec<Value> {
    let machine = StateMachine::read();
    let mut answers = Vec::new();
    for item in items.as_array().expect("a Map reads a list") {
        let mut own = scope.clone();
        own["$$"]["Map"] = json!({"Item": {"Value": item}});
        let child = json!({"$": machine.item(names[0], &own)});
        answers.push(answer(function, machine.payload(names[1], &child)).await.unwrap());
    }
    answers
}

fn sum(answers: &[Value], field: &str) -> u64 {
    answers.iter().map(|answer| answer[field].as_u64().unwrap()).sum()
}

/// Runs the state machine's tasks in order.
async fn run(cloud: &Cloud, request: Value) -> Value {
    let machine = StateMachine::read();
    let plan = cloud.plan(Box::new(UnknownHolders));
    let list_batch = ListBatch { stores: cloud.stores(), pool: (cloud.pool)(2) };
    let reduce = Reduce { stores: cloud.stores() };
    let mut scope = scope("execution", request.clone());
    scope["$"] = ask_for_plan(&plan, "execution", request).await.unwrap();
    let state = scope["$"].clone();
    let key = |field: &str| state[field].as_str().unwrap();
    assert!(cloud.is_locked());
    let nothing_left = json!({"missing": 0, "changed": 0, "damaged": 0, "idle": 0});

    let missing = cloud.read(state["items"]["key"].as_str().unwrap());
    let extracted = map(&list_batch, ["Extract", "ListBatch"], &scope, &missing).await;
    assert_eq!(sum(&extracted, "images"), state["images"]);
    cloud.write_results(key("run_prefix"), "extract", &extracted);
    assert_eq!(answer(&plan, machine.payload("CheckParts", &scope)).await.unwrap(), nothing_left);

    for level in 1..=state["combine_levels"].as_u64().unwrap() {
        let groups = cloud.read(&format!("{}/merge/{level}.json", key("run_prefix")));
        let merged = map(&reduce, ["Combine", "MergeGroup"], &scope, &groups).await;
        assert!(merged.iter().all(|answer| answer["merged"].as_u64().unwrap() <= 64));
        scope["$level"] = level.into();
        assert_eq!(answer(&plan, machine.payload("CheckNodes", &scope)).await.unwrap(), nothing_left);
    }
    let sweep = Sweep { stores: cloud.stores(), threads: 2 };
    let mut reduced = answer(&reduce, machine.payload("Reduce", &scope)).await.unwrap();
    let mut pass = 0;
    while reduced["groups"] != 0 {
        let groups = cloud.read(key("left_key"));
        assert_eq!(groups.as_array().map(Vec::len), reduced["groups"].as_u64().map(|groups| groups as usize));
        let swept = map(&sweep, ["Sweep", "AddUp"], &scope, &groups).await;
        assert!(swept.iter().all(|answer| answer["pass"] == reduced["pass"]));
        cloud.write_results(key("run_prefix"), &format!("sweep/{pass}"), &swept);
        pass += 1;
        assert_eq!(answer(&plan, machine.payload("CheckSums", &scope)).await.unwrap(), nothing_left);
        reduced = answer(&reduce, machine.payload("Reduce", &scope)).await.unwrap();
    }
    assert_eq!(reduced["images"], state["images"]);

    let project = ProjectMap { stores: cloud.stores() };
    let projected = map(&project, ["Project", "ProjectMap"], &scope, &cloud.read(key("shards_key"))).await;
    assert_eq!(sum(&projected, "listed"), state["images"]);
    assert!(projected.iter().all(|answer| answer.get("component_means").is_none()));
    cloud.write_results(key("run_prefix"), "project", &projected);
    assert_eq!(answer(&plan, machine.payload("CheckTables", &scope)).await.unwrap(), nothing_left);

    answer(&cloud.report(), machine.payload("Report", &scope)).await.unwrap()
}

async fn local_result(input: &Path, options: &Options) -> std::collections::BTreeMap<String, Vec<u8>> {
    let output = tempfile::tempdir().unwrap();
    support::run(input, output.path(), options, &support::pool(1)).await.unwrap();
    result::result(output.path()).await
}

#[tokio::test]
async fn the_functions_make_the_result_of_a_local_run_byte_for_byte() {
    let cloud = Cloud::with_images(200);
    support::write(&cloud.input(), "class 0/nothing.png", b"");
    // More than 64 shards, so that moments are combined first.
    let report = run(&cloud, json!({"options": {"shard_size": 1, "components": 2}})).await;
    assert_eq!((&report["images"], &report["rejects"], &report["classes"]), (&json!(201), &json!(1), &json!(3)));
    assert!(!cloud.is_locked());

    let run_folder = cloud.output().join(report["run"].as_str().unwrap());
    assert!(run_folder.join("_SUCCESS").exists());
    let timings = std::fs::read_to_string(run_folder.join("report/timings.csv")).unwrap();
    assert!(timings.contains("\nextract,2026-01-31T12:00:02.000Z,2026-01-31T12:00:09.000Z,7.000,"), "{timings}");

    let options = serde_json::from_value(json!({"shard_size": 1, "components": 2})).unwrap();
    assert_eq!(result::result(&cloud.output()).await, local_result(&cloud.input(), &options).await);
}

#[tokio::test]
async fn components_that_are_found_by_passes_are_those_of_a_local_run_byte_for_byte() {
    let cloud = Cloud { pool: support::widest_pool, ..Cloud::with_images(40) };
    let options = json!({"shard_size": 2, "components": 3, "keep_features": "yes"});
    let report = run(&cloud, json!({"options": options})).await;
    assert_eq!(report["images"], 40);
    let output = tempfile::tempdir().unwrap();
    let options = serde_json::from_value(options).unwrap();
    support::run(&cloud.input(), output.path(), &options, &support::widest_pool(1)).await.unwrap();
    assert_eq!(result::result(&cloud.output()).await, result::result(output.path()).await);
}

#[tokio::test]
async fn a_check_writes_down_the_groups_whose_sums_are_missing() {
    let cloud = Cloud { pool: support::widest_pool, ..Cloud::with_images(40) };
    let plan = cloud.plan(Box::new(UnknownHolders));
    let planned = ask_for_plan(&plan, "one", json!({"options": {"shard_size": 2, "components": 3}})).await.unwrap();
    let list_batch = ListBatch { stores: cloud.stores(), pool: (cloud.pool)(2) };
    let mut scope = scope("one", json!({}));
    scope["$"] = planned.clone();
    map(&list_batch, ["Extract", "ListBatch"], &scope, &cloud.read(planned["items"]["key"].as_str().unwrap())).await;
    let reduce = Reduce { stores: cloud.stores() };
    let reduced = answer(&reduce, StateMachine::read().payload("Reduce", &scope)).await.unwrap();
    let left = planned["left_key"].as_str().unwrap();
    let groups = cloud.read(left);
    assert!(reduced["groups"].as_u64().unwrap() > 2, "{reduced}");

    let sweep = Sweep { stores: cloud.stores(), threads: 1 };
    map(&sweep, ["Sweep", "AddUp"], &scope, &json!([groups[1]])).await;
    let checked = answer(&plan, StateMachine::read().payload("CheckSums", &scope)).await.unwrap();
    assert_eq!(checked["missing"], reduced["groups"].as_u64().unwrap() - 1);
    let missing: Vec<Value> = cloud.read(left).as_array().unwrap().iter().map(|group| group["group"].clone()).collect();
    assert!(!missing.contains(&groups[1]["group"]) && missing.contains(&groups[0]["group"]), "{missing:?}");
}

#[tokio::test]
async fn a_run_says_what_it_cost_from_the_times_that_the_state_machine_wrote_down() {
    let cloud = Cloud::with_images(200);
    let report = run(&cloud, json!({"options": {"shard_size": 25, "components": 2}, "max_concurrency": 3})).await;
    let folder = cloud.output().join(report["run"].as_str().unwrap());
    let cost: Value = serde_json::from_slice(&std::fs::read(folder.join("report/cost.json")).unwrap()).unwrap();
    let measured = &cost["measured"];
    assert_eq!(measured["new"], json!({"shards": 8, "images": 200}));
    assert_eq!((&measured["workload"]["images"], &measured["workload"]["concurrency"]), (&json!(200), &json!(3)));
    let stages: Vec<_> =
        measured["stages"].as_array().unwrap().iter().map(|stage| stage["stage"].as_str().unwrap()).collect();
    assert_eq!(stages, ["plan", "extract", "reduce", "project"]);
    assert_eq!(measured["maps"][0], json!({"stage": "extract", "children": 8, "seconds": 16.0, "slowest": 2.0}));
    let list_batch =
        cost["usage"]["functions"].as_array().unwrap().iter().find(|used| used["function"] == "list-batch");
    // Sixteen seconds of 1769 MB, and three environments that got ready for a fifth of a second.
    let gb_seconds = list_batch.unwrap()["gb_seconds"].as_f64().unwrap();
    assert!((gb_seconds - 16.6 * 1769.0 / 1024.0).abs() < 1e-6, "{gb_seconds}");
    let features: u64 = std::fs::read_dir(folder.join("features/parquet"))
        .unwrap()
        .map(|file| file.unwrap().metadata().unwrap().len())
        .sum();
    assert_eq!(measured["features_bytes"], features);
    assert!(measured["run_bytes"].as_u64().unwrap() > features);
    assert_eq!(cost["extrapolated"].as_array().unwrap().len(), 5);
    assert!(cost["bill"]["run_usd"].as_f64().unwrap() > 0.0);
}

#[tokio::test]
async fn the_modelled_requests_are_those_that_the_functions_make() {
    // As with MobileNetV2, a shard has fewer images than features.
    for (pool, images, shard_size, components, maps) in [
        (support::wide_pool as fn(usize) -> ComputePool, 200, 25, 2, 2),
        (support::wide_pool, 1_000, 7, 2, 3),
        (support::widest_pool, 200, 5, 40, 2),
    ] {
        let cloud = Cloud { pool, ..Cloud::with_images(images) };
        let report = run(&cloud, json!({"options": {"shard_size": shard_size, "components": components}})).await;
        let folder = cloud.output().join(report["run"].as_str().unwrap());
        let cost: Value = serde_json::from_slice(&std::fs::read(folder.join("report/cost.json")).unwrap()).unwrap();
        let made = [&cloud.requests.gets, &cloud.requests.puts, &cloud.requests.lists];
        let [gets, puts, lists] = made.map(|count| count.load(Ordering::Relaxed));
        // Step Functions reads and writes itself.
        let passes = std::fs::read_dir(folder.join("map/sweep")).map_or(0, |passes| passes.count() as u64);
        let maps = maps + passes;
        let modelled = |kind: &str| cost["usage"]["requests"][kind].as_u64().unwrap();
        let here = [gets + maps, puts + 2 * maps, lists];
        for (kind, here) in ["gets", "puts", "lists"].into_iter().zip(here) {
            let difference = modelled(kind).abs_diff(here);
            assert!(difference * 50 <= here.max(100), "{kind}: modelled {}, made {here}", modelled(kind));
        }
    }
}

#[tokio::test]
async fn a_run_whose_cost_is_not_known_is_as_good_without() {
    let cloud = Cloud::with_images(5);
    let plan = cloud.plan(Box::new(UnknownHolders));
    run(&cloud, json!({"options": {"components": 1}})).await;
    let planned = ask_for_plan(&plan, "another", json!({"options": {"components": 1}})).await.unwrap();
    let run_id = &planned["run_id"];
    let reduce = Reduce { stores: cloud.stores() };
    answer(&reduce, json!({"task": "reduce", "output": OUTPUT, "run_id": run_id})).await.unwrap();
    let shards = cloud.read(planned["shards_key"].as_str().unwrap());
    let project = ProjectMap { stores: cloud.stores() };
    answer(&project, json!({"output": OUTPUT, "shard": shards[0]})).await.unwrap();
    // Frankfurt may be allowed, but the table has no prices for it.
    let mut report = cloud.report();
    report.stack.region = "eu-central-1".into();
    let event = json!({"output": OUTPUT, "run_id": run_id, "max_concurrency": 1, "timings": []});
    let reported = answer(&report, event).await.unwrap();
    let folder = cloud.output().join(reported["run"].as_str().unwrap());
    assert!(folder.join("_SUCCESS").exists() && !folder.join("report/cost.json").exists());
}

#[tokio::test]
async fn a_second_run_finds_every_part() {
    let cloud = Cloud::with_images(5);
    run(&cloud, json!({"options": {"components": 1}})).await;
    let plan = cloud.plan(Box::new(UnknownHolders));
    let planned = ask_for_plan(&plan, "another", json!({"options": {"components": 1}})).await.unwrap();
    assert_eq!((&planned["missing"], &planned["shards"]), (&json!(0), &json!(1)));
}

#[tokio::test]
async fn the_plan_answers_in_names_and_counters() {
    let cloud = Cloud::with_images(5);
    let plan = cloud.plan(Box::new(UnknownHolders));
    let planned = ask_for_plan(&plan, "e", json!({"max_concurrency": 7})).await.unwrap();
    let run_id = planned["run_id"].as_str().unwrap();
    assert!(run_id.starts_with("20260131T120000Z-"));
    assert_eq!(
        planned,
        json!({
            "run_id": run_id,
            "input": INPUT,
            "output": OUTPUT,
            "bucket": "results",
            "run_prefix": format!("all/runs/{run_id}"),
            "items": {"key": format!("all/runs/{run_id}/missing.json")},
            "left_key": format!("all/runs/{run_id}/left.json"),
            "shards_key": format!("all/runs/{run_id}/shards.json"),
            "images": 5,
            "shards": 1,
            "missing": 1,
            "combine_levels": 0,
            "max_concurrency": 7,
            "check": {"missing": 0, "changed": 0, "damaged": 0, "idle": 0},
        })
    );
}

#[tokio::test]
async fn planning_again_for_the_same_execution_answers_the_same() {
    let cloud = Cloud::with_images(5);
    let plan = cloud.plan(Box::new(UnknownHolders));
    let first = ask_for_plan(&plan, "e", json!({})).await.unwrap();
    assert_eq!(ask_for_plan(&plan, "e", json!({})).await.unwrap(), first);
}

#[tokio::test]
async fn another_execution_is_busy_while_the_first_one_is_going_and_not_after() {
    let cloud = Cloud::with_images(5);
    ask_for_plan(&cloud.plan(Box::new(UnknownHolders)), "first", json!({})).await.unwrap();
    let busy = ask_for_plan(&cloud.plan(Box::new(UnknownHolders)), "second", json!({})).await.unwrap_err();
    assert_eq!(busy.name().as_str(), "Pomona.Busy");
    assert!(busy.to_string().contains("execution:pomona:first"), "{busy}");
    ask_for_plan(&cloud.plan(Box::new(NoOtherHolders)), "second", json!({})).await.unwrap();
}

#[tokio::test]
async fn images_that_nobody_can_read_fail_the_plan_and_one_that_may_be_read_is_enough() {
    let cloud = Cloud::with_images(40);
    let plan_over = |is_denied: fn(&str) -> bool, fault: Fault| {
        let input =
            FailingStore::new(LocalStore::open(cloud.input()).map(|store| Arc::new(store) as Arc<dyn Store>).unwrap());
        input.on(Operation::Get, is_denied, .., fault);
        let input: Arc<dyn Store> = Arc::new(input);
        let output: Arc<dyn Store> = Arc::new(LocalStore::create(cloud.output()).unwrap());
        let at = |location: &str| location.parse::<BucketLocation>().unwrap();
        let stores = [(at(INPUT), input), (at(OUTPUT), output)].into_iter().collect();
        Planner { stores, ..cloud.plan(Box::new(NoOtherHolders)) }
    };
    let request = json!({"options": {"shard_size": 1}});
    let error = ask_for_plan(&plan_over(|_| true, Fault::denied()), "e", request.clone()).await.unwrap_err();
    assert!(matches!(error, Error::NoImageReadable { obstacle: Obstacle::NoRight, .. }), "{error}");
    assert!(error.to_string().contains("s3:GetObject") && error.name().as_str() == "Pomona.BadInput", "{error}");
    assert!(!cloud.is_locked());
    let archived = Fault::Fail(|location, key| StoreError::Archived { location: location.into(), key: key.into() });
    let error = ask_for_plan(&plan_over(|_| true, archived), "e", request.clone()).await.unwrap_err();
    assert!(matches!(error, Error::NoImageReadable { obstacle: Obstacle::Archive, .. }), "{error}");
    assert!(error.to_string().contains("`exclude`") && !error.to_string().contains("s3:GetObject"), "{error}");
    let some = plan_over(|key| key.starts_with("class 0/"), Fault::denied());
    ask_for_plan(&some, "e", request).await.unwrap();
}

#[tokio::test]
async fn a_plan_that_fails_leaves_no_lock() {
    let cloud = Cloud::new();
    let plan = cloud.plan(Box::new(UnknownHolders));
    assert_eq!(ask_for_plan(&plan, "e", json!({})).await.unwrap_err().name().as_str(), "Pomona.NoImages");
    assert!(!cloud.is_locked());
}

#[tokio::test]
async fn a_request_that_cannot_work_writes_nothing() {
    let cloud = Cloud::with_images(5);
    let plan = cloud.plan(Box::new(UnknownHolders));
    let requests = [
        json!({"optoins": {}}),
        json!({"options": {"shard_size": 0}}),
        json!({"output": format!("{INPUT}/results")}),
        json!([]),
    ];
    for request in requests {
        let error = ask_for_plan(&plan, "e", request).await.unwrap_err();
        assert_eq!(error.name().as_str(), "Pomona.BadInput", "{error}");
    }
    assert!(
        std::fs::read_dir(cloud.output()).unwrap().all(|entry| entry
            .unwrap()
            .file_name()
            .to_string_lossy()
            .starts_with('.'))
    );
}

#[tokio::test]
async fn an_image_that_is_replaced_after_the_plan_is_changed_input() {
    let cloud = Cloud::with_images(3);
    let planned = ask_for_plan(&cloud.plan(Box::new(UnknownHolders)), "e", json!({})).await.unwrap();
    support::write(&cloud.input(), "class 0/0.png", &support::picture(99));
    let list_batch = ListBatch { stores: cloud.stores(), pool: support::pool(1) };
    let [shard] = &cloud.read(planned["items"]["key"].as_str().unwrap()).as_array().unwrap().clone()[..] else {
        panic!("one shard")
    };
    let error = answer(&list_batch, json!({"input": INPUT, "output": OUTPUT, "shard": shard})).await.unwrap_err();
    assert_eq!(error.name().as_str(), "Pomona.InputChanged");
}

#[tokio::test]
async fn every_function_refuses_an_event_that_it_does_not_know() {
    let cloud = Cloud::new();
    let event = json!({"output": OUTPUT, "something": "else"});
    let names = [
        answer(&cloud.plan(Box::new(UnknownHolders)), event.clone()).await.unwrap_err().name(),
        answer(&ListBatch { stores: cloud.stores(), pool: support::pool(1) }, event.clone()).await.unwrap_err().name(),
        answer(&Reduce { stores: cloud.stores() }, event.clone()).await.unwrap_err().name(),
        answer(&ProjectMap { stores: cloud.stores() }, event.clone()).await.unwrap_err().name(),
        answer(&cloud.report(), event).await.unwrap_err().name(),
    ];
    assert!(names.iter().all(|name| name.as_str() == "Pomona.BadInput"));
}

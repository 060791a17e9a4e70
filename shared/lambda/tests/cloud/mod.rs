//! Folders that stand for buckets, and the functions over them, called as the state machine calls them.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use pomona_lambda::list_batch::ListBatch;
use pomona_lambda::plan::Planner;
use pomona_lambda::project_map::ProjectMap;
use pomona_lambda::reduce::Reduce;
use pomona_lambda::report::Report;
use pomona_lambda::sweep::Sweep;
use pomona_lambda::{BucketLocation, Error, Function, StackSettings, Stores};
use pomona_results::processing::Site;
use pomona_run::pace;
use pomona_stages::compute::ComputePool;
use pomona_stages::lock::{Holders, UnknownHolders};
use pomona_stages::recipe;
use pomona_store::{LocalStore, Store};
use serde_json::{Value, json};

use crate::asl::StateMachine;
use crate::counting::{Counting, Requests};
use crate::support;

pub const INPUT: &str = "s3://images/fruits";
pub const OUTPUT: &str = "s3://results/all";

/// Two folders behind the names of buckets.
pub struct Cloud {
    pub folder: tempfile::TempDir,
    pub requests: Arc<Requests>,
    pub pool: fn(usize) -> ComputePool,
}

impl Cloud {
    pub fn new() -> Self {
        let cloud = Self { folder: tempfile::tempdir().unwrap(), requests: Arc::default(), pool: support::pool };
        std::fs::create_dir(cloud.input()).unwrap();
        cloud
    }

    pub fn with_images(count: u64) -> Self {
        let cloud = Self::new();
        for number in 0..count {
            support::write(&cloud.input(), &format!("class {}/{number}.png", number % 3), &support::picture(number));
        }
        cloud
    }

    pub fn input(&self) -> PathBuf {
        self.folder.path().join("in")
    }

    pub fn output(&self) -> PathBuf {
        self.folder.path().join("out")
    }

    pub fn stores(&self) -> Stores {
        let counting = |store| -> Arc<dyn Store> { Arc::new(Counting { store, requests: self.requests.clone() }) };
        let input = counting(LocalStore::open(self.input()).unwrap());
        let output = counting(LocalStore::create(self.output()).unwrap());
        let at = |location: &str| location.parse::<BucketLocation>().unwrap();
        [(at(INPUT), input), (at(OUTPUT), output)].into_iter().collect()
    }

    pub fn plan(&self, holders: Box<dyn Holders>) -> Planner {
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

    pub fn report(&self) -> Report {
        let stack = StackSettings { region: "eu-west-1".into(), settings: pomona_cost::workload::Workload::default() };
        Report { stores: self.stores(), stack, keep_runs: "3".parse().unwrap(), site: Site::Bucket }
    }

    /// What a Map's ResultWriter leaves behind; each child took two seconds.
    pub fn write_results(&self, run_prefix: &str, stage: &str, answers: &[Value]) {
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

    pub fn is_locked(&self) -> bool {
        self.output().join("lock.json").exists()
    }

    /// An object of the output, by its complete key in the bucket.
    pub fn read(&self, key: &str) -> Value {
        let key = key.strip_prefix("all/").expect("keys lie below the output's prefix");
        serde_json::from_slice(&std::fs::read(self.output().join(key)).unwrap()).unwrap()
    }
}

/// The context object and the variables of an execution.
pub fn scope(execution: &str, input: Value) -> Value {
    let execution = json!({
        "Id": format!("arn:aws:states:eu-west-1:123456789012:execution:pomona:{execution}"),
        "Name": execution,
        "StartTime": "2026-01-31T12:00:00.123Z",
        "Input": input,
    });
    let at = |second: u32| json!(format!("2026-01-31T12:00:{second:02}.000Z"));
    json!({
        "$$": {"Execution": execution, "State": {"EnteredTime": at(59)}},
        "$replans": 0, "$plan_started": at(1), "$extract_started": at(2), "$combine_started": null, "$sweep_started": null,
        "$reduce_started": at(9), "$project_started": at(11),
    })
}

pub async fn answer<F: Function>(function: &F, event: Value) -> Result<Value, Error> {
    // As Lambda does, the answer leaves as text.
    Ok(serde_json::to_value(function.handle(event).await?).unwrap())
}

pub async fn ask_for_plan(plan: &Planner, execution: &str, request: Value) -> Result<Value, Error> {
    answer(plan, StateMachine::read().payload("Plan", &scope(execution, request))).await
}

/// What a Map answers for all its items.
pub async fn map<F: Function>(function: &F, names: [&str; 2], scope: &Value, items: &Value) -> Vec<Value> {
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

pub fn sum(answers: &[Value], field: &str) -> u64 {
    answers.iter().map(|answer| answer[field].as_u64().unwrap()).sum()
}

/// Runs the state machine's tasks in order.
pub async fn run(cloud: &Cloud, request: Value) -> Value {
    run_as("execution", cloud, request).await
}

/// As [`run`], as the execution of this name.
pub async fn run_as(execution: &str, cloud: &Cloud, request: Value) -> Value {
    let machine = StateMachine::read();
    let plan = cloud.plan(Box::new(UnknownHolders));
    let list_batch = ListBatch { stores: cloud.stores(), pool: (cloud.pool)(2) };
    let reduce = Reduce { stores: cloud.stores() };
    let mut scope = scope(execution, request.clone());
    scope["$"] = ask_for_plan(&plan, execution, request).await.unwrap();
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

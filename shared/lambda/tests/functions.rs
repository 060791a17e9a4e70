//! The five functions, fed by the state machine's own payloads, over folders that stand for buckets.

mod asl;
#[allow(dead_code, reason = "not every test needs all of it")]
mod cloud;
mod counting;
#[path = "../../stages/tests/support/result.rs"]
mod result;
#[path = "../../stages/tests/support/mod.rs"]
#[allow(dead_code, reason = "not every test needs all of it")]
mod support;

use std::path::Path;
use std::sync::Arc;

use asl::StateMachine;
use cloud::{Cloud, INPUT, OUTPUT, answer, ask_for_plan, map, run, scope};
use pomona_lambda::list_batch::ListBatch;
use pomona_lambda::plan::Planner;
use pomona_lambda::project_map::ProjectMap;
use pomona_lambda::reduce::Reduce;
use pomona_lambda::sweep::Sweep;
use pomona_lambda::{BucketLocation, Error, Obstacle};
use pomona_run::Options;
use pomona_stages::lock::{NoOtherHolders, UnknownHolders};
use pomona_store::testing::{FailingStore, Fault, Operation};
use pomona_store::{Error as StoreError, LocalStore, Store};
use serde_json::{Value, json};

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

/// Lambda may hand one event over twice.
#[tokio::test]
async fn a_second_plan_takes_nothing_from_the_run_and_a_report_misses_what_somebody_took() {
    let cloud = Cloud::with_images(5);
    let options = json!({"options": {"components": 1}});
    run(&cloud, options.clone()).await;
    let plan = cloud.plan(Box::new(UnknownHolders));
    let planned = ask_for_plan(&plan, "another", options.clone()).await.unwrap();
    let reduce = Reduce { stores: cloud.stores() };
    let run_id = &planned["run_id"];
    answer(&reduce, json!({"task": "reduce", "output": OUTPUT, "run_id": run_id})).await.unwrap();
    let shards = cloud.read(planned["shards_key"].as_str().unwrap());
    let project = ProjectMap { stores: cloud.stores() };
    answer(&project, json!({"output": OUTPUT, "shard": shards[0]})).await.unwrap();

    assert_eq!(ask_for_plan(&plan, "another", options).await.unwrap(), planned);
    let metadata = cloud.output().join(format!("runs/{}/metadata/00000.csv", run_id.as_str().unwrap()));
    let table = std::fs::read(&metadata).expect("the second plan has left it");
    std::fs::remove_file(&metadata).unwrap();
    let event = json!({"output": OUTPUT, "run_id": run_id, "max_concurrency": 1, "timings": []});
    let error = answer(&cloud.report(), event.clone()).await.unwrap_err();
    assert_eq!(error.name().as_str(), "Pomona.Damaged");
    assert!(error.to_string().contains("metadata/00000.csv"), "{error}");
    std::fs::write(&metadata, table).unwrap();
    answer(&cloud.report(), event).await.unwrap();
}

/// A call that was given up may come to its work when its run is over: nobody would give back the lock that it takes.
#[tokio::test]
async fn a_plan_of_a_run_that_is_over_leaves_no_lock() {
    let cloud = Cloud::with_images(5);
    let request = json!({"options": {"components": 1}});
    run(&cloud, request.clone()).await;
    let late = ask_for_plan(&cloud.plan(Box::new(UnknownHolders)), "execution", request).await.unwrap_err();
    assert_eq!(late.name().as_str(), "Pomona.Retryable");
    assert!(!cloud.is_locked());
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

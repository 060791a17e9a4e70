//! What a run says that it cost is what the functions did.

mod asl;
#[allow(dead_code, reason = "not every test needs all of it")]
mod cloud;
mod counting;
#[path = "../../stages/tests/support/mod.rs"]
#[allow(dead_code, reason = "not every test needs all of it")]
mod support;

use std::sync::atomic::Ordering;

use cloud::{Cloud, OUTPUT, answer, ask_for_plan, run, run_as};
use pomona_lambda::project_map::ProjectMap;
use pomona_lambda::reduce::Reduce;
use pomona_stages::compute::ComputePool;
use pomona_stages::lock::UnknownHolders;
use serde_json::{Value, json};

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
        run_as_modelled(&cloud, json!({"options": {"shard_size": shard_size, "components": components}}), maps).await;
    }
}

#[tokio::test]
async fn the_modelled_requests_of_a_run_that_takes_models_are_those_that_the_functions_make() {
    for classify in [json!(null), json!({"regularization": 0.1, "max_iterations": 2})] {
        let cloud = Cloud { pool: support::wide_pool, ..Cloud::with_images(200) };
        let options = json!({"shard_size": 5, "components": 2, "classify": classify});
        let fitted = run_as("fitting", &cloud, json!({"options": options})).await;
        let model = fitted["run"].as_str().unwrap().strip_prefix("runs/").unwrap();
        // Nothing is there already, as of other images.
        std::fs::remove_dir_all(cloud.output().join("parts")).unwrap();
        for file in ["planned.json", "latest.json"] {
            std::fs::remove_file(cloud.output().join(file)).unwrap();
        }
        run_as_modelled(&cloud, json!({"options": {"shard_size": 5}, "model": model}), 2).await;
    }
}

/// A run with so many Maps beside those of passes, whose cost.json counts the requests that it made.
async fn run_as_modelled(cloud: &Cloud, request: Value, maps: u64) {
    let count = || {
        let made = [&cloud.requests.gets, &cloud.requests.puts, &cloud.requests.lists];
        made.map(|count| count.load(Ordering::Relaxed))
    };
    let before = count();
    let report = run(cloud, request).await;
    let folder = cloud.output().join(report["run"].as_str().unwrap());
    let cost: Value = serde_json::from_slice(&std::fs::read(folder.join("report/cost.json")).unwrap()).unwrap();
    let [gets, puts, lists] = [0, 1, 2].map(|kind| count()[kind] - before[kind]);
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

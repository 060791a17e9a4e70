//! Whole runs, simulated: what must hold whatever the numbers.

use pomona_cost::estimate::Estimate;
use pomona_cost::prices::PriceTable;
use pomona_cost::simulation::{Flag, OPEN_MAP_RUNS, simulate};
use pomona_cost::workload::{Children, Workload};
use pomona_run::function::Function;
use pomona_run::stage::Stage;
use proptest::prelude::*;

/// So many partitions that S3 refuses nothing.
const ENOUGH: u32 = 100_000;

/// A run in an account that has as many Lambdas free as it asks for.
fn workload(images: u64, concurrency: u32) -> Workload {
    Workload { images, concurrency, free_lambdas: concurrency, plan_memory: 10_240, ..Workload::default() }
}

fn usd(workload: &Workload) -> f64 {
    Estimate::of(workload, &PriceTable::read().unwrap(), "eu-west-1").unwrap().bill.run_usd
}

#[test]
fn a_run_of_one_shard_takes_the_sum_of_its_calls() {
    let run = simulate(&workload(500, 64)).unwrap();
    let calls: f64 = run.stages.iter().map(|stage| stage.call_seconds).sum();
    // Two Maps, two seconds each beside their only child.
    assert!((run.seconds - calls - 4.0).abs() < 1e-9, "{} {calls}", run.seconds);
    // Plan, Reduce, Report; the Maps Extract and Project, each with a check, a choice and the pass before it; Start and
    // three choices.
    assert_eq!(run.usage.transitions, 3 + 2 * 4 + 4);
    assert_eq!((run.usage.express_requests, run.usage.requests.lists), (2, 13));
}

#[test]
fn extraction_by_hand() {
    // 128 shards of 523.4 images of 10 ms, 64 at once: two waves; 0.3 s of requests and 2 MB at 80 MB/s besides.
    let run = simulate(&Workload { partitions: ENOUGH, ..workload(67_000, 64) }).unwrap();
    let extract = run.stages.iter().find(|stage| stage.function == Function::ListBatch).unwrap();
    let shard = 523.4375 * 0.01 + 0.3 + (523.4375 * 3_820.0 + 354.0) / 80e6;
    assert!((extract.seconds - (2.0 * shard + 2.0)).abs() < 1e-6, "{}", extract.seconds);
    assert!((extract.call_seconds - 128.0 * shard).abs() < 1e-6);
    let list_batch = run.usage.functions.iter().find(|used| used.function == Function::ListBatch).unwrap();
    let gb_seconds = (128.0 * shard + 64.0 * 0.2) * 1769.0 / 1024.0;
    assert!((list_batch.gb_seconds - gb_seconds).abs() < 1e-6, "{}", list_batch.gb_seconds);
}

#[test]
fn passes_over_a_wide_layer_are_paid_and_stay_within_every_limit() {
    let wide = Workload { features: 62_720, partitions: ENOUGH, ..workload(67_000, 64) };
    let run = simulate(&wide).unwrap();
    assert!(run.flags.is_empty(), "{:?}", run.flags);
    let sweeps = run.stages.iter().filter(|stage| stage.function == Function::Sweep).map(|stage| stage.calls);
    // One pass more than those by blocks, of 32 groups each.
    assert_eq!(sweeps.collect::<Vec<_>>(), vec![32; 9]);
    assert!(usd(&wide) > usd(&Workload { features: 1_280, ..wide.clone() }));
    // 250 KB an image.
    assert!(run.usage.stored.parts > 16_800_000_000, "{:?}", run.usage.stored);
}

#[test]
fn fits_by_passes_stay_within_every_limit_as_far_as_a_classifier_may_go() {
    for (images, features, labels) in [
        (1_000_000, 62_720, 0),
        (67_000, 62_720, 47),
        (67_000, 1_280, 131),
        (67_000, 1_280, 2_343),
        (1_000_000, 1_280, 131),
        (10_000_000, 1_280, 131),
    ] {
        let run = simulate(&Workload { features, labels, partitions: ENOUGH, ..workload(images, 64) }).unwrap();
        assert!(run.flags.is_empty(), "{images} x {features}, {labels} labels: {:?}", run.flags);
    }
}

#[test]
fn a_limit_that_many_passes_exceed_is_flagged_once() {
    let run = simulate(&Workload { features: 62_720, shard_size: 4_000_000, ..workload(100_000_000, 64) }).unwrap();
    let sweep = run.flags.iter().filter(|flag| matches!(flag, Flag::Time { function, .. } if function == "sweep"));
    assert_eq!(sweep.count(), 1, "{:?}", run.flags);
}

#[test]
fn standard_children_are_paid_by_transition_and_express_ones_by_time() {
    let express = simulate(&workload(67_000, 64)).unwrap().usage;
    let standard = simulate(&Workload { children: Children::Standard, ..workload(67_000, 64) }).unwrap().usage;
    // Extract and project have 128 children each, combine two.
    assert_eq!((express.express_requests, standard.express_requests), (258, 0));
    assert_eq!(standard.transitions, express.transitions + 258);
    assert_eq!(standard.express_gb_seconds, 0.0);
}

#[test]
fn ten_million_images_merge_in_three_levels_and_stay_within_every_limit() {
    let run = simulate(&workload(10_000_000, 64)).unwrap();
    assert_eq!((run.shards, run.merges.as_slice()), (16_384, [256, 4, 1].as_slice()));
    assert!(!run.fails(), "{:?}", run.flags);
    assert!(run.history_events < 100, "{}", run.history_events);
    assert!(run.stages.iter().filter(|stage| stage.is_map).count() as u64 <= OPEN_MAP_RUNS);
}

#[test]
fn no_run_is_lost_because_few_lambdas_are_free() {
    for images in [67_000, 1_000_000, 10_000_000] {
        let usual = simulate(&workload(images, 64)).unwrap();
        for free_lambdas in [10, 50, 1_000] {
            let run = simulate(&Workload { free_lambdas, ..workload(images, 64) }).unwrap();
            assert!(!run.fails(), "{images} images, {free_lambdas} free: {:?}", run.flags);
            let is_throttled = run.flags.iter().any(|flag| matches!(flag, Flag::Throttled { .. }));
            assert_eq!(is_throttled, free_lambdas < 64, "{images} images, {free_lambdas} free");
            // A Map that is entered again leaves its own events, and its check's, and those of two states between them.
            let again: u32 = run.stages.iter().map(|stage| stage.passes - 1).sum();
            assert_eq!(run.history_events, usual.history_events + u64::from(again) * (6 + 5 + 2 * 2));
            // A run works a tenth of the calls at once, and no less than that.
            let slowest = 64.0 / f64::from(free_lambdas.min(64)) * 2.0;
            assert!(run.seconds >= usual.seconds && run.seconds < slowest * usual.seconds, "{}", run.seconds);
        }
    }
}

#[test]
fn limits_are_flagged() {
    let flags = |workload: Workload| simulate(&workload).unwrap().flags;
    let has = |workload: Workload, is: fn(&Flag) -> bool| flags(workload).iter().any(is);
    assert!(has(workload(10_000_000, 20_000), |flag| matches!(flag, Flag::ChildrenAtOnce { .. })));
    assert!(has(workload(10_000_000, 5_000), |flag| matches!(flag, Flag::LambdaQuota { .. })));
    assert!(has(workload(10_000_000, 1_000), |flag| matches!(flag, Flag::SlowDown { .. })));
    assert!(has(workload(10_000_000, 9_000), |flag| matches!(flag, Flag::Time { .. })));
    assert!(has(Workload { plan_memory: 1_769, ..workload(10_000_000, 64) }, |flag| matches!(
        flag,
        Flag::Memory { .. }
    )));
    assert!(has(Workload { ms_per_image: 400.0, ..workload(67_000, 64) }, |flag| matches!(flag, Flag::Time { .. })));
    assert!(flags(Workload { partitions: ENOUGH, ..workload(67_000, 64) }).is_empty());
}

#[test]
fn a_flag_says_what_to_do() {
    for flag in simulate(&workload(10_000_000, 20_000)).unwrap().flags {
        assert!(!flag.to_string().is_empty());
        assert!(serde_json::to_value(&flag).unwrap()["kind"].is_string(), "{flag}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_shard_is_extracted_and_projected_once(images in 1u64..3_000_000, concurrency in 1u32..2_000, shard_size in 200u64..2_000) {
        let workload = Workload { shard_size, ..workload(images, concurrency) };
        let run = simulate(&workload).unwrap();
        for stage in [Stage::Extract, Stage::Project] {
            let calls: u64 = run.stages.iter().filter(|run| run.stage == stage && run.is_map).map(|run| run.calls).sum();
            prop_assert_eq!(calls, run.shards);
        }
        let gets = run.stages.iter().find(|stage| stage.function == Function::ListBatch).unwrap().requests.gets;
        prop_assert_eq!(gets, images + 2 * run.shards);
        prop_assert!(run.stages.iter().all(|stage| stage.most_at_once <= concurrency));
    }

    #[test]
    fn more_concurrency_is_never_slower(images in 1u64..3_000_000, concurrency in 1u32..2_000, more in 1u32..2_000) {
        let seconds = |concurrency| simulate(&Workload { partitions: ENOUGH, ..workload(images, concurrency) }).unwrap().stage_seconds(Stage::Extract);
        prop_assert!(seconds(concurrency + more) <= seconds(concurrency) * (1.0 + 1e-9));
    }

    // What is not refused costs the same whenever it is done; getting Lambdas ready is the difference.
    #[test]
    fn cost_depends_little_on_concurrency(images in 50_000u64..3_000_000, concurrency in 1u32..400) {
        let at = |concurrency| usd(&Workload { partitions: ENOUGH, ..workload(images, concurrency) });
        prop_assert!((at(concurrency) / at(1) - 1.0).abs() < 0.05, "{} {}", at(concurrency), at(1));
    }

    #[test]
    fn more_images_cost_more_and_take_longer(images in 1_000u64..3_000_000) {
        let (few, many) = (workload(images, 64), workload(images * 2, 64));
        prop_assert!(usd(&many) > usd(&few));
        prop_assert!(simulate(&many).unwrap().seconds > simulate(&few).unwrap().seconds);
    }
}

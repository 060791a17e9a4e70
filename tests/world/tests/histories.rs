//! Histories of the world: fixed ones, new ones, and those that failed once.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use pomona_world::{Met, Trouble};

/// Histories that are the same in every run of the tests, and as many as are new in each.
const FIXED: u64 = 2_000;
const NEW: u64 = 1_000;

/// No disk fails in this world, so a plan hardly meets damage again and again.
const SELDOM_ENTERED: &str = "DamageRecurs";

/// Seeds that failed once, by the world of then; README.md says what each of them found.
const REGRESSIONS: [u64; 24] = [
    108,
    139,
    157,
    456,
    892,
    2684,
    2720,
    2925,
    6713,
    7345,
    795_881_892_622,
    795_881_893_605,
    795_881_897_303,
    795_881_900_219,
    795_881_900_900,
    795_931_332_000,
    41_000_002_598,
    41_000_004_154,
    41_000_005_011,
    41_000_014_000,
    63_000_009_451,
    88_000_006_084,
    99_000_004_016,
    120_000_000_527,
];

/// These tests take all cores, and other suites are at work beside them.
static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());

/// Lives through the histories of these seeds on all cores, and gives what they came across.
fn live_through(seeds: &[u64]) -> Met {
    let _turn = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
    let (next, met) = (AtomicU64::new(0), Mutex::new(Met::default()));
    std::thread::scope(|scope| {
        for _ in 0..std::thread::available_parallelism().map_or(1, usize::from) {
            scope.spawn(|| {
                while let Some(&seed) = seeds.get(next.fetch_add(1, Ordering::Relaxed) as usize) {
                    let lived = pomona_world::live(seed);
                    if let Some(violation) = lived.violation {
                        let told = pomona_world::tell(seed);
                        let again = told.unwrap_or_else(|| "it holds when it is lived through again".to_owned());
                        panic!("seed {seed}: {violation}\n{again}");
                    }
                    met.lock().unwrap().add(lived.met);
                }
            });
        }
    });
    met.into_inner().unwrap()
}

#[test]
fn fixed_histories_end_as_they_should_and_come_across_everything() {
    let met = live_through(&(0..FIXED).collect::<Vec<_>>());
    let Met { runs, runs_of_programs, erasures, redrives, kills, standstills, troubles, dearest, states } = &met;
    assert!(*runs > FIXED, "{met}");
    assert!([runs_of_programs, erasures, kills, standstills].iter().all(|met| **met > FIXED / 10), "{met}");
    assert!(redrives.values().sum::<u64>() > FIXED / 50, "{met}");
    assert!(redrives.len() > pomona_world::states().len() / 3, "{met}");
    assert!((1.1..3.5).contains(dearest), "{met}");
    let rare = Trouble::ALL.into_iter().find(|trouble| troubles.get(trouble).is_none_or(|times| *times < 10));
    assert_eq!(rare, None, "{met}");
    let missed = pomona_world::states().difference(states).find(|state| *state != SELDOM_ENTERED).cloned();
    assert_eq!(missed, None, "{met}");
}

#[test]
fn new_histories_end_as_they_should() {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_secs();
    let first = FIXED + now % 1_000_000_000 * NEW;
    println!("seeds {first} to {}", first + NEW - 1);
    live_through(&(first..first + NEW).collect::<Vec<_>>());
}

#[test]
fn histories_that_failed_once_end_as_they_should() {
    live_through(&REGRESSIONS);
}

/// What a seed stands for must be the same everywhere: else a failure cannot be looked at.
#[test]
fn a_seed_is_one_history() {
    const SEEDS: u64 = 200;
    let _turn = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
    // A thread keeps what is slow to make from one history to the next: each comes after others here.
    let [forth, back] = [false, true].map(|is_reversed| {
        std::thread::spawn(move || {
            let mut seeds: Vec<u64> = (0..SEEDS).collect();
            if is_reversed {
                seeds.reverse();
            }
            seeds.into_iter().map(|seed| (seed, pomona_world::trace(seed))).collect::<BTreeMap<_, _>>()
        })
    });
    let (forth, back) = (forth.join().unwrap(), back.join().unwrap());
    for seed in 0..SEEDS {
        assert_eq!(forth[&seed], back[&seed], "seed {seed}");
    }
}

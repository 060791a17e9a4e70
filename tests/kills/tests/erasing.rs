//! `erase` that is killed, and that loses power: the same command erases, and what it says to be gone stays gone.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;

use pomona_tests::{assert_same, result};

use crate::harness::{Case, Kind, Order, Pool, Random, SIGNALS, World, lose_power, most};

const CASE: Case = Case { kind: Kind::Fit, variant: 0 };

/// Calls between two that are met.
const STEP: usize = 4;

/// An output of two runs, and a file that names two images of it.
fn made(pool: &Pool) -> (World, PathBuf) {
    let world = World::new(pool);
    for variant in [1, 0] {
        let ended = world.attempt(pool, Case { variant, ..CASE }, &Order::End);
        assert!(ended.is_done(), "{ended}");
    }
    let newest = result(&world.output());
    let metadata = newest.iter().find(|(name, _)| name.starts_with("metadata/")).expect("a run has its tables").1;
    let text = String::from_utf8(metadata.clone()).expect("tables of text are text");
    let keys: Vec<&str> = text.lines().skip(1).take(2).filter_map(|line| line.split(',').next()).collect();
    let file = world.output().parent().expect("a folder").join("keys.txt");
    fs::write(&file, keys.join("\n")).expect("a file can be written");
    (world, file)
}

/// What an erasure comes to that nothing happens to.
struct Undisturbed {
    calls: u64,
    expected: BTreeMap<String, Vec<u8>>,
}

impl Undisturbed {
    fn erasure(pool: &Pool) -> Self {
        let (world, keys) = made(pool);
        let before = world.calls();
        let ended = world.erase(&keys, &Order::End);
        assert!(ended.is_done(), "{ended}");
        let calls = world.calls() - before;
        assert!(calls > 50, "{calls}");
        Self { calls, expected: result(&world.output()) }
    }
}

#[test]
#[cfg_attr(not(target_os = "linux"), ignore = "the library that stops the program knows Linux only")]
fn a_signal_ends_an_erasure_and_the_same_command_goes_on() {
    let pool = Pool::new();
    let Undisturbed { calls, expected } = Undisturbed::erasure(&pool);
    // The output is taken at the beginning.
    let calls = (1..10).chain((10..=calls).step_by(3 * STEP));
    let histories: Vec<_> = calls.zip(SIGNALS.into_iter().cycle()).collect();
    most(&histories, |&(call, (signal, code)), words| {
        words.push(format!("SIG{signal} at call {call}"));
        let (world, keys) = made(&pool);
        let order = Order::At(call, "stop".to_owned());
        let Some(process) = world.stopped(&world.erasing(&keys, &order)) else { return false };
        let ended = process.go_on_with(signal);
        let is_heard = ended.code() == Some(code);
        assert!(is_heard || ended.is_done(), "{ended}");
        assert!(!world.output().join("lock.json").exists(), "the output is not given back");
        let ended = world.erase(&keys, &Order::End);
        assert!(ended.is_done() && world.verify_erasures().is_done(), "{ended}");
        assert_same(&result(&world.output()), &expected);
        is_heard
    });
}

#[test]
#[cfg_attr(not(target_os = "linux"), ignore = "the library that kills knows Linux only")]
fn an_erasure_that_is_killed_at_any_call_is_finished_by_the_same_command() {
    let pool = Pool::new();
    let Undisturbed { calls, expected } = Undisturbed::erasure(&pool);
    let calls: Vec<u64> = (1..=calls).step_by(STEP).collect();
    most(&calls, |&call, words| {
        let ((world, keys), mut random) = (made(&pool), Random::new(call));
        let last = calls.last().copied().unwrap_or(1);
        let mut is_killed = false;
        // Every second erasure is killed over what the first attempt left, too.
        for call in [Some(call), random.chance(50).then(|| 1 + random.below(last))].into_iter().flatten() {
            words.push(format!("an erasure is killed at call {call}"));
            let ended = world.erase(&keys, &Order::At(call, "middle".to_owned()));
            assert!(ended.is_killed() || ended.is_done(), "{ended}");
            is_killed |= ended.is_killed();
            if random.chance(50) {
                words.push(lose_power(&world.journal(), &mut random));
            }
        }
        let ended = world.erase(&keys, &Order::End);
        assert!(ended.is_done(), "{ended}");
        words.push(lose_power(&world.journal(), &mut random));
        let ended = world.verify_erasures();
        assert!(ended.is_done() || ended.said.contains(" 0 files name"), "what was gone came back: {ended}");
        // What the attempt that was killed had written and not synced may be half there.
        let ended = world.mend(&Order::End);
        assert!(ended.is_done(), "{ended}");
        let ended = world.verify_erasures();
        assert!(ended.is_done(), "{ended}");
        assert_same(&result(&world.output()), &expected);
        is_killed
    });
}

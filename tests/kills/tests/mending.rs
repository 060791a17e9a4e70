//! `verify --repair --prune` that is killed: what it mends is mended by the same command, and nobody misses what it
//! removes.

use std::fs;
use std::path::{Path, PathBuf};

use pomona_tests::{assert_same, result};

use crate::harness::{Case, Kind, Order, Pool, Random, SIGNALS, World, lose_power, most, some};

const CASE: Case = Case { kind: Kind::KeepOne, variant: 1 };

/// Calls between two that are met.
const STEP: usize = 3;

/// All files below a folder.
fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("an entry").path());
    let mut files: Vec<PathBuf> =
        entries.flat_map(|path| if path.is_dir() { files(&path) } else { vec![path] }).collect();
    files.sort();
    files
}

/// Flips a bit in the middle of a file, or has it gone.
fn damage(file: &Path, is_gone: bool) {
    let mut bytes = fs::read(file).expect("a file");
    let middle = bytes.len() / 2;
    match bytes.get_mut(middle) {
        Some(byte) if !is_gone => {
            *byte ^= 1;
            fs::write(file, bytes).expect("a file can be written");
        }
        _ => fs::remove_file(file).expect("a file can be removed"),
    }
}

/// An output of two runs in which three files are damaged, drawn by `seed`.
fn damaged(pool: &Pool, seed: u64, words: &mut Vec<String>) -> World {
    let (world, mut random) = (World::new(pool), Random::new(seed));
    for variant in [0, 1] {
        let ended = world.attempt(pool, Case { variant, ..CASE }, &Order::End);
        assert!(ended.is_done(), "{ended}");
    }
    for _ in 0..3 {
        let files = files(&world.output());
        let file = &files[random.below(files.len() as u64) as usize];
        let is_gone = random.chance(30);
        words.push(format!("{} is {}", file.display(), if is_gone { "gone" } else { "damaged" }));
        damage(file, is_gone);
    }
    world
}

/// How many calls a repair makes.
fn calls(pool: &Pool) -> u64 {
    let world = damaged(pool, 0, &mut Vec::new());
    let before = world.calls();
    world.mend(&Order::End);
    let calls = world.calls() - before;
    assert!(calls > 30, "{calls}");
    calls
}

#[test]
#[cfg_attr(not(target_os = "linux"), ignore = "the library that stops the program knows Linux only")]
fn a_signal_ends_a_repair_and_the_same_command_goes_on() {
    let pool = Pool::new();
    let histories: Vec<_> = (1..=calls(&pool)).step_by(STEP).zip(SIGNALS.into_iter().cycle()).collect();
    most(&histories, |&(call, (signal, code)), words| {
        // The one of which it is known how many calls its repair makes.
        let world = damaged(&pool, 0, words);
        words.push(format!("SIG{signal} at call {call}"));
        let order = Order::At(call, "stop".to_owned());
        let Some(process) = world.stopped(&world.mending(&order)) else { return false };
        let ended = process.go_on_with(signal);
        let is_heard = ended.code() == Some(code);
        assert!(is_heard || ended.is_done(), "{ended}");
        assert!(!world.output().join("lock.json").exists(), "the output is not given back");
        let ended = world.mend(&Order::End);
        assert!(ended.is_done(), "{ended}");
        is_heard
    });
}

#[test]
#[cfg_attr(not(target_os = "linux"), ignore = "the library that kills knows Linux only")]
fn a_repair_that_is_killed_at_any_call_is_finished_by_the_same_command() {
    let pool = Pool::new();
    let calls: Vec<u64> = (1..=2 * calls(&pool)).step_by(STEP).collect();
    some(&calls, |&call, words| {
        let world = damaged(&pool, call, words);
        words.push(format!("a repair is killed at call {call}"));
        let ended = world.mend(&Order::At(call, "middle".to_owned()));
        let is_killed = ended.is_killed();
        assert!(is_killed || ended.is_done() || ended.said.contains("not whole"), "{ended}");
        if call % 2 == 0 {
            words.push(lose_power(&world.journal(), &mut Random::new(call)));
        }
        let ended = world.mend(&Order::End);
        // A latest.json that is gone is left to the next run.
        assert!(ended.is_done() || !world.output().join("latest.json").exists(), "{ended}");
        let ended = world.attempt(&pool, CASE, &Order::End);
        assert!(ended.is_done(), "{ended}");
        assert_same(&result(&world.output()), &pool.fresh(CASE).result);
        let ended = world.mend(&Order::End);
        assert!(ended.is_done(), "{ended}");
        is_killed
    });
}

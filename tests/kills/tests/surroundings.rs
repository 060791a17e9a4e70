//! What may happen around a run: signals, a machine that sleeps, clocks that jump, an output that vanishes, an input
//! that changes, pipes and devices among the images.

use std::fs;
use std::os::unix::fs::symlink;
use std::process::Command;

use pomona_tests::result;

use crate::harness::{Case, Ended, Kind, Ledger, Order, Pool, Process, SIGNALS, World, each, most, most_of_each_group};

const CASE: Case = Case { kind: Kind::Fit, variant: 0 };

/// Seconds: longer than a lock, and longer than what a killed run leaves behind is kept.
const LONG: [i64; 2] = [200, 100_000];

/// Every `step`-th call of the run.
fn calls(pool: &Pool, step: usize) -> Vec<u64> {
    calls_of(pool, CASE.kind, step)
}

fn calls_of(pool: &Pool, kind: Kind, step: usize) -> Vec<u64> {
    (1..=pool.fresh(Case { kind, ..CASE }).calls).step_by(step).collect()
}

/// What is run, stopped before a call; `None` where it ended before that.
fn stopped(pool: &Pool, world: &World, case: Case, call: u64, how: &str) -> Option<Process> {
    world.lay(pool, case.variant);
    world.stopped(&world.watched(pool, case.kind, &Order::At(call, how.to_owned())))
}

/// The run after the mishap: as if there had been none.
fn goes_on(pool: &Pool, world: &World, case: Case, ledger: &mut Ledger) {
    ledger.check(world, pool);
    let ended = world.attempt(pool, case, &Order::End);
    assert!(ended.is_done(), "the same command does not go on: {ended}");
    ledger.note(world, case, &ended);
    ledger.check(world, pool);
}

fn assert_error(ended: &Ended) {
    let said = ended.said.trim_end();
    assert!(ended.code() == Some(1) && said.starts_with("error: ") && said.lines().count() == 1, "{ended}");
}

#[test]
#[cfg_attr(not(target_os = "linux"), ignore = "the library that stops the program knows Linux only")]
fn a_signal_at_any_call_ends_the_run_by_its_code_and_gives_the_output_back() {
    let pool = Pool::new();
    // The output is taken at the beginning.
    let calls = (2..17).map(|call| (CASE.kind, call));
    let all = calls.chain(Kind::ALL.into_iter().flat_map(|kind| {
        let step = if kind == CASE.kind { 17 } else { 61 };
        calls_of(&pool, kind, step).into_iter().map(move |call| (kind, call))
    }));
    let histories: Vec<_> = all.zip(SIGNALS.into_iter().cycle()).collect();
    most_of_each_group(
        &histories,
        |((kind, _), _)| *kind,
        |((kind, call), (signal, code)), words| {
            words.push(format!("{kind:?}: SIG{signal} at call {call}"));
            let (world, mut ledger) = (World::new(&pool), Ledger::default());
            let case = Case { kind: *kind, ..CASE };
            let Some(process) = stopped(&pool, &world, case, *call, "stop") else { return false };
            let ended = process.go_on_with(signal);
            // At the end it may come too late.
            let is_heard = ended.code() == Some(*code);
            assert!(is_heard || ended.is_done(), "{ended}");
            assert!(!world.output().join("lock.json").exists(), "the output is not given back");
            ledger.note(&world, case, &ended);
            goes_on(&pool, &world, case, &mut ledger);
            is_heard
        },
    );
}

#[test]
#[cfg_attr(not(target_os = "linux"), ignore = "the library that stops the program knows Linux only")]
fn a_run_that_stands_still_for_longer_than_its_lock_keeps_the_output_and_ends() {
    let pool = Pool::new();
    let histories: Vec<_> = calls(&pool, 29).into_iter().zip(LONG.into_iter().cycle()).collect();
    most(&histories, |&(call, seconds), words| {
        words.push(format!("stopped at call {call} for {seconds} s"));
        let (world, mut ledger) = (World::new(&pool), Ledger::default());
        let Some(process) = stopped(&pool, &world, CASE, call, &format!("stop {seconds}")) else { return false };
        // Before it has made its output, and after it has given it back, there is nothing that it holds.
        let is_held = world.output().join("lock.json").exists();
        if is_held {
            let mut later = world.watched(&pool, CASE.kind, &Order::At(0, format!("clock {seconds}")));
            let other = Process::start(later.env_remove("POMONA_KILLS_JOURNAL"), &world.path("other"));
            let refused = other.end();
            assert_error(&refused);
            assert!(refused.said.contains("in use by another run"), "{refused}");
        }
        process.signal("CONT");
        let ended = process.end();
        assert!(ended.is_done() || ended.said.contains("in use"), "{ended}");
        ledger.note(&world, CASE, &ended);
        goes_on(&pool, &world, CASE, &mut ledger);
        is_held
    });
}

#[test]
#[cfg_attr(not(target_os = "linux"), ignore = "the library that sets the clock knows Linux only")]
fn clocks_that_jump_change_nothing_and_the_newest_run_is_the_one_made_last() {
    let pool = Pool::new();
    let jumps = [100_000, -100_000, 3_600, -3_600, 20 * 365 * 86_400];
    let histories: Vec<_> = calls(&pool, 17).into_iter().zip(jumps.into_iter().cycle()).collect();
    each(&histories, |&(call, seconds), words| {
        words.push(format!("the clock jumps by {seconds} s at call {call}, and is wrong by as much in the next run"));
        let (world, mut ledger) = (World::new(&pool), Ledger::default());
        let ended = world.attempt(&pool, CASE, &Order::At(call, format!("clock {seconds}")));
        assert!(ended.is_done(), "{ended}");
        ledger.note(&world, CASE, &ended);
        let other = Case { variant: 1, ..CASE };
        let ended = world.attempt(&pool, other, &Order::At(0, format!("clock {seconds}")));
        assert!(ended.is_done(), "{ended}");
        ledger.note(&world, other, &ended);
        goes_on(&pool, &world, CASE, &mut ledger);
    });
}

#[test]
#[cfg_attr(not(target_os = "linux"), ignore = "the library that stops the program knows Linux only")]
fn an_output_that_vanishes_is_an_error_or_made_anew() {
    let pool = Pool::new();
    // Towards the end it is said to be complete.
    let end = pool.fresh(CASE).calls.saturating_sub(60);
    let histories: Vec<u64> = calls(&pool, 19).into_iter().filter(|call| *call < end).chain(end..end + 60).collect();
    most(&histories, |&call, words| {
        words.push(format!("the output vanishes at call {call}"));
        let (world, mut ledger) = (World::new(&pool), Ledger::default());
        let Some(process) = stopped(&pool, &world, CASE, call, "stop") else { return false };
        let is_there = world.output().exists();
        if is_there {
            fs::rename(world.output(), world.path("elsewhere")).expect("folders can be moved");
        }
        process.signal("CONT");
        let ended = process.end();
        if !ended.is_done() {
            assert_error(&ended);
        }
        // It may have been done already, there and not here.
        if !world.path("elsewhere/latest.json").exists() {
            ledger.note(&world, CASE, &ended);
        }
        goes_on(&pool, &world, CASE, &mut ledger);
        is_there
    });
}

#[test]
#[cfg_attr(not(target_os = "linux"), ignore = "the library that stops the program knows Linux only")]
fn an_input_that_changes_amid_a_run_gives_the_result_of_before_or_after() {
    let pool = Pool::new();
    most(&calls(&pool, 13), |&call, words| {
        words.push(format!("the input changes at call {call}"));
        let world = World::new(&pool);
        let after = Case { variant: 1, ..CASE };
        let Some(process) = stopped(&pool, &world, CASE, call, "stop") else { return false };
        world.lay(&pool, after.variant);
        process.signal("CONT");
        let ended = process.end();
        assert!(ended.is_done(), "{ended}");
        let got = result(&world.output());
        let either = [CASE, after].map(|case| pool.fresh(case).result == got);
        assert!(either.contains(&true), "it is the result of neither input");
        let ended = world.attempt(&pool, after, &Order::End);
        assert!(ended.is_done() && result(&world.output()) == pool.fresh(after).result, "{ended}");
        true
    });
}

#[test]
#[cfg_attr(not(target_os = "linux"), ignore = "the folders of devices are Linux's")]
fn pipes_and_devices_among_the_images_are_left_out_and_hold_up_nothing() {
    let pool = Pool::new();
    let world = World::new(&pool);
    world.lay(&pool, CASE.variant);
    let made = Command::new("mkfifo").arg(world.input().join("x.jpg")).status();
    assert!(made.expect("mkfifo starts").success());
    for (name, device) in [("y.jpg", "/dev/zero"), ("apple/z.png", "/dev/full"), ("w.jpg", "/dev/random")] {
        symlink(device, world.input().join(name)).expect("links can be made");
    }
    let ended = world.start(&mut world.command(&pool, CASE.kind)).end();
    assert!(ended.is_done(), "{ended}");
    assert!(result(&world.output()) == pool.fresh(CASE).result, "other images have other results");
}

#[test]
#[cfg_attr(not(target_os = "linux"), ignore = "the library that watches the program knows Linux only")]
fn what_lies_where_a_file_of_the_output_should_be_is_an_error() {
    let pool = Pool::new();
    let names = ["lock.json", "latest.json", "planned.json", "parts", "runs"];
    let kinds = |name| ["a pipe", "a folder", "a file"].map(|what| (name, what));
    let histories: Vec<_> = names.into_iter().flat_map(kinds).collect();
    each(&histories, |&(name, what), words| {
        words.push(format!("{name} of the output is {what}"));
        let (world, mut ledger) = (World::new(&pool), Ledger::default());
        let place = world.output().join(name);
        fs::create_dir_all(world.output()).expect("folders can be made");
        match what {
            "a pipe" => assert!(Command::new("mkfifo").arg(&place).status().expect("mkfifo starts").success()),
            "a folder" => fs::create_dir(&place).expect("folders can be made"),
            _ => fs::write(&place, "text").expect("files can be written"),
        }
        let ended = world.attempt(&pool, CASE, &Order::End);
        ledger.note(&world, CASE, &ended);
        if ended.is_done() {
            return ledger.check(&world, &pool);
        }
        assert_error(&ended);
        assert!(ended.said.contains(name), "{ended}");
        let removed = if what == "a folder" { fs::remove_dir_all(&place) } else { fs::remove_file(&place) };
        removed.expect("it is still there");
        goes_on(&pool, &world, CASE, &mut ledger);
    });
}

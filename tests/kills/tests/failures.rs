//! A system that refuses: a full disk, a quota, too many open files, a read-only or broken disk, little memory.

use std::process::Command;

use crate::harness::{Case, Ended, Kind, Ledger, Order, Pool, Random, World, lose_power, most_of_each_group, some};

/// Numbers of errors (errno(3)), and what messages about them say.
const ERRORS: [(i32, &str); 6] = [
    (28, "no space left"),
    (122, "no space left"),
    (24, "too many open files"),
    (30, "read-only"),
    (13, "permission denied"),
    (5, "input/output error"),
];

/// Each error meets every call of this distance, counted from another one each, once and for good.
const STEP: u64 = 61;

const CASE: Case = Case { kind: Kind::KeepOne, variant: 1 };

/// A world with a run in it, over other images.
fn with_a_run(pool: &Pool, ledger: &mut Ledger) -> World {
    let (world, prior) = (World::new(pool), Case { variant: 0, ..CASE });
    let ended = world.attempt(pool, prior, &Order::End);
    assert!(ended.is_done(), "{ended}");
    ledger.note(&world, prior, &ended);
    world
}

/// Fails where the program neither did what it was asked for nor said why not in one line.
fn assert_clear(ended: &Ended, expected: &str) {
    if !ended.is_done() {
        assert_eq!(ended.code(), Some(1), "{ended}");
        let said = ended.said.trim_end().to_lowercase();
        assert!(said.starts_with("error: ") && said.contains(expected) && said.lines().count() == 1, "{ended}");
    }
}

/// The same command without the mishap.
fn goes_on(pool: &Pool, world: &World, ledger: &mut Ledger) {
    ledger.check(world, pool);
    let ended = world.attempt(pool, CASE, &Order::End);
    assert!(ended.is_done(), "the same command does not go on: {ended}");
    ledger.note(world, CASE, &ended);
    ledger.check(world, pool);
}

#[test]
#[cfg_attr(not(target_os = "linux"), ignore = "the library that has calls fail knows Linux only")]
fn a_call_that_fails_is_said_and_the_same_command_goes_on() {
    let pool = Pool::new();
    let mut histories = Vec::new();
    for (index, (errno, expected)) in ERRORS.into_iter().enumerate() {
        let first = 1 + index as u64 * STEP / ERRORS.len() as u64;
        for call in (first..pool.fresh(CASE).calls).step_by(STEP as usize) {
            histories.extend(["fail", "fail-on"].map(|how| (call, format!("{how} {errno}"), expected)));
        }
    }
    most_of_each_group(
        &histories,
        |(_, how, _)| how.clone(),
        |(call, how, expected), words| {
            words.push(format!("{CASE:?}, `{how}` at call {call}"));
            let mut ledger = Ledger::default();
            let world = with_a_run(&pool, &mut ledger);
            let ended = world.attempt(&pool, CASE, &Order::At(*call, how.clone()));
            assert_clear(&ended, expected);
            ledger.note(&world, CASE, &ended);
            // What it says to be done although something failed is done for good.
            words.push(lose_power(&world.journal(), &mut Random::new(*call)));
            goes_on(&pool, &world, &mut ledger);
            !ended.is_done()
        },
    );
}

/// The command under a limit of the shell's.
fn limited(limit: &str, command: &Command) -> Command {
    let mut shell = Command::new("bash");
    shell.args(["-c", &format!("ulimit {limit} && exec \"$0\" \"$@\"")]);
    shell.arg(command.get_program()).args(command.get_args()).env_remove("RUST_BACKTRACE");
    shell.envs(command.get_envs().filter_map(|(name, value)| Some((name, value?))));
    shell
}

/// Has the command meet each of the limits, some of which must be too low for it.
fn limit_to(limits: &[String], is_clear: impl Fn(&Ended) + Sync) {
    let pool = Pool::new();
    some(limits, |limit, words| {
        words.push(format!("{CASE:?}, ulimit {limit}"));
        let mut ledger = Ledger::default();
        let world = with_a_run(&pool, &mut ledger);
        world.lay(&pool, CASE.variant);
        let ended = world.start(&mut limited(limit, &world.command(&pool, CASE.kind))).end();
        is_clear(&ended);
        ledger.note(&world, CASE, &ended);
        goes_on(&pool, &world, &mut ledger);
        !ended.is_done()
    });
}

#[test]
#[cfg_attr(not(target_os = "linux"), ignore = "the library that has calls fail knows Linux only")]
fn too_few_open_files_are_said_with_the_limit_to_raise() {
    let limits: Vec<String> = (5..24).map(|files| format!("-n {files}")).collect();
    limit_to(&limits, |ended| {
        assert_clear(ended, "too many open files");
        assert!(ended.is_done() || ended.said.contains("ulimit -n"), "it does not say what to raise: {ended}");
    });
}

#[test]
#[cfg_attr(not(target_os = "linux"), ignore = "the library that has calls fail knows Linux only")]
fn too_little_memory_is_said() {
    // The program itself takes some 100 MB of addresses.
    let limits: Vec<String> = (150..1_000).step_by(50).map(|megabytes| format!("-v {megabytes}000")).collect();
    limit_to(&limits, |ended| {
        // The system itself ends a program whose stack it cannot let grow, and glibc one whose thread it cannot set up.
        let is_ended_by_system = ended.code() == Some(128 + 11) && ended.said.is_empty()
            || ended.code() == Some(128 + 6) && ended.said.starts_with("Fatal glibc error");
        let is_blamed = ended.said.contains("memory") || ended.said.contains("Resource temporarily unavailable");
        let is_said = ended.code() == Some(1) && is_blamed;
        assert!(ended.is_done() || is_said || is_ended_by_system, "it is not the memory that is blamed: {ended}");
    });
}

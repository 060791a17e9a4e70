//! A kill at each call that a run makes, one after the other.

use std::time::SystemTime;

use crate::harness::{Case, Kind, Ledger, Order, Pool, Random, World, lose_power, most};

/// Kills at every `step`-th call of `case`, counted from another one each day: a write is half done then, any other call
/// is done; so each state that a kill can leave behind is met. The power goes, too, every second time. `prior` is run
/// before, undisturbed.
fn kill_at_every_call(pool: &Pool, prior: Option<Case>, case: Case, step: usize) {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).expect("it is after 1970");
    let first = 1 + now.as_secs() / 86_400 % step as u64;
    let calls: Vec<u64> = (first..=pool.fresh(case).calls).step_by(step).collect();
    most(&calls, |&call, words| {
        let (world, mut ledger) = (World::new(pool), Ledger::default());
        if let Some(prior) = prior {
            let ended = world.attempt(pool, prior, &Order::End);
            assert!(ended.is_done(), "{ended}");
            ledger.note(&world, prior, &ended);
        }
        words.push(format!("{case:?} after {prior:?}, killed at call {call}"));
        let ended = world.attempt(pool, case, &Order::At(call, "middle".to_owned()));
        // The order of calls on several threads differs, and with it their number.
        let is_killed = ended.is_killed();
        assert!(is_killed || ended.is_done(), "{ended}");
        ledger.note(&world, case, &ended);
        if call % 2 == 0 {
            words.push(lose_power(&world.journal(), &mut Random::new(call)));
        }
        ledger.check(&world, pool);
        let ended = world.attempt(pool, case, &Order::End);
        assert!(ended.is_done(), "the same command does not go on: {ended}");
        ledger.note(&world, case, &ended);
        ledger.check(&world, pool);
        is_killed
    });
}

fn first(kind: Kind) -> Case {
    Case { kind, variant: 0 }
}

#[test]
#[cfg_attr(not(target_os = "linux"), ignore = "the library that kills knows Linux only")]
fn a_first_run_that_is_killed_at_any_call_goes_on_to_the_result_of_a_fresh_one() {
    kill_at_every_call(&Pool::new(), None, first(Kind::Fit), 1);
}

#[test]
#[cfg_attr(not(target_os = "linux"), ignore = "the library that kills knows Linux only")]
fn so_does_a_run_over_an_input_that_has_changed_which_removes_older_tables() {
    let case = Case { kind: Kind::KeepOne, variant: 1 };
    kill_at_every_call(&Pool::new(), Some(first(Kind::KeepOne)), case, 5);
}

#[test]
#[cfg_attr(not(target_os = "linux"), ignore = "the library that kills knows Linux only")]
fn so_do_other_commands() {
    let pool = Pool::new();
    for kind in [Kind::Apply, Kind::Classify, Kind::Wide] {
        kill_at_every_call(&pool, None, first(kind), 13);
    }
}

//! Random histories: what was run before, one to three kills, the loss of power, and what comes of it.

use std::env;
use std::time::{Duration, SystemTime};

use crate::harness::{Case, Kind, Ledger, Order, Pool, Random, VARIANTS, World, lose_power, most};

/// Seeds that are the same every time.
const FIXED: u64 = 300;

/// Seeds that are lived through where nobody says how many.
const USUAL: u64 = 400;

/// The longest time after which a run is killed, in microseconds: most runs have ended before.
const LATEST_KILL: u64 = 120_000;

#[test]
#[cfg_attr(not(target_os = "linux"), ignore = "the library that kills knows Linux only")]
fn any_history_of_kills_and_lost_power_ends_in_the_result_of_a_fresh_run() {
    let pool = Pool::new();
    most(&seeds(), |&seed, words| History::new(&pool, seed, words).live());
}

/// `POMONA_KILLS_SEED` is one to live through again, `POMONA_KILLS` how many there are. Beyond the fixed ones they are
/// others every time.
fn seeds() -> Vec<u64> {
    let number = |name: &str| env::var(name).ok().map(|value| value.parse().expect("a number"));
    if let Some(seed) = number("POMONA_KILLS_SEED") {
        return vec![seed];
    }
    let count = number("POMONA_KILLS").unwrap_or(USUAL);
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).expect("it is after 1970");
    (0..count.min(FIXED)).chain((FIXED..count).map(|number| now.as_secs() * 10_000 + number)).collect()
}

struct History<'a> {
    pool: &'a Pool,
    random: Random,
    world: World,
    ledger: Ledger,
    words: &'a mut Vec<String>,
    loses_power: bool,
    is_killed: bool,
}

impl<'a> History<'a> {
    fn new(pool: &'a Pool, seed: u64, words: &'a mut Vec<String>) -> Self {
        words.push(format!("POMONA_KILLS_SEED={seed}"));
        let loses_power = seed.is_multiple_of(2);
        let (random, world, ledger) = (Random::new(seed), World::new(pool), Ledger::default());
        Self { pool, random, world, ledger, words, loses_power, is_killed: false }
    }

    /// Whether anything was killed.
    fn live(mut self) -> bool {
        let case = self.case();
        if self.random.chance(50) {
            let prior = Case { variant: self.random.below(VARIANTS), ..self.similar(case) };
            self.attempt(prior, &Order::End);
        }
        for _ in 0..=self.random.below(3) {
            // Mostly the command that is to end in the end; now and then the input was another one still.
            let killed = if self.random.chance(75) { case } else { self.similar(case) };
            let order = self.order(killed);
            self.attempt(killed, &order);
            if self.random.chance(70) {
                self.lose_power();
            }
            if self.random.chance(20) {
                self.mend();
            }
        }
        self.attempt(case, &Order::End);
        self.lose_power();
        self.attempt(case, &Order::End);
        self.is_killed
    }

    fn case(&mut self) -> Case {
        Case { kind: self.random.pick(&Kind::ALL), variant: self.random.below(VARIANTS) }
    }

    /// Of the same kind or, now and then, another one with the same model.
    fn similar(&mut self, case: Case) -> Case {
        let other = self.case();
        let is_other = self.random.chance(25) && self.pool.model(other.kind) == self.pool.model(case.kind);
        if is_other { other } else { Case { kind: case.kind, variant: other.variant } }
    }

    fn order(&mut self, case: Case) -> Order {
        if self.random.chance(25) {
            return Order::After(Duration::from_micros(self.random.below(LATEST_KILL)));
        }
        let call = 1 + self.random.below(self.pool.fresh(case).calls);
        Order::At(call, self.random.pick(&["before", "after", "middle"]).to_owned())
    }

    fn attempt(&mut self, case: Case, order: &Order) {
        self.words.push(format!("{case:?}, {order}"));
        let ended = self.world.attempt(self.pool, case, order);
        let may_be_killed = !matches!(order, Order::End);
        assert!(ended.is_done() || ended.is_killed() && may_be_killed, "{ended}");
        self.is_killed |= ended.is_killed();
        self.words.push(if ended.is_done() { "it ends".to_owned() } else { "it is killed".to_owned() });
        self.ledger.note(&self.world, case, &ended);
        self.ledger.check(&self.world, self.pool);
    }

    /// Looks at everything, mends it and removes what nobody needs, or is killed over it.
    fn mend(&mut self) {
        let at = 1 + self.random.below(60);
        let order = if self.random.chance(50) { Order::At(at, "middle".to_owned()) } else { Order::End };
        self.words.push(format!("a repair, {order}"));
        let ended = self.world.mend(&order);
        // Where there is no output yet, or a latest.json that only another run writes.
        let excuses = ["there is no such folder", "no run was successful yet", "not whole"];
        let is_excused = excuses.iter().any(|excuse| ended.said.contains(excuse));
        assert!(ended.is_done() || ended.is_killed() || is_excused, "{ended}");
        self.words.push(if ended.is_killed() { "it is killed".to_owned() } else { "it ends".to_owned() });
        self.ledger.check(&self.world, self.pool);
    }

    fn lose_power(&mut self) {
        if self.loses_power {
            self.words.push(lose_power(&self.world.journal(), &mut self.random));
            self.ledger.check(&self.world, self.pool);
        }
    }
}

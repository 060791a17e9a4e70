//! A Distributed Map in an account that has fewer Lambdas free than the Map has children, event by event: a child that
//! finds none waits and asks again, gives up after its last try, and the Map is entered again for those that did.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

/// The retrier for `Lambda.TooManyRequestsException` of the Maps' children: a test holds it to the state machine.
pub(crate) const RETRIER: Retrier = Retrier { interval: 2.0, backoff: 2.0, longest: 20.0, retries: 10 };

/// How often in turn a Map may be entered again without any progress: a test holds it to the state machine.
pub(crate) const IDLE_PASSES: u32 = 20;

/// Assumed: seconds from the end of a Map's last child to its next first one, with the check between them.
const BETWEEN_PASSES: f64 = 4.0;

/// How long a child waits before it asks again: up to so many seconds, more each time (full jitter).
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Retrier {
    pub(crate) interval: f64,
    pub(crate) backoff: f64,
    pub(crate) longest: f64,
    pub(crate) retries: u32,
}

/// The children of a Map, all alike.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Throttled {
    pub(crate) children: u64,
    pub(crate) at_once: u32,
    /// Lambdas that the account has free.
    pub(crate) free: u32,
    /// Seconds of a call.
    pub(crate) seconds: f64,
}

/// How it went.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Passes {
    /// How often the Map was entered.
    pub(crate) passes: u32,
    /// Seconds until the last child ended.
    pub(crate) seconds: f64,
    /// Seconds for which children waited for a Lambda.
    pub(crate) waited: f64,
    /// Children that were there, all passes together.
    pub(crate) entered: u64,
    /// Whether the run gave up before all were done.
    pub(crate) is_lost: bool,
}

/// Something that happens, at a time in microseconds, so that times have an order.
type Event = Reverse<(u64, Happening)>;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Happening {
    /// A call ends, and a Lambda is free.
    End,
    /// A child asks for a Lambda, for the n-th time after the first.
    Ask(u32),
}

impl Retrier {
    /// The longest wait before the n-th retry, which is the first one for 0.
    fn bound(&self, retry: u32) -> f64 {
        (self.interval * self.backoff.powi(retry as i32)).min(self.longest)
    }
}

impl Throttled {
    /// Runs all children, in as many passes as it takes.
    pub(crate) fn run(&self) -> Passes {
        let mut passes = Passes::default();
        let (mut left, mut idle, mut draws) = (self.children, 0, 0);
        while left > 0 {
            if idle == IDLE_PASSES {
                return Passes { is_lost: true, ..passes };
            }
            let still_left = self.pass(left, &mut passes, &mut draws);
            idle = if still_left < left { 0 } else { idle + 1 };
            left = still_left;
        }
        passes
    }

    /// One entry of the Map; gives how many of its children gave up.
    fn pass(&self, children: u64, passes: &mut Passes, draws: &mut u64) -> u64 {
        let first = children.min(u64::from(self.at_once));
        let mut events: BinaryHeap<Event> = (0..first).map(|_| Reverse((0, Happening::Ask(0)))).collect();
        let (mut free, mut to_start, mut gave_up, mut now) = (self.free, children - first, 0, 0);
        while let Some(Reverse((time, happening))) = events.pop() {
            now = time;
            let has_ended = match happening {
                Happening::End => {
                    free += 1;
                    true
                }
                Happening::Ask(_) if free > 0 => {
                    free -= 1;
                    events.push(Reverse((now + microseconds(self.seconds), Happening::End)));
                    false
                }
                Happening::Ask(asked) if asked == RETRIER.retries => {
                    gave_up += 1;
                    true
                }
                Happening::Ask(asked) => {
                    let wait = RETRIER.bound(asked) * draw(draws);
                    passes.waited += wait;
                    events.push(Reverse((now + microseconds(wait), Happening::Ask(asked + 1))));
                    false
                }
            };
            if has_ended && to_start > 0 {
                to_start -= 1;
                events.push(Reverse((now, Happening::Ask(0))));
            }
        }
        passes.passes += 1;
        passes.entered += children;
        passes.seconds += now as f64 / 1e6 + if passes.passes > 1 { BETWEEN_PASSES } else { 0.0 };
        gave_up
    }
}

fn microseconds(seconds: f64) -> u64 {
    (seconds * 1e6) as u64
}

/// Multiples of the golden ratio, which fill the unit interval evenly (Weyl's equidistribution), so that a simulation
/// is the same each time.
fn draw(draws: &mut u64) -> f64 {
    const GOLDEN: f64 = 0.618_033_988_749_894_9;
    *draws += 1;
    (*draws as f64 * GOLDEN).fract()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::simulation::limits::EXPRESS_SECONDS;
    use serde_json::Value;

    fn definition() -> Value {
        serde_json::from_str(include_str!("../../../../statemachine/pipeline.asl.json")).unwrap()
    }

    #[test]
    fn the_retrier_is_that_of_the_maps_children_and_leaves_room_for_the_call() {
        let machine = definition();
        let states = machine["States"].as_object().unwrap();
        let mut children = 0;
        for child in states.values().filter_map(|state| state["ItemProcessor"]["States"].as_object()).flatten() {
            let Some(rule) = child.1["Retry"].as_array().and_then(|rules| rules.first()) else { continue };
            assert_eq!(rule["ErrorEquals"], serde_json::json!(["Lambda.TooManyRequestsException"]));
            let number = |name: &str| rule[name].as_f64().unwrap();
            let found = Retrier {
                interval: number("IntervalSeconds"),
                backoff: number("BackoffRate"),
                longest: number("MaxDelaySeconds"),
                retries: rule["MaxAttempts"].as_u64().unwrap() as u32,
            };
            assert_eq!(found, RETRIER, "{}", child.0);
            children += 1;
        }
        assert_eq!(children, 6);
        let longest_call: f64 = include_str!("../../../../infra/template.yaml")
            .split("  ListBatchTimeout:\n")
            .nth(1)
            .and_then(|parameter| parameter.lines().find_map(|line| line.trim().strip_prefix("MaxValue: ")))
            .unwrap()
            .parse()
            .unwrap();
        let longest_wait: f64 = (0..RETRIER.retries).map(|retry| RETRIER.bound(retry)).sum();
        assert!(longest_wait + longest_call < EXPRESS_SECONDS);
    }

    #[test]
    fn the_state_machine_gives_up_after_so_many_idle_passes() {
        let machine = definition();
        for name in ["IsExtractDone", "IsLevelDone", "IsPassDone", "IsProjectDone"] {
            let choices = machine["States"][name]["Choices"].as_array().unwrap();
            let idle = choices.iter().find(|choice| choice["Variable"] == "$.check.idle").unwrap();
            assert_eq!(idle["NumericLessThan"], IDLE_PASSES, "{name}");
        }
    }

    #[test]
    fn with_enough_lambdas_nobody_waits() {
        let run = Throttled { children: 130, at_once: 64, free: 64, seconds: 10.0 }.run();
        assert_eq!((run.passes, run.waited, run.entered), (1, 0.0, 130));
        assert!((run.seconds - 30.0).abs() < 1e-3, "{}", run.seconds);
    }

    #[test]
    fn with_few_lambdas_all_is_done_in_more_passes_and_no_less_time_than_the_work_takes() {
        for children in [128, 1_024] {
            let run = Throttled { children, at_once: 64, free: 10, seconds: 30.0 }.run();
            assert!(!run.is_lost && run.passes > 1 && run.entered > children, "{run:?}");
            let busy = (children as f64 / 10.0).ceil() * 30.0;
            assert!(run.seconds >= busy && run.seconds < 2.0 * busy, "{run:?} {busy}");
        }
    }

    #[test]
    fn without_any_lambda_the_run_gives_up_after_the_better_part_of_an_hour() {
        let run = Throttled { children: 100, at_once: 64, free: 0, seconds: 30.0 }.run();
        assert!(run.is_lost && run.passes == IDLE_PASSES && run.seconds > 40.0 * 60.0, "{run:?}");
    }
}

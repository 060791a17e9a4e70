//! One Distributed Map, event by event: children start as fast as they may, share what S3 serves, and end.

use std::collections::VecDeque;

use super::limits;

/// How far the SDK's adaptive retry slows a client down that S3 has refused (its rate times this), and how fast it
/// speeds up again (aws-smithy-runtime, `client_rate_limiter`, which follows CUBIC, RFC 9438).
const BETA: f64 = 0.7;
const SCALE: f64 = 0.4;

/// The share of S3's rate that such clients use on average. Between two refusals the rate follows `limit + SCALE (t -
/// K)^3` over `K = cbrt(limit (1 - BETA) / SCALE)` seconds; its mean is `limit (1 - (1 - BETA) / 4)`.
const SUSTAINED: f64 = 1.0 - (1.0 - BETA) / 4.0;

/// The children of a Map, all alike.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct MapRun {
    pub(crate) children: u64,
    pub(crate) at_once: u32,
    /// Children that Step Functions starts in a second; nothing where it does not say.
    pub(crate) starts_per_second: Option<f64>,
    /// Seconds of a child, as long as S3 serves every request at once.
    pub(crate) seconds: f64,
    /// Requests of a child that go where they are the first to be refused.
    pub(crate) requests: f64,
    /// Such requests that S3 serves in a second.
    pub(crate) served_per_second: f64,
}

/// How a Map went.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct MapOutcome {
    /// Children that ended.
    pub(crate) finished: u64,
    /// Seconds until the last one did.
    pub(crate) seconds: f64,
    /// Seconds of all children together.
    pub(crate) child_seconds: f64,
    /// Seconds of the slowest child.
    pub(crate) slowest: f64,
    /// Most children at once.
    pub(crate) most_at_once: u32,
    /// Requests that the most children at once would make in a second.
    pub(crate) wanted_per_second: f64,
    /// Requests that S3 refused.
    pub(crate) refused: f64,
}

/// A child under way: the progress at which it ends, and when it began.
struct Running {
    ends_at_progress: f64,
    started: f64,
}

impl MapRun {
    /// Runs all children. Children are alike and progress alike, so they end in the order in which they started.
    pub(crate) fn run(&self) -> MapOutcome {
        let mut outcome = MapOutcome::default();
        let mut running: VecDeque<Running> = VecDeque::new();
        // Progress is what a child that was there from the beginning would have done, in seconds of undisturbed work.
        let (mut now, mut progress, mut started) = (0.0, 0.0, 0);
        loop {
            while started < self.children && self.next_start(started, running.len()) <= now {
                running.push_back(Running { ends_at_progress: progress + self.seconds, started: now });
                started += 1;
            }
            outcome.see(running.len(), self);
            let speed = self.speed(running.len());
            let next_start =
                if started < self.children { self.next_start(started, running.len()) } else { f64::INFINITY };
            let next_end =
                running.front().map_or(f64::INFINITY, |first| now + (first.ends_at_progress - progress) / speed);
            if next_start.is_infinite() && next_end.is_infinite() {
                return outcome;
            }
            let next = next_start.min(next_end);
            outcome.refused += self.refusals_per_second(running.len()) * (next - now);
            if next_end <= next_start {
                progress = running.front().map_or(progress, |first| first.ends_at_progress);
            } else {
                progress += (next - now) * speed;
            }
            now = next;
            while let Some(ended) = running.pop_front_if(|first| first.ends_at_progress <= progress) {
                outcome.end(now - ended.started, now);
            }
        }
    }

    /// When the next child may start while `running` are under way; never while there is no room.
    fn next_start(&self, started: u64, running: usize) -> f64 {
        if running >= self.at_once as usize {
            return f64::INFINITY;
        }
        let dispatched = self.starts_per_second.map_or(0.0, |rate| started as f64 / rate);
        let environments = (running as f64 + 1.0 - limits::ENVIRONMENTS_AT_ONCE) / limits::ENVIRONMENTS_PER_SECOND;
        dispatched.max(environments)
    }

    fn wanted_per_second(&self, running: usize) -> f64 {
        running as f64 * self.requests / self.seconds
    }

    /// S3 counts in bursts, so clients are refused before their mean rate reaches its limit.
    fn sustained_per_second(&self) -> f64 {
        SUSTAINED * self.served_per_second
    }

    /// Progress of each child in a second.
    fn speed(&self, running: usize) -> f64 {
        let wanted = self.wanted_per_second(running);
        if wanted <= self.sustained_per_second() { 1.0 } else { self.sustained_per_second() / wanted }
    }

    /// Each client that is held back is refused once in each cycle of its rate.
    fn refusals_per_second(&self, running: usize) -> f64 {
        if self.speed(running) >= 1.0 {
            return 0.0;
        }
        let share = self.served_per_second / running as f64;
        let cycle = (share * (1.0 - BETA) / SCALE).cbrt();
        running as f64 / cycle
    }
}

impl MapOutcome {
    fn see(&mut self, running: usize, map: &MapRun) {
        self.most_at_once = self.most_at_once.max(running as u32);
        self.wanted_per_second = self.wanted_per_second.max(map.wanted_per_second(running));
    }

    fn end(&mut self, child_seconds: f64, now: f64) {
        self.finished += 1;
        self.seconds = now;
        self.child_seconds += child_seconds;
        self.slowest = self.slowest.max(child_seconds);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const UNDISTURBED: MapRun = MapRun {
        children: 10,
        at_once: 4,
        starts_per_second: None,
        seconds: 2.0,
        requests: 0.0,
        served_per_second: limits::GETS_PER_SECOND,
    };

    fn close(a: f64, b: f64) -> bool {
        (a - b).abs() <= 1e-9 * a.abs().max(b.abs()).max(1.0)
    }

    #[test]
    fn undisturbed_children_run_in_waves() {
        let outcome = UNDISTURBED.run();
        assert_eq!((outcome.finished, outcome.most_at_once), (10, 4));
        assert!(close(outcome.seconds, 3.0 * 2.0) && close(outcome.child_seconds, 20.0) && close(outcome.slowest, 2.0));
        assert_eq!(outcome.refused, 0.0);
    }

    #[test]
    fn standard_children_start_a_hundred_in_a_second() {
        let map = MapRun { children: 300, at_once: 10_000, starts_per_second: Some(100.0), ..UNDISTURBED };
        let outcome = map.run();
        assert!(close(outcome.seconds, 2.99 + 2.0), "{outcome:?}");
        // 100 in a second for two seconds each are 200 at once, and the one that starts in the very moment in which the
        // first ends.
        assert!((200..=201).contains(&outcome.most_at_once), "{outcome:?}");
    }

    #[test]
    fn lambda_makes_a_thousand_environments_at_once_and_a_hundred_in_each_further_second() {
        let map = MapRun { children: 1_200, at_once: 10_000, seconds: 100.0, ..UNDISTURBED };
        assert!(close(map.run().seconds, 2.0 + 100.0), "{:?}", map.run());
    }

    #[test]
    fn children_that_are_refused_share_what_s3_sustains() {
        // Ten children that want 1,000 requests/s each, of which 5,500 in all are served: 20,000 requests at 5,087.5/s.
        let map = MapRun { children: 10, at_once: 10, requests: 2_000.0, ..UNDISTURBED };
        let outcome = map.run();
        assert!(close(outcome.seconds, 20_000.0 / (SUSTAINED * 5_500.0)), "{outcome:?}");
        assert!(close(outcome.child_seconds, 10.0 * outcome.seconds) && outcome.refused > 0.0);
        assert!(close(outcome.wanted_per_second, 10_000.0));
    }

    fn any_map() -> impl Strategy<Value = MapRun> {
        (1u64..2_000, 1u32..3_000, prop::option::of(50.0..200.0f64), 0.1..50.0f64, 0.0..2_000.0f64).prop_map(
            |(children, at_once, starts_per_second, seconds, requests)| MapRun {
                children,
                at_once,
                starts_per_second,
                seconds,
                requests,
                served_per_second: limits::GETS_PER_SECOND,
            },
        )
    }

    proptest! {
        #[test]
        fn every_child_ends_once_and_none_before_its_time(map in any_map()) {
            let outcome = map.run();
            prop_assert_eq!(outcome.finished, map.children);
            prop_assert!(outcome.most_at_once <= map.at_once);
            prop_assert!(outcome.child_seconds >= map.children as f64 * map.seconds * (1.0 - 1e-9));
            prop_assert!(outcome.seconds * f64::from(outcome.most_at_once) >= outcome.child_seconds * (1.0 - 1e-9));
            prop_assert!(outcome.seconds >= map.children as f64 * map.requests / map.sustained_per_second() * (1.0 - 1e-9));
        }

        #[test]
        fn more_at_once_is_never_slower(map in any_map(), more in 1u32..2_000) {
            let map = MapRun { requests: 0.0, ..map };
            let wider = MapRun { at_once: map.at_once + more, ..map };
            prop_assert!(wider.run().seconds <= map.run().seconds * (1.0 + 1e-9));
        }

        // The first wave holds itself up, and the few children that are left over begin when it ends.
        #[test]
        fn more_at_once_under_refusals_is_slower_by_a_last_child_at_most(map in any_map(), more in 1u32..2_000) {
            let wider = MapRun { at_once: map.at_once + more, ..map };
            prop_assert!(wider.run().seconds <= (map.run().seconds + map.seconds) * (1.0 + 1e-9));
        }

        #[test]
        fn children_that_are_not_refused_cost_the_same_at_any_concurrency(map in any_map()) {
            let alone = MapRun { requests: 0.0, ..map };
            prop_assert!(close(alone.run().child_seconds, map.children as f64 * map.seconds));
        }
    }
}

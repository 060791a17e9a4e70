//! In which order runs were planned, told by their plans alone.

use chrono::{DateTime, Utc};
use pomona_formats::planned::Plan;
use pomona_run::RunId;

/// What a plan says of when it was made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Planned {
    started: DateTime<Utc>,
    run_id: RunId,
    /// The newest successful run then.
    follows: Option<RunId>,
}

impl Planned {
    pub(super) fn of(plan: &Plan) -> Self {
        Self { started: plan.started, run_id: plan.run_id.clone(), follows: plan.follows.clone() }
    }
}

/// The runs, the one that was planned first at the front: by their clocks, but none before the run that was the newest
/// one when it was planned.
pub(super) fn by_planning(mut runs: Vec<Planned>) -> Vec<RunId> {
    runs.sort_by(|a, b| (a.started, &a.run_id).cmp(&(b.started, &b.run_id)));
    let mut ordered: Vec<RunId> = Vec::with_capacity(runs.len());
    while !runs.is_empty() {
        let waits = |run: &Planned| runs.iter().any(|other| Some(&other.run_id) == run.follows.as_ref());
        // No run follows itself, by way of others or not, unless somebody has made it up.
        let next = runs.iter().position(|run| !waits(run)).unwrap_or(0);
        ordered.push(runs.remove(next).run_id);
    }
    ordered
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(day: u32, follows: Option<u32>) -> Planned {
        let run_id = |day| format!("202601{day:02}T120000Z-0123abcd").parse().unwrap();
        let started = format!("2026-01-{day:02}T12:00:00Z").parse().unwrap();
        Planned { started, run_id: run_id(day), follows: follows.map(run_id) }
    }

    fn days(runs: Vec<Planned>) -> Vec<u32> {
        by_planning(runs).iter().map(|run_id| run_id.as_str()[6..8].parse().unwrap()).collect()
    }

    #[test]
    fn runs_are_in_the_order_of_their_clocks_unless_one_followed_another() {
        assert_eq!(days(vec![run(3, Some(2)), run(1, None), run(2, Some(1))]), [1, 2, 3]);
        // The clock of run 9 ran ahead.
        assert_eq!(days(vec![run(9, Some(1)), run(1, None), run(2, Some(9)), run(3, Some(2))]), [1, 9, 2, 3]);
        // What run 3 followed is gone.
        assert_eq!(days(vec![run(3, Some(7)), run(2, None)]), [2, 3]);
        assert_eq!(days(vec![run(1, Some(2)), run(2, Some(1))]), [1, 2]);
    }
}

//! How fast work goes: only what was worked on counts, not what was there already.

use std::time::{Duration, Instant};

use indicatif::{HumanBytes, HumanDuration};

/// Items that are done, and since when.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pace {
    started: Instant,
    /// Done, whether there was work to do or not.
    pub(crate) done: u64,
    /// Of those, what was done before or was there already.
    there: u64,
    pub(crate) total: u64,
}

impl Pace {
    /// Begins with `there` of `total` items that were done before anybody looked.
    pub(crate) fn new(there: u64, total: u64) -> Self {
        Self { started: Instant::now(), done: there, there, total }
    }

    /// So many more items, or bytes, were worked on.
    pub(crate) fn work(&mut self, more: u64) {
        self.done += more;
    }

    /// One more item was there already.
    pub(crate) fn find(&mut self) {
        self.done += 1;
        self.there += 1;
    }

    /// "12.3 a second, 2 minutes left"; of bytes "12.30 MiB a second".
    pub(crate) fn describe(&self, counting: &Counting) -> String {
        self.describe_after(counting, self.started.elapsed())
    }

    fn describe_after(&self, counting: &Counting, elapsed: Duration) -> String {
        let worked_on = self.done.saturating_sub(self.there);
        let per_second = worked_on as f64 / elapsed.as_secs_f64().max(1e-3);
        let left = Duration::try_from_secs_f64(self.total.saturating_sub(self.done) as f64 / per_second);
        // Nothing is known of the time that is left before anything is done.
        let left = left.map_or_else(|_| String::new(), |left| format!(", {} left", HumanDuration(left)));
        match counting {
            Counting::Items(_) => format!("{per_second:.1} a second{left}"),
            Counting::Bytes => format!("{} a second{left}", HumanBytes(per_second as u64)),
        }
    }
}

/// What is counted.
#[derive(Clone, Debug)]
pub(crate) enum Counting {
    /// Items, called so.
    Items(String),
    Bytes,
}

impl Counting {
    /// "3 of 17 images", or "1.00 MiB of 2.00 GiB".
    pub(crate) fn describe(&self, done: u64, total: u64) -> String {
        match self {
            Self::Items(unit) => format!("{done} of {total} {unit}"),
            Self::Bytes => format!("{} of {}", HumanBytes(done), HumanBytes(total)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_there_already_makes_nothing_look_faster() {
        let mut pace = Pace::new(0, 1_100);
        let items = Counting::Items("images".to_owned());
        (0..1_000).for_each(|_| pace.find());
        assert_eq!(pace.describe_after(&items, Duration::from_secs(10)), "0.0 a second");
        (0..50).for_each(|_| pace.work(1));
        assert_eq!(pace.describe_after(&items, Duration::from_secs(10)), "5.0 a second, 10 seconds left");
        assert_eq!(pace.describe_after(&Counting::Bytes, Duration::from_secs(10)), "5 B a second, 10 seconds left");
        assert_eq!(Pace::new(7, 9).describe_after(&items, Duration::from_secs(1)), "0.0 a second");
    }
}

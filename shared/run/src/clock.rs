//! What time it is: the one place that asks, so that tests can let days pass in moments and clocks differ.

use chrono::{DateTime, Utc};

/// The time by this machine's clock.
pub fn now() -> DateTime<Utc> {
    #[cfg(feature = "testing")]
    if let Some(now) = testing::NOW.get() {
        return now;
    }
    Utc::now()
}

/// A clock that tests set.
#[cfg(feature = "testing")]
pub mod testing {
    use std::cell::Cell;

    use chrono::{DateTime, Utc};

    thread_local! {
        pub(super) static NOW: Cell<Option<DateTime<Utc>>> = const { Cell::new(None) };
    }

    /// Sets what this thread takes for the time, or lets it ask the machine again.
    pub fn set(now: Option<DateTime<Utc>>) {
        NOW.set(now);
    }
}

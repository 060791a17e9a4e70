//! A number that nobody else draws: the one place that asks for one, so that tests can repeat what depends on it.

use std::hash::{BuildHasher, RandomState};

/// Draws one.
pub(crate) fn draw() -> u64 {
    #[cfg(feature = "testing")]
    if let Some(next) = testing::NEXT.take() {
        return next;
    }
    // RandomState is seeded by the operating system, once a process and counted up from there.
    RandomState::new().hash_one(std::process::id())
}

/// Chance that tests decide.
#[cfg(feature = "testing")]
pub mod testing {
    use std::cell::Cell;

    thread_local! {
        pub(super) static NEXT: Cell<Option<u64>> = const { Cell::new(None) };
    }

    /// Decides what this thread draws next.
    pub fn set_next(number: u64) {
        NEXT.set(Some(number));
    }
}

//! Numbers that nobody else draws: the one place that asks for them, so that tests can repeat what depends on them.

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

/// Bytes of a salt.
pub const SALT: usize = 32;

/// Draws what nobody can guess.
///
/// # Errors
/// Where the system has no randomness.
pub fn salt() -> Result<[u8; SALT], getrandom::Error> {
    let mut salt = [0; SALT];
    #[cfg(feature = "testing")]
    if let Some(next) = testing::SALT.take() {
        testing::SALT.set(Some(next.wrapping_add(1)));
        salt[..size_of_val(&next)].copy_from_slice(&next.to_be_bytes());
        return Ok(salt);
    }
    getrandom::fill(&mut salt)?;
    Ok(salt)
}

/// Chance that tests decide.
#[cfg(feature = "testing")]
pub mod testing {
    use std::cell::Cell;

    thread_local! {
        pub(super) static NEXT: Cell<Option<u64>> = const { Cell::new(None) };
        pub(super) static SALT: Cell<Option<u64>> = const { Cell::new(None) };
    }

    /// Decides which salts this thread draws from now on: of each number that follows one.
    pub fn set_salts(first: u64) {
        SALT.set(Some(first));
    }

    /// Decides what this thread draws next.
    pub fn set_next(number: u64) {
        NEXT.set(Some(number));
    }
}

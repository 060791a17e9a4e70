//! Kills, failures and lost power at a chosen system call: a library to be preloaded (`LD_PRELOAD`) into the program.
//!
//! It counts the calls that change what lies below a folder: opening for writing, `write`, `fsync`, `rename`, `link`,
//! `unlink`, `mkdir`. At one of them it ends the process as `kill -9` does, stops it, or has the call fail. Where it is
//! asked to, it writes a journal of these calls and keeps each file that they touch alive by a second name, so that
//! whoever reads the journal can undo what no `fsync` made durable.
//!
//! The calls are met in the kernel (`seccomp`, a trap) and not by taking the place of libc's functions, because not all
//! of them go through libc: the crate `tempfile` renames by system calls of its own.
//!
//! | variable | meaning |
//! |---|---|
//! | `POMONA_KILLS_BELOW` | the folder; without it the library does nothing |
//! | `POMONA_KILLS_AT` | the number of the call at which something happens, from 1 |
//! | `POMONA_KILLS_HOW` | `before`, `after`, `middle` (half of a write): killed there; `stop`, `stop SECONDS`: stopped before it, and so much later when it goes on; `fail ERRNO`, `fail-on ERRNO`: from it on the first call, or each, fails that can fail so; `clock SECONDS`: from then on the clock of the day is wrong by these, from the beginning where the number is 0 |
//! | `POMONA_KILLS_JOURNAL` | a folder for the journal and the files' second names, on the same file system |
//!
//! `fsync` is counted and written down, but the disk is not waited for: what it would have kept is kept by whoever
//! reads the journal.

// A shim lives below what safe Rust can see: it installs a signal handler, a filter in the kernel, and makes system
// calls on behalf of others.
#![allow(unsafe_code)]

#[cfg(target_os = "linux")]
mod calls;
#[cfg(target_os = "linux")]
mod clock;
#[cfg(target_os = "linux")]
mod journal;
#[cfg(target_os = "linux")]
mod orders;
#[cfg(target_os = "linux")]
mod system;
#[cfg(target_os = "linux")]
mod trap;

/// What the dynamic linker calls before the program's own `main`.
#[cfg(target_os = "linux")]
#[used]
// SAFETY: the section holds pointers to functions, and this is one, which needs nothing that `main` would set up.
#[unsafe(link_section = ".init_array")]
static START: extern "C" fn() = start;

#[cfg(target_os = "linux")]
extern "C" fn start() {
    if let Some(orders) = orders::Orders::from_environment() {
        calls::begin(orders);
        trap::install();
    }
}

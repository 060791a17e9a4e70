//! A clock of the day that is wrong. It is read through libc, without a system call, so libc's function is replaced.

use std::sync::atomic::{AtomicI64, Ordering};

/// By how many seconds.
static WRONG_BY: AtomicI64 = AtomicI64::new(0);

/// From now on the clock is wrong by so many seconds.
pub(crate) fn jump(seconds: i64) {
    WRONG_BY.store(seconds, Ordering::Relaxed);
}

/// Takes the place of libc's function of that name.
///
/// # Safety
/// `time` must be as clock_gettime(2) wants it.
// SAFETY: the symbol is meant to shadow libc's, and does what that one does.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn clock_gettime(clock: libc::clockid_t, time: *mut libc::timespec) -> libc::c_int {
    // SAFETY: the arguments are the caller's, who promises what the system call asks for.
    let result = unsafe { libc::syscall(libc::SYS_clock_gettime, clock, time) };
    let wrong_by = WRONG_BY.load(Ordering::Relaxed);
    if result == 0 && clock == libc::CLOCK_REALTIME && wrong_by != 0 {
        // SAFETY: the system call has just written the time there.
        unsafe { (*time).tv_sec += wrong_by };
    }
    result as libc::c_int
}

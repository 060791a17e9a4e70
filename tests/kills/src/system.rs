//! System calls that the filter lets pass, and questions to the system.

use std::ffi::{CStr, CString, OsStr};
use std::fs::{self, Metadata};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// The sixth argument of the library's own calls, by which the filter knows them. No call that it makes has as many.
pub(crate) const OWN: u64 = 0x706f_6d6f_6e61_6b69;

/// Makes a call past the filter; a negative result is an errno.
///
/// # Safety
/// The arguments must be what the call asks for.
pub(crate) unsafe fn pass(number: i64, arguments: [i64; 5]) -> i64 {
    let [a, b, c, d, e] = arguments;
    // SAFETY: the caller promises it.
    let result = unsafe { libc::syscall(number, a, b, c, d, e, OWN) };
    if result == -1 { -i64::from(errno()) } else { result }
}

/// Writes all of it.
pub(crate) fn write(descriptor: i32, text: &str) {
    // SAFETY: the bytes are there as long as the call.
    let written = unsafe { pass(libc::SYS_write, [descriptor.into(), text.as_ptr() as i64, text.len() as i64, 0, 0]) };
    check(written, "write to the journal");
}

/// Gives a file a second name, if that is not taken.
pub(crate) fn link(from: &Path, to: &Path) {
    let name = |path: &Path| CString::new(path.as_os_str().as_bytes()).expect("a path that the system knows");
    let (from, to, here) = (name(from), name(to), i64::from(libc::AT_FDCWD));
    // SAFETY: both are strings with an end, and there as long as the call.
    let linked = unsafe { pass(libc::SYS_linkat, [here, from.as_ptr() as i64, here, to.as_ptr() as i64, 0]) };
    if linked != -i64::from(libc::EEXIST) {
        check(linked, "keep a file by a second name");
    }
}

/// Ends the process with the reason where a call of the library's own has failed: a journal with gaps proves nothing.
pub(crate) fn check(result: i64, what: &str) {
    if result < 0 {
        give_up(&format!("cannot {what}: errno {}", result.max(-i64::from(errno()))));
    }
}

/// Ends the process with a reason that tests look for.
pub(crate) fn give_up(reason: &str) -> ! {
    let line = format!("pomona-kills: {reason}\n");
    // SAFETY: the bytes are there as long as the call.
    unsafe { pass(libc::SYS_write, [2, line.as_ptr() as i64, line.len() as i64, 0, 0]) };
    // SAFETY: nothing runs behind it.
    unsafe { libc::_exit(99) }
}

/// Sends a signal to this process.
pub(crate) fn signal(signal: i32) {
    // SAFETY: plain numbers.
    check(unsafe { libc::kill(libc::getpid(), signal) }.into(), "send a signal");
}

/// The calling thread's errno.
pub(crate) fn errno() -> i32 {
    // SAFETY: the place is the thread's own.
    unsafe { *libc::__errno_location() }
}

/// Sets the calling thread's errno.
pub(crate) fn set_errno(value: i32) {
    // SAFETY: the place is the thread's own.
    unsafe { *libc::__errno_location() = value };
}

/// Where a descriptor leads.
pub(crate) fn path_of(descriptor: i64) -> PathBuf {
    fs::read_link(link_of(descriptor)).unwrap_or_default()
}

/// What a descriptor leads to, under whatever name.
pub(crate) fn metadata_of(descriptor: i64) -> Option<Metadata> {
    fs::metadata(link_of(descriptor)).ok()
}

fn link_of(descriptor: i64) -> String {
    format!("/proc/self/fd/{}", descriptor as i32)
}

/// Where a descriptor would be written next.
pub(crate) fn position(descriptor: i64) -> i64 {
    // SAFETY: plain numbers.
    unsafe { libc::lseek(descriptor as i32, 0, libc::SEEK_CUR) }
}

/// The path that a call was given, seen from the root.
pub(crate) fn path_at(folder: i64, name: i64) -> PathBuf {
    if name == 0 {
        return PathBuf::new();
    }
    // SAFETY: the call was made with a string there; whoever passes another address gets EFAULT from the kernel, and a
    // fault here, which a test sees as well.
    let name = Path::new(OsStr::from_bytes(unsafe { CStr::from_ptr(name as *const libc::c_char) }.to_bytes()));
    match folder as i32 {
        _ if name.is_absolute() => name.to_owned(),
        libc::AT_FDCWD => std::env::current_dir().unwrap_or_default().join(name),
        _ => path_of(folder).join(name),
    }
}

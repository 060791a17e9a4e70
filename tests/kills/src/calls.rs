//! Which calls are met, and what becomes of them.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, OnceLock, PoisonError};

use libc::{AT_FDCWD, AT_REMOVEDIR, O_CREAT, O_RDWR, O_TMPFILE, O_TRUNC, O_WRONLY, RENAME_NOREPLACE};

use crate::clock;
use crate::journal::Journal;
use crate::orders::{How, Orders};
use crate::system;

/// Calls of every architecture.
const CALLS: [i64; 22] = [
    libc::SYS_openat,
    libc::SYS_write,
    libc::SYS_fsync,
    libc::SYS_fdatasync,
    libc::SYS_renameat,
    libc::SYS_renameat2,
    libc::SYS_linkat,
    libc::SYS_unlinkat,
    libc::SYS_mkdirat,
    libc::SYS_openat2,
    libc::SYS_pwrite64,
    libc::SYS_writev,
    libc::SYS_pwritev,
    libc::SYS_pwritev2,
    libc::SYS_truncate,
    libc::SYS_ftruncate,
    libc::SYS_fallocate,
    libc::SYS_copy_file_range,
    libc::SYS_sendfile,
    libc::SYS_symlinkat,
    libc::SYS_mknodat,
    libc::SYS_io_uring_setup,
];

/// Calls that newer architectures have no more.
#[cfg(target_arch = "x86_64")]
const OLD_CALLS: [i64; 9] = [
    libc::SYS_open,
    libc::SYS_rename,
    libc::SYS_link,
    libc::SYS_unlink,
    libc::SYS_mkdir,
    libc::SYS_creat,
    libc::SYS_rmdir,
    libc::SYS_symlink,
    libc::SYS_mknod,
];
#[cfg(not(target_arch = "x86_64"))]
const OLD_CALLS: [i64; 0] = [];

/// A call that changes files, with paths from the root, or the descriptor.
#[derive(Debug)]
pub(crate) enum Call {
    /// A file is opened for writing; empties it if so said.
    Open { path: PathBuf, empties: bool },
    /// At a descriptor's position.
    Write(i64),
    /// Of a file or a folder.
    Sync(i64),
    /// From one name to another.
    Rename(PathBuf, PathBuf),
    /// A second name.
    Link(PathBuf, PathBuf),
    /// Of a file.
    Unlink(PathBuf),
    /// One folder.
    MakeDir(PathBuf),
    /// It changes files in a way that the journal has no words for.
    Unknown(PathBuf),
}

#[derive(Debug)]
struct State {
    count: u64,
    /// How calls fail from now on.
    failing: Option<i32>,
    /// The one call that was to fail has failed.
    has_failed: bool,
}

static ORDERS: OnceLock<(Orders, Option<Journal>)> = OnceLock::new();

/// Held during each call that is counted, so that the journal's order is the calls'.
static STATE: Mutex<State> = Mutex::new(State { count: 0, failing: None, has_failed: false });

/// Takes the orders.
pub(crate) fn begin(orders: Orders) {
    if let (0, How::Clock(seconds)) = (orders.at, orders.how) {
        clock::jump(seconds);
    }
    let journal = orders.journal.as_deref().map(Journal::open);
    ORDERS.set((orders, journal)).expect("a process begins once");
}

/// The numbers of all calls that are met.
pub(crate) fn of_interest() -> impl Iterator<Item = i64> {
    CALLS.into_iter().chain(OLD_CALLS)
}

/// How a file is opened that is not only read.
pub(crate) const OPENS_TO_WRITE: i32 = O_WRONLY | O_RDWR | O_CREAT;

/// Which argument of a call says how it opens a file.
pub(crate) fn flags_of(number: i64) -> Option<u32> {
    match number {
        libc::SYS_openat => Some(2),
        #[cfg(target_arch = "x86_64")]
        libc::SYS_open => Some(1),
        _ => None,
    }
}

/// Makes the call for whoever made it, or does not; a negative result is an errno.
pub(crate) fn meet(number: i64, arguments: [i64; 6]) -> i64 {
    let errno = system::errno();
    let result = answer(number, &arguments);
    system::set_errno(errno);
    result
}

fn answer(number: i64, arguments: &[i64; 6]) -> i64 {
    let Some((orders, journal)) = ORDERS.get() else { return repeat(number, arguments) };
    match Call::of(number, arguments) {
        Some(call) if call.concerns(&orders.below) => counted(orders, journal.as_ref(), &call, number, arguments),
        // Others are not held up: one may wait for whoever reads a pipe.
        _ => repeat(number, arguments),
    }
}

fn counted(orders: &Orders, journal: Option<&Journal>, call: &Call, number: i64, arguments: &[i64; 6]) -> i64 {
    let mut state = STATE.lock().unwrap_or_else(PoisonError::into_inner);
    state.count += 1;
    let at = state.count == orders.at;
    let before = journal.map(|journal| journal.before(call)).unwrap_or_default();
    let result = match orders.how {
        How::Before if at => kill(),
        How::Middle if at => half(call, number, arguments),
        How::Fail(errno) if state.count >= orders.at && !state.has_failed && call.can_fail(errno) => {
            state.has_failed = true;
            -i64::from(errno)
        }
        how => {
            if at {
                begins(how, &mut state);
            }
            match state.failing {
                Some(errno) if call.can_fail(errno) => -i64::from(errno),
                _ => make(call, number, arguments),
            }
        }
    };
    if let Some(journal) = journal {
        journal.after(state.count, call, &before, result);
    }
    if at && matches!(orders.how, How::After | How::Middle) {
        kill();
    }
    result
}

/// What lasts from the chosen call on.
fn begins(how: How, state: &mut State) {
    match how {
        How::Stop(seconds) => {
            system::signal(libc::SIGSTOP);
            clock::jump(seconds);
        }
        How::FailOn(errno) => state.failing = Some(errno),
        How::Clock(seconds) => clock::jump(seconds),
        How::Before | How::After | How::Middle | How::Fail(_) => {}
    }
}

fn make(call: &Call, number: i64, arguments: &[i64; 6]) -> i64 {
    match call {
        // Whoever kills, and does not pull the plug, has no use for the disk.
        Call::Sync(_) => 0,
        Call::Unknown(path) => system::give_up(&format!("call {number} to {} is not understood", path.display())),
        Call::Open { path, empties: true } if path.metadata().is_ok_and(|file| file.len() > 0) => {
            system::give_up(&format!("{} is written over in place", path.display()))
        }
        Call::Write(descriptor) if !is_at_end(*descriptor) => {
            system::give_up(&format!("{} is written over in place", system::path_of(*descriptor).display()))
        }
        _ => repeat(number, arguments),
    }
}

fn is_at_end(descriptor: i64) -> bool {
    system::metadata_of(descriptor).is_some_and(|file| system::position(descriptor) == file.len() as i64)
}

fn half(call: &Call, number: i64, arguments: &[i64; 6]) -> i64 {
    let mut arguments = *arguments;
    if matches!(call, Call::Write(_)) {
        arguments[2] /= 2;
    }
    make(call, number, &arguments)
}

fn repeat(number: i64, arguments: &[i64; 6]) -> i64 {
    if matches!(number, libc::SYS_copy_file_range | libc::SYS_pwritev2) {
        // They need the argument by which the filter knows what to let pass; callers know what to do on older systems.
        return -i64::from(libc::ENOSYS);
    }
    let [a, b, c, d, e, _] = *arguments;
    // SAFETY: these are the arguments that the program itself made the call with, and it has no more of them.
    unsafe { system::pass(number, [a, b, c, d, e]) }
}

fn kill() -> ! {
    loop {
        system::signal(libc::SIGKILL);
    }
}

impl Call {
    /// What a call would change; `None` for calls that are not met.
    fn of(number: i64, arguments: &[i64; 6]) -> Option<Self> {
        let at = |folder: usize, name: usize| system::path_at(arguments[folder], arguments[name]);
        let leads = |descriptor: usize| system::path_of(arguments[descriptor]);
        Some(match number {
            libc::SYS_openat => opened(at(0, 1), arguments[2] as i32),
            libc::SYS_write => Self::Write(arguments[0]),
            libc::SYS_fsync | libc::SYS_fdatasync => Self::Sync(arguments[0]),
            libc::SYS_renameat => Self::Rename(at(0, 1), at(2, 3)),
            libc::SYS_renameat2 if arguments[4] as u32 & !RENAME_NOREPLACE == 0 => Self::Rename(at(0, 1), at(2, 3)),
            libc::SYS_linkat => Self::Link(at(0, 1), at(2, 3)),
            libc::SYS_unlinkat if arguments[2] as i32 & AT_REMOVEDIR == 0 => Self::Unlink(at(0, 1)),
            libc::SYS_mkdirat => Self::MakeDir(at(0, 1)),
            libc::SYS_copy_file_range => Self::Unknown(leads(2)),
            libc::SYS_truncate => Self::Unknown(system::path_at(AT_FDCWD.into(), arguments[0])),
            libc::SYS_symlinkat => Self::Unknown(at(1, 2)),
            libc::SYS_mknodat | libc::SYS_openat2 | libc::SYS_unlinkat | libc::SYS_renameat2 => Self::Unknown(at(0, 1)),
            libc::SYS_io_uring_setup => Self::Unknown(PathBuf::new()),
            _ if CALLS.contains(&number) => Self::Unknown(leads(0)),
            _ => return old(number, arguments),
        })
    }

    fn concerns(&self, folder: &Path) -> bool {
        match self {
            Self::Write(descriptor) | Self::Sync(descriptor) => system::path_of(*descriptor).starts_with(folder),
            Self::Rename(from, to) => from.starts_with(folder) || to.starts_with(folder),
            Self::Open { path, .. } | Self::Link(_, path) | Self::Unlink(path) | Self::MakeDir(path) => {
                path.starts_with(folder)
            }
            // A ring of calls has no path and could hide any of them.
            Self::Unknown(path) => path.as_os_str().is_empty() || path.starts_with(folder),
        }
    }

    /// Whether a system would fail such a call so.
    fn can_fail(&self, errno: i32) -> bool {
        match errno {
            libc::EMFILE | libc::ENFILE => matches!(self, Self::Open { .. }),
            libc::ENOSPC | libc::EDQUOT => !matches!(self, Self::Unlink(_)),
            libc::EROFS => !matches!(self, Self::Sync(_)),
            _ => true,
        }
    }
}

impl fmt::Display for Call {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Open { path, .. } => write!(f, "open {}", path.display()),
            Self::Write(descriptor) => write!(f, "write {}", system::path_of(*descriptor).display()),
            Self::Sync(descriptor) => write!(f, "sync {}", system::path_of(*descriptor).display()),
            Self::Rename(_, path) => write!(f, "rename {}", path.display()),
            Self::Link(_, path) => write!(f, "link {}", path.display()),
            Self::Unlink(path) => write!(f, "unlink {}", path.display()),
            Self::MakeDir(path) => write!(f, "mkdir {}", path.display()),
            Self::Unknown(path) => write!(f, "change {}", path.display()),
        }
    }
}

fn opened(path: PathBuf, flags: i32) -> Call {
    if flags & O_TMPFILE == O_TMPFILE {
        Call::Unknown(path)
    } else {
        Call::Open { path, empties: flags & O_TRUNC != 0 }
    }
}

/// The calls that only older architectures have, by paths from the working folder.
#[cfg(target_arch = "x86_64")]
fn old(number: i64, arguments: &[i64; 6]) -> Option<Call> {
    let here = |name: usize| system::path_at(AT_FDCWD.into(), arguments[name]);
    Some(match number {
        libc::SYS_open => opened(here(0), arguments[1] as i32),
        libc::SYS_rename => Call::Rename(here(0), here(1)),
        libc::SYS_link => Call::Link(here(0), here(1)),
        libc::SYS_unlink => Call::Unlink(here(0)),
        libc::SYS_mkdir => Call::MakeDir(here(0)),
        libc::SYS_symlink => Call::Unknown(here(1)),
        _ => Call::Unknown(here(0)),
    })
}

#[cfg(not(target_arch = "x86_64"))]
fn old(_: i64, _: &[i64; 6]) -> Option<Call> {
    None
}

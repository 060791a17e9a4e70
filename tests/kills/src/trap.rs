//! Where system calls are met: a filter in the kernel turns those of interest into a signal on the calling thread.

use std::mem::{MaybeUninit, zeroed};
use std::ptr;

use libc::{c_int, c_void, siginfo_t, sock_filter, ucontext_t};

use crate::calls;
use crate::system::{OWN, check};

#[cfg(target_arch = "x86_64")]
const ARCHITECTURE: u32 = 0xC000_003E;
#[cfg(target_arch = "aarch64")]
const ARCHITECTURE: u32 = 0xC000_00B7;

/// Where `struct seccomp_data` has what the filter asks for (seccomp(2)).
const NUMBER: u32 = 0;
const ARCH: u32 = 4;
const ARGUMENTS: u32 = 16;
const LAST_ARGUMENT: u32 = argument(5);

/// Has the calls of interest handled by [`on_trap`], on this thread and those that it starts.
pub(crate) fn install() {
    handle_signal();
    let mut filter = filter();
    let program = libc::sock_fprog { len: filter.len() as u16, filter: filter.as_mut_ptr() };
    // SAFETY: plain numbers; what the process gives up is the right to gain rights.
    check(unsafe { libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) }.into(), "give up new rights");
    // SAFETY: `program` leads to a filter of that length, which the kernel copies and checks.
    let set = unsafe { libc::prctl(libc::PR_SET_SECCOMP, libc::SECCOMP_MODE_FILTER, &program, 0, 0) };
    check(set.into(), "filter system calls");
}

fn handle_signal() {
    // SAFETY: all zeros are a valid `sigaction`.
    let mut action: libc::sigaction = unsafe { zeroed() };
    action.sa_sigaction = on_trap as *const () as usize;
    action.sa_flags = libc::SA_SIGINFO | libc::SA_RESTART;
    let mut all = MaybeUninit::uninit();
    // SAFETY: the function fills the set. Other signals wait meanwhile: their handlers may make calls that are trapped,
    // and a trap within a trap ends the process.
    action.sa_mask = unsafe {
        libc::sigfillset(all.as_mut_ptr());
        all.assume_init()
    };
    // SAFETY: the handler has the signature that SA_SIGINFO asks for, and is there as long as the process.
    check(unsafe { libc::sigaction(libc::SIGSYS, &action, ptr::null_mut()) }.into(), "handle SIGSYS");
}

/// Lets pass what another architecture or the library itself calls, and what is of no interest.
fn filter() -> Vec<sock_filter> {
    let load = |offset| statement(libc::BPF_LD | libc::BPF_W | libc::BPF_ABS, offset);
    let answer = |action| statement(libc::BPF_RET | libc::BPF_K, action);
    let allow = || answer(libc::SECCOMP_RET_ALLOW);
    let mut filter = vec![load(ARCH), unless_equal(ARCHITECTURE, 4), load(LAST_ARGUMENT)];
    filter.extend([unless_equal(OWN as u32, 3), load(LAST_ARGUMENT + 4), unless_equal((OWN >> 32) as u32, 1), allow()]);
    filter.push(load(NUMBER));
    let trap = || answer(libc::SECCOMP_RET_TRAP);
    for number in calls::of_interest() {
        match calls::flags_of(number) {
            // Opening for reading is let pass here, because the allocator does that, too.
            Some(flags) => filter.extend([
                unless_equal(number as u32, 4),
                load(argument(flags)),
                unless_any(calls::OPENS_TO_WRITE as u32, 1),
                trap(),
                allow(),
            ]),
            None => filter.extend([unless_equal(number as u32, 1), trap()]),
        }
    }
    filter.push(allow());
    filter
}

/// Where the lower half of an argument is.
const fn argument(index: u32) -> u32 {
    ARGUMENTS + index * 8
}

fn statement(code: u32, value: u32) -> sock_filter {
    sock_filter { code: code as u16, jt: 0, jf: 0, k: value }
}

/// Goes on where the value is this one, and otherwise behind the next `skip` statements.
fn unless_equal(value: u32, skip: u8) -> sock_filter {
    sock_filter { code: (libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K) as u16, jt: 0, jf: skip, k: value }
}

/// Goes on where the value has one of these bits, and otherwise behind the next `skip` statements.
fn unless_any(bits: u32, skip: u8) -> sock_filter {
    sock_filter { code: (libc::BPF_JMP | libc::BPF_JSET | libc::BPF_K) as u16, jt: 0, jf: skip, k: bits }
}

/// Makes the call in the caller's place.
///
/// It runs at a system call that the program's own code makes, so it may take memory: none of the allocator's calls is
/// trapped.
extern "C" fn on_trap(_: c_int, _: *mut siginfo_t, context: *mut c_void) {
    // SAFETY: the kernel hands the thread's registers to a handler with SA_SIGINFO, to it alone until it returns.
    let registers = unsafe { &mut (*context.cast::<ucontext_t>()).uc_mcontext };
    let (number, arguments) = read(registers);
    write(registers, calls::meet(number, arguments));
}

#[cfg(target_arch = "x86_64")]
fn read(registers: &libc::mcontext_t) -> (i64, [i64; 6]) {
    use libc::{REG_R8, REG_R9, REG_R10, REG_RAX, REG_RDI, REG_RDX, REG_RSI};
    let value = |register: c_int| registers.gregs[register as usize];
    (value(REG_RAX), [REG_RDI, REG_RSI, REG_RDX, REG_R10, REG_R8, REG_R9].map(value))
}

#[cfg(target_arch = "x86_64")]
fn write(registers: &mut libc::mcontext_t, result: i64) {
    registers.gregs[libc::REG_RAX as usize] = result;
}

#[cfg(target_arch = "aarch64")]
fn read(registers: &libc::mcontext_t) -> (i64, [i64; 6]) {
    (registers.regs[8] as i64, [0, 1, 2, 3, 4, 5].map(|register: usize| registers.regs[register] as i64))
}

#[cfg(target_arch = "aarch64")]
fn write(registers: &mut libc::mcontext_t, result: i64) {
    registers.regs[0] = result as u64;
}

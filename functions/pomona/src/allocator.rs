//! The system's allocator, which says so where there is no memory left.

use std::alloc::{GlobalAlloc, Layout, System};
use std::io::Write;

/// What is allocated here and cannot be had ends the program with exit code 1 and a line that says what to do. Rust's
/// own way is to abort; and decoders that ask whether memory can be had would take a sound image for a broken one.
pub(crate) struct Allocator;

#[allow(unsafe_code)]
// SAFETY: memory is the system allocator's, asked as this one is asked.
unsafe impl GlobalAlloc for Allocator {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller keeps what `GlobalAlloc` asks for.
        there(unsafe { System.alloc(layout) }, layout.size())
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        // SAFETY: as above.
        there(unsafe { System.alloc_zeroed(layout) }, layout.size())
    }

    unsafe fn realloc(&self, memory: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        // SAFETY: as above.
        there(unsafe { System.realloc(memory, layout, size) }, size)
    }

    unsafe fn dealloc(&self, memory: *mut u8, layout: Layout) {
        // SAFETY: as above.
        unsafe { System.dealloc(memory, layout) }
    }
}

fn there(memory: *mut u8, bytes: usize) -> *mut u8 {
    if memory.is_null() {
        end_for_want_of(bytes);
    }
    memory
}

/// Nothing may be allocated here, and whoever asked for memory may hold the lock of standard error.
#[cold]
fn end_for_want_of(bytes: usize) -> ! {
    let mut line = [0; 200];
    let mut rest = &mut line[..];
    // It is long enough.
    let _ = writeln!(
        rest,
        "error: out of memory: {bytes} bytes more are not to be had; give it more, or use fewer --threads, and the same \
         command goes on"
    );
    let unused = rest.len();
    #[allow(unsafe_code)]
    // SAFETY: the bytes are those of `line`; nothing of the process is needed after its end.
    unsafe {
        libc::write(libc::STDERR_FILENO, line.as_ptr().cast(), line.len() - unused);
        libc::_exit(1)
    }
}

//! What a session allocates for an image.
#![allow(unsafe_code, reason = "counting allocations takes an allocator")]

mod engine_support;

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

use engine_support::*;
use pomona_vision::model::{Model, ModelOptions};

/// The system's allocator, counting the calls of each thread.
struct Counting;

thread_local! {
    static ALLOCATIONS: Cell<usize> = const { Cell::new(0) };
}

// SAFETY: every call is handed on to the system's allocator unchanged.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.set(ALLOCATIONS.get() + 1);
        // SAFETY: the caller keeps the contract.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: the caller keeps the contract.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

#[test]
fn a_session_allocates_nothing_once_the_first_images_have_passed() {
    const SAME: [usize; 4] = [1, 1, 1, 1];
    let mut network = Network::new(64, 64);
    network.stem("stem", 20, SAME);
    network.block("stem", "b1", 6, 24, depthwise(2, SAME), false);
    network.block("b1", "b2", 6, 24, depthwise(1, SAME), true);
    network.head("b2", 100);
    let model = Model::from_bytes(&network.encode(), "counted", &ModelOptions::default()).expect("the network loads");
    assert_eq!(model.numerics(), "pomona-1/tf");
    let mut session = model.session().expect("a session");
    let pixels = Random::new(5).bytes(64 * 64 * 3);
    let mut features = vec![0.0; model.width()];
    let mut allocations = || {
        let before = ALLOCATIONS.get();
        session.run(&pixels, &mut features).expect("the network runs");
        ALLOCATIONS.get() - before
    };
    assert!(allocations() > 0, "the first image needs scratch memory");
    allocations();
    assert_eq!([allocations(), allocations()], [0, 0]);
}

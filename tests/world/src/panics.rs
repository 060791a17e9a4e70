//! Panics of whoever lives in a world. Nobody waits for most of them, so theirs would be lost with them.

use std::cell::RefCell;
use std::panic;
use std::sync::Once;

use crate::context;

static WATCHED: Once = Once::new();

thread_local! {
    static FIRST: RefCell<Option<String>> = const { RefCell::new(None) };
}

/// Has this thread keep what a panic in its world says, which is not printed then.
pub(crate) fn watch() {
    WATCHED.call_once(|| {
        let print = panic::take_hook();
        panic::set_hook(Box::new(move |panicked| match context::is_entered() {
            true => FIRST.with_borrow_mut(|first| *first = first.take().or_else(|| Some(panicked.to_string()))),
            false => print(panicked),
        }));
    });
    FIRST.take();
}

/// What the first panic since then said, in one line.
pub(crate) fn first() -> Option<String> {
    FIRST.take().map(|panicked| panicked.replace('\n', " "))
}

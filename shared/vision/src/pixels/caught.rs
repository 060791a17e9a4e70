//! Decoders that may panic: the image is a reject then, and nobody hears of it otherwise.
//!
//! Rust tells of each panic on standard error before it is known that somebody catches it. What decoders say there
//! would stand among a program's own messages, once for each such image, and name none. So a hook of this module comes
//! before the one that there was, and keeps silent about this thread while it decodes.

use std::any::Any;
use std::cell::Cell;
use std::panic::{self, AssertUnwindSafe, catch_unwind};
use std::sync::Once;
use std::thread;

use super::{Reject, RejectReason};

/// How libjpeg says that an allocation has failed (JERR_OUT_OF_MEMORY in its jerror.h).
const LIBJPEG_HAS_NO_MEMORY: &str = "Insufficient memory";

thread_local! {
    static IS_DECODING: Cell<bool> = const { Cell::new(false) };
}

static SILENCED: Once = Once::new();

/// What `decode` comes to, or the reject that it panics or unwinds with.
pub(super) fn caught<T>(decode: impl FnOnce() -> Result<T, Reject>) -> Result<T, Reject> {
    // The system's hook cannot be replaced by a thread that is on its way out.
    if !thread::panicking() {
        SILENCED.call_once(silence);
    }
    let outer = IS_DECODING.replace(true);
    let decoded = catch_unwind(AssertUnwindSafe(decode));
    IS_DECODING.set(outer);
    decoded.unwrap_or_else(|payload| Err(reject_of_panic(payload)))
}

fn silence() {
    let usual = panic::take_hook();
    panic::set_hook(Box::new(move |panic| {
        // A thread that ends has no such variable any more, and decodes nothing.
        if !IS_DECODING.try_with(Cell::get).unwrap_or(false) {
            usual(panic);
        }
    }));
}

fn reject_of_panic(payload: Box<dyn Any + Send>) -> Reject {
    let payload = match payload.downcast::<Reject>() {
        Ok(reject) => return *reject,
        Err(payload) => payload,
    };
    let message =
        payload.downcast_ref::<String>().map(String::as_str).or_else(|| payload.downcast_ref::<&str>().copied());
    match message {
        // Says nothing of the bytes: another time there may be more.
        Some(message) if message.contains(LIBJPEG_HAS_NO_MEMORY) => {
            Reject::new(RejectReason::Unreadable, "memory ran out while it was decoded")
        }
        message => Reject::corrupt(message.unwrap_or("the decoder failed")),
    }
}

#[cfg(test)]
mod tests {
    use std::env;
    use std::process::Command;

    use super::*;

    /// Says what a process of its own is to do: panic, in a decoder and then outside.
    const PANICS: &str = "POMONA_TEST_PANICS";

    #[test]
    fn a_panic_in_a_decoder_is_a_reject_and_says_nothing_on_standard_error() {
        if env::var_os(PANICS).is_some() {
            return panic_twice();
        }
        let name = "pixels::caught::tests::a_panic_in_a_decoder_is_a_reject_and_says_nothing_on_standard_error";
        let mut itself = Command::new(env::current_exe().unwrap());
        let output = itself.args(["--exact", name, "--nocapture"]).env(PANICS, "1").output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success() && !said.contains("a decoder's"), "{said}");
        assert!(said.contains("somebody else's"), "{said}");
    }

    fn panic_twice() {
        let reject = caught(|| -> Result<(), Reject> { panic!("a decoder's {}", "panic") }).unwrap_err();
        assert_eq!(reject, Reject::corrupt("a decoder's panic"));
        let nested = caught(|| caught(|| Err::<(), _>(Reject::ends_early())).map_err(|_| panic!("a decoder's second")));
        assert_eq!(nested.unwrap_err(), Reject::corrupt("a decoder's second"));
        assert!(catch_unwind(|| panic!("somebody else's")).is_err());
    }

    #[test]
    fn memory_that_ran_out_is_no_property_of_the_bytes() {
        let message = "libjpeg fatal error: Insufficient memory (case 4)".to_owned();
        let unwinds = || -> Result<(), Reject> { panic::resume_unwind(Box::new(message)) };
        assert_eq!(caught(unwinds).unwrap_err().reason, RejectReason::Unreadable);
    }

    #[test]
    fn what_unwinds_with_a_reject_is_that_reject() {
        let unwinds = || -> Result<(), Reject> { panic::resume_unwind(Box::new(Reject::ends_early())) };
        assert_eq!(caught(unwinds), Err(Reject::ends_early()));
    }
}

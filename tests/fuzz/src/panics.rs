//! Panics that the product catches.
//!
//! A reader must not panic. Where a decoder of others does, the product makes a reject of it, which is right: such
//! panics are told, once for each place, and do not end a search. One in a line of this project ends it, caught or not.

use std::collections::BTreeSet;
use std::panic::{self, PanicHookInfo};
use std::path::Path;
use std::sync::{Mutex, PoisonError};

use pomona_vision::pixels::{ImageReader, PixelOptions};

static PLACES: Mutex<BTreeSet<String>> = Mutex::new(BTreeSet::new());

/// Tells of panics from now on, and calls `on_own` at those in lines of this project.
pub fn watch(on_own: fn()) {
    // Readers of images install a hook of their own, which must be below this one: it hides decoders' panics.
    let _ = ImageReader::new(1, 1, &PixelOptions::default()).read(b"GIF89a", &pomona_terms::Limits::DEFAULT);
    panic::set_hook(Box::new(move |panic| {
        let place = panic.location().map_or_else(String::new, ToString::to_string);
        if PLACES.lock().unwrap_or_else(PoisonError::into_inner).insert(place) {
            eprintln!("caught: {panic}");
        }
        if is_own(panic) {
            on_own();
        }
    }));
}

/// The places of panics so far in lines of this project.
pub fn own() -> Vec<String> {
    let places = PLACES.lock().unwrap_or_else(PoisonError::into_inner);
    places.iter().filter(|place| Path::new(place).is_relative()).cloned().collect()
}

/// Cargo hands the compiler paths of this workspace relative to it, and those of dependencies from the root.
fn is_own(panic: &PanicHookInfo<'_>) -> bool {
    panic.location().is_none_or(|place| Path::new(place.file()).is_relative())
}

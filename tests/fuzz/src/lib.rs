//! What must hold of any bytes that Pomona reads, as functions of these bytes.
//!
//! A [`Target`] hands bytes to one of the product's readers, by the way that a user's bytes take, and states what must
//! hold. It panics where that does not. libFuzzer calls it by the program `fuzz` (feature `libfuzzer`), and
//! `cargo test` with the seeds and with what failed once.

mod archives;
pub mod differential;
mod erasing;
pub mod events;
mod finished_run;
mod images;
mod label_files;
mod networks;
mod numbers;
mod outputs;
pub mod panics;
mod requests;
mod run_files;
pub mod seeds;
mod stores;

/// Takes bytes to a reader.
#[derive(Clone, Copy, Debug)]
pub struct Target {
    /// What it is called.
    pub name: &'static str,
    /// Panics where the bytes are not read as they must be.
    pub check: fn(&[u8]),
}

/// All targets.
pub const TARGETS: &[Target] = &[
    Target { name: "jpeg", check: images::jpeg },
    Target { name: "png", check: images::png },
    Target { name: "gif", check: images::gif },
    Target { name: "bmp", check: images::bmp },
    Target { name: "tiff", check: images::tiff },
    Target { name: "webp", check: images::webp },
    Target { name: "onnx", check: networks::onnx },
    Target { name: "npy", check: networks::npy },
    Target { name: "tar", check: archives::tar },
    Target { name: "zip", check: archives::zip },
    Target { name: "table", check: archives::table },
    Target { name: "labels", check: label_files::labels },
    Target { name: "list", check: label_files::list },
    Target { name: "inventory", check: label_files::inventory },
    Target { name: "listing", check: run_files::listing },
    Target { name: "moments", check: run_files::moments },
    Target { name: "plan", check: run_files::plan },
    Target { name: "part", check: run_files::part },
    Target { name: "model", check: run_files::model },
    Target { name: "classifier", check: run_files::classifier },
    Target { name: "state", check: numbers::state },
    Target { name: "output", check: outputs::output },
    Target { name: "uploads", check: events::uploads },
    Target { name: "events", check: events::events },
    Target { name: "options", check: requests::options },
    Target { name: "flags", check: requests::flags },
];

/// The target of that name.
pub fn target(name: &str) -> Option<&'static Target> {
    TARGETS.iter().find(|target| target.name == name)
}

/// The last byte, which says how what is before it is read, and what is before it. Of no bytes it is 0.
fn choice(bytes: &[u8]) -> (u8, &[u8]) {
    bytes.split_last().map_or((0, bytes), |(last, rest)| (*last, rest))
}

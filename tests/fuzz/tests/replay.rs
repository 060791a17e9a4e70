//! What searches begin with, and what they found, is read as it must be.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use pomona_fuzz::{TARGETS, Target, events, panics, seeds, target};
use pomona_lambda::Error;
use pomona_vision::model::{Model, ModelError, ModelOptions};

/// How often each seed is changed.
const CHANGES: usize = 20;

/// A small deterministic generator (xorshift, Marsaglia 2003).
struct Random(u64);

impl Random {
    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % limit as u64) as usize
    }
}

fn folder(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(name)
}

fn assert_no_own_panic() {
    assert_eq!(panics::own(), Vec::<String>::new(), "panics that something has caught");
}

#[test]
fn seeds_and_seeds_with_a_byte_changed_are_read_as_they_must_be() {
    panics::watch(|| {});
    let mut random = Random(7);
    for Target { name, check } in TARGETS {
        for seed in seeds::of(name) {
            check(&seed);
            for _ in 0..CHANGES {
                let mut changed = seed.clone();
                changed[random.below(seed.len())] = random.below(256) as u8;
                check(&changed);
            }
        }
    }
    assert_no_own_panic();
}

/// Their pictures are Pillow's.
const DRAWN: [&str; 5] = ["jpeg", "gif", "bmp", "tiff", "webp"];

#[test]
fn every_target_has_seeds() {
    let without: Vec<_> = TARGETS.iter().map(|target| target.name).filter(|name| seeds::of(name).is_empty()).collect();
    assert_eq!(without, DRAWN);
}

#[test]
fn every_way_to_read_the_bytes_has_a_seed() {
    let ways = [("list", 2), ("inventory", 3), ("plan", 5), ("state", 10), ("events", 7), ("flags", 3)];
    for (target, ways) in ways {
        let found: BTreeSet<u8> = seeds::of(target).iter().map(|seed| seed[seed.len() - 1] % ways).collect();
        assert_eq!(found, (0..ways).collect(), "{target}");
    }
}

#[test]
fn every_event_among_the_seeds_is_one() {
    for seed in seeds::of("events") {
        let answer = events::answer(&seed).expect("it is JSON");
        let event = String::from_utf8_lossy(&seed);
        assert!(!matches!(answer, Err(Error::Event { .. })), "{event}: {answer:?}");
    }
}

#[test]
fn what_was_found_is_mended() {
    panics::watch(|| {});
    for kept in fs::read_dir(folder("kept")).unwrap() {
        let kept = kept.unwrap().path();
        let name = kept.file_name().unwrap().to_str().unwrap();
        let Target { check, .. } = target(name).unwrap_or_else(|| panic!("there is no target {name}"));
        for file in fs::read_dir(&kept).unwrap() {
            check(&fs::read(file.unwrap().path()).unwrap());
        }
    }
    assert_no_own_panic();
}

/// It may run, but tract reckons with addresses outside of the picture.
#[test]
fn a_network_that_leaves_nothing_of_a_picture_is_refused() {
    let mut bytes = fs::read(folder("kept/onnx/window-larger-than-its-picture")).unwrap();
    // How the target reads it.
    bytes.pop();
    let read = Model::from_bytes(&bytes, "a network", &ModelOptions::default());
    assert!(matches!(read, Err(ModelError::Unsupported { .. })), "{:?}", read.err());
}

#[test]
fn every_target_is_searched() {
    let script = fs::read_to_string(folder("run.py")).unwrap();
    for Target { name, .. } in TARGETS {
        assert!(script.contains(&format!("\"{name}\"")), "run.py does not name {name}");
    }
}

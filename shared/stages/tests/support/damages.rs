//! What may happen to a file at rest.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;

pub type Objects = BTreeMap<String, Bytes>;

/// Places in a file at which a bit is flipped.
pub const FLIPS: usize = 20;

/// What has become of a file: its bytes, unless it is gone.
pub type Damaged = Option<Bytes>;

/// One file of each kind with another of its kind, or else of its folder, that will be put in its place.
pub fn kinds(output: &Objects) -> Vec<(String, String)> {
    let mut found = BTreeSet::new();
    output.keys().filter(|key| found.insert(kind(key))).map(|key| (key.clone(), another(output, key))).collect()
}

/// Another file of the same kind, or of the same ending, or any.
pub fn another(output: &Objects, key: &str) -> String {
    let others = || output.keys().filter(|other| *other != key && output[*other] != output[key]);
    let alike = others().find(|other| kind(other) == kind(key));
    let other = alike.or_else(|| others().find(|other| extension(other) == extension(key)));
    other.or_else(|| others().next()).unwrap().clone()
}

/// The key without the names of parts, runs and shards.
pub fn kind(key: &str) -> String {
    let is_name = |word: &str| word.len() >= 16 || word.bytes().all(|byte| byte.is_ascii_digit());
    let words = key.split(['/', '.']).map(|word| if is_name(word) { "*" } else { word });
    words.collect::<Vec<_>>().join("/")
}

fn extension(key: &str) -> &str {
    key.rsplit_once('.').map_or("", |(_, extension)| extension)
}

/// Everything that may become of a file of these bytes, with bits flipped at so many places, and a word for each.
pub fn damages(bytes: &Bytes, other: &Bytes, flips: usize) -> Vec<(String, Damaged)> {
    let flip = |number: usize| {
        let place = number * bytes.len() / flips;
        let mut flipped = bytes.to_vec();
        flipped[place] ^= 1 << (number % 8);
        (format!("bit {} of byte {place} flipped", number % 8), Some(flipped.into()))
    };
    let mut damages: Vec<(String, Damaged)> =
        if bytes.is_empty() { Vec::new() } else { (0..flips).map(flip).collect() };
    damages.extend([
        ("half".to_owned(), Some(bytes.slice(..bytes.len() / 2))),
        ("empty".to_owned(), Some(Bytes::new())),
        ("zeros".to_owned(), Some(vec![0; bytes.len()].into())),
        ("swapped".to_owned(), Some(other.clone())),
        ("missing".to_owned(), None),
    ]);
    damages.retain(|(_, damaged)| damaged.as_ref() != Some(bytes));
    damages
}

/// The output with `damaged` in the place of the file at `key`.
pub fn with(mut output: Objects, key: &str, damaged: Damaged) -> Objects {
    match damaged {
        Some(bytes) => output.insert(key.to_owned(), bytes),
        None => output.remove(key),
    };
    output
}

/// Pairs of files that something happens to at the same time, drawn by a fixed seed.
pub fn pairs(output: &Objects, count: usize) -> Vec<[(String, String, Damaged); 2]> {
    let keys: Vec<&String> = output.keys().collect();
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut draw = |below: usize| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 33) as usize % below
    };
    let mut one = || loop {
        let key = keys[draw(keys.len())];
        let mut all = damages(&output[key], &output[&another(output, key)], 4);
        if !all.is_empty() {
            let (what, damaged) = all.swap_remove(draw(all.len()));
            return (key.clone(), what, damaged);
        }
    };
    let mut pair = || loop {
        let (first, second) = (one(), one());
        if first.0 != second.0 {
            return [first, second];
        }
    };
    (0..count).map(|_| pair()).collect()
}

//! Names are contents: shards by the hash of a key, parts and nodes by the digest of all that determines their bytes.

use sha2::{Digest, Sha256};

/// Above this mean time of a shard, in microseconds of one core, the number of shards is doubled: a quarter of what
/// list-batch has by default, because a shard may be larger than the mean and a Lambda slower than what was measured.
const MAX_MEAN_SHARD_MICROSECONDS: u64 = 30_000_000;
/// What an image takes, in microseconds, whatever its size: the network, and a small JPEG (BENCHMARKS.md, rounded up).
const MICROSECONDS_PER_IMAGE: u64 = 10_000;
/// How many bytes of a large photograph are decoded in a microsecond: 12 megapixels in 2.5 MB take some 100 ms, and
/// such strong compression is the most that is usual.
const BYTES_PER_MICROSECOND: u64 = 25;

/// Above this mean size of a shard's features, in bytes, the number of shards is doubled: whoever works on a shard
/// holds them all.
const MAX_MEAN_SHARD_FEATURES: u64 = 48 << 20;
/// Bytes of a feature.
const FEATURE_BYTES: u64 = 4;

/// The largest number of bits that name a shard: a million shards.
const MAX_SHARD_BITS: u32 = 20;

/// How many leading bits of a key's hash name its shard: the largest power of two of shards with at least `shard_size`
/// images in each on average, and more where the mean shard would take longer than half a minute, or its features, so
/// many of each image, more memory than is to be had everywhere.
pub fn shard_bits(images: u64, bytes: u64, features: u64, shard_size: u64) -> u32 {
    let by_count = (images / shard_size.max(1)).max(1).ilog2();
    let microseconds = images.saturating_mul(MICROSECONDS_PER_IMAGE).saturating_add(bytes / BYTES_PER_MICROSECOND);
    let by_work = bits_of(microseconds.div_ceil(MAX_MEAN_SHARD_MICROSECONDS));
    let feature_bytes = images.saturating_mul(features).saturating_mul(FEATURE_BYTES);
    let by_width = bits_of(feature_bytes.div_ceil(MAX_MEAN_SHARD_FEATURES));
    by_count.max(by_work).max(by_width).min(MAX_SHARD_BITS)
}

/// How many images that lie side by side in an archive are in one shard at most: so few that they are small beside a
/// mean shard, in number and in features.
pub fn most_neighbours(features: u64) -> u64 {
    (MAX_MEAN_SHARD_FEATURES / 8 / (features.max(1) * FEATURE_BYTES)).clamp(8, 256)
}

/// Bits that tell at least so many shards apart.
fn bits_of(shards: u64) -> u32 {
    shards.max(1).checked_next_power_of_two().map_or(MAX_SHARD_BITS, u64::ilog2)
}

/// The shard of a key: the top `bits` bits of its SHA-256.
pub fn shard_of(key: &str, bits: u32) -> u32 {
    let digest = Sha256::digest(key.as_bytes());
    let top = u32::from_be_bytes([digest[0], digest[1], digest[2], digest[3]]);
    top.checked_shr(32 - bits).unwrap_or(0)
}

/// The order in which `--limit` samples keys. Another hash than the shards', or a sample would fill the first shards
/// only.
pub fn sample_rank(key: &str) -> [u8; 32] {
    let mut hash = Sha256::new();
    hash.update(b"pomona sample\0");
    hash.update(key.as_bytes());
    hash.finalize().into()
}

/// The order in which the report samples keys for its scatter plot. Another hash than `--limit`'s, which leaves only
/// keys of a low rank.
pub fn plot_rank(key: &str) -> u64 {
    let mut hash = Sha256::new();
    hash.update(b"pomona plot\0");
    hash.update(key.as_bytes());
    hash.finalize().iter().take(8).fold(0, |rank, &byte| rank << 8 | u64::from(byte))
}

/// Where a key lies between 0 and 1 when images are split in two, drawn by `seed`. Another hash than the shards' and the
/// samples', which would leave whole shards on one side.
pub fn split_share(seed: u64, key: &str) -> f64 {
    let mut hash = Sha256::new();
    hash.update(b"pomona split\0");
    hash.update(seed.to_le_bytes());
    hash.update(key.as_bytes());
    share(hash)
}

/// Where a key lies between 0 and 1 when neighbours in an archive are parted.
pub fn parting_share(key: &str) -> f64 {
    let mut hash = Sha256::new();
    hash.update(b"pomona parting\0");
    hash.update(key.as_bytes());
    share(hash)
}

/// The hash as a number from 0 to 1, without 1.
fn share(hash: Sha256) -> f64 {
    let top = hash.finalize().iter().take(8).fold(0_u64, |top, &byte| top << 8 | u64::from(byte));
    // The 53 bits that a float holds exactly.
    (top >> 11) as f64 / (1_u64 << 53) as f64
}

/// A digest over fields of any length; each is preceded by its length, so that no two lists of fields collide.
#[derive(Debug)]
pub struct NameHasher(Sha256);

impl NameHasher {
    /// A digest for one purpose: no other purpose's has the same names.
    pub fn new(purpose: &str) -> Self {
        let mut hasher = Self(Sha256::new());
        hasher.field(purpose.as_bytes());
        hasher
    }

    /// Adds a field.
    pub fn field(&mut self, bytes: &[u8]) {
        self.0.update((bytes.len() as u64).to_le_bytes());
        self.0.update(bytes);
    }

    /// The digest in hexadecimal.
    pub fn finish(self) -> String {
        format!("{:x}", self.0.finalize())
    }
}

/// The length of a digest in hexadecimal.
pub const DIGEST_LENGTH: usize = 64;

/// Whether this is written with the digits of a digest.
pub fn is_hexadecimal(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte))
}

/// The SHA-256 of a file's bytes.
pub fn digest(bytes: &[u8]) -> String {
    format!("{:x}", Sha256::digest(bytes))
}

/// The digest that a file carries in itself: of the key at which it lies, so that no file can stand for another, and of
/// its bytes.
pub fn seal(key: &str, bytes: &[u8]) -> String {
    let mut seal = NameHasher::new("pomona seal 1");
    seal.field(key.as_bytes());
    seal.field(bytes);
    seal.finish()
}

/// The name of the node that merges `children`, in this order.
pub fn node_name(children: &[String]) -> String {
    let mut name = NameHasher::new("pomona node 2");
    for child in children {
        name.field(child.as_bytes());
    }
    name.finish()
}

/// The name under which `run_id` keeps a part or node that holds something which no other run may take over, such as an
/// image that could not be read this time.
pub fn name_of_this_run(name: &str, run_id: &str) -> String {
    let mut own = NameHasher::new("pomona this run only 1");
    own.field(name.as_bytes());
    own.field(run_id.as_bytes());
    own.finish()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_number_of_shards_is_the_largest_power_of_two_that_keeps_them_full() {
        assert_eq!(shard_bits(1, 1, 1280, 512), 0);
        assert_eq!(shard_bits(1023, 1, 1280, 512), 0);
        assert_eq!(shard_bits(1024, 1, 1280, 512), 1);
        assert_eq!(shard_bits(6_724, 1, 1280, 512), 3);
        assert_eq!(shard_bits(10_000_000, 1, 1280, 512), 14);
    }

    #[test]
    fn large_images_make_more_shards() {
        // Half a minute: 29 s of decoding, 100 images.
        let half_a_minute = 29_000_000 * BYTES_PER_MICROSECOND;
        assert_eq!(shard_bits(100, half_a_minute, 1280, 512), 0);
        assert_eq!(shard_bits(100, half_a_minute + BYTES_PER_MICROSECOND, 1280, 512), 1);
        assert_eq!(shard_bits(100, 5 * half_a_minute, 1280, 512), 3);
        assert_eq!(shard_bits(u64::MAX, u64::MAX, 1280, 512), MAX_SHARD_BITS);
    }

    #[test]
    fn wide_features_make_more_shards() {
        let bits = shard_bits(67_000, 1, 62_720, 512);
        assert_eq!(bits, 9);
        let mean = 67_000 * 62_720 * FEATURE_BYTES / (1 << bits);
        assert!((32_000_000..MAX_MEAN_SHARD_FEATURES).contains(&mean), "{mean}");
        assert_eq!(shard_bits(300, 1, 62_720, 512), 1);
    }

    proptest! {
        /// By the measured times: however many images there are and however large they are, on one core, which a Lambda
        /// has, a mean shard takes a quarter of list-batch's 120 seconds.
        #[test]
        fn no_mean_shard_comes_near_its_time(images in 1_u64..20_000_000, mean in 1_u64..20_000_000) {
            let shards = 1_u64 << shard_bits(images, images * mean, 1280, 512);
            let seconds = images as f64 / shards as f64 * (0.010 + mean as f64 / 2.5e7);
            prop_assert!(seconds <= 30.1 || shards == 1 << MAX_SHARD_BITS, "{} shards, {} s", shards, seconds);
        }

        #[test]
        fn small_photographs_are_cut_by_their_number(images in 1_u64..10_000_000) {
            let by_count = (images / 512).max(1).ilog2();
            prop_assert_eq!(shard_bits(images, images * 300_000, 1280, 512), by_count);
        }
    }

    #[test]
    fn a_shard_is_the_top_bits_of_the_digest() {
        // sha256("abc") = ba7816bf...
        assert_eq!(shard_of("abc", 0), 0);
        assert_eq!(shard_of("abc", 4), 0xb);
        assert_eq!(shard_of("abc", 16), 0xba78);
    }

    #[test]
    fn fields_do_not_run_into_each_other() {
        let name = |fields: &[&str]| {
            let mut hasher = NameHasher::new("test");
            fields.iter().for_each(|field| hasher.field(field.as_bytes()));
            hasher.finish()
        };
        assert_ne!(name(&["ab", "c"]), name(&["a", "bc"]));
        assert_ne!(name(&["ab"]), name(&["ab", ""]));
    }

    proptest! {
        #[test]
        fn halving_the_bits_merges_neighbouring_shards(key in ".*", bits in 1u32..20) {
            prop_assert_eq!(shard_of(&key, bits) >> 1, shard_of(&key, bits - 1));
        }

        #[test]
        fn shards_hold_at_least_their_size_on_average_unless_half_as_many_took_too_long(
            images in 1u64..100_000_000,
            size in 1u64..10_000,
        ) {
            let shards = 1u64 << shard_bits(images, 0, 1, size);
            let is_too_long = |shards| images * MICROSECONDS_PER_IMAGE > shards * MAX_MEAN_SHARD_MICROSECONDS;
            prop_assert!(shards == 1 || images / shards >= size || is_too_long(shards / 2));
            prop_assert!(!is_too_long(shards) || shards == 1 << MAX_SHARD_BITS);
            prop_assert!(images / (shards * 2) < size || shards == 1 << MAX_SHARD_BITS);
        }
    }
}

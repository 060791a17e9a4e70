//! How much is under way at once, and on how large a machine: numbers that the stages and the model of their cost
//! share.

use std::num::NonZeroU32;

/// Requests to the output that a stage has under way at once.
pub const REQUESTS: usize = 32;

/// Images that extraction reads ahead of so many threads, so that computing does not wait for input: twice what they
/// compute while a distant bucket answers (30 ms, 2.5 ms an image), and no more than a bucket could serve them.
pub const fn images_read_ahead(threads: usize) -> usize {
    match 24 * threads {
        0..32 => 32,
        ahead @ 32..512 => ahead,
        512.. => 512,
    }
}

/// Bytes of images that extraction holds at once for a few threads; an image larger than that waits until it has the
/// whole budget.
pub const BYTES_READ_AHEAD: u64 = 128 << 20;

/// The same for so many threads: several large photographs each.
pub const fn bytes_read_ahead(threads: usize) -> u64 {
    let of_threads = threads as u64 * (16 << 20);
    if of_threads > BYTES_READ_AHEAD { of_threads } else { BYTES_READ_AHEAD }
}

/// On AWS: shards that are worked on at once where nobody says anything else.
pub const SHARDS: NonZeroU32 = NonZeroU32::new(64).unwrap();

/// On AWS: the memory, in MB, with which a Lambda gets one vCPU to itself (Lambda guide, "Configure Lambda function
/// memory"), and which the template gives the functions.
pub const MB_PER_VCPU: u32 = 1769;

//! How much is under way at once, and on how large a machine: numbers that the stages and the model of their cost
//! share.

use std::num::NonZeroU32;

/// Requests to the output that a stage has under way at once.
pub const REQUESTS: usize = 32;

/// Images that each thread of extraction works on at once.
pub const IMAGES_OF_A_THREAD: usize = 4;

/// Images that extraction reads ahead of so many threads, so that computing does not wait for input: twice what they
/// compute while a distant bucket answers (30 ms, 2.5 ms an image). Each may be a request; with those in the making they
/// are no more than 768, as long as that leaves 32, because a process often has 1,024 files.
pub fn images_read_ahead(threads: usize) -> usize {
    const MOST_IMAGES: usize = 768;
    let most = MOST_IMAGES.saturating_sub(threads * IMAGES_OF_A_THREAD);
    (24 * threads).min(most).max(32)
}

/// Images that extraction holds at once for so many threads, in the making and read ahead.
pub fn images_at_once(threads: usize) -> usize {
    threads * IMAGES_OF_A_THREAD + images_read_ahead(threads)
}

/// Bytes of images that extraction holds at once for a few threads; an image larger than that waits until it has the
/// whole budget.
pub const BYTES_READ_AHEAD: u64 = 128 << 20;

/// The same for so many threads: several large photographs each, and no more than 1 GiB.
pub fn bytes_read_ahead(threads: usize) -> u64 {
    (threads as u64 * (16 << 20)).clamp(BYTES_READ_AHEAD, 1 << 30)
}

/// On AWS: shards that are worked on at once where nobody says anything else.
pub const SHARDS: NonZeroU32 = NonZeroU32::new(64).unwrap();

/// On AWS: the memory, in MB, with which a Lambda gets one vCPU to itself (Lambda guide, "Configure Lambda function
/// memory"), and which the template gives the functions.
pub const MB_PER_VCPU: u32 = 1769;

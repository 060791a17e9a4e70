//! How much is under way at once, and on how large a machine: numbers that the stages and the model of their cost
//! share.

use std::num::NonZeroU32;

/// Requests to the output that a stage has under way at once.
pub const REQUESTS: usize = 32;

/// Images that extraction reads ahead of the threads, so that computing does not wait for input.
pub const IMAGES_READ_AHEAD: usize = 32;

/// Bytes of images that extraction holds at once; an image larger than that waits until it has the whole budget.
pub const BYTES_READ_AHEAD: u64 = 128 << 20;

/// On AWS: shards that are worked on at once where nobody says anything else.
pub const SHARDS: NonZeroU32 = NonZeroU32::new(64).unwrap();

/// On AWS: the memory, in MB, with which a Lambda gets one vCPU to itself (Lambda guide, "Configure Lambda function
/// memory"), and which the template gives the functions.
pub const MB_PER_VCPU: u32 = 1769;

//! Terms that crates share which need not know one another: an image's limits, losses and reasons to be rejected, where
//! a network's weights come from, how many components to keep. Words alone: nothing here computes, reads or writes.

mod components;
mod image;
mod weights;

pub use components::{CLASSIFIER_WEIGHTS, COVARIANCE_FEATURES, Components, NoComponents};
pub use image::{Limits, Losses, Reject, RejectReason};
pub use weights::Weights;

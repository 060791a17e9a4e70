//! Where a network's numbers come from.

use serde::{Deserialize, Serialize};

/// Whether anybody taught the network what its features mean.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Weights {
    /// As is taken of every model that does not say otherwise.
    #[default]
    Trained,
    /// The numbers are drawn at random, as the model's metadata says.
    Untrained,
}

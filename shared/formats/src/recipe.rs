//! All that determines features beside the images.

use pomona_pca::COVARIANCE_FEATURES;
use pomona_run::names::NameHasher;
use pomona_terms::{Limits, Weights};
use serde::{Deserialize, Serialize};

/// What a user must know about features of untrained weights.
pub const UNTRAINED_NOTICE: &str = "untrained weights: their features tell colours, edges and textures apart, and know \
                                    nothing of what ImageNet teaches";

/// How features are made of images: two runs with equal recipes make equal features of equal images.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Recipe {
    /// SHA-256 of the model file.
    pub model_digest: String,
    /// Whether that model was trained. Its digest says as much, but not to people.
    #[serde(default)]
    pub weights: Weights,
    /// Engine, version of its numerics, preprocessing and the chosen output.
    pub numerics: String,
    /// Version of decoding and resizing.
    pub pixels: String,
    /// What decoding refuses.
    pub limits: Limits,
    /// Numbers per image.
    pub feature_width: usize,
}

impl Recipe {
    /// The same recipe of pictures that have at most so many pixels.
    pub fn with_max_pixels(self, max_pixels: u64) -> Self {
        Self { limits: Limits::of_pixels(max_pixels), ..self }
    }

    /// Whether there are too many features for a covariance, so that components are found by several passes.
    pub fn is_wide(&self) -> bool {
        self.feature_width > COVARIANCE_FEATURES
    }

    /// Whether features by this recipe are features by `other`, too; of a lower limit they are, but for what it
    /// refused.
    pub fn serves(&self, other: &Self) -> bool {
        let (own, theirs) = (self.limits, other.limits);
        let refuses_no_less =
            own.max_pixels <= theirs.max_pixels && own.max_side <= theirs.max_side && own.max_bytes <= theirs.max_bytes;
        refuses_no_less && Self { limits: theirs, ..self.clone() } == *other
    }

    /// What a user must know about such features, if anything.
    pub fn notice(&self) -> Option<&'static str> {
        match self.weights {
            Weights::Trained => None,
            Weights::Untrained => Some(UNTRAINED_NOTICE),
        }
    }

    /// The digest that parts are named by.
    pub fn digest(&self) -> String {
        let mut digest = NameHasher::new("pomona recipe 1");
        digest.field(self.model_digest.as_bytes());
        digest.field(self.numerics.as_bytes());
        digest.field(self.pixels.as_bytes());
        digest.field(&self.limits.max_pixels.to_le_bytes());
        digest.field(&self.limits.max_side.to_le_bytes());
        digest.field(&self.limits.max_bytes.to_le_bytes());
        digest.field(&(self.feature_width as u64).to_le_bytes());
        digest.finish()
    }
}

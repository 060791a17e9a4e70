//! All that determines features beside the images.

use pomona_vision::extractor::{Extractor, PIXELS_VERSION};
use pomona_vision::pixels::Limits;
use serde::{Deserialize, Serialize};

use crate::names::NameHasher;

/// How features are made of images: two runs with equal recipes make equal features of equal images.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Recipe {
    /// SHA-256 of the model file.
    pub model_digest: String,
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
    /// The recipe of an extractor.
    pub fn of(extractor: &Extractor) -> Self {
        let model = extractor.model();
        Self {
            model_digest: model.digest().to_owned(),
            numerics: model.numerics().to_owned(),
            pixels: PIXELS_VERSION.to_owned(),
            limits: extractor.limits(),
            feature_width: model.width(),
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

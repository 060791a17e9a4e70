//! One image file -> one feature vector: decoding, resizing and the network in one place.

use crate::model::{self, Model, ModelError};
use crate::pixels::{ImageReader, Limits, Reject, RejectReason};

/// Version of decoding and resizing. Raise it with any change that gives another pixel or another reject for some file.
pub const PIXELS_VERSION: &str = "pillow-4";

/// A model with the limits of decoding; shared by all threads.
#[derive(Debug)]
pub struct Extractor {
    model: Model,
    limits: Limits,
}

/// One thread's state: nothing is allocated for an image once the first ones have passed.
pub struct Session {
    reader: ImageReader,
    network: model::Session,
    features: Vec<f32>,
}

impl Extractor {
    /// Extracts with `model` what lies within `limits`.
    pub fn new(model: Model, limits: Limits) -> Self {
        Self { model, limits }
    }

    /// The network.
    pub fn model(&self) -> &Model {
        &self.model
    }

    /// The limits of decoding.
    pub fn limits(&self) -> Limits {
        self.limits
    }

    /// State for one more thread.
    ///
    /// # Errors
    /// Those of [`Model::session`].
    pub fn session(&self) -> Result<Session, ModelError> {
        let (width, height) = self.model.input_size();
        Ok(Session {
            reader: ImageReader::new(width, height, self.limits),
            network: self.model.session()?,
            features: vec![0.0; self.model.width()],
        })
    }
}

impl Session {
    /// The features of an image file, valid until the next call; or why the image cannot be used.
    ///
    /// # Errors
    /// [`ModelError`] when the network itself fails, which no image's bytes can bring about.
    pub fn features(&mut self, image: &[u8]) -> Result<Result<&[f32], Reject>, ModelError> {
        let pixels = match self.reader.read(image) {
            Ok(pixels) => pixels,
            Err(reject) => return Ok(Err(reject)),
        };
        self.network.run(pixels, &mut self.features)?;
        match self.features.iter().position(|value| !value.is_finite()) {
            None => Ok(Ok(&self.features)),
            // Such a model divides by what is 0 for this image. One row of it would spoil every mean and component.
            Some(feature) => Ok(Err(Reject {
                reason: RejectReason::NotFinite,
                detail: format!("the model's feature {feature} of it is {}", self.features[feature]),
            })),
        }
    }
}

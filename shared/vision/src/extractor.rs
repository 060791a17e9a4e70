//! One image file -> one feature vector: decoding, resizing and the network in one place.

use crate::model::{self, Model, ModelError};
use crate::pixels::{ImageReader, Limits, Losses, Picture, Reject, RejectReason};

/// A model that takes image files; shared by all threads.
#[derive(Debug)]
pub struct Extractor {
    model: Model,
}

/// One thread's state: nothing is allocated for an image once the first ones have passed.
pub struct Session {
    reader: ImageReader,
    network: model::Session,
    features: Vec<f32>,
}

/// What an image file became.
#[derive(Clone, Copy, Debug)]
pub struct Features<'a> {
    /// The network's output: `[width]`, all finite.
    pub values: &'a [f32],
    /// What the picture had lost before the network saw it.
    pub losses: Losses,
}

impl Extractor {
    /// Extracts with `model`.
    pub fn new(model: Model) -> Self {
        Self { model }
    }

    /// The network.
    pub fn model(&self) -> &Model {
        &self.model
    }

    /// State for one more thread.
    ///
    /// # Errors
    /// Those of [`Model::session`].
    pub fn session(&self) -> Result<Session, ModelError> {
        let (width, height) = self.model.input_size();
        Ok(Session {
            reader: ImageReader::new(width, height, self.model.pixels()),
            network: self.model.session()?,
            features: vec![0.0; self.model.width()],
        })
    }
}

impl Session {
    /// The features of an image file within `limits`, valid until the next call; or why the image cannot be used.
    ///
    /// # Errors
    /// [`ModelError`] when the network itself fails, which no image's bytes can bring about.
    pub fn features(&mut self, image: &[u8], limits: &Limits) -> Result<Result<Features<'_>, Reject>, ModelError> {
        self.features_of(|reader| reader.read(image, limits))
    }

    /// As [`features`](Self::features), of a picture that is decoded already.
    ///
    /// # Errors
    /// As [`features`](Self::features).
    pub fn features_of_picture(
        &mut self,
        picture: &Picture<'_>,
        limits: &Limits,
    ) -> Result<Result<Features<'_>, Reject>, ModelError> {
        self.features_of(|reader| reader.take(picture, limits))
    }

    fn features_of(
        &mut self,
        read: impl FnOnce(&mut ImageReader) -> Result<&[u8], Reject>,
    ) -> Result<Result<Features<'_>, Reject>, ModelError> {
        let pixels = match read(&mut self.reader) {
            Ok(pixels) => pixels,
            Err(reject) => return Ok(Err(reject)),
        };
        self.network.run(pixels, &mut self.features)?;
        match self.features.iter().position(|value| !value.is_finite()) {
            None => Ok(Ok(Features { values: &self.features, losses: self.reader.losses() })),
            // Such a model divides by what is 0 for this image. One row of it would spoil every mean and component.
            Some(feature) => Ok(Err(Reject {
                reason: RejectReason::NotFinite,
                detail: format!("the model's feature {feature} of it is {}", self.features[feature]),
            })),
        }
    }
}

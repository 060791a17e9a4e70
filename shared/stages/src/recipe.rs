//! How a model makes features.

use pomona_formats::recipe::Recipe;
use pomona_vision::extractor::PIXELS_VERSION;
use pomona_vision::model::Model;
use pomona_vision::pixels::Limits;

/// The recipe of features that `model` makes of pictures within the default limits.
pub fn of(model: &Model) -> Recipe {
    Recipe {
        model_digest: model.digest().to_owned(),
        weights: model.weights(),
        numerics: model.numerics().to_owned(),
        pixels: PIXELS_VERSION.to_owned(),
        limits: Limits::DEFAULT,
        feature_width: model.width(),
    }
}

//! How a model makes features; also as a file beside the model, for those who plan and do not compute.

use std::fs;
use std::path::{Path, PathBuf};

use pomona_formats::recipe::Recipe;
use pomona_run::names;
use pomona_vision::model::{Model, ModelOptions, are_current_numerics};
use pomona_vision::pixels::{Limits, PixelOptions};

use crate::error::Error;

const OF_ANOTHER_VERSION: &str = "it is of another version of pomona";

/// The recipe of features that `model` makes of pictures within the default limits.
pub fn of(model: &Model) -> Recipe {
    Recipe {
        model_digest: model.digest().to_owned(),
        weights: model.weights(),
        numerics: model.numerics().to_owned(),
        pixels: model.pixels().to_string(),
        limits: Limits::DEFAULT,
        feature_width: model.width(),
    }
}

/// The recipe of the model file `path`, which was loaded as it is to be used: the file beside it that it belongs in, and
/// what that holds.
///
/// # Errors
/// [`Error::Recipe`] for one that cannot be written as JSON, which none should be.
pub fn file_of(path: &Path, model: &Model) -> Result<(PathBuf, Vec<u8>), Error> {
    let recipe = of(model);
    let file = beside(path);
    let json = serde_json::to_vec_pretty(&recipe).map_err(|error| unusable(&file, error))?;
    Ok((file, json))
}

/// Reads the recipe beside the model file `model`, without loading that.
///
/// # Errors
/// [`Error::Recipe`] where there is none, or it is of another model or another version of this program.
pub fn read_beside(model: &Path) -> Result<Recipe, Error> {
    let file = beside(model);
    let recipe = read(&file)?;
    let bytes = fs::read(model).map_err(|error| unusable(&file, format!("{}: {error}", model.display())))?;
    if names::digest(&bytes) != recipe.model_digest {
        return Err(unusable(&file, "it is of another model"));
    }
    if recipe.pixels.parse::<PixelOptions>().is_err() || !are_current_numerics(&recipe.numerics) {
        return Err(unusable(&file, OF_ANOTHER_VERSION));
    }
    Ok(recipe)
}

/// Loads the model file `model` as the recipe beside it says; whether the recipe is this model's is asked when there is
/// a plan to compare with.
///
/// # Errors
/// [`Error::Recipe`] where there is none that can be read, [`Error::Model`] for a file that is no model.
pub fn load_beside(model: &Path) -> Result<Model, Error> {
    let file = beside(model);
    let recipe = read(&file)?;
    let options = ModelOptions::of_names(&recipe.numerics, &recipe.pixels);
    Ok(Model::load(model, &options.ok_or_else(|| unusable(&file, OF_ANOTHER_VERSION))?)?)
}

fn read(file: &Path) -> Result<Recipe, Error> {
    let json = fs::read(file).map_err(|error| unusable(file, error))?;
    serde_json::from_slice(&json).map_err(|error| unusable(file, error))
}

fn beside(model: &Path) -> PathBuf {
    model.with_extension("recipe.json")
}

fn unusable(file: &Path, problem: impl ToString) -> Error {
    Error::Recipe { file: file.display().to_string(), problem: problem.to_string() }
}

#[cfg(test)]
mod tests {
    use pomona_vision::model::{Layer, Preprocess};
    use pomona_vision::preset::Preset;

    use super::*;

    #[test]
    fn a_recipe_is_read_beside_its_own_model_only_and_by_the_same_version_only() {
        let folder = tempfile::tempdir().unwrap();
        let model = folder.path().join("network.onnx");
        assert!(matches!(read_beside(&model), Err(Error::Recipe { .. })));
        fs::write(&model, pomona_weights::untrained()).unwrap();
        let (file, json) = file_of(&model, &Model::load(&model, &ModelOptions::default()).unwrap()).unwrap();
        fs::write(&file, &json).unwrap();
        assert_eq!(file, folder.path().join("network.recipe.json"));
        let recipe = read_beside(&model).unwrap();
        assert_eq!(recipe, of(&Model::load(&model, &ModelOptions::default()).unwrap()));

        let of_others = [
            Recipe { pixels: "another".to_owned(), ..recipe.clone() },
            Recipe { numerics: "pomona-0/tf".to_owned(), ..recipe },
        ];
        for other in of_others {
            fs::write(&file, serde_json::to_vec(&other).unwrap()).unwrap();
            let error = read_beside(&model).unwrap_err().to_string();
            assert!(error.contains("another version") && error.contains("pomona model recipe"), "{error}");
        }
        fs::write(&file, json).unwrap();
        fs::write(&model, "another model").unwrap();
        assert!(read_beside(&model).unwrap_err().to_string().contains("another model"));
    }

    #[test]
    fn a_model_is_loaded_as_its_recipe_says() {
        let folder = tempfile::tempdir().unwrap();
        let model = folder.path().join("network.onnx");
        fs::write(&model, pomona_weights::untrained()).unwrap();
        assert!(matches!(load_beside(&model), Err(Error::Recipe { .. })));
        let pixels = Preset::Torchvision.pixels();
        let options =
            ModelOptions { pixels, preprocess: Preprocess::Torch, layer: Layer::Conv1, ..ModelOptions::default() };
        let (file, json) = file_of(&model, &Model::load(&model, &options).unwrap()).unwrap();
        fs::write(&file, &json).unwrap();
        let recipe = read_beside(&model).unwrap();
        assert!(recipe.numerics.ends_with("/torch/Conv_1"), "{}", recipe.numerics);
        assert!(recipe.pixels.ends_with("/bilinear/crop=256"), "{}", recipe.pixels);
        assert_eq!(recipe.feature_width, 7 * 7 * 1280);
        assert_eq!(of(&load_beside(&model).unwrap()), recipe);
    }
}

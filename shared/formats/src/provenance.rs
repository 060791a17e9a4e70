//! What a table says of itself in Parquet's key-value metadata. Nothing in it depends on when, where or how often a run
//! was made: equal tables have equal bytes, and a part's features are shared by runs.

use pomona_run::Options;
use pomona_terms::Weights;

use crate::recipe::Recipe;

/// Names with values.
pub type Entries = Vec<(String, String)>;

/// What features were made by: the model's SHA-256, whether it was trained, engine and preprocessing, decoding.
pub fn of_features(recipe: &Recipe) -> Entries {
    let weights = match recipe.weights {
        Weights::Trained => "trained",
        Weights::Untrained => "untrained",
    };
    [
        ("pomona.model_sha256", recipe.model_digest.as_str()),
        ("pomona.weights", weights),
        ("pomona.numerics", recipe.numerics.as_str()),
        ("pomona.pixels", recipe.pixels.as_str()),
    ]
    .map(|(name, value)| (name.to_owned(), value.to_owned()))
    .to_vec()
}

/// What components were made by: that of their features, and the options of the PCA.
pub fn of_components(recipe: &Recipe, options: &Options) -> Entries {
    let of_pca = [
        ("pomona.components", options.components.to_string()),
        ("pomona.center", options.center.to_string()),
        ("pomona.standardize", options.standardize.to_string()),
    ];
    of_features(recipe).into_iter().chain(of_pca.map(|(name, value)| (name.to_owned(), value))).collect()
}

//! The images of a run that are most like a given one.

use pomona_formats::counters::Counters;
use pomona_formats::digests;
use pomona_formats::error::Error;
use pomona_formats::model_file;
use pomona_formats::planned;
use pomona_formats::recipe::Recipe;
use pomona_formats::tables::ParquetTable;
use pomona_run::RunId;
use pomona_run::layout::RunLayout;
use pomona_store::Store;
use serde::{Deserialize, Serialize};

/// What images are compared by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Space {
    /// All features.
    Features,
    /// The principal components.
    Components,
}

/// An image that was found.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Hit {
    /// Where the image is, relative to the input.
    pub path: String,
    /// Its label.
    pub label: String,
    /// One minus the cosine of the angle between both images' vectors: 0 for the same direction, 2 for the opposite
    /// one.
    pub distance: f64,
}

/// The `count` images of a run whose vectors are nearest to `features`, nearest first, ties by path. One shard is held
/// at a time.
///
/// # Errors
/// [`Error::Request`] when `recipe` is not the run's own or `features` are not finite, [`Error::Damaged`] for files
/// that are not what they should be, and those of the store.
pub async fn search(
    output: &dyn Store,
    run_id: &RunId,
    recipe: &Recipe,
    features: &[f32],
    space: Space,
    count: usize,
) -> Result<Vec<Hit>, Error> {
    let plan = planned::read_plan(output, run_id).await?;
    if plan.recipe != *recipe {
        let problem = format!("run {run_id} was made with another model or preprocessing; give the same one");
        return Err(Error::option("model", problem));
    }
    if space == Space::Features && !plan.keeps_features() {
        let problem = "the run keeps no features (`--keep-features`); compare components with `--pca`";
        return Err(Error::option("pca", problem));
    }
    let layout = RunLayout::new(run_id.as_str());
    let query = match space {
        Space::Features => features.to_vec(),
        Space::Components => components_of(output, &layout, features).await?,
    };
    if !query.iter().all(|value| value.is_finite()) {
        let problem = "its features are NaN or infinite, so that it is near to nothing; search with another image, \
                       or with another model";
        return Err(Error::option("image", problem));
    }
    let mut nearest = Vec::new();
    for shard in planned::read_shards(output, &plan).await? {
        let (key, column) = match space {
            Space::Features => (layout.features_parquet(shard.shard), "features"),
            Space::Components => (layout.pca_parquet(shard.shard), "pca_features"),
        };
        let counters: Counters = digests::read_sealed(output, &layout.counters(shard.shard)).await?;
        let table = ParquetTable::read(&key, counters.files.read(output, &key).await?)?;
        nearest.extend(hits(&table, column, &query)?);
        nearest.sort_by(|a: &Hit, b: &Hit| a.distance.total_cmp(&b.distance).then_with(|| a.path.cmp(&b.path)));
        nearest.truncate(count);
    }
    Ok(nearest)
}

async fn components_of(output: &dyn Store, layout: &RunLayout, features: &[f32]) -> Result<Vec<f32>, Error> {
    let pca = model_file::read(output, layout).await?.pca;
    let row = ndarray::ArrayView2::from_shape((1, features.len()), features);
    let row = row.map_err(|error| Error::Internal(error.to_string()))?;
    Ok(pca.project(row)?.into_iter().collect())
}

fn hits(table: &ParquetTable, column: &str, query: &[f32]) -> Result<Vec<Hit>, Error> {
    let vectors = table.vectors(column, query.len())?;
    let (paths, labels) = (table.text("path")?, table.text("label")?);
    let hit = |(row, vector): (usize, ndarray::ArrayView1<'_, f32>)| Hit {
        path: paths.value(row).to_owned(),
        label: labels.value(row).to_owned(),
        distance: cosine_distance(query, vector.iter()),
    };
    Ok(vectors.rows().into_iter().enumerate().map(hit).collect())
}

/// A vector of zeros has no direction: its distance to everything is 1.
fn cosine_distance<'a>(query: &[f32], vector: impl Iterator<Item = &'a f32>) -> f64 {
    let (mut dot, mut of_query, mut of_vector) = (0.0, 0.0, 0.0);
    for (&q, &v) in query.iter().zip(vector) {
        let (q, v) = (f64::from(q), f64::from(v));
        dot += q * v;
        of_query += q * q;
        of_vector += v * v;
    }
    let lengths = f64::sqrt(of_query * of_vector);
    if lengths > 0.0 { 1.0 - dot / lengths } else { 1.0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_distance_is_zero_one_or_two_for_the_same_a_perpendicular_and_the_opposite_direction() {
        let distance = |a: &[f32], b: &[f32]| cosine_distance(a, b.iter());
        assert!(distance(&[1.0, 2.0], &[2.0, 4.0]).abs() < 1e-12);
        assert!((distance(&[1.0, 0.0], &[0.0, 3.0]) - 1.0).abs() < 1e-12);
        assert!((distance(&[1.0, 1.0], &[-1.0, -1.0]) - 2.0).abs() < 1e-12);
        assert_eq!(distance(&[0.0, 0.0], &[1.0, 1.0]), 1.0);
    }
}

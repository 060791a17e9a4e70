//! pca_model.parquet: mean, scale and loadings, one vector a row.
//!
//! | column | type | what |
//! |---|---|---|
//! | vector | text | `mean`, `scale` (only where features are standardised), then `pca_feature_1` ... |
//! | explained_variance | f64, null for mean and scale | variance along the component |
//! | explained_variance_ratio | f64, null for mean and scale | its share of the total variance |
//! | values | list of f64 | one number per feature |
//!
//! So `(x - mean) / scale`, times each component, projects `x` whatever was chosen: the mean of features that are not
//! centred is 0 (and what was measured is a row `measured_mean`), and the scale of a constant feature is 1.
//!
//! The file's key-value metadata holds `count`, `center` and `total_variance`, where the components were found by
//! passes `convergence` (JSON: passes, and the residual of each), and what the components were made by.

use std::sync::Arc;

use arrow_array::{Array, Float64Array, StringArray};
use bytes::Bytes;
use nalgebra::DVector;
use ndarray::Array2;
use pomona_pca::Pca;
use pomona_run::layout::RunLayout;
use pomona_store::Store;

use crate::digests::Digests;
use crate::error::Error;
use crate::model_info::Convergence;
use crate::provenance::Entries;
use crate::tables::{self, ParquetTable};

const MEAN: &str = "mean";
const MEASURED_MEAN: &str = "measured_mean";
const SCALE: &str = "scale";

/// The name of a component's column and row, counted from 0.
pub fn component_name(component: usize) -> String {
    format!("pca_feature_{}", component + 1)
}

/// A model, and how it was found.
#[derive(Clone, Debug, PartialEq)]
pub struct Model {
    /// The model.
    pub pca: Pca,
    /// How its components were found, if by passes.
    pub convergence: Option<Convergence>,
}

/// The model as the content of `file`, with what it was made by.
pub fn encode(file: &str, model: &Model, provenance: Entries) -> Result<Bytes, Error> {
    let Model { pca, convergence } = model;
    let convergence = convergence.as_ref().map(serde_json::to_string).transpose();
    let convergence = convergence.map_err(|error| Error::table(file, error))?;
    let not_subtracted = DVector::zeros(pca.dimensions());
    let (mean, measured_mean) = if pca.center { (&pca.mean, None) } else { (&not_subtracted, Some(&pca.mean)) };
    let vectors = [(MEAN, Some(mean)), (MEASURED_MEAN, measured_mean), (SCALE, pca.scale.as_ref())];
    let (mut names, mut values) = (Vec::new(), Vec::new());
    for (name, vector) in vectors {
        if let Some(vector) = vector {
            names.push(name.to_owned());
            values.extend(vector.iter().copied());
        }
    }
    let leading = names.len();
    for (component, loadings) in pca.loadings.column_iter().enumerate() {
        names.push(component_name(component));
        values.extend(loadings.iter().copied());
    }
    let of_components = |numbers: &[f64]| {
        let nulls = std::iter::repeat_n(None, leading);
        Arc::new(Float64Array::from_iter(nulls.chain(numbers.iter().copied().map(Some))))
    };
    let values = Array2::from_shape_vec((names.len(), pca.dimensions()), values)
        .map_err(|error| Error::Internal(format!("{file}: {error}")))?;
    tables::to_parquet(
        file,
        vec![
            tables::text_field("vector"),
            tables::float64_field("explained_variance"),
            tables::float64_field("explained_variance_ratio"),
            tables::vector64_field("values"),
        ],
        vec![
            Arc::new(StringArray::from_iter_values(&names)),
            of_components(pca.explained_variance.as_slice()),
            of_components(pca.explained_variance_ratio().as_slice()),
            tables::vectors64(values.view()),
        ],
        [
            ("count".to_owned(), pca.count.to_string()),
            ("center".to_owned(), pca.center.to_string()),
            // Rust prints the shortest digits that read back as the same number.
            ("total_variance".to_owned(), pca.total_variance.to_string()),
        ]
        .into_iter()
        .chain(convergence.map(|convergence| ("convergence".to_owned(), convergence)))
        .chain(provenance),
    )
}

/// The model from the content of `file`.
pub fn decode(file: &str, bytes: Bytes) -> Result<Model, Error> {
    let table = ParquetTable::read(file, bytes)?;
    let width = table.vector_width("values")?;
    let values = table.vectors64("values", width)?;
    let names = table.text("vector")?;
    let vector = |name: &str| {
        let row = names.iter().flatten().position(|found| found == name)?;
        Some(values.row(row).iter().copied().collect::<Vec<f64>>().into())
    };
    let variances: Vec<f64> = table.float64("explained_variance")?.iter().flatten().collect();
    let leading = names.len() - variances.len();
    let loadings = values.slice(ndarray::s![leading.., ..]);
    let pca = Pca {
        count: parsed(&table, file, "count")?,
        center: parsed(&table, file, "center")?,
        mean: vector(MEASURED_MEAN)
            .or_else(|| vector(MEAN))
            .ok_or_else(|| Error::inconsistent(file, "the mean is missing"))?,
        scale: vector(SCALE),
        // The rows of the table, one after the other, are the columns of the loadings.
        loadings: nalgebra::DMatrix::from_iterator(width, variances.len(), loadings.iter().copied()),
        explained_variance: variances.into(),
        total_variance: parsed(&table, file, "total_variance")?,
    };
    let convergence = table.metadata_if_any("convergence").map(serde_json::from_str).transpose();
    Ok(Model { pca, convergence: convergence.map_err(|error| Error::table(file, error))? })
}

fn parsed<T: std::str::FromStr>(table: &ParquetTable, file: &str, key: &str) -> Result<T, Error> {
    let text = table.metadata(key)?;
    text.parse().map_err(|_| Error::inconsistent(file, format!("metadata `{key}` is `{text}`")))
}

/// Reads the model of a run.
pub async fn read(output: &dyn Store, layout: &RunLayout) -> Result<Model, Error> {
    let key = layout.pca_model();
    let digests = Digests::read_record(output, &layout.reduce_digests()).await?;
    decode(&key, digests.read(output, &key).await?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use pomona_pca::{Components, FitOptions, Moments};

    #[test]
    fn a_model_survives_writing_and_reading() {
        let rows = ndarray::array![[1.0f32, 2.0, 0.5], [3.0, 5.0, 0.25], [0.0, 1.0, 7.0], [2.0, 2.0, 2.0]];
        for standardize in [false, true] {
            let options = FitOptions { components: Components::Count(2), center: !standardize, standardize };
            let pca = Pca::fit(&Moments::of(rows.view()), &options).unwrap();
            let convergence = standardize.then(|| Convergence { passes: 3, residuals: vec![1e-7, 0.1] });
            let model = Model { pca, convergence };
            let read = decode("model", encode("model", &model, Vec::new()).unwrap()).unwrap();
            assert_eq!(read, model);
        }
    }

    #[test]
    fn whoever_projects_by_hand_subtracts_no_mean_that_was_not_and_divides_constant_features_by_one() {
        let rows = ndarray::array![[1.0f32, 2.0, 5.0], [3.0, 5.0, 5.0], [0.0, 1.0, 5.0], [2.0, 2.0, 5.0]];
        let options = FitOptions { components: Components::Count(2), center: false, standardize: true };
        let pca = Pca::fit(&Moments::of(rows.view()), &options).unwrap();
        let model = Model { pca, convergence: None };
        let table = ParquetTable::read("model", encode("model", &model, Vec::new()).unwrap()).unwrap();
        let vectors = table.vectors64("values", 3).unwrap();
        let names: Vec<&str> = table.text("vector").unwrap().iter().flatten().collect();
        assert_eq!(names, ["mean", "measured_mean", "scale", "pca_feature_1", "pca_feature_2"]);
        assert_eq!(vectors.row(2)[2], 1.0);
        let projected = model.pca.project(rows.view()).unwrap();
        for (row, expected) in rows.rows().into_iter().zip(projected.rows()) {
            for (component, expected) in [3, 4].into_iter().zip(expected) {
                let by_hand: f64 = (0..3)
                    .map(|i| (f64::from(row[i]) - vectors[(0, i)]) / vectors[(2, i)] * vectors[(component, i)])
                    .sum();
                assert!((by_hand - f64::from(*expected)).abs() < 1e-6, "{by_hand} {expected}");
            }
        }
    }
}

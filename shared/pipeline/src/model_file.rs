//! pca_model.parquet: mean, scale and loadings, one vector a row.
//!
//! | column | type | what |
//! |---|---|---|
//! | vector | text | `mean`, `scale` (only where features are standardised), then `pca_feature_1` ... |
//! | explained_variance | f64, null for mean and scale | variance along the component |
//! | explained_variance_ratio | f64, null for mean and scale | its share of the total variance |
//! | values | list of f64 | one number per feature |
//!
//! The file's key-value metadata holds `count`, `center` and `total_variance`.

use std::sync::Arc;

use arrow_array::{Array, Float64Array, StringArray};
use bytes::Bytes;
use ndarray::Array2;
use pomona_pca::Pca;

use crate::error::Error;
use crate::tables::{self, ParquetTable};

/// The name of a component's column and row, counted from 0.
pub(crate) fn component_name(component: usize) -> String {
    format!("pca_feature_{}", component + 1)
}

/// The model as the content of `file`.
pub(crate) fn encode(file: &str, pca: &Pca) -> Result<Bytes, Error> {
    let vectors = [("mean".to_owned(), Some(&pca.mean)), ("scale".to_owned(), pca.scale.as_ref())];
    let (mut names, mut values) = (Vec::new(), Vec::new());
    for (name, vector) in vectors {
        if let Some(vector) = vector {
            names.push(name);
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
        ],
    )
}

/// The model from the content of `file`.
pub(crate) fn decode(file: &str, bytes: Bytes) -> Result<Pca, Error> {
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
    Ok(Pca {
        count: parsed(&table, file, "count")?,
        center: parsed(&table, file, "center")?,
        mean: vector("mean").ok_or_else(|| Error::inconsistent(file, "the mean is missing"))?,
        scale: vector("scale"),
        // The rows of the table, one after the other, are the columns of the loadings.
        loadings: nalgebra::DMatrix::from_iterator(width, variances.len(), loadings.iter().copied()),
        explained_variance: variances.into(),
        total_variance: parsed(&table, file, "total_variance")?,
        notice: None,
    })
}

fn parsed<T: std::str::FromStr>(table: &ParquetTable, file: &str, key: &str) -> Result<T, Error> {
    let text = table.metadata(key)?;
    text.parse().map_err(|_| Error::inconsistent(file, format!("metadata `{key}` is `{text}`")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use pomona_pca::{Components, Moments, Options};

    #[test]
    fn a_model_survives_writing_and_reading() {
        let rows = ndarray::array![[1.0f32, 2.0, 0.5], [3.0, 5.0, 0.25], [0.0, 1.0, 7.0], [2.0, 2.0, 2.0]];
        for standardize in [false, true] {
            let options = Options { components: Components::Count(2), center: !standardize, standardize };
            let pca = Pca::fit(&Moments::of(rows.view()), &options).unwrap();
            let read = decode("model", encode("model", &pca).unwrap()).unwrap();
            assert_eq!(read, pca);
        }
    }
}

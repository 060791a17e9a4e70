//! The stage `project`: one shard's rows of the final tables.

use std::sync::Arc;

use arrow::array::{ArrayRef, Int32Array, Int64Array, StringArray};
use bytes::Bytes;
use ndarray::{Array2, ArrayView1, ArrayView2};
use pomona_pca::Pca;
use pomona_store::Store;
use pomona_vision::pixels::Reject;
use serde::{Deserialize, Serialize};

use crate::error::{Error, Reasons};
use crate::layout::{self, RunLayout};
use crate::listing::{self, Row};
use crate::moments_file::{self, Kind, PartFiles};
use crate::names;
use crate::options::{CsvTables, Options};
use crate::part::{self, Features};
use crate::plan::{self, Shard};
use crate::run_id::RunId;
use crate::sample::{Point, Sampling};
use crate::tables::{self, CsvTable, ParquetTable};
use crate::{json, model_file};

/// What projecting one shard counted; the content of counters/&lt;shard&gt;.json.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Counters {
    /// The shard.
    pub shard: u32,
    /// Listed images.
    pub listed: u64,
    /// Rows of features and of components.
    pub features: u64,
    /// Unusable images by reason.
    pub reasons: Reasons,
    /// Features and components that are NaN or infinite.
    pub non_finite: u64,
    /// Numbers per row of components.
    pub components: u64,
    /// The mean of each component over the shard's rows.
    pub component_means: Vec<f64>,
    /// The sum of squared differences from that mean.
    pub component_scatter: Vec<f64>,
    /// Bytes written.
    pub bytes_written: u64,
    /// The shard's images in the report's scatter plot.
    pub points: Vec<Point>,
}

/// What every projection of a run shares.
#[derive(Debug)]
pub struct Projection<'a> {
    output: &'a dyn Store,
    layout: RunLayout,
    options: Options,
    sampling: Sampling,
    pca: Pca,
}

impl<'a> Projection<'a> {
    /// Reads the plan and the model of a run.
    ///
    /// # Errors
    /// Those of the store, and [`Error::Inconsistent`] where the files are not what they should be.
    pub async fn open(output: &'a dyn Store, run_id: &RunId) -> Result<Self, Error> {
        let layout = RunLayout::new(run_id.as_str());
        let plan = plan::read_plan(output, run_id).await?;
        let sampling = Sampling::of(plan.images);
        let model_key = layout.pca_model();
        let pca = model_file::decode(&model_key, output.get(&model_key).await?.bytes)?;
        Ok(Self { output, layout, options: plan.options, sampling, pca })
    }

    /// Writes and validates the shard's files.
    ///
    /// # Errors
    /// [`Error::Inconsistent`] when the part does not fit the listing, and those of the store.
    pub async fn project(&self, shard: &Shard) -> Result<Counters, Error> {
        let table = self.read(shard).await?;
        let projected = self.pca.project(table.features.values.view())?;
        let mut written = Written { output: self.output, bytes: 0 };
        self.write_features(shard, &table, &mut written).await?;
        self.write_components(shard, &table, &projected, &mut written).await?;
        self.write_metadata(shard, &table, &mut written).await?;
        self.write_errors(shard, &table, &mut written).await?;
        let counters = table.counters(shard, projected.view(), self.sampling, written.bytes);
        json::write(self.output, &self.layout.counters(shard.shard), &counters).await?;
        Ok(counters)
    }

    async fn read(&self, shard: &Shard) -> Result<ShardTable, Error> {
        let listing_key = self.layout.listing(shard.shard);
        let listed = listing::decode(&listing_key, self.output.get(&listing_key).await?.bytes)?;
        let found = moments_file::read(self.output, Kind::Part, &shard.part, &shard.run_id).await?;
        let files = found.file.header.files.ok_or_else(|| {
            Error::inconsistent(layout::part_moments(&found.name), "it does not name the part's other files")
        })?;
        let PartFiles { features_sha256, rejects_sha256 } = files;
        let features_key = layout::part_features(&found.name);
        let features = self.checked(&features_key, &features_sha256).await?;
        let rejects_key = layout::part_rejects(&found.name);
        let rejects = self.checked(&rejects_key, &rejects_sha256).await?;
        ShardTable::join(
            &features_key,
            listed,
            Features::decode(&features_key, features, self.pca.dimensions())?,
            part::decode_rejects(&rejects_key, rejects)?,
        )
    }

    async fn checked(&self, key: &str, sha256: &str) -> Result<Bytes, Error> {
        let bytes = self.output.get(key).await?.bytes;
        if names::digest(&bytes) != sha256 {
            let problem =
                format!("its SHA-256 is not {sha256}, as its part says; delete the part's .moments to make it anew");
            return Err(Error::inconsistent(key, problem));
        }
        Ok(bytes)
    }

    async fn write_features(&self, shard: &Shard, table: &ShardTable, written: &mut Written<'_>) -> Result<(), Error> {
        self.output.copy(&table.features_key, &self.layout.features_parquet(shard.shard)).await?;
        if self.options.csv != CsvTables::All {
            return Ok(());
        }
        let key = self.layout.features_csv(shard.shard);
        let mut csv = CsvTable::new(&key, ["path", "label", "features_string"])?;
        for (row, values) in table.used.iter().zip(table.features.values.rows()) {
            let values: Vec<String> = values.iter().map(f32::to_string).collect();
            csv.row([&row.key, row.label(), &values.join(",")])?;
        }
        written.put(&key, csv.finish()?).await
    }

    async fn write_components(
        &self,
        shard: &Shard,
        table: &ShardTable,
        projected: &Array2<f32>,
        written: &mut Written<'_>,
    ) -> Result<(), Error> {
        let key = self.layout.pca_parquet(shard.shard);
        let mut fields = vec![tables::text_field("path"), tables::text_field("label")];
        fields.extend([tables::int32_field("class_id"), tables::int64_field("image_id")]);
        fields.push(tables::vector_field("pca_features"));
        let mut columns = table.id_columns();
        columns.push(tables::vectors(projected.view()));
        let parquet = tables::to_parquet(&key, fields, columns, [])?;
        check_reads_back(&key, parquet.clone(), projected)?;
        written.put(&key, parquet).await?;
        if self.options.csv == CsvTables::None {
            return Ok(());
        }

        let key = self.layout.pca_csv(shard.shard);
        let header = ["path", "label", "class_id", "image_id"].map(str::to_owned).into_iter();
        let mut csv = CsvTable::new(&key, header.chain((0..projected.ncols()).map(model_file::component_name)))?;
        for (row, values) in table.used.iter().zip(projected.rows()) {
            csv.row(id_cells(row).into_iter().chain(values.iter().map(f32::to_string)))?;
        }
        written.put(&key, csv.finish()?).await
    }

    async fn write_metadata(&self, shard: &Shard, table: &ShardTable, written: &mut Written<'_>) -> Result<(), Error> {
        let key = self.layout.metadata(shard.shard);
        let mut csv = CsvTable::new(&key, ["path", "label", "class_id", "image_id"])?;
        for row in &table.used {
            csv.row(id_cells(row))?;
        }
        written.put(&key, csv.finish()?).await
    }

    async fn write_errors(&self, shard: &Shard, table: &ShardTable, written: &mut Written<'_>) -> Result<(), Error> {
        let key = self.layout.errors(shard.shard);
        let mut csv = CsvTable::new(&key, ["path", "label", "reason", "detail"])?;
        for (path, reject) in &table.rejects {
            csv.row([path, listing::label_of(path), reject.reason.as_str(), &reject.detail])?;
        }
        written.put(&key, csv.finish()?).await
    }
}

fn id_cells(row: &Row) -> [String; 4] {
    [row.key.clone(), row.label().to_owned(), row.class_id.to_string(), row.image_id.to_string()]
}

fn check_reads_back(key: &str, parquet: Bytes, projected: &Array2<f32>) -> Result<(), Error> {
    let read = ParquetTable::read(key, parquet)?.vectors("pca_features", projected.ncols())?;
    let same = read.iter().zip(projected).all(|(read, written)| read.to_bits() == written.to_bits());
    if read.dim() == projected.dim() && same {
        return Ok(());
    }
    Err(Error::inconsistent(key, "it does not read back as it was written"))
}

/// Counts what it writes.
struct Written<'a> {
    output: &'a dyn Store,
    bytes: u64,
}

impl Written<'_> {
    async fn put(&mut self, key: &str, bytes: Bytes) -> Result<(), Error> {
        self.bytes += bytes.len() as u64;
        Ok(self.output.put(key, bytes).await?)
    }
}

/// A shard's part beside its rows of the listing.
struct ShardTable {
    listed: u64,
    /// The rows of the listing that have features, in the order of the features.
    used: Vec<Row>,
    features_key: String,
    features: Features,
    rejects: Vec<(String, Reject)>,
}

impl ShardTable {
    /// Every listed image must be either a row of features or a reject, in the order of the listing.
    fn join(
        features_key: &str,
        listed: Vec<Row>,
        features: Features,
        rejects: Vec<(String, Reject)>,
    ) -> Result<Self, Error> {
        let rows = listed.len() as u64;
        let (mut feature_paths, mut reject_paths) =
            (features.paths.iter().peekable(), rejects.iter().map(|(path, _)| path).peekable());
        let mut used = Vec::with_capacity(features.paths.len());
        for row in listed {
            if feature_paths.next_if(|path| **path == row.key).is_some() {
                used.push(row);
            } else if reject_paths.next_if(|path| **path == row.key).is_none() {
                return Err(Error::inconsistent(features_key, format!("the listed image `{}` is missing", row.key)));
            }
        }
        if feature_paths.next().is_some() || reject_paths.next().is_some() {
            return Err(Error::inconsistent(features_key, "it holds images that are not listed"));
        }
        Ok(Self { listed: rows, used, features_key: features_key.to_owned(), features, rejects })
    }

    fn id_columns(&self) -> Vec<ArrayRef> {
        vec![
            Arc::new(StringArray::from_iter_values(self.used.iter().map(|row| &row.key))),
            Arc::new(StringArray::from_iter_values(self.used.iter().map(Row::label))),
            Arc::new(Int32Array::from_iter_values(self.used.iter().map(|row| row.class_id))),
            Arc::new(Int64Array::from_iter_values(self.used.iter().map(|row| row.image_id))),
        ]
    }

    fn counters(
        &self,
        shard: &Shard,
        projected: ArrayView2<'_, f32>,
        sampling: Sampling,
        bytes_written: u64,
    ) -> Counters {
        let mut reasons = Reasons::new();
        for (_, reject) in &self.rejects {
            *reasons.entry(reject.reason).or_default() += 1;
        }
        let non_finite = |rows: ArrayView2<'_, f32>| rows.iter().filter(|value| !value.is_finite()).count() as u64;
        let (component_means, component_scatter) = projected.columns().into_iter().map(mean_and_scatter).unzip();
        Counters {
            shard: shard.shard,
            listed: self.listed,
            features: self.used.len() as u64,
            reasons,
            non_finite: non_finite(self.features.values.view()) + non_finite(projected),
            components: projected.ncols() as u64,
            component_means,
            component_scatter,
            bytes_written,
            points: self.points(projected, sampling),
        }
    }

    fn points(&self, projected: ArrayView2<'_, f32>, sampling: Sampling) -> Vec<Point> {
        let rows = self.used.iter().zip(projected.rows());
        rows.filter(|(row, _)| sampling.keeps(&row.key))
            .filter_map(|(row, components)| Point::new(row, components))
            .collect()
    }
}

/// The mean of a column and the sum of squared differences from it; zeros where the column is empty.
fn mean_and_scatter(column: ArrayView1<'_, f32>) -> (f64, f64) {
    let count = column.len().max(1) as f64;
    let mean = column.iter().copied().map(f64::from).sum::<f64>() / count;
    let scatter = column.iter().map(|&value| (f64::from(value) - mean).powi(2)).sum();
    (mean, scatter)
}

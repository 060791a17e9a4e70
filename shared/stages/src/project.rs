//! The stage `project`: one shard's rows of the final tables.

use std::sync::Arc;

use arrow_array::{ArrayRef, Int32Array, Int64Array, StringArray};
use bytes::Bytes;
use futures::future::try_join_all;
use ndarray::{Array2, ArrayView1, ArrayView2, Axis, CowArray};
use pomona_dataset::Rejected;
use pomona_formats::Error;
use pomona_formats::classification::Tally;
use pomona_formats::classifier_file;
use pomona_formats::counters::Counters;
use pomona_formats::counters::Point;
use pomona_formats::digests::{self, Digests};
use pomona_formats::json;
use pomona_formats::listing::{self, Row};
use pomona_formats::losses::LossCounts;
use pomona_formats::model_file;
use pomona_formats::moments_file;
use pomona_formats::part::{Features, StoredPart};
use pomona_formats::planned::{self, Plan, Shard};
use pomona_formats::provenance::{self, Entries};
use pomona_formats::rejects;
use pomona_formats::run_aside;
use pomona_formats::tables::{self, CsvTable, ParquetTable};
use pomona_pca::{COVARIANCE_FEATURES, Pca};
use pomona_run::RunId;
use pomona_run::layout::RunLayout;
use pomona_run::options::{CsvTables, Options};
use pomona_store::Store;

use crate::claims;
use crate::error::Error as StageError;
use crate::predict::Predictor;
use crate::sample::Sampling;

/// Shards of features too many for a covariance that are projected at once, however many threads there are: each takes
/// some 250 MB.
const WIDE_SHARDS_AT_ONCE: usize = 4;

/// Shards that are projected at once on so many threads.
pub fn shards_at_once(features: usize, threads: usize) -> usize {
    if features > COVARIANCE_FEATURES { threads.min(WIDE_SHARDS_AT_ONCE) } else { threads }
}

/// What every projection of a run shares.
#[derive(Debug)]
pub struct Projection<'a> {
    output: &'a dyn Store,
    plan: Plan,
    model: Arc<Model>,
}

/// What a shard's tables are computed with.
#[derive(Debug)]
struct Model {
    layout: RunLayout,
    options: Options,
    keeps_features: bool,
    sampling: Sampling,
    provenance: Entries,
    pca: Pca,
    predictor: Option<Predictor>,
}

impl<'a> Projection<'a> {
    /// Reads the plan and the model of a run.
    ///
    /// # Errors
    /// Those of the store, and [`Error::Damaged`] where the files are not what they should be.
    pub async fn open(output: &'a dyn Store, run_id: &RunId) -> Result<Self, Error> {
        let layout = RunLayout::new(run_id.as_str());
        let plan = planned::read_plan(output, run_id).await?;
        let sampling = Sampling::of(plan.images);
        let provenance = provenance::of_components(&plan.recipe, &plan.options);
        let pca = model_file::read(output, &layout).await?.pca;
        let predictor = match plan.options.classify {
            Some(_) => Some(Predictor::new(classifier_file::read(output, &layout).await?)),
            None => None,
        };
        let (options, keeps_features) = (plan.options.clone(), plan.keeps_features());
        let model = Model { layout, options, keeps_features, sampling, provenance, pca, predictor };
        Ok(Self { output, plan, model: Arc::new(model) })
    }

    /// Writes and validates the shard's files. They are computed on a thread of their own, so that several shards can
    /// be projected at once.
    ///
    /// # Errors
    /// [`Error::Damaged`] when the part or the listing is not what was written (the part is set aside then),
    /// [`Error::Inconsistent`] when they do not fit each other, [`StageError::Overtaken`] when the run has been planned
    /// anew since, or since the shard was handed out, and those of the store.
    pub async fn project(&self, shard: &Shard) -> Result<Counters, StageError> {
        claims::refuse_other_attempt(&self.plan, shard)?;
        let listing_key = self.model.layout.listing(shard.shard, &shard.listing_sha256);
        let listing = digests::read(self.output, &listing_key, &shard.listing_sha256).await?;
        let part = StoredPart::read(self.output, &shard.part, &shard.run_id).await?;
        let (moments_key, features_key) = (part.moments_key.clone(), part.features_key.clone());
        let (model, number) = (self.model.clone(), shard.shard);
        let listing = (listing_key, listing);
        let tables = run_aside(move || model.tables(number, listing, part)).await?;
        let (files, counters) = moments_file::set_aside_if_damaged(self.output, &moments_key, tables).await?;

        claims::refuse_overtaken(self.output, &self.plan).await?;
        let layout = &self.model.layout;
        if self.model.keeps_features {
            self.output.copy(&features_key, &layout.features_parquet(number)).await?;
        }
        try_join_all(files.into_iter().map(|(key, bytes)| async move { self.output.put(&key, bytes).await })).await?;
        let counters_key = layout.counters(number);
        self.output.put(&counters_key, json::seal(&counters_key, &counters)?).await?;
        Ok(counters)
    }
}

impl Model {
    /// The files of a shard, but for the copy of its features, and what they count.
    fn tables(
        &self,
        shard: u32,
        (listing_key, listing): (String, Bytes),
        part: StoredPart,
    ) -> Result<(Vec<(String, Bytes)>, Counters), Error> {
        let mut digests = Digests::default();
        if self.keeps_features {
            digests.add_known(&self.layout.features_parquet(shard), part.checksums.features_sha256.clone());
        }
        let features_key = part.features_key.clone();
        let (features, rejects) = part.decode(self.pca.dimensions())?;
        let table = ShardTable::join(&features_key, listing::decode(&listing_key, listing)?, features, rejects)?;
        let projected = self.pca.project(table.features.values.view())?;
        let mut files = Vec::new();
        if self.options.csv == CsvTables::All {
            files.push(self.features_csv(shard, &table)?);
        }
        files.push(self.components_parquet(shard, &table, &projected)?);
        if self.options.csv != CsvTables::None {
            files.push(self.components_csv(shard, &table, &projected)?);
        }
        files.push(self.metadata_csv(shard, &table)?);
        // The rows that the fits are of.
        let (mut tally, mut fitted) = (None, CowArray::from(&projected));
        if let Some(predictor) = &self.predictor {
            let predictions = predictor.predict(&table.used, table.features.values.view(), projected.view())?;
            let key = self.layout.predictions(shard);
            let parquet = predictions.to_parquet(&key, self.provenance.clone())?;
            files.push((key, parquet));
            tally = Some(predictions.tally());
            fitted = projected.select(Axis(0), &predictions.training_rows()).into();
        }
        files.push(self.errors_csv(shard, &table)?);
        let bytes_written = files.iter().map(|(_, bytes)| bytes.len() as u64).sum();
        files.iter().for_each(|(key, bytes)| digests.add(key, bytes));
        let counters =
            table.counters(shard, (projected.view(), fitted.view()), tally, self.sampling, bytes_written, digests);
        Ok((files, counters))
    }

    fn features_csv(&self, shard: u32, table: &ShardTable) -> Result<(String, Bytes), Error> {
        let key = self.layout.features_csv(shard);
        let mut csv = CsvTable::new(&key, ["path", "label", "features_string"])?;
        for (row, values) in table.used.iter().zip(table.features.values.rows()) {
            let values: Vec<String> = values.iter().map(f32::to_string).collect();
            csv.row([&row.item.id, &*row.item.label, &values.join(",")])?;
        }
        Ok((key, csv.finish()?))
    }

    fn components_parquet(
        &self,
        shard: u32,
        table: &ShardTable,
        projected: &Array2<f32>,
    ) -> Result<(String, Bytes), Error> {
        let key = self.layout.pca_parquet(shard);
        let mut fields = vec![tables::text_field("path"), tables::text_field("label")];
        fields.extend([tables::int32_field("class_id"), tables::int64_field("image_id")]);
        fields.push(tables::vector_field("pca_features"));
        let mut columns = table.id_columns();
        columns.push(tables::vectors(projected.view()));
        let parquet = tables::to_parquet(&key, fields, columns, self.provenance.clone())?;
        check_reads_back(&key, parquet.clone(), projected)?;
        Ok((key, parquet))
    }

    fn components_csv(
        &self,
        shard: u32,
        table: &ShardTable,
        projected: &Array2<f32>,
    ) -> Result<(String, Bytes), Error> {
        let key = self.layout.pca_csv(shard);
        let header = ["path", "label", "class_id", "image_id"].map(str::to_owned).into_iter();
        let mut csv = CsvTable::new(&key, header.chain((0..projected.ncols()).map(model_file::component_name)))?;
        for (row, values) in table.used.iter().zip(projected.rows()) {
            csv.row(id_cells(row).into_iter().chain(values.iter().map(f32::to_string)))?;
        }
        Ok((key, csv.finish()?))
    }

    fn metadata_csv(&self, shard: u32, table: &ShardTable) -> Result<(String, Bytes), Error> {
        let key = self.layout.metadata(shard);
        let mut csv = CsvTable::new(&key, ["path", "label", "class_id", "image_id"])?;
        for row in &table.used {
            csv.row(id_cells(row))?;
        }
        Ok((key, csv.finish()?))
    }

    fn errors_csv(&self, shard: u32, table: &ShardTable) -> Result<(String, Bytes), Error> {
        let key = self.layout.errors(shard);
        let csv = rejects::to_csv(&key, &table.rejects)?;
        Ok((key, csv))
    }
}

fn id_cells(row: &Row) -> [String; 4] {
    [row.item.id.clone(), row.item.label.to_string(), row.class_id.to_string(), row.image_id.to_string()]
}

fn check_reads_back(key: &str, parquet: Bytes, projected: &Array2<f32>) -> Result<(), Error> {
    let read = ParquetTable::read(key, parquet)?.vectors("pca_features", projected.ncols())?;
    let same = read.iter().zip(projected).all(|(read, written)| read.to_bits() == written.to_bits());
    if read.dim() == projected.dim() && same {
        return Ok(());
    }
    Err(Error::inconsistent(key, "it does not read back as it was written"))
}

/// A shard's part beside its rows of the listing.
struct ShardTable {
    listed: u64,
    /// The rows of the listing that have features, in the order of the features.
    used: Vec<Row>,
    features: Features,
    rejects: Vec<Rejected>,
}

impl ShardTable {
    /// Every listed image must be either a row of features or a reject, in the order of the listing.
    fn join(features_key: &str, listed: Vec<Row>, features: Features, rejects: Vec<Rejected>) -> Result<Self, Error> {
        let rows = listed.len() as u64;
        let (mut feature_paths, mut reject_paths) =
            (features.paths.iter().peekable(), rejects.iter().map(|rejected| &rejected.path).peekable());
        let mut used = Vec::with_capacity(features.paths.len());
        for row in listed {
            if feature_paths.next_if(|path| **path == row.item.id).is_some() {
                used.push(row);
            } else if reject_paths.next_if(|path| **path == row.item.id).is_none() {
                return Err(Error::inconsistent(
                    features_key,
                    format!("the listed image `{}` is missing", row.item.id),
                ));
            }
        }
        if feature_paths.next().is_some() || reject_paths.next().is_some() {
            return Err(Error::inconsistent(features_key, "it holds images that are not listed"));
        }
        Ok(Self { listed: rows, used, features, rejects })
    }

    fn id_columns(&self) -> Vec<ArrayRef> {
        vec![
            Arc::new(StringArray::from_iter_values(self.used.iter().map(|row| &row.item.id))),
            Arc::new(StringArray::from_iter_values(self.used.iter().map(|row| &row.item.label))),
            Arc::new(Int32Array::from_iter_values(self.used.iter().map(|row| row.class_id))),
            Arc::new(Int64Array::from_iter_values(self.used.iter().map(|row| row.image_id))),
        ]
    }

    fn counters(
        &self,
        shard: u32,
        (projected, fitted): (ArrayView2<'_, f32>, ArrayView2<'_, f32>),
        tally: Option<Tally>,
        sampling: Sampling,
        bytes_written: u64,
        files: Digests,
    ) -> Counters {
        let non_finite = |rows: ArrayView2<'_, f32>| rows.iter().filter(|value| !value.is_finite()).count() as u64;
        let (component_means, component_scatter) = fitted.columns().into_iter().map(mean_and_scatter).unzip();
        Counters {
            shard,
            listed: self.listed,
            features: self.used.len() as u64,
            reasons: rejects::count(&self.rejects),
            losses: LossCounts::of(&self.features.losses),
            non_finite: non_finite(self.features.values.view()) + non_finite(projected),
            components: projected.ncols() as u64,
            fitted: fitted.nrows() as u64,
            component_means,
            component_scatter,
            tally,
            bytes_written,
            points: self.points(projected, sampling),
            files,
        }
    }

    fn points(&self, projected: ArrayView2<'_, f32>, sampling: Sampling) -> Vec<Point> {
        let rows = self.used.iter().zip(projected.rows());
        rows.filter(|(row, _)| sampling.keeps(&row.item.id))
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

//! A run's tables, each as one: what its shards' files hold, one behind the other.

use std::sync::Arc;

use arrow_array::{Array, ArrayRef, Float32Array, Int32Array, Int64Array, ListArray, RecordBatch, StringArray};
use arrow_schema::{DataType, Field, Schema, SchemaRef};
use futures::stream::{self, StreamExt, TryStreamExt};
use ndarray::Array2;
use pomona_formats::class_table::ClassCount;
use pomona_formats::counters::Counters;
use pomona_formats::digests::{self, Digests};
use pomona_formats::error::Error;
use pomona_formats::planned::{self, Plan};
use pomona_formats::tables::{self, ParquetTable};
use pomona_run::RunId;
use pomona_run::layout::RunLayout;
use pomona_store::Store;

/// Shards that are read at once.
const SHARDS_AT_ONCE: usize = 8;

/// A table of which each shard has a part.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rows {
    /// The features of each usable image.
    Features,
    /// The principal components of each usable image.
    Components,
    /// What each usable image is called.
    Metadata,
    /// What each usable image was classified as.
    Predictions,
    /// Each unusable image, and why it is one.
    Errors,
}

/// A table in memory. Tables with a row for each usable image have them in the same order.
#[derive(Clone, Debug)]
pub struct Table {
    schema: SchemaRef,
    batches: Vec<RecordBatch>,
}

impl Table {
    /// Of batches of the same columns, whatever metadata these carry.
    fn new(batches: Vec<RecordBatch>) -> Result<Self, Error> {
        let fields = batches.first().map(|first| first.schema().fields().clone()).unwrap_or_default();
        let schema = Arc::new(Schema::new(fields));
        let alike = |batch: RecordBatch| RecordBatch::try_new(schema.clone(), batch.columns().to_vec());
        let batches: Result<_, _> = batches.into_iter().map(alike).collect();
        let batches = batches.map_err(|error| Error::Internal(format!("shards with unlike tables: {error}")))?;
        Ok(Self { schema, batches })
    }

    /// The columns.
    pub fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    /// The rows, a batch for each shard.
    pub fn batches(&self) -> &[RecordBatch] {
        &self.batches
    }

    /// How many rows there are.
    pub fn rows(&self) -> usize {
        self.batches.iter().map(RecordBatch::num_rows).sum()
    }

    /// The column of vectors as `[n, d]`; none where there is no such column.
    ///
    /// # Errors
    /// [`Error::Internal`] where its vectors differ in length.
    pub fn vectors(&self) -> Option<Result<Array2<f32>, Error>> {
        let is_list = |field: &Arc<Field>| matches!(field.data_type(), DataType::List(_));
        let column = self.schema.fields().iter().position(is_list)?;
        Some(self.vectors_of(column))
    }

    fn vectors_of(&self, column: usize) -> Result<Array2<f32>, Error> {
        let rows = self.rows();
        let mut numbers = Vec::new();
        for batch in &self.batches {
            let lists = batch.column(column).as_any().downcast_ref::<ListArray>();
            let values = lists.map(|lists| (lists, lists.values().as_any().downcast_ref::<Float32Array>()));
            let Some((lists, Some(values))) = values else {
                return Err(Error::Internal("a column of vectors holds none".to_owned()));
            };
            let (first, last) = (lists.offsets().first(), lists.offsets().last());
            if numbers.is_empty() && batch.num_rows() > 0 {
                numbers.reserve_exact((last - first) as usize / batch.num_rows() * rows);
            }
            numbers.extend_from_slice(&values.values()[first as usize..last as usize]);
        }
        let width = numbers.len().checked_div(rows).unwrap_or(0);
        Array2::from_shape_vec((rows, width), numbers)
            .map_err(|error| Error::Internal(format!("vectors that differ in length: {error}")))
    }
}

/// The table `which` of a run.
///
/// # Errors
/// [`Error::Request`] where the run has no such table, [`Error::Damaged`] for files that are not what they should be,
/// and those of the store.
pub async fn read(output: &dyn Store, run_id: &RunId, which: Rows) -> Result<Table, Error> {
    let plan = planned::read_plan(output, run_id).await?;
    check(&plan, which)?;
    let shards = planned::read_shards(output, &plan).await?;
    let layout = RunLayout::new(run_id.as_str());
    let read = shards.iter().map(|shard| read_shard(output, &layout, shard.shard, which));
    Table::new(stream::iter(read).buffered(SHARDS_AT_ONCE).try_collect().await?)
}

fn check(plan: &Plan, which: Rows) -> Result<(), Error> {
    match which {
        Rows::Features if !plan.keeps_features() => Err(Error::option(
            "keep-features",
            "the run keeps no features; run again with `yes`, or take its components",
        )),
        Rows::Predictions if plan.options.classify.is_none() => {
            Err(Error::option("classify", "the run has no classifier, so nothing was predicted; run again with it"))
        }
        _ => Ok(()),
    }
}

async fn read_shard(output: &dyn Store, layout: &RunLayout, shard: u32, which: Rows) -> Result<RecordBatch, Error> {
    let key = match which {
        Rows::Features => layout.features_parquet(shard),
        // What images are called stands before their components, with the types that it has.
        Rows::Components | Rows::Metadata => layout.pca_parquet(shard),
        Rows::Predictions => layout.predictions(shard),
        Rows::Errors => layout.errors(shard),
    };
    let counters: Counters = digests::read_sealed(output, &layout.counters(shard)).await?;
    let bytes = counters.files.read(output, &key).await?;
    match which {
        Rows::Errors => rejects(tables::from_csv(&key, &bytes, usize::MAX)?),
        Rows::Metadata => without_vectors(&ParquetTable::read(&key, bytes)?.into_batch()),
        Rows::Features | Rows::Components | Rows::Predictions => Ok(ParquetTable::read(&key, bytes)?.into_batch()),
    }
}

fn without_vectors(batch: &RecordBatch) -> Result<RecordBatch, Error> {
    let schema = batch.schema();
    let is_vector = |column: &usize| matches!(schema.field(*column).data_type(), DataType::List(_));
    let others: Vec<usize> = (0..batch.num_columns()).filter(|column| !is_vector(column)).collect();
    batch.project(&others).map_err(|error| Error::Internal(error.to_string()))
}

fn rejects(rows: Vec<[String; 4]>) -> Result<RecordBatch, Error> {
    let column = |index: usize| StringArray::from_iter_values(rows.iter().map(|row| &row[index]));
    batch(
        ["path", "label", "reason", "detail"]
            .into_iter()
            .enumerate()
            .map(|(index, name)| (tables::text_field(name), Arc::new(column(index)) as ArrayRef)),
    )
}

/// The labels of a run in the order of their ids, with how many listed images carry each.
///
/// # Errors
/// As [`read()`].
pub async fn classes(output: &dyn Store, run_id: &RunId) -> Result<Table, Error> {
    let plan = planned::read_plan(output, run_id).await?;
    let key = RunLayout::new(run_id.as_str()).classes();
    let rows: Vec<ClassCount> = tables::from_csv(&key, &plan.digests.read(output, &key).await?, usize::MAX)?;
    let ids = Int32Array::from_iter_values(rows.iter().map(|row| row.class_id));
    let names = StringArray::from_iter_values(rows.iter().map(|row| &row.class));
    let counts = Int64Array::from_iter_values(rows.iter().map(|row| row.count as i64));
    let columns: [(Field, ArrayRef); 3] = [
        (tables::int32_field("class_id"), Arc::new(ids)),
        (tables::text_field("class"), Arc::new(names)),
        (tables::int64_field("count"), Arc::new(counts)),
    ];
    Table::new(vec![batch(columns)?])
}

fn batch(columns: impl IntoIterator<Item = (Field, ArrayRef)>) -> Result<RecordBatch, Error> {
    let (fields, columns): (Vec<Field>, Vec<ArrayRef>) = columns.into_iter().unzip();
    RecordBatch::try_new(Arc::new(Schema::new(fields)), columns).map_err(|error| Error::Internal(error.to_string()))
}

/// A file of a run's report.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Document {
    /// The run in numbers, JSON.
    Info,
    /// How well images are classified, JSON; only of runs with a classifier.
    Metrics,
    /// What was checked before the run was declared successful, JSON.
    Validation,
    /// The run on one page, HTML.
    Page,
}

/// The text of a file of the report.
///
/// # Errors
/// As [`read()`].
pub async fn document(output: &dyn Store, run_id: &RunId, which: Document) -> Result<String, Error> {
    let plan = planned::read_plan(output, run_id).await?;
    let layout = RunLayout::new(run_id.as_str());
    let key = match which {
        Document::Info => layout.model_info(),
        Document::Metrics => {
            check(&plan, Rows::Predictions)?;
            layout.metrics()
        }
        Document::Validation => layout.validation(),
        Document::Page => layout.page(),
    };
    let reported = Digests::read_record(output, &layout.report_digests()).await?;
    let bytes = reported.read(output, &key).await?;
    String::from_utf8(bytes.to_vec()).map_err(|error| Error::inconsistent(key, error.to_string()))
}

//! Tables as Parquet and CSV bytes: the one place that knows both libraries.
//!
//! The same rows always give the same bytes: no time, no location, one row group, Snappy (the default that every reader
//! knows). List elements are named `element`, as Spark and the Parquet format name them.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use arrow_array::{
    Array, ArrayRef, BooleanArray, Float32Array, Float64Array, Int32Array, Int64Array, ListArray, RecordBatch,
    StringArray,
};
use arrow_buffer::OffsetBuffer;
use arrow_schema::{DataType, Field, Schema, SchemaRef};
use arrow_select::concat::concat_batches;
use bytes::Bytes;
use ndarray::{Array2, ArrayView2};
use parquet::arrow::ArrowWriter;
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::{ArrowReaderOptions, ParquetRecordBatchReaderBuilder};
use parquet::basic::Compression;
use parquet::column::page::PageReader;
use parquet::errors::ParquetError;
use parquet::file::metadata::{KeyValue, ParquetMetaData};
use parquet::file::properties::{EnabledStatistics, WriterProperties};
use parquet::file::serialized_reader::SerializedPageReader;
use parquet::schema::types::ColumnPath;

use crate::error::Error;

/// A column of text, never null.
pub fn text_field(name: &str) -> Field {
    Field::new(name, DataType::Utf8, false)
}

/// A column of 32-bit integers, never null.
pub fn int32_field(name: &str) -> Field {
    Field::new(name, DataType::Int32, false)
}

/// A column of 64-bit integers, never null.
pub fn int64_field(name: &str) -> Field {
    Field::new(name, DataType::Int64, false)
}

/// A column of 64-bit floats that may be null.
pub fn float64_field(name: &str) -> Field {
    Field::new(name, DataType::Float64, true)
}

/// A column of truth values, never null.
pub fn bool_field(name: &str) -> Field {
    Field::new(name, DataType::Boolean, false)
}

/// A column of lists of 32-bit floats.
pub fn vector_field(name: &str) -> Field {
    Field::new(name, DataType::List(element(DataType::Float32)), false)
}

/// A column of lists of 64-bit floats.
pub fn vector64_field(name: &str) -> Field {
    Field::new(name, DataType::List(element(DataType::Float64)), false)
}

fn element(of: DataType) -> Arc<Field> {
    Arc::new(Field::new("element", of, false))
}

/// Rows of `[n, d]` as a list column.
pub fn vectors(rows: ArrayView2<'_, f32>) -> ArrayRef {
    let values = Float32Array::from_iter_values(rows.iter().copied());
    list_of(rows.dim(), DataType::Float32, Arc::new(values))
}

/// Rows of `[n, d]` as a list column in double precision.
pub fn vectors64(rows: ArrayView2<'_, f64>) -> ArrayRef {
    let values = Float64Array::from_iter_values(rows.iter().copied());
    list_of(rows.dim(), DataType::Float64, Arc::new(values))
}

fn list_of((rows, width): (usize, usize), of: DataType, values: ArrayRef) -> ArrayRef {
    let offsets = OffsetBuffer::from_lengths(std::iter::repeat_n(width, rows));
    Arc::new(ListArray::new(element(of), offsets, values, None))
}

/// The first rows of the table `bytes`, no more than `most`.
pub fn from_csv<T: serde::de::DeserializeOwned>(key: &str, bytes: &[u8], most: usize) -> Result<Vec<T>, Error> {
    let rows = csv::Reader::from_reader(bytes).into_deserialize().take(most);
    rows.collect::<Result<_, _>>().map_err(|error| Error::inconsistent(key, error.to_string()))
}

/// Shows `see` every cell of the table `bytes`, its header included.
pub(crate) fn cells_of_csv(key: &str, bytes: &[u8], see: &mut dyn FnMut(&str)) -> Result<(), Error> {
    let mut reader = csv::ReaderBuilder::new().has_headers(false).flexible(true).from_reader(bytes);
    for row in reader.byte_records() {
        let row = row.map_err(|error| Error::table(key, error))?;
        row.iter().for_each(|cell| see(&String::from_utf8_lossy(cell)));
    }
    Ok(())
}

/// One table as a Parquet file.
pub fn to_parquet(
    file: &str,
    fields: Vec<Field>,
    columns: Vec<ArrayRef>,
    metadata: impl IntoIterator<Item = (String, String)>,
) -> Result<Bytes, Error> {
    let failed = |error: &dyn std::fmt::Display| Error::table(file, error);
    let schema: SchemaRef = Arc::new(Schema::new(fields));
    let batch = RecordBatch::try_new(schema.clone(), columns).map_err(|error| failed(&error))?;
    let properties = writer_properties(&schema, batch.num_rows().max(1), metadata);
    let mut bytes = Vec::new();
    let mut writer =
        ArrowWriter::try_new(&mut bytes, schema.clone(), Some(properties)).map_err(|error| failed(&error))?;
    writer.write(&batch).map_err(|error| failed(&error))?;
    writer.close().map_err(|error| failed(&error))?;
    Ok(bytes.into())
}

fn writer_properties(
    schema: &Schema,
    rows: usize,
    metadata: impl IntoIterator<Item = (String, String)>,
) -> WriterProperties {
    let mut properties =
        WriterProperties::builder().set_compression(Compression::SNAPPY).set_max_row_group_row_count(Some(rows));
    for field in schema.fields() {
        if matches!(field.data_type(), DataType::List(_)) {
            // Almost every float differs: a dictionary and per-page bounds would only cost time and space.
            let column = ColumnPath::new(vec![field.name().clone(), "list".into(), "element".into()]);
            properties = properties
                .set_column_dictionary_enabled(column.clone(), false)
                .set_column_statistics_enabled(column, EnabledStatistics::None);
        }
    }
    // In the file's own metadata, in the order that is given: in Arrow's schema only Arrow's readers would find it.
    let metadata: Vec<KeyValue> = metadata.into_iter().map(|(name, value)| KeyValue::new(name, value)).collect();
    properties.set_key_value_metadata(Some(metadata).filter(|metadata| !metadata.is_empty())).build()
}

/// What `read` comes to. Of bytes that are no table, the reader of Parquet files panics at several places; what that
/// means is said by `broken`.
pub(crate) fn caught<T>(
    read: impl FnOnce() -> Result<T, Error>,
    broken: impl FnOnce(&'static str) -> Error,
) -> Result<T, Error> {
    catch_unwind(AssertUnwindSafe(read)).unwrap_or_else(|_| Err(broken("its pages contradict each other")))
}

/// Runs of equal values take few bytes however many they are, so a small file may be said to have as many as fill all
/// memory. One that has more of them than both of these is refused: features and paths take more than a bit each.
const MANY_VALUES: u64 = 1 << 24;
const VALUES_A_BYTE: u64 = 64;

/// So does one long text that is meant again and again: no file takes more memory than both of these.
const MUCH_MEMORY: u64 = 1 << 28;
const MEMORY_A_BYTE: u64 = 64;

/// A reader of a Parquet file whose values are in proportion to its bytes.
pub(crate) fn parquet_reader(
    bytes: &Bytes,
    options: ArrowReaderOptions,
) -> Result<ParquetRecordBatchReaderBuilder<Bytes>, ParquetError> {
    let builder = ParquetRecordBatchReaderBuilder::try_new_with_options(bytes.clone(), options)?;
    let (values, most) = (values(bytes, builder.metadata())?, MANY_VALUES.max(VALUES_A_BYTE * bytes.len() as u64));
    match values > most {
        true => Err(ParquetError::General(format!("it has {values} values in {} bytes", bytes.len()))),
        false => Ok(builder),
    }
}

/// How many values the pages of a file say that they have, nulls and empty lists included.
fn values(bytes: &Bytes, metadata: &ParquetMetaData) -> Result<u64, ParquetError> {
    let mut values = 0_u64;
    for row_group in metadata.row_groups() {
        let rows = usize::try_from(row_group.num_rows()).unwrap_or_default();
        for column in row_group.columns() {
            let mut pages = SerializedPageReader::new(Arc::new(bytes.clone()), column, rows, None)?;
            while let Some(page) = pages.peek_next_page()? {
                values = values.saturating_add(page.num_levels.unwrap_or_default() as u64);
                pages.skip_next_page()?;
            }
        }
    }
    Ok(values)
}

/// The rows that a reader of `bytes` is to read, as long as the memory that they take is in proportion to those.
pub(crate) fn batches(
    bytes: &Bytes,
    builder: ParquetRecordBatchReaderBuilder<Bytes>,
) -> Result<impl Iterator<Item = Result<RecordBatch, ParquetError>>, ParquetError> {
    let most = MUCH_MEMORY.max(MEMORY_A_BYTE * bytes.len() as u64);
    let (mut taken, given) = (0, bytes.len());
    Ok(builder.build()?.map(move |batch| {
        let batch = batch?;
        taken += batch.get_array_memory_size() as u64;
        match taken > most {
            true => Err(ParquetError::General(format!("its {given} bytes stand for more than {most} bytes of memory"))),
            false => Ok(batch),
        }
    }))
}

fn all_rows(
    (file, bytes): (&str, &Bytes),
    schema: &SchemaRef,
    builder: ParquetRecordBatchReaderBuilder<Bytes>,
) -> Result<RecordBatch, Error> {
    let batches = batches(bytes, builder).and_then(|batches| batches.collect::<Result<Vec<_>, _>>());
    let batches = batches.map_err(|error| Error::table(file, error))?;
    concat_batches(schema, &batches).map_err(|error| Error::table(file, error))
}

/// A Parquet file in memory.
pub struct ParquetTable {
    file: String,
    batch: RecordBatch,
}

impl ParquetTable {
    /// Decodes `bytes`, the content of `file`.
    pub fn read(file: &str, bytes: Bytes) -> Result<Self, Error> {
        let broken = |problem| Error::table(file, problem);
        let read = || {
            let builder = parquet_reader(&bytes, ArrowReaderOptions::default());
            let builder = builder.map_err(|error| Error::table(file, error))?;
            // With the file's metadata, which no batch has.
            all_rows((file, &bytes), &builder.schema().clone(), builder)
        };
        let batch = caught(read, broken)?;
        Ok(Self { file: file.to_owned(), batch })
    }

    /// The columns of text alone.
    pub(crate) fn read_texts(file: &str, bytes: Bytes) -> Result<RecordBatch, Error> {
        let broken = |problem| Error::table(file, problem);
        let read = || {
            let builder = parquet_reader(&bytes, ArrowReaderOptions::default());
            let builder = builder.map_err(|error| Error::table(file, error))?;
            let fields = builder.schema().fields().iter().enumerate();
            let texts = fields.filter(|(_, field)| *field.data_type() == DataType::Utf8).map(|(number, _)| number);
            let texts: Vec<usize> = texts.collect();
            let mask = ProjectionMask::roots(builder.parquet_schema(), texts.iter().copied());
            let texts = builder.schema().project(&texts).map_err(|error| Error::table(file, error))?.into();
            all_rows((file, &bytes), &texts, builder.with_projection(mask))
        };
        caught(read, broken)
    }

    /// How many rows there are.
    pub fn rows(&self) -> usize {
        self.batch.num_rows()
    }

    /// All columns.
    pub fn into_batch(self) -> RecordBatch {
        self.batch
    }

    /// The value of a metadata entry.
    pub fn metadata(&self, key: &str) -> Result<&str, Error> {
        self.metadata_if_any(key).ok_or_else(|| self.wrong(&format!("metadata `{key}` is missing")))
    }

    /// The value of a metadata entry that need not be there.
    pub fn metadata_if_any(&self, key: &str) -> Option<&str> {
        self.batch.schema_ref().metadata().get(key).map(String::as_str)
    }

    /// What the table was read from, for messages.
    pub fn file(&self) -> &str {
        &self.file
    }

    /// A column of text.
    ///
    /// # Errors
    /// [`Error::Table`] where there is none of that name and type.
    pub fn text(&self, column: &str) -> Result<&StringArray, Error> {
        self.typed(column)
    }

    /// A column of 32-bit integers.
    ///
    /// # Errors
    /// As [`ParquetTable::text`].
    pub fn int32(&self, column: &str) -> Result<&Int32Array, Error> {
        self.typed(column)
    }

    /// A column of 64-bit integers.
    ///
    /// # Errors
    /// As [`ParquetTable::text`].
    pub fn int64(&self, column: &str) -> Result<&Int64Array, Error> {
        self.typed(column)
    }

    /// A column of truth values, in a table that need not have it.
    ///
    /// # Errors
    /// [`Error::Table`] where there is one of that name and another type.
    pub fn bool_if_any(&self, column: &str) -> Result<Option<&BooleanArray>, Error> {
        self.batch.column_by_name(column).map(|_| self.typed(column)).transpose()
    }

    /// Whether there is such a column.
    pub fn has(&self, column: &str) -> bool {
        self.batch.column_by_name(column).is_some()
    }

    /// A column of 64-bit floats.
    ///
    /// # Errors
    /// As [`ParquetTable::text`].
    pub fn float64(&self, column: &str) -> Result<&Float64Array, Error> {
        self.typed(column)
    }

    /// A list column as `[n, d]`; every list must have `width` elements.
    pub fn vectors(&self, column: &str, width: usize) -> Result<Array2<f32>, Error> {
        let values = self.list_values::<Float32Array>(column, width)?;
        self.shaped(column, width, values.values().to_vec())
    }

    /// A list column in double precision as `[n, d]`.
    pub fn vectors64(&self, column: &str, width: usize) -> Result<Array2<f64>, Error> {
        let values = self.list_values::<Float64Array>(column, width)?;
        self.shaped(column, width, values.values().to_vec())
    }

    /// How many elements each list of a column has, by its first row; 0 in an empty table.
    pub fn vector_width(&self, column: &str) -> Result<usize, Error> {
        let lists: &ListArray = self.typed(column)?;
        Ok(if lists.is_empty() { 0 } else { lists.value_length(0) as usize })
    }

    fn list_values<A: Array + Clone + 'static>(&self, column: &str, width: usize) -> Result<A, Error> {
        let lists: &ListArray = self.typed(column)?;
        if (0..lists.len()).any(|row| lists.value_length(row) as usize != width) {
            return Err(self.wrong(&format!("column `{column}` must hold lists of {width} numbers")));
        }
        let (first, last) = (lists.offsets().first(), lists.offsets().last());
        let used = lists.values().slice(first as usize, (last - first) as usize);
        let values = used.as_any().downcast_ref::<A>();
        values.cloned().ok_or_else(|| self.wrong(&format!("column `{column}` has another type")))
    }

    fn shaped<T>(&self, column: &str, width: usize, values: Vec<T>) -> Result<Array2<T>, Error> {
        Array2::from_shape_vec((self.rows(), width), values)
            .map_err(|error| self.wrong(&format!("column `{column}`: {error}")))
    }

    fn typed<A: 'static>(&self, column: &str) -> Result<&A, Error> {
        let found = self.batch.column_by_name(column);
        let found = found.ok_or_else(|| self.wrong(&format!("column `{column}` is missing")))?;
        let typed = found.as_any().downcast_ref::<A>();
        typed.ok_or_else(|| self.wrong(&format!("column `{column}` has another type")))
    }

    fn wrong(&self, problem: &str) -> Error {
        Error::inconsistent(&self.file, problem)
    }
}

/// A CSV file in the making.
pub struct CsvTable {
    file: String,
    writer: csv::Writer<Vec<u8>>,
}

impl CsvTable {
    /// The table of `file` with this header.
    ///
    /// # Errors
    /// [`Error::Table`] where a cell cannot be written.
    pub fn new<S: AsRef<str>>(file: &str, header: impl IntoIterator<Item = S>) -> Result<Self, Error> {
        let mut table = Self { file: file.to_owned(), writer: csv::Writer::from_writer(Vec::new()) };
        table.row(header)?;
        Ok(table)
    }

    /// Adds a row.
    ///
    /// # Errors
    /// As [`CsvTable::new`], and where the row has another number of cells.
    pub fn row<S: AsRef<str>>(&mut self, cells: impl IntoIterator<Item = S>) -> Result<(), Error> {
        for cell in cells {
            self.writer.write_field(cell.as_ref()).map_err(|error| Error::table(&self.file, error))?;
        }
        self.writer.write_record(None::<&[u8]>).map_err(|error| Error::table(&self.file, error))
    }

    /// The file's content.
    ///
    /// # Errors
    /// As [`CsvTable::new`].
    pub fn finish(self) -> Result<Bytes, Error> {
        let bytes = self.writer.into_inner().map_err(|error| Error::table(&self.file, error))?;
        Ok(bytes.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_of_more_values_than_its_bytes_can_stand_for_is_refused() {
        let nulls = |rows: usize| {
            let column: ArrayRef = Arc::new(Float64Array::new_null(rows));
            to_parquet("t", vec![float64_field("x")], vec![column], []).unwrap()
        };
        let (few, many) = (nulls(1_000), nulls(MANY_VALUES as usize + 1));
        assert!(many.len() < 1 << 17, "{}", many.len());
        assert_eq!(ParquetTable::read("t", few).unwrap().rows(), 1_000);
        let error = ParquetTable::read("t", many).err().expect("it is refused").to_string();
        assert!(error.contains("16777217 values in"), "{error}");
    }

    #[test]
    fn a_file_whose_text_fills_all_memory_is_refused() {
        let (rows, text) = (1_000, "x".repeat(4_096));
        let schema = Arc::new(Schema::new(vec![text_field("path"), text_field("label")]));
        let column = Arc::new(StringArray::from_iter_values(std::iter::repeat_n(&text, rows))) as ArrayRef;
        let batch = RecordBatch::try_new(schema.clone(), vec![column.clone(), column]).unwrap();
        let mut bytes = Vec::new();
        let mut writer = ArrowWriter::try_new(&mut bytes, schema, None).unwrap();
        let whole = MUCH_MEMORY as usize / (2 * rows * text.len());
        (0..=whole).for_each(|_| writer.write(&batch).unwrap());
        writer.close().unwrap();
        let bytes = Bytes::from(bytes);
        assert!(bytes.len() < 1 << 20, "{} bytes", bytes.len());
        let says_so = |error: Error| assert!(error.to_string().contains("bytes of memory"), "{error}");
        says_so(ParquetTable::read("t.parquet", bytes.clone()).err().unwrap());
        says_so(ParquetTable::read_texts("t.parquet", bytes.clone()).err().unwrap());
        says_so(crate::image_table::labels("t.parquet", &bytes).unwrap_err());
        says_so(crate::image_table::paths("t.parquet", &bytes).unwrap_err());
    }
}

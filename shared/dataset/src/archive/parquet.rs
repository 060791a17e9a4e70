//! Which images the rows of a Parquet file are. It is read from end to end, because nothing else tells which images are
//! the same.

use std::collections::HashMap;
use std::ops::Range;
use std::sync::{Arc, PoisonError};

use parquet::column::reader::{ColumnReader, ColumnReaderImpl, get_column_reader};
use parquet::data_type::DataType;
use parquet::errors::{ParquetError, Result};
use parquet::file::metadata::{ParquetMetaData, ParquetMetaDataReader, RowGroupMetaData};
use pomona_terms::Reject;
use sha2::{Digest, Sha256};

use super::columns::Columns;
use super::contents::{Index, Indexed, Wanted};
use super::names;
use super::pages::{Located, Pages, Values};
use super::ranges::Ranges;

/// Rows whose labels and paths are read at once.
const CELLS: usize = 1024;

/// The most rows of one table, which all are in memory at once; some may be of no bytes at all.
const MOST_ROWS: usize = 4 << 20;

/// The rows of a table.
#[derive(Debug, Default)]
struct Rows {
    images: Vec<Option<Image>>,
    /// Where rows say that they are from.
    paths: Vec<Option<String>>,
    /// None where there is no column of labels.
    labels: Vec<Option<String>>,
}

/// The image of a row.
#[derive(Debug)]
struct Image {
    size: u64,
    sha256: String,
    /// Where the page lies that it is in, with what else is needed to read that.
    range: Range<u64>,
    pages: Pages,
}

/// The images of the Parquet file that `ranges` reads.
pub(super) fn index(ranges: Ranges, wanted: &Wanted) -> Index {
    let ranges = Arc::new(ranges);
    let read = ranges.read_tail().map_err(ParquetError::from);
    let metadata = match read.and_then(|()| ParquetMetaDataReader::new().parse_and_finish(ranges.as_ref())) {
        Ok(metadata) => metadata,
        Err(error) => return broken(Rows::default(), error),
    };
    let columns = match Columns::of(metadata.file_metadata(), wanted) {
        Ok(Some(columns)) => columns,
        Ok(None) => return Index::of_table_without_images(),
        Err(problem) => return Index { broken: Some(Reject::unsupported(problem)), ..Index::default() },
    };
    let mut rows = Rows::default();
    match rows.read(&ranges, &metadata, &columns) {
        Ok(()) => Index { members: rows.into_members(), ..Index::default() },
        Err(error) => broken(rows, error),
    }
}

/// What was read before the damage, or before what is not read here.
fn broken(rows: Rows, error: ParquetError) -> Index {
    let members = rows.into_members();
    let detail = |is: &str, problem: &str| {
        format!("the table {is} behind its first {} rows, which are used: {problem}", members.len())
    };
    let broken = Some(match &error {
        ParquetError::NYI(problem) => Reject::unsupported(detail("cannot be read", problem)),
        error => Reject::corrupt(detail("is broken", &error.to_string())),
    });
    Index { members, broken, ..Index::default() }
}

impl Rows {
    /// Reads row groups as far as they are whole.
    fn read(&mut self, ranges: &Arc<Ranges>, table: &ParquetMetaData, columns: &Columns) -> Result<()> {
        for group in table.row_groups() {
            let Self { images, paths, labels } = Self::of_group(ranges, group, columns)?;
            self.images.extend(images);
            self.paths.extend(paths);
            self.labels.extend(labels);
            if self.images.len() > MOST_ROWS {
                return Err(ParquetError::NYI("it has millions of rows; write several tables".to_owned()));
            }
        }
        Ok(())
    }

    /// Reads the columns of a row group in the order in which they lie.
    fn of_group(ranges: &Arc<Ranges>, group: &RowGroupMetaData, columns: &Columns) -> Result<Self> {
        let mut leaves: Vec<usize> = [columns.image].into_iter().chain(columns.label).collect();
        leaves.extend(&columns.paths);
        leaves.sort_unstable_by_key(|leaf| group.column(*leaf).data_page_offset());
        leaves.dedup();
        let (mut images, mut texts) = (Vec::new(), HashMap::new());
        for leaf in leaves {
            if leaf == columns.image {
                images = read_images(ranges, group, leaf)?;
            } else {
                texts.insert(leaf, cells(ranges, group, leaf)?);
            }
        }
        let count = images.len();
        if usize::try_from(group.num_rows())? != count || texts.values().any(|cells| cells.len() != count) {
            return Err(ParquetError::General("its columns are not equally long".to_owned()));
        }
        let path = |row: usize| columns.paths.iter().find_map(|leaf| names::of_row(texts[leaf][row].as_deref()?));
        let label = |row: usize| {
            let cell = texts[&columns.label?][row].clone();
            Some(cell.map_or_else(String::new, |cell| columns.class(cell)))
        };
        Ok(Self { images, paths: (0..count).map(path).collect(), labels: (0..count).map(label).collect() })
    }

    /// A row is called by its path, where no other one has the same, and otherwise by its number.
    fn into_members(self) -> Vec<Indexed> {
        let mut counts: HashMap<&str, u64> = HashMap::new();
        self.paths.iter().flatten().for_each(|path| *counts.entry(path).or_default() += 1);
        let are_own: Vec<bool> =
            self.paths.iter().map(|path| path.as_deref().is_some_and(|path| counts[path] == 1)).collect();
        let rows = self.images.into_iter().zip(self.paths).zip(self.labels).zip(are_own).zip(0_u64..);
        let member = |((((image, path), label), is_own), number)| {
            let (name, path) = match path {
                Some(path) if is_own => (path, None),
                path => (format!("{number:08}"), path),
            };
            member(name, path, label, image)
        };
        rows.map(member).collect()
    }
}

fn member(name: String, path: Option<String>, label: Option<String>, image: Option<Image>) -> Indexed {
    match image {
        Some(Image { size, sha256, range, pages }) => Indexed {
            name,
            size,
            version: sha256,
            start: range.start,
            end: range.end,
            pages: Some(pages),
            path,
            label,
            unusable: None,
        },
        None => {
            let unusable = Some(Reject::unsupported("its row holds no bytes of an image"));
            Indexed { name, size: 0, version: String::new(), start: 0, end: 0, pages: None, path, label, unusable }
        }
    }
}

/// The images of a row group; `None` where there is none.
fn read_images(ranges: &Arc<Ranges>, group: &RowGroupMetaData, leaf: usize) -> Result<Vec<Option<Image>>> {
    let chunk = group.column(leaf);
    let pages = Pages::of(chunk)?;
    let (located, current) = Located::of(ranges, chunk)?;
    let mut values = Values::new(chunk.column_descr_ptr(), Box::new(located));
    let mut images = Vec::new();
    while let Some(value) = values.next()?.filter(|_| images.len() <= MOST_ROWS) {
        let range = current.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let image = value.filter(|value| !value.is_empty()).map(|value| Image {
            size: value.len() as u64,
            sha256: format!("{:x}", Sha256::digest(value.data())),
            range,
            pages,
        });
        images.push(image);
    }
    Ok(images)
}

/// A column of a row group as text; what is null is `None`.
fn cells(ranges: &Arc<Ranges>, group: &RowGroupMetaData, leaf: usize) -> Result<Vec<Option<String>>> {
    let chunk = group.column(leaf);
    Pages::of(chunk)?;
    let (located, _) = Located::of(ranges, chunk)?;
    let deepest = chunk.column_descr().max_def_level();
    match get_column_reader(chunk.column_descr_ptr(), Box::new(located)) {
        ColumnReader::BoolColumnReader(reader) => texts(reader, deepest, |value| value.to_string()),
        ColumnReader::Int32ColumnReader(reader) => texts(reader, deepest, |value| value.to_string()),
        ColumnReader::Int64ColumnReader(reader) => texts(reader, deepest, |value| value.to_string()),
        ColumnReader::FloatColumnReader(reader) => texts(reader, deepest, |value| number(f64::from(*value))),
        ColumnReader::DoubleColumnReader(reader) => texts(reader, deepest, |value| number(*value)),
        ColumnReader::ByteArrayColumnReader(reader) => {
            texts(reader, deepest, |value| String::from_utf8_lossy(value.data()).into_owned())
        }
        _ => Err(ParquetError::General(format!("its column `{}` is no text", chunk.column_descr().name()))),
    }
}

/// A number as text: whole ones, which pandas writes with a point where some are missing, without it.
fn number(value: f64) -> String {
    // Shortest text that gives the same number: without a fraction there is no point.
    if value.is_nan() { String::new() } else { value.to_string() }
}

/// `deepest` is the level of what is not null.
fn texts<T: DataType>(
    mut reader: ColumnReaderImpl<T>,
    deepest: i16,
    text: impl Fn(&T::T) -> String,
) -> Result<Vec<Option<String>>> {
    let (mut cells, mut levels, mut values) = (Vec::new(), Vec::new(), Vec::new());
    loop {
        levels.clear();
        values.clear();
        let (rows, ..) = reader.read_records(CELLS, Some(&mut levels), None, &mut values)?;
        if rows == 0 {
            return Ok(cells);
        }
        // Where nothing can be null there are no levels.
        levels.resize(rows, deepest);
        let mut values = values.iter();
        let cell = |level: &i16| if *level == deepest { values.next().map(&text) } else { None };
        cells.extend(levels.iter().map(cell));
    }
}

//! Which images the rows of a Parquet file are. It is read from end to end, because nothing else tells which images are
//! the same.

use std::collections::HashSet;
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

/// The rows of a table.
#[derive(Debug, Default)]
struct Rows {
    images: Vec<Option<Image>>,
    /// What rows are called, as far as they have names.
    names: Vec<Option<String>>,
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
        Err(error) => return broken(Rows::default(), &error.to_string()),
    };
    let columns = match Columns::of(metadata.file_metadata(), wanted) {
        Ok(Some(columns)) => columns,
        Ok(None) => return Index::of_table_without_images(),
        Err(problem) => return broken(Rows::default(), &problem),
    };
    let mut rows = Rows::default();
    match rows.read(&ranges, &metadata, &columns) {
        Ok(()) => Index { members: rows.into_members(), ..Index::default() },
        Err(error) => broken(rows, &error.to_string()),
    }
}

/// What was read before the damage.
fn broken(rows: Rows, problem: &str) -> Index {
    let members = rows.into_members();
    let detail = format!("the table is broken behind its first {} rows, which are used: {problem}", members.len());
    Index { members, broken: Some(Reject::corrupt(detail)), ..Index::default() }
}

impl Rows {
    /// Reads row groups as far as they are whole.
    fn read(&mut self, ranges: &Arc<Ranges>, table: &ParquetMetaData, columns: &Columns) -> Result<()> {
        for group in table.row_groups() {
            let Self { images, names, labels } = Self::of_group(ranges, group, columns)?;
            self.images.extend(images);
            self.names.extend(names);
            self.labels.extend(labels);
        }
        Ok(())
    }

    /// Reads the columns of a row group in the order in which they lie.
    fn of_group(ranges: &Arc<Ranges>, group: &RowGroupMetaData, columns: &Columns) -> Result<Self> {
        let mut leaves: Vec<usize> = [Some(columns.image), columns.path, columns.label].into_iter().flatten().collect();
        leaves.sort_unstable_by_key(|leaf| group.column(*leaf).data_page_offset());
        leaves.dedup();
        let count = usize::try_from(group.num_rows())?;
        let mut rows = Self { images: Vec::new(), names: vec![None; count], labels: vec![None; count] };
        for leaf in leaves {
            if leaf == columns.image {
                rows.images = images(ranges, group, leaf)?;
                continue;
            }
            let cells = cells(ranges, group, leaf)?;
            if Some(leaf) == columns.path {
                rows.names = cells.iter().map(|cell| names::of_row(cell.as_deref()?)).collect();
            }
            if Some(leaf) == columns.label {
                let label = |cell: Option<String>| Some(cell.map_or_else(String::new, |cell| columns.class(cell)));
                rows.labels = cells.into_iter().map(label).collect();
            }
        }
        match [rows.images.len(), rows.names.len(), rows.labels.len()] == [count; 3] {
            true => Ok(rows),
            false => Err(ParquetError::General("its columns are not equally long".to_owned())),
        }
    }

    /// Rows are called by their names, where each has one of its own, and otherwise by their numbers.
    fn into_members(self) -> Vec<Indexed> {
        let distinct: HashSet<&str> = self.names.iter().flatten().map(String::as_str).collect();
        let are_named = distinct.len() == self.images.len();
        let rows = self.images.into_iter().zip(self.names).zip(self.labels).zip(0_u64..);
        let member = |(((image, name), label), number)| {
            let name = Option::filter(name, |_: &String| are_named).unwrap_or_else(|| format!("{number:08}"));
            member(name, label, image)
        };
        rows.map(member).collect()
    }
}

fn member(name: String, label: Option<String>, image: Option<Image>) -> Indexed {
    match image {
        Some(Image { size, sha256, range, pages }) => Indexed {
            name,
            size,
            version: sha256,
            start: range.start,
            end: range.end,
            pages: Some(pages),
            label,
            unusable: None,
        },
        None => {
            let unusable = Some(Reject::unsupported("its row holds no bytes of an image"));
            Indexed { name, size: 0, version: String::new(), start: 0, end: 0, pages: None, label, unusable }
        }
    }
}

/// The images of a row group; `None` where there is none.
fn images(ranges: &Arc<Ranges>, group: &RowGroupMetaData, leaf: usize) -> Result<Vec<Option<Image>>> {
    let chunk = group.column(leaf);
    let pages = Pages::of(chunk)?;
    let (located, current) = Located::of(ranges, chunk)?;
    let mut values = Values::new(chunk.column_descr_ptr(), Box::new(located));
    let mut images = Vec::new();
    while let Some(value) = values.next()? {
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
    let (located, _) = Located::of(ranges, chunk)?;
    let deepest = chunk.column_descr().max_def_level();
    match get_column_reader(chunk.column_descr_ptr(), Box::new(located)) {
        ColumnReader::BoolColumnReader(reader) => texts(reader, deepest, |value| value.to_string()),
        ColumnReader::Int32ColumnReader(reader) => texts(reader, deepest, |value| value.to_string()),
        ColumnReader::Int64ColumnReader(reader) => texts(reader, deepest, |value| value.to_string()),
        ColumnReader::ByteArrayColumnReader(reader) => {
            texts(reader, deepest, |value| String::from_utf8_lossy(value.data()).into_owned())
        }
        _ => Err(ParquetError::General(format!("its column `{}` is no text", chunk.column_descr().name()))),
    }
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

//! Pages of tables: where the values of a column lie, and how they are read from these bytes alone.

use std::collections::{HashMap, HashSet};
use std::fmt;
use std::ops::Range;
use std::str::FromStr;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use parquet::basic::{Compression, Encoding, Type};
use parquet::column::page::{Page, PageReader};
use parquet::column::reader::ColumnReaderImpl;
use parquet::data_type::{ByteArray, ByteArrayType};
use parquet::errors::{ParquetError, Result};
use parquet::file::metadata::ColumnChunkMetaData;
use parquet::file::serialized_reader::SerializedPageReader;
use parquet::schema::types::{ColumnDescPtr, ColumnDescriptor, ColumnPath, Type as SchemaType};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::page_header::Announced;
use super::ranges::Ranges;

/// What has to be known of pages to read the values of bytes in them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Pages {
    codec: Codec,
    /// How many of a value's ancestors, itself included, may be null.
    levels: u8,
}

/// How pages are packed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
enum Codec {
    Plain,
    Snappy,
    Gzip,
    Zstd,
}

impl Codec {
    const ALL: [(Self, &'static str); 4] =
        [(Self::Plain, "plain"), (Self::Snappy, "snappy"), (Self::Gzip, "gzip"), (Self::Zstd, "zstd")];

    fn compression(self) -> Compression {
        match self {
            Self::Plain => Compression::UNCOMPRESSED,
            Self::Snappy => Compression::SNAPPY,
            Self::Gzip => Compression::GZIP(Default::default()),
            Self::Zstd => Compression::ZSTD(Default::default()),
        }
    }
}

impl fmt::Display for Pages {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = Codec::ALL.into_iter().find(|(codec, _)| *codec == self.codec).map_or("", |(_, name)| name);
        write!(formatter, "{name} {}", self.levels)
    }
}

impl FromStr for Pages {
    type Err = String;

    fn from_str(text: &str) -> std::result::Result<Self, String> {
        let parsed = text.split_once(' ').and_then(|(name, levels)| {
            let (codec, _) = Codec::ALL.into_iter().find(|(_, known)| *known == name)?;
            Some(Self { codec, levels: levels.parse().ok()? })
        });
        parsed.ok_or_else(|| format!("`{text}` says nothing of pages"))
    }
}

impl Pages {
    /// Those of a column of bytes.
    pub(super) fn of(chunk: &ColumnChunkMetaData) -> Result<Self> {
        let codec = match Compression::from(chunk.compression_codec()) {
            Compression::UNCOMPRESSED => Codec::Plain,
            Compression::SNAPPY => Codec::Snappy,
            Compression::GZIP(_) => Codec::Gzip,
            Compression::ZSTD(_) => Codec::Zstd,
            other => {
                return Err(ParquetError::NYI(format!("it is packed by {other}; write it with snappy or zstd")));
            }
        };
        let levels = u8::try_from(chunk.column_descr().max_def_level())?;
        Ok(Self { codec, levels })
    }

    /// The values in the pages that `bytes` are whose SHA-256 is wanted, by that; each comes with the value's length.
    ///
    /// # Errors
    /// Those of a damaged page.
    pub(crate) fn find(self, bytes: &Bytes, wanted: &HashMap<String, u64>) -> Result<HashMap<String, Bytes>> {
        let column = self.column()?;
        let chunk = ColumnChunkMetaData::builder(column.clone())
            .set_compression(self.codec.compression())
            .set_total_compressed_size(i64::try_from(bytes.len())?)
            .build()?;
        let pages = SerializedPageReader::new(Arc::new(bytes.clone()), &chunk, 0, None)?;
        let mut values = Values::new(column, Box::new(pages));
        let sizes: HashSet<u64> = wanted.values().copied().collect();
        let mut found = HashMap::new();
        while let Some(value) = values.next()? {
            let Some(value) = value.filter(|value| sizes.contains(&(value.len() as u64))) else { continue };
            let digest = format!("{:x}", Sha256::digest(value.data()));
            if wanted.contains_key(&digest) {
                found.entry(digest).or_insert_with(|| Bytes::copy_from_slice(value.data()));
            }
        }
        Ok(found)
    }

    /// A column whose values are as deep.
    fn column(self) -> Result<ColumnDescPtr> {
        let bytes = SchemaType::primitive_type_builder("bytes", Type::BYTE_ARRAY).build()?;
        Ok(Arc::new(ColumnDescriptor::new(Arc::new(bytes), self.levels.into(), 0, ColumnPath::from("bytes"))))
    }
}

/// The values of a column of bytes, one by one.
pub(super) struct Values {
    reader: ColumnReaderImpl<ByteArrayType>,
    levels: Vec<i16>,
    values: Vec<ByteArray>,
}

impl Values {
    pub(super) fn new(column: ColumnDescPtr, pages: Box<dyn PageReader>) -> Self {
        Self { reader: ColumnReaderImpl::new(column, pages), levels: Vec::new(), values: Vec::new() }
    }

    /// The next value, which may be null. A page is read when its first value is.
    pub(super) fn next(&mut self) -> Result<Option<Option<ByteArray>>> {
        self.levels.clear();
        let (rows, ..) = self.reader.read_records(1, Some(&mut self.levels), None, &mut self.values)?;
        let value = self.values.pop();
        Ok((rows > 0).then_some(value))
    }
}

/// The pages of a column, of which it is noted where they lie.
pub(super) struct Located {
    pages: SerializedPageReader<Ranges>,
    ranges: Arc<Ranges>,
    /// Where the column begins, and where it ends.
    start: u64,
    column_end: u64,
    /// Where the page that was read last ends.
    end: u64,
    current: Arc<Mutex<Range<u64>>>,
}

impl Located {
    /// Those of `chunk`, and where the one lies that was read last, with the dictionary that it needs.
    pub(super) fn of(ranges: &Arc<Ranges>, chunk: &ColumnChunkMetaData) -> Result<(Self, Arc<Mutex<Range<u64>>>)> {
        let start = chunk.dictionary_page_offset().unwrap_or(chunk.data_page_offset());
        let start = u64::try_from(start)?;
        let column_end = start.saturating_add(u64::try_from(chunk.compressed_size())?);
        let current = Arc::new(Mutex::new(start..start));
        let pages = SerializedPageReader::new(ranges.clone(), chunk, 0, None)?;
        Ok((Self { pages, ranges: ranges.clone(), start, column_end, end: start, current: current.clone() }, current))
    }
}

impl PageReader for Located {
    fn get_next_page(&mut self) -> Result<Option<Page>> {
        if self.end < self.column_end {
            let announced = Announced::by(&self.ranges.header(self.end)?);
            announced.ok_or_else(|| ParquetError::General("a page says nothing of its size".to_owned()))?.check()?;
        }
        let page = self.pages.get_next_page()?;
        let end = self.ranges.asked_end();
        if let Some(page) = page.as_ref().filter(|page| page.is_data_page()) {
            // A dictionary stands at the beginning of its column.
            let start = match page.encoding() {
                Encoding::PLAIN_DICTIONARY | Encoding::RLE_DICTIONARY => self.start,
                _ => self.end,
            };
            *self.current.lock().unwrap_or_else(PoisonError::into_inner) = start..end;
        }
        self.end = end;
        Ok(page)
    }

    fn peek_next_page(&mut self) -> Result<Option<parquet::column::page::PageMetadata>> {
        self.pages.peek_next_page()
    }

    fn skip_next_page(&mut self) -> Result<()> {
        self.pages.skip_next_page()
    }
}

impl Iterator for Located {
    type Item = Result<Page>;

    fn next(&mut self) -> Option<Self::Item> {
        self.get_next_page().transpose()
    }
}

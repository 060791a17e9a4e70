//! A TIFF's header and first directory: its tags, as Pillow's `ImageFileDirectory_v2` loads them.

use std::collections::BTreeMap;

use crate::pixels::Reject;

/// Numbers of tags.
pub(super) mod tag {
    pub const WIDTH: u16 = 256;
    pub const HEIGHT: u16 = 257;
    pub const BITS_PER_SAMPLE: u16 = 258;
    pub const COMPRESSION: u16 = 259;
    pub const PHOTOMETRIC: u16 = 262;
    pub const FILL_ORDER: u16 = 266;
    pub const STRIP_OFFSETS: u16 = 273;
    pub const ORIENTATION: u16 = 274;
    pub const SAMPLES_PER_PIXEL: u16 = 277;
    pub const ROWS_PER_STRIP: u16 = 278;
    pub const STRIP_LENGTHS: u16 = 279;
    pub const PLANAR: u16 = 284;
    pub const PREDICTOR: u16 = 317;
    pub const COLOUR_MAP: u16 = 320;
    pub const TILE_WIDTH: u16 = 322;
    pub const TILE_HEIGHT: u16 = 323;
    pub const TILE_OFFSETS: u16 = 324;
    pub const TILE_LENGTHS: u16 = 325;
    pub const EXTRA_SAMPLES: u16 = 338;
    pub const SAMPLE_FORMAT: u16 = 339;
    pub const JPEG_TABLES: u16 = 347;
    pub const YCBCR_SUBSAMPLING: u16 = 530;
}

/// Types of tags whose values are bytes.
const BYTE: u16 = 1;
const ASCII: u16 = 2;
const UNDEFINED: u16 = 7;
/// Types of tags whose values are whole numbers.
const SHORT: u16 = 3;
const LONG: u16 = 4;
const SIGNED_SHORT: u16 = 8;
const SIGNED_LONG: u16 = 9;

const HEADER: usize = 8;
const ENTRY: usize = 12;

/// The tags of the first picture.
pub(super) struct Directory<'bytes> {
    is_big_endian: bool,
    /// Whether all entries and their values are within the file.
    is_whole: bool,
    entries: BTreeMap<u16, Entry<'bytes>>,
}

struct Entry<'bytes> {
    kind: u16,
    data: &'bytes [u8],
}

impl<'bytes> Directory<'bytes> {
    pub(super) fn of(bytes: &'bytes [u8]) -> Result<Self, Reject> {
        let mut directory = Self { is_big_endian: bytes.starts_with(b"MM"), is_whole: false, entries: BTreeMap::new() };
        let header = bytes.get(..HEADER).ok_or_else(ends_early)?;
        let start = directory.value(&header[4..]) as usize;
        if start == 0 {
            return Err(Reject::corrupt("a TIFF without a picture"));
        }
        let count = bytes.get(start..).and_then(|rest| rest.get(..2)).ok_or_else(ends_early)?;
        let count = directory.value(count) as usize;
        let entries = bytes[start + 2..].chunks_exact(ENTRY).take(count);
        // Tags behind one whose values lie outside of the file are lost to Pillow.
        let mut outside = 0;
        let loaded = entries.map_while(|entry| directory.load(bytes, entry, &mut outside)).count();
        directory.is_whole = loaded == count;
        Ok(directory)
    }

    /// Takes an entry; of two with the same tag the first counts. Nothing where its values end behind the file.
    fn load(&mut self, bytes: &'bytes [u8], entry: &'bytes [u8], outside: &mut usize) -> Option<()> {
        let (tag, kind) = (self.value(&entry[..2]) as u16, self.value(&entry[2..4]) as u16);
        let Some(unit) = unit(kind) else {
            return Some(());
        };
        if self.entries.contains_key(&tag) {
            return Some(());
        }
        let length = self.value(&entry[4..8]) as usize * unit;
        let data = if length <= 4 {
            &entry[8..8 + length]
        } else {
            // Values that all together are longer than the file are not believed.
            *outside += length;
            if *outside > bytes.len() {
                return Some(());
            }
            bytes.get(self.value(&entry[8..]) as usize..)?.get(..length)?
        };
        if !data.is_empty() {
            self.entries.insert(tag, Entry { kind, data });
        }
        Some(())
    }

    fn value(&self, bytes: &[u8]) -> u32 {
        let join = |number: u32, byte: &u8| number << 8 | u32::from(*byte);
        if self.is_big_endian { bytes.iter().fold(0, join) } else { bytes.iter().rev().fold(0, join) }
    }

    pub(super) fn is_big_endian(&self) -> bool {
        self.is_big_endian
    }

    pub(super) fn is_whole(&self) -> bool {
        self.is_whole
    }

    pub(super) fn has(&self, tag: u16) -> bool {
        self.entries.contains_key(&tag)
    }

    /// A tag's numbers; none where it is missing.
    pub(super) fn numbers(&self, tag: u16) -> Result<Vec<u32>, Reject> {
        let Some(Entry { kind, data }) = self.entries.get(&tag) else {
            return Ok(Vec::new());
        };
        match *kind {
            SHORT | SIGNED_SHORT => Ok(data.chunks_exact(2).map(|value| self.value(value)).collect()),
            LONG | SIGNED_LONG => Ok(data.chunks_exact(4).map(|value| self.value(value)).collect()),
            other => Err(Reject::corrupt(format!("tag {tag} of type {other}"))),
        }
    }

    /// A tag's first number.
    pub(super) fn number(&self, tag: u16) -> Result<Option<u32>, Reject> {
        Ok(self.numbers(tag)?.first().copied())
    }

    /// A tag's number that must be there.
    pub(super) fn required(&self, tag: u16) -> Result<u32, Reject> {
        self.number(tag)?.ok_or_else(|| Reject::corrupt(format!("no tag {tag}")))
    }

    /// A tag's first number, or a default where it is missing or its values are bytes.
    pub(super) fn number_or(&self, tag: u16, default: u32) -> Result<u32, Reject> {
        match self.entries.get(&tag).map(|entry| entry.kind) {
            Some(BYTE | ASCII | UNDEFINED) | None => Ok(default),
            Some(_) => Ok(self.number(tag)?.unwrap_or(default)),
        }
    }

    /// A tag's bytes, whatever they mean.
    pub(super) fn bytes(&self, tag: u16) -> &'bytes [u8] {
        self.entries.get(&tag).map_or(&[], |entry| entry.data)
    }
}

/// Bytes of one value of a type; none of types that Pillow skips.
fn unit(kind: u16) -> Option<usize> {
    Some(match kind {
        BYTE | ASCII | 6 | UNDEFINED => 1,
        SHORT | SIGNED_SHORT => 2,
        LONG | SIGNED_LONG | 11 | 13 => 4,
        5 | 10 | 12 | 16 => 8,
        _ => return None,
    })
}

fn ends_early() -> Reject {
    Reject::truncated("the file ends in the directory")
}

//! The chunks of a PNG, as Pillow's `PngImagePlugin` walks them: up to the image data they are whole and have the right
//! checksum, of the image data only what inflates counts, and behind them only a chunk that is cut is minded.

use crate::pixels::Reject;
use crate::pixels::canvas::Frame;

/// What the chunks say of the first picture.
pub(super) struct Chunks<'bytes> {
    pub(super) header: Header,
    /// Of three bytes an entry; empty where there is none.
    pub(super) palette: &'bytes [u8],
    /// Opacities of palette entries, or the colour that is transparent.
    pub(super) transparency: Option<&'bytes [u8]>,
    /// Where an animation's first frame lies.
    pub(super) frame: Option<Frame>,
    /// Exif data.
    pub(super) exif: Option<&'bytes [u8]>,
    /// The image data.
    pub(super) pieces: Vec<&'bytes [u8]>,
    /// Whether the file ends within the last piece.
    pub(super) is_cut: bool,
}

/// What the header chunk says.
#[derive(Clone, Copy)]
pub(super) struct Header {
    pub(super) width: u32,
    pub(super) height: u32,
    pub(super) depth: u8,
    pub(super) colour: u8,
    pub(super) is_interlaced: bool,
}

pub(super) const INDEXED: u8 = 3;

impl<'bytes> Chunks<'bytes> {
    /// The chunks from behind the signature on.
    pub(super) fn of(bytes: &'bytes [u8]) -> Result<Self, Reject> {
        let mut walk = Walk {
            rest: bytes,
            header: None,
            palette: &[],
            transparency: None,
            frame: None,
            exif: None,
            sequence: 0,
            is_cut: false,
        };
        while walk.step()? {}
        let mut pieces = Vec::new();
        while let Some(piece) = walk.image_data()? {
            pieces.push(piece);
        }
        walk.check_rest()?;
        let header = walk.header.ok_or_else(|| Reject::corrupt("image data without a header"))?;
        let Walk { palette, transparency, frame, exif, is_cut, .. } = walk;
        Ok(Self { header, palette, transparency, frame, exif, pieces, is_cut })
    }
}

struct Walk<'bytes> {
    rest: &'bytes [u8],
    header: Option<Header>,
    palette: &'bytes [u8],
    transparency: Option<&'bytes [u8]>,
    frame: Option<Frame>,
    exif: Option<&'bytes [u8]>,
    /// The number that the next chunk of an animation has.
    sequence: u32,
    /// Whether the file ends within the last chunk.
    is_cut: bool,
}

/// A chunk's name, and the length of its data.
type Start = ([u8; 4], usize);

impl<'bytes> Walk<'bytes> {
    fn start(&self) -> Option<Start> {
        let [l3, l2, l1, l0, name @ ..] = *self.rest.first_chunk::<8>()?;
        Some((name, u32::from_be_bytes([l3, l2, l1, l0]) as usize))
    }

    /// Goes past one chunk before the image data; false in front of these.
    fn step(&mut self) -> Result<bool, Reject> {
        let (name, length) = self.start().ok_or_else(ends_in_chunk)?;
        match &name {
            b"IDAT" | b"fdAT" => return Ok(false),
            b"IEND" => return Err(Reject::corrupt("no image data")),
            _ if !is_name(&name) => return Err(Reject::corrupt(format!("a chunk {}", name.escape_ascii()))),
            _ => {}
        }
        let data = self.rest[8..].get(..length).ok_or_else(ends_in_chunk)?;
        let (checksum, rest) = self.rest[8 + length..].split_first_chunk().ok_or_else(ends_in_chunk)?;
        if u32::from_be_bytes(*checksum) != checksum_of(&name, data) {
            return Err(Reject::corrupt(format!("wrong checksum of chunk {}", name.escape_ascii())));
        }
        self.rest = rest;
        self.take(&name, data)?;
        Ok(true)
    }

    fn take(&mut self, name: &[u8; 4], data: &'bytes [u8]) -> Result<(), Reject> {
        let is_indexed = self.header.is_some_and(|header| header.colour == INDEXED);
        match name {
            b"IHDR" => self.header = Some(Header::of(data)?),
            b"PLTE" if is_indexed => self.palette = data,
            b"tRNS" => self.transparency = Some(data),
            b"fcTL" => self.frame = Some(self.frame_of(data)?),
            b"eXIf" => self.exif = Some(data),
            _ => {}
        }
        Ok(())
    }

    /// Where a frame lies, of which the chunk also says how it is shown.
    fn frame_of(&mut self, data: &[u8]) -> Result<Frame, Reject> {
        let short = || Reject::corrupt("short chunk fcTL");
        let fields = data.get(..26).ok_or_else(short)?.as_chunks::<4>().0;
        let [sequence, width, height, left, top] = [0, 1, 2, 3, 4].map(|index| u32::from_be_bytes(fields[index]));
        self.check_sequence(sequence)?;
        let (right, bottom) = (u64::from(left) + u64::from(width), u64::from(top) + u64::from(height));
        let fits = self.header.is_some_and(|picture| right <= picture.width.into() && bottom <= picture.height.into());
        if !fits || width == 0 || height == 0 {
            return Err(Reject::corrupt("a frame that is not within the picture"));
        }
        let [left, top, width, height] = [left, top, width, height].map(|number| number as usize);
        // Pillow unpacks interlaced rows from the picture's corner on, wherever the frame lies.
        let is_interlaced = self.header.is_some_and(|picture| picture.is_interlaced);
        let (left, top) = if is_interlaced { (0, 0) } else { (left, top) };
        Ok(Frame { left, top, width, height })
    }

    fn check_sequence(&mut self, sequence: u32) -> Result<(), Reject> {
        if sequence != self.sequence {
            return Err(Reject::corrupt("an animation out of order"));
        }
        self.sequence += 1;
        Ok(())
    }

    /// The next piece of image data, as far as the file goes; none behind the last.
    fn image_data(&mut self) -> Result<Option<&'bytes [u8]>, Reject> {
        let Some((name, length)) = self.start() else { return Ok(None) };
        if !matches!(&name, b"IDAT" | b"DDAT" | b"fdAT") {
            return Ok(None);
        }
        let rest = &self.rest[8..];
        self.is_cut = length > rest.len();
        let (data, rest) = rest.split_at(length.min(rest.len()));
        self.rest = rest.get(4..).unwrap_or_default();
        if &name != b"fdAT" {
            return Ok(Some(data));
        }
        let (sequence, data) = data.split_first_chunk().ok_or_else(ends_in_chunk)?;
        self.check_sequence(u32::from_be_bytes(*sequence))?;
        Ok(Some(data))
    }

    /// Behind the image data Pillow reads on to the end chunk, or to what is no chunk, and minds a chunk that is cut.
    fn check_rest(&mut self) -> Result<(), Reject> {
        let mut rest = self.rest;
        while let Some((header, behind)) = rest.split_first_chunk::<8>() {
            let [l3, l2, l1, l0, name @ ..] = *header;
            if &name == b"IEND" || !is_name(&name) {
                break;
            }
            let length = u32::from_be_bytes([l3, l2, l1, l0]) as usize;
            let (data, behind) = behind.split_at_checked(length).ok_or_else(ends_in_chunk)?;
            if &name == b"eXIf" {
                self.exif = Some(data);
            }
            rest = behind.get(4..).unwrap_or_default();
        }
        Ok(())
    }
}

impl Header {
    fn of(data: &[u8]) -> Result<Self, Reject> {
        let &[w3, w2, w1, w0, h3, h2, h1, h0, depth, colour, _compression, filter, interlace, ..] = data else {
            return Err(Reject::corrupt("short header"));
        };
        if filter != 0 {
            return Err(Reject::corrupt(format!("filter method {filter}")));
        }
        let (width, height) = (u32::from_be_bytes([w3, w2, w1, w0]), u32::from_be_bytes([h3, h2, h1, h0]));
        Ok(Self { width, height, depth, colour, is_interlaced: interlace != 0 })
    }

    /// The length of a row of so many pixels, without its filter.
    pub(super) fn row_length(&self, pixels: usize) -> usize {
        let channels = [1, 0, 3, 1, 2, 0, 4].get(usize::from(self.colour)).copied().unwrap_or(0);
        (pixels * channels * usize::from(self.depth)).div_ceil(8)
    }
}

fn is_name(name: &[u8; 4]) -> bool {
    name.iter().all(|byte| byte.is_ascii_alphanumeric() || *byte == b'_')
}

fn checksum_of(name: &[u8; 4], data: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(name);
    hasher.update(data);
    hasher.finalize()
}

fn ends_in_chunk() -> Reject {
    Reject::truncated("the file ends in a chunk")
}

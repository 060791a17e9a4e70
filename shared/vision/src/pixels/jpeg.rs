//! JPEG, as libjpeg-turbo decodes it: accurate integer IDCT, fancy upsampling.

mod header;

use std::cell::Cell;
use std::io::{self, BufRead, Read};
use std::ops::RangeInclusive;
use std::panic::resume_unwind;

use mozjpeg::{ColorSpace, Decompress};

use super::canvas::{Canvas, Library};
use super::expand::rgbx_of_cmyk;
use super::{Limits, Reject, Rgbx};
use header::{Components, Frame};

pub(super) const MAGIC: &[u8] = &[0xFF, 0xD8, 0xFF];

/// Streams a JPEG's rows onto the canvas. Errors inside libjpeg unwind; the caller catches them.
pub(super) fn decode(bytes: &[u8], limits: &Limits, canvas: &mut Canvas) -> Result<(), Reject> {
    let Frame { width, height, components, exif } = Frame::of(bytes)?;
    limits.check_picture(width.into(), height.into())?;
    let (width, height) = (usize::from(width), usize::from(height));

    let corrupt = |error: io::Error| Reject::corrupt(error.to_string());
    let rows_are_complete = Cell::new(false);
    let source = Source { bytes, rows_are_complete: &rows_are_complete };
    let mut decompress = Decompress::new_reader(source).map_err(corrupt)?;
    if decompress.size() != (width, height) {
        return Err(Reject::corrupt("contradictory frame headers"));
    }
    let space = match components {
        Components::GrayOrColour => ColorSpace::JCS_EXT_RGBX,
        Components::Cmyk => ColorSpace::JCS_CMYK,
    };
    exif.iter().for_each(|exif| canvas.take_exif(exif));
    decompress.scale(canvas.rows.eighths((width, height)));
    let mut started = decompress.to_colorspace(space).map_err(corrupt)?;
    let (width, height) = (started.width(), started.height());

    let rgbx_of_inks = match canvas.library {
        Library::Pillow => rgbx_of_inverted_cmyk,
        Library::OpenCv => rgbx_of_inverted_cmyk_by_opencv,
    };
    let Canvas { rows, line, .. } = canvas;
    rows.start((width, height));
    let line = unaligned(line, width);
    for _ in 0..height {
        started.read_scanlines_into(line).map_err(corrupt)?;
        if components == Components::Cmyk {
            line.iter_mut().for_each(|pixel| *pixel = rgbx_of_inks(*pixel));
        }
        rows.push(line);
    }
    // Reads on to the end marker, as Pillow does: what is damaged there is an error, what is missing there is not.
    rows_are_complete.set(true);
    started.finish().map_err(corrupt)
}

/// A row of pixels that does not begin at a multiple of 16 bytes. To one that does, libjpeg-turbo writes past the
/// caches (its `jdcolext` kernels), and reading the row again would wait for the memory: a third of a small picture's
/// time.
fn unaligned(buffer: &mut Vec<Rgbx>, width: usize) -> &mut [Rgbx] {
    buffer.resize(width + 1, Rgbx::default());
    let is_aligned = buffer.as_ptr().addr().is_multiple_of(16);
    &mut buffer[usize::from(is_aligned)..][..width]
}

/// Pillow takes four components as CMYK with Adobe's polarity (0 = full ink), marked as such or not.
fn rgbx_of_inverted_cmyk(papers: Rgbx) -> Rgbx {
    rgbx_of_cmyk(papers.map(|paper| 255 - paper))
}

/// OpenCV's `icvCvt_CMYK2BGR_8u_C4C3R`, of the same polarity.
fn rgbx_of_inverted_cmyk_by_opencv([cyan, magenta, yellow, black]: Rgbx) -> Rgbx {
    let channel = |paper: u8| {
        let ink = u32::from(255 - paper) * u32::from(black);
        black - (ink >> 8) as u8
    };
    [channel(cyan), channel(magenta), channel(yellow), 0]
}

/// What a TIFF says of a JPEG in it.
pub(super) struct Piece {
    pub(super) width: usize,
    pub(super) rows: RangeInclusive<usize>,
    pub(super) components: usize,
    /// Whether the components are to be made RGB, or stay as they are.
    pub(super) is_ycbcr: bool,
    /// Of the first component of YCbCr, horizontal and vertical, where it is stated.
    pub(super) sampling: Option<[u32; 2]>,
}

/// The samples of a JPEG whose tables may stand elsewhere, row after row, as libtiff has libjpeg decode them.
pub(super) fn unpack_piece(tables: &[u8], data: &[u8], expected: &Piece) -> Result<Vec<u8>, Reject> {
    // Four tables each for quantisation and for two kinds of codes are shorter.
    const LONGEST_TABLES: usize = 1 << 14;
    if tables.len() > LONGEST_TABLES {
        return Err(Reject::corrupt(format!("a TIFF's JPEG tables of {} bytes", tables.len())));
    }
    let tables = tables.strip_suffix(END_OF_IMAGE).unwrap_or(tables);
    let stream = match data.strip_prefix(&MAGIC[..2]) {
        Some(rest) if tables.is_empty() => [&MAGIC[..2], rest].concat(),
        Some(rest) if tables.starts_with(&MAGIC[..2]) => [tables, rest].concat(),
        _ => return Err(Reject::corrupt("a TIFF's JPEG without its start")),
    };
    let frame = Frame::of(&stream)?;
    let (width, height) = (usize::from(frame.width), usize::from(frame.height));
    if width != expected.width || !expected.rows.contains(&height) {
        return Err(Reject::corrupt(format!("a TIFF's JPEG of {width} x {height} pixels")));
    }
    let corrupt = |error: io::Error| Reject::corrupt(error.to_string());
    let rows_are_complete = Cell::new(false);
    let decompress =
        Decompress::new_reader(Source { bytes: &stream, rows_are_complete: &rows_are_complete }).map_err(corrupt)?;
    let space = decompress.color_space();
    expected.check(&decompress)?;
    let space = if expected.is_ycbcr { ColorSpace::JCS_RGB } else { space };
    let mut started = decompress.to_colorspace(space).map_err(corrupt)?;
    let mut samples = vec![0; width * height * expected.components];
    started.read_scanlines_into(&mut samples[..]).map_err(corrupt)?;
    rows_are_complete.set(true);
    started.finish().map_err(corrupt)?;
    Ok(samples)
}

impl Piece {
    /// libtiff decodes what its own tags describe, and refuses all else.
    fn check<R>(&self, decompress: &Decompress<R>) -> Result<(), Reject> {
        let components = decompress.components();
        let sampling = components.first().map(|first| [first.h_samp_factor as u32, first.v_samp_factor as u32]);
        let is_sampled_as_stated =
            if self.is_ycbcr { self.sampling.is_none() || self.sampling == sampling } else { sampling == Some([1, 1]) };
        let others = components.iter().skip(1);
        let others_are_whole = others.clone().all(|other| (other.h_samp_factor, other.v_samp_factor) == (1, 1));
        if components.len() != self.components || !is_sampled_as_stated || !others_are_whole {
            return Err(Reject::corrupt("a JPEG that contradicts its TIFF"));
        }
        if self.is_ycbcr && decompress.color_space() != ColorSpace::JCS_YCbCr {
            return Err(Reject::unsupported("a TIFF of YCbCr whose JPEG says that it is not"));
        }
        Ok(())
    }
}

const END_OF_IMAGE: &[u8] = &[0xFF, 0xD9];

/// A file in memory. Where it ends early, libjpeg would make up an end marker and gray rows; Pillow refuses the file,
/// and so does this reader: libjpeg asks for more bytes only when it needs them for a row.
struct Source<'decode> {
    bytes: &'decode [u8],
    rows_are_complete: &'decode Cell<bool>,
}

impl BufRead for Source<'_> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        if self.bytes.is_empty() {
            if !self.rows_are_complete.get() {
                resume_unwind(Box::new(Reject::ends_early()));
            }
            self.bytes = END_OF_IMAGE;
        }
        Ok(self.bytes)
    }

    fn consume(&mut self, count: usize) {
        self.bytes.consume(count);
    }
}

impl Read for Source<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.bytes.read(buffer)
    }
}

//! The frame header: what a JPEG holds, known before anything is allocated for it.
//!
//! The walk over the markers accepts and refuses what Pillow's `JpegImagePlugin.JpegImageFile._open` does.

use crate::pixels::{Reject, exif};

/// Size and kind of a JPEG's picture.
pub(super) struct Frame<'bytes> {
    pub(super) width: u16,
    pub(super) height: u16,
    pub(super) components: Components,
    /// The first Exif data, if there are any.
    pub(super) exif: Option<&'bytes [u8]>,
}

/// What the components mean, by their number.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Components {
    GrayOrColour,
    Cmyk,
}

/// Huffman coding: baseline, extended and progressive.
const SOF0: u8 = 0xC0;
const SOF2: u8 = 0xC2;
const DHT: u8 = 0xC4;
const JPG: u8 = 0xC8;
/// Arithmetic coding, sequential and progressive.
const SOF9: u8 = 0xC9;
const SOF10: u8 = 0xCA;
const DAC: u8 = 0xCC;
const SOF15: u8 = 0xCF;
const RST0: u8 = 0xD0;
const EOI: u8 = 0xD9;
const SOS: u8 = 0xDA;
const DQT: u8 = 0xDB;
/// Where Exif data are, and other notes.
const APP1: u8 = 0xE1;
const JPG0: u8 = 0xF0;
const JPG13: u8 = 0xFD;

impl<'bytes> Frame<'bytes> {
    /// The frame of a file that starts with a start-of-image marker: the last one announced before the first scan.
    pub(super) fn of(bytes: &'bytes [u8]) -> Result<Self, Reject> {
        let mut markers = Markers { rest: &bytes[2..] };
        let (mut frame, mut exif_data) = (None, None);
        loop {
            match markers.next_marker()? {
                SOS => break,
                DHT | DAC => drop(markers.segment()?),
                DQT => check_quantisation(markers.segment()?)?,
                marker @ SOF0..=SOF15 if marker != JPG => frame = Some(Self::of_segment(marker, markers.segment()?)?),
                APP1 => {
                    let segment = markers.segment()?;
                    exif_data = exif_data.or(segment.starts_with(exif::PREFIX).then_some(segment));
                }
                JPG | RST0..=EOI | JPG0..=JPG13 => {}
                SOF0..=0xFE => drop(markers.segment()?),
                marker => return Err(Reject::corrupt(format!("unknown marker 0x{marker:02x}"))),
            }
        }
        // A scan has a header too.
        markers.segment()?;
        let frame: Self = frame.ok_or_else(|| Reject::corrupt("a scan without a frame"))?;
        Ok(Self { exif: exif_data, ..frame })
    }

    fn of_segment(marker: u8, segment: &[u8]) -> Result<Self, Reject> {
        let &[precision, h1, h0, w1, w0, count, ref components @ ..] = segment else {
            return Err(Reject::corrupt("short frame header"));
        };
        if !matches!(marker, SOF0..=SOF2 | SOF9 | SOF10) {
            let process = marker - SOF0;
            // Pillow reads lossless JPEG with version 3 of libjpeg-turbo; mozjpeg is built on an older one.
            let is_lossless = process & 3 == 3;
            let name =
                if is_lossless { "lossless JPEG".to_owned() } else { format!("JPEG of coding process {process}") };
            return Err(Reject::unsupported(name));
        }
        if precision != 8 {
            return Err(Reject::unsupported(format!("{precision} bits per sample")));
        }
        if components.len() % 3 != 0 {
            return Err(Reject::corrupt("short frame header"));
        }
        let components = match count {
            1 | 3 => Components::GrayOrColour,
            4 => Components::Cmyk,
            _ => return Err(Reject::unsupported(format!("{count} components"))),
        };
        let (width, height) = (u16::from_be_bytes([w1, w0]), u16::from_be_bytes([h1, h0]));
        if width == 0 || height == 0 {
            return Err(Reject::corrupt(format!("{width} x {height} pixels")));
        }
        Ok(Self { width, height, components, exif: None })
    }
}

/// Tables of 64 numbers, each with a leading byte whose upper half tells one-byte numbers (0) from two-byte numbers.
fn check_quantisation(mut segment: &[u8]) -> Result<(), Reject> {
    while let [kind, ..] = segment {
        let length = if kind >> 4 == 0 { 1 + 64 } else { 1 + 128 };
        segment = segment.get(length..).ok_or_else(|| Reject::corrupt("short quantisation table"))?;
    }
    Ok(())
}

struct Markers<'bytes> {
    rest: &'bytes [u8],
}

impl<'bytes> Markers<'bytes> {
    /// Skips to the next marker: 0xFF and a byte that is neither 0x00 (an escaped 0xFF) nor 0xFF (padding).
    fn next_marker(&mut self) -> Result<u8, Reject> {
        loop {
            match *self.rest {
                [0xFF, marker, ref rest @ ..] if marker != 0x00 && marker != 0xFF => {
                    self.rest = rest;
                    return Ok(marker);
                }
                [_, ref rest @ ..] => self.rest = rest,
                [] => return Err(ends_in_header()),
            }
        }
    }

    /// The contents of a segment: two bytes of length, themselves counted, then the contents.
    fn segment(&mut self) -> Result<&'bytes [u8], Reject> {
        let (length, rest) = self.rest.split_first_chunk().ok_or_else(ends_in_header)?;
        let length = usize::from(u16::from_be_bytes(*length)).saturating_sub(2);
        let (contents, rest) = rest.split_at_checked(length).ok_or_else(ends_in_header)?;
        self.rest = rest;
        Ok(contents)
    }
}

fn ends_in_header() -> Reject {
    Reject::truncated("the file ends in the header")
}

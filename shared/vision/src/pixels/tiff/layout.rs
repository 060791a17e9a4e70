//! What a TIFF's samples mean, and which kinds are read: a subset of the table `OPEN_INFO` of Pillow's
//! `TiffImagePlugin`.

use super::directory::{Directory, tag};
use crate::pixels::Reject;

/// How a picture is stored.
pub(super) struct Layout {
    pub(super) width: usize,
    pub(super) height: usize,
    pub(super) compression: Compression,
    pub(super) colour: Colour,
    /// Bits of a sample: 1, 2, 4, 8 or 16.
    pub(super) bits: usize,
    /// Samples that are stored of a pixel.
    pub(super) samples: usize,
    /// Of them, those whose meaning the file states.
    named_samples: usize,
    pub(super) alpha: Opacity,
    /// Whether each sample has a plane of its own.
    pub(super) is_planar: bool,
    pub(super) is_big_endian: bool,
    /// Of 1 to 8, how the picture is turned.
    pub(super) orientation: u32,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Compression {
    None,
    Lzw,
    Deflate,
    PackBits,
    Jpeg,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Colour {
    /// From black to white, or from white to black.
    Gray {
        is_inverted: bool,
    },
    DeepGray,
    Palette,
    Rgb,
    /// Within a JPEG, which makes it RGB.
    YCbCr,
    Cmyk,
}

/// What the sample behind the colours means.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Opacity {
    /// There is none, or it means nothing.
    None,
    Alpha,
    /// Alpha, with which the colours are multiplied.
    Premultiplied,
}

/// Meanings of extra samples; Corel Draw wrote 999 for alpha.
const UNSPECIFIED: u32 = 0;
const PREMULTIPLIED: u32 = 1;
const ALPHA: u32 = 2;
const COREL_ALPHA: u32 = 999;
const MOST_SAMPLES: usize = 6;
const MOST_PLANES: usize = 4;

impl Layout {
    pub(super) fn of(directory: &Directory) -> Result<Self, Reject> {
        let number = |tag, default| Ok::<_, Reject>(directory.number(tag)?.unwrap_or(default));
        let compression = Compression::of(number(tag::COMPRESSION, 1)?)?;
        if number(tag::FILL_ORDER, 1)? != 1 {
            return Err(Reject::unsupported("a TIFF with bits in reverse order"));
        }
        let is_planar = match number(tag::PLANAR, 1)? {
            1 => false,
            2 => true,
            other if compression != Compression::None => {
                return Err(Reject::corrupt(format!("an arrangement of samples by number {other}")));
            }
            _ => false,
        };
        let photometric = number(tag::PHOTOMETRIC, 0)?;
        let (bits, samples, extra) = samples(directory, is_planar)?;
        let unsupported = || {
            let kind = name(photometric);
            Reject::unsupported(format!(
                "a TIFF of {kind} with {samples} samples of {bits} bits and extra samples {extra:?}"
            ))
        };
        check_format(directory, bits, samples)?;
        let is_big_endian = directory.is_big_endian();
        let colour = match (photometric, bits) {
            // Which Pillow does not invert.
            (0, 16) if !is_big_endian => Colour::DeepGray,
            _ => Colour::of(photometric, bits, compression).ok_or_else(unsupported)?,
        };
        let alpha = colour.opacity(samples, bits, &extra).ok_or_else(unsupported)?;
        check_planes(colour, is_planar && compression == Compression::None, bits, samples)?;
        if is_planar && compression != Compression::None && samples > MOST_PLANES {
            return Err(Reject::corrupt(format!("{samples} planes")));
        }
        let named_samples = colour.samples() + extra.len();
        let alpha = if is_planar { in_planes(alpha, compression, samples == named_samples)? } else { alpha };
        if is_planar && colour == Colour::YCbCr {
            return Err(Reject::unsupported("a TIFF of YCbCr in planes"));
        }
        let is_gray_on_white = colour == Colour::Gray { is_inverted: true };
        // Pillow's own reader of planes knows no rule but the first letter of one, and so does not invert.
        let is_inverted = is_gray_on_white && !(is_planar && compression == Compression::None);
        Ok(Self {
            width: directory.required(tag::WIDTH)? as usize,
            height: directory.required(tag::HEIGHT)? as usize,
            compression,
            colour: if is_gray_on_white { Colour::Gray { is_inverted } } else { colour },
            bits,
            samples,
            named_samples,
            alpha,
            is_planar,
            is_big_endian,
            orientation: directory.number_or(tag::ORIENTATION, 1)?,
        })
    }

    /// Bytes that are kept of a pixel.
    pub(super) fn kept(&self) -> usize {
        let alpha = usize::from(self.alpha != Opacity::None);
        match self.colour {
            Colour::Gray { .. } | Colour::Palette => 1 + alpha,
            Colour::DeepGray => 2,
            Colour::Rgb | Colour::YCbCr => 3 + alpha,
            Colour::Cmyk => 4,
        }
    }

    /// Bytes of a stored row of so many pixels.
    pub(super) fn row_length(&self, pixels: usize) -> usize {
        (pixels * self.bits * self.samples_in_a_row()).div_ceil(8)
    }

    pub(super) fn samples_in_a_row(&self) -> usize {
        if self.is_planar { 1 } else { self.samples }
    }

    /// Bytes from row to row of a tile that reaches out of the picture, as Pillow's own reader counts them: by the
    /// samples that have a name.
    pub(super) fn stride(&self, pixels: usize) -> usize {
        let all = pixels * self.bits * self.samples / 8;
        if self.is_planar { all / self.named_samples } else { all }
    }

    /// Whether a JPEG is to be made RGB.
    pub(super) fn is_ycbcr(&self) -> bool {
        self.colour == Colour::YCbCr
    }

    /// Whether colours are to be divided by alpha.
    pub(super) fn is_premultiplied(&self) -> bool {
        self.alpha == Opacity::Premultiplied
    }

    /// Planes whose samples are kept.
    pub(super) fn planes(&self) -> usize {
        let is_one = self.colour == Colour::DeepGray;
        if self.is_planar && !is_one { self.kept() } else { 1 }
    }
}

impl Compression {
    fn of(number: u32) -> Result<Self, Reject> {
        let name = match number {
            1 => return Ok(Self::None),
            5 => return Ok(Self::Lzw),
            7 => return Ok(Self::Jpeg),
            8 | 32946 => return Ok(Self::Deflate),
            32773 => return Ok(Self::PackBits),
            2..=4 => "fax coding",
            6 => "JPEG in the old way",
            34925 => "LZMA",
            50000 => "Zstandard",
            50001 => "WebP",
            other => {
                return Err(Reject::unsupported(format!("a TIFF of compression {other}")));
            }
        };
        Err(Reject::unsupported(format!("a TIFF compressed with {name}")))
    }
}

impl Colour {
    fn of(photometric: u32, bits: usize, compression: Compression) -> Option<Self> {
        Some(match (photometric, bits) {
            (0, 1 | 2 | 4 | 8) => Self::Gray { is_inverted: true },
            (1, 1 | 2 | 4 | 8) => Self::Gray { is_inverted: false },
            (1, 16) => Self::DeepGray,
            (2, 8 | 16) => Self::Rgb,
            (3, 1 | 2 | 4 | 8) => Self::Palette,
            (5, 8) => Self::Cmyk,
            (6, 8) if compression == Compression::Jpeg => Self::YCbCr,
            _ => return None,
        })
    }

    fn samples(self) -> usize {
        match self {
            Self::Gray { .. } | Self::DeepGray | Self::Palette => 1,
            Self::Rgb | Self::YCbCr => 3,
            Self::Cmyk => 4,
        }
    }

    /// What extra samples mean; none where Pillow does not read the combination, or it is not read here.
    fn opacity(self, samples: usize, bits: usize, extra: &[u32]) -> Option<Opacity> {
        let is_nothing = |rest: &[u32]| rest.iter().all(|meaning| *meaning == UNSPECIFIED);
        let first = match extra {
            [] => None,
            [first, rest @ ..] if is_nothing(rest) => Some(*first),
            _ => return None,
        };
        Some(match (self, samples - extra.len(), first) {
            (Self::Gray { .. } | Self::Palette | Self::DeepGray, 1, None) => Opacity::None,
            (Self::Gray { is_inverted: false } | Self::Palette, 1, Some(UNSPECIFIED)) if (samples, bits) == (2, 8) => {
                Opacity::None
            }
            (Self::Gray { is_inverted: false }, 1, Some(ALPHA)) if (samples, bits) == (2, 8) => Opacity::Alpha,
            (Self::Rgb, 3, None) | (Self::YCbCr, 3, None) | (Self::Cmyk, 4, None) => Opacity::None,
            // Without a word on it, a fourth sample is alpha.
            (Self::Rgb, 4, None) => Opacity::Alpha,
            (Self::Rgb, 3, Some(UNSPECIFIED)) if bits == 8 || samples == 4 => Opacity::None,
            (Self::Rgb, 3, Some(ALPHA)) if bits == 8 || samples == 4 => Opacity::Alpha,
            (Self::Rgb, 3, Some(PREMULTIPLIED)) if bits == 8 => Opacity::Premultiplied,
            (Self::Rgb, 3, Some(COREL_ALPHA)) if (samples, bits) == (4, 8) => Opacity::Alpha,
            (Self::Cmyk, 4, Some(UNSPECIFIED)) => Opacity::None,
            _ => return None,
        })
    }
}

/// Pillow's own reader of planes takes the first letter of a pixel's description for the first plane's, and so on.
fn check_planes(colour: Colour, are_plain: bool, bits: usize, samples: usize) -> Result<(), Reject> {
    let is_read = bits == 8 && (samples == 1 || matches!(colour, Colour::Rgb | Colour::Cmyk));
    if are_plain && !is_read {
        return Err(Reject::unsupported(format!("a plain TIFF in planes of {bits} bits")));
    }
    Ok(())
}

/// What alpha in a plane of its own means. Pillow's own reader knows only alpha that is not multiplied; libtiff takes
/// one that is not mentioned for multiplied.
fn in_planes(alpha: Opacity, compression: Compression, is_mentioned: bool) -> Result<Opacity, Reject> {
    match (alpha, compression) {
        (Opacity::Premultiplied, Compression::None) => Err(Reject::corrupt("a plane of alpha that is multiplied")),
        (Opacity::None, _) | (_, Compression::None) => Ok(alpha),
        (Opacity::Alpha, _) if is_mentioned => Ok(Opacity::Alpha),
        _ => Ok(Opacity::Premultiplied),
    }
}

/// What a photometric interpretation is called.
fn name(photometric: u32) -> &'static str {
    match photometric {
        0 => "gray on white",
        1 => "gray",
        2 => "RGB",
        3 => "a palette",
        5 => "CMYK",
        6 => "YCbCr",
        8 => "Lab",
        _ => "an unknown colour space",
    }
}

/// Bits of a sample, the number of samples, and the meanings of those that are no colours.
fn samples(directory: &Directory, is_planar: bool) -> Result<(usize, usize, Vec<u32>), Reject> {
    let mut bits = directory.numbers(tag::BITS_PER_SAMPLE)?;
    if bits.is_empty() {
        bits.push(1);
    }
    let mut extra = directory.numbers(tag::EXTRA_SAMPLES)?;
    let mut samples = directory.number(tag::SAMPLES_PER_PIXEL)?.unwrap_or(1) as usize;
    if is_planar && extra.iter().all(|meaning| *meaning == UNSPECIFIED) {
        // Planes without a meaning are left out.
        bits.truncate(bits.len().saturating_sub(extra.len()));
        samples = samples.saturating_sub(extra.len());
        extra.clear();
    }
    let contradiction = || Reject::corrupt(format!("{} depths for {samples} samples", bits.len()));
    let depth = *bits.first().ok_or_else(contradiction)?;
    if samples > MOST_SAMPLES || samples <= extra.len() || (bits.len() > 1 && bits.len() < samples) {
        return Err(contradiction());
    }
    if bits.iter().take(samples).any(|bits| *bits != depth) {
        return Err(Reject::unsupported(format!("a TIFF with samples of {bits:?} bits")));
    }
    Ok((depth as usize, samples, extra))
}

/// Samples are whole numbers. To Pillow, bytes with a sign are bytes without one.
fn check_format(directory: &Directory, bits: usize, samples: usize) -> Result<(), Reject> {
    const UNSIGNED: u32 = 1;
    const SIGNED: u32 = 2;
    let formats = directory.numbers(tag::SAMPLE_FORMAT)?;
    let is_gray = directory.number(tag::PHOTOMETRIC)? == Some(1);
    let is_signed_gray = formats == [SIGNED] && is_gray && (bits, samples) == (8, 1);
    if formats.iter().all(|format| *format == UNSIGNED) || is_signed_gray {
        return Ok(());
    }
    Err(Reject::unsupported(format!("a TIFF with samples of format {formats:?}")))
}

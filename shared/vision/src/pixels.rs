//! Bytes of an image file -> exactly the pixels that Pillow makes of them.
//!
//! [`ImageReader::read`] returns what `Image.open(file).convert("RGB").resize((width, height))` returns in Python
//! with Pillow 13, bit for bit, or what other programs make of a picture, as [`PixelOptions`] say:
//!
//! ```text
//! bytes -> decoder -> rows -> turned upright -> rows -> horizontal pass -> rows -> vertical pass -> [height, width, 3]
//!       jpeg, png,            where wanted       `---------------- resample ---------------'
//!       gif, webp, bmp, tiff
//! ```
//!
//! The format is the one that the bytes show, whatever the file's name says; of an animation the first picture counts.
//! Rows of JPEG and PNG stream from the decoder through both passes, so a picture never exists as a whole: memory
//! follows the size of the target, and the rows of the picture that one row of the target is made of (4 of 224 parts of
//! its height, when it shrinks to 224). The exceptions are in the formats: an interlaced or damaged PNG is unpacked
//! first, a picture that is turned is kept until its last row, libjpeg holds the coefficients of a progressive JPEG,
//! and the decoders of GIF, WebP, TIFF and BMP with run lengths unpack a picture as a whole, in at most 4 bytes a pixel
//! (TIFF: and one strip or tile as it is stored, which can be all).
//!
//! With [`Decode::Scaled`] a JPEG arrives smaller, as libjpeg makes it of its lowest frequencies: what Pillow's
//! `Image.draft` does before anything is decoded.
//!
//! What a picture loses on its way to RGB, as it does in Pillow, is told by [`ImageReader::losses`].
//!
//! Whatever a file contains, `read` returns pixels or a [`Reject`] with one of a closed set of reasons; it never
//! panics. It departs from Pillow knowingly in these cases:
//!
//! | file | Pillow | here |
//! |---|---|---|
//! | formats other than JPEG, PNG, GIF, WebP, BMP and TIFF (AVIF, JPEG 2000 and BigTIFF for instance) | pixels | `unsupported` |
//! | lossless JPEG, which libjpeg-turbo reads from version 3 on; mozjpeg is built on an older one | pixels | `unsupported` |
//! | JPEG that starts with a stream of tables only | pixels | `corrupt` |
//! | a side longer than [`Limits::max_side`], a file larger than [`Limits::max_bytes`] | pixels | `too_large` |
//! | metadata that is damaged but decides no pixel (JFIF, Photoshop, gAMA ...) | an error | pixels |
//! | JPEG with arithmetic coding, larger than 64 KiB | an error | pixels |
//! | PNG cut in the checksum of its image data, of one colour in its last rows | an error | pixels |
//! | PNG whose image data are damaged directly behind the last row | pixels or an error | perhaps the other |
//! | TIFF of Lab, of YCbCr without JPEG, of floats, of more than 8 bits but for gray and RGB without premultiplied alpha, of palettes with alpha, uncompressed in planes of other than 8 bits, of fax coding, LZMA, Zstandard or JPEG in the old way, with bits in reverse order | pixels | `unsupported` |
//! | TIFF whose JPEG ends early or has fewer rows than its strip | pixels, in part conjectured or left over in memory | `truncated`, `corrupt` |
//! | compressed TIFF some of whose tags have numbers or types that libtiff minds | an error | pixels |
//! | compressed TIFF without the lengths of several strips or tiles, TIFF whose needed tags are of unusual types | pixels | `corrupt` |
//!
//! Files of all kinds with bytes changed, removed, inserted or cut off, 30,000 of them, were read with Pillow's pixels
//! in 8,592 cases, refused by both in 21,363, and read otherwise in 45:
//!
//! | | equal | both refuse | only Pillow reads | only this reads | other pixels |
//! |---|---|---|---|---|---|
//! | JPEG | 1,208 | 2,135 | 0 | 0 | 0 |
//! | PNG | 1,433 | 9,657 | 1 | 1 | 0 |
//! | GIF | 1,406 | 1,959 | 0 | 0 | 0 |
//! | BMP | 3,332 | 3,557 | 0 | 0 | 0 |
//! | WebP | 765 | 2,329 | 0 | 0 | 0 |
//! | TIFF | 448 | 1,726 | 25 | 18 | 0 |
//!
//! Of 20,000 files each in seldom seen variants, right and wrong ones, all BMPs, GIFs, PNGs (but one) and animated WebPs
//! were read with Pillow's pixels or refused by both.
//!
//! HEIC and AVIF stay `unsupported`: Pillow does not read HEIC either, and decoders cost more than they are worth
//! (BENCHMARKS.md, "The formats that are not read").
//!
//! TIFFs are turned as their orientation says, for Pillow does so when it loads one; all other formats only where
//! [`ExifOrientation::Apply`] wants it, as `ImageOps.exif_transpose` does, by the Exif data of JPEG, PNG and WebP. That
//! also looks into XMP and ImageMagick's notes in PNGs, and fails at Exif data of PNG and WebP that are none; here such
//! pictures are taken as they are stored.
//!
//! OpenCV has Pillow's pixels of all formats (2,910 files of all kinds were compared), but for some that
//! [`Resampling::OpenCvBilinear`] makes as OpenCV does: inks of a JPEG become colours by another formula, 16-bit gray
//! keeps its high byte, transparent pixels of a GIF have its background's colour, and those of a TIFF are multiplied by
//! their alpha. Damaged files are refused as Pillow refuses them, where OpenCV shows what there is of some; around a
//! GIF's frame that is smaller than the picture and has no transparent colour stays the first colour.
//!
//! The blocks and codes of GIF, the headers and runs of BMP, the chunks of PNG, and the directory of TIFF are read by
//! code of our own, because what matters is which faults Pillow passes over and what it makes of them. The `gif` crate
//! refuses blocks that it does not know; `image` has other pixels for run lengths and 16 bits; `tiff` leaves JPEG to
//! another decoder than libjpeg. What the chunks, strips and tiles hold is unpacked by `png`, `miniz_oxide`,
//! `weezl`, libwebp and libjpeg.

mod bmp;
mod canvas;
mod caught;
mod convolution;
mod cut;
mod exif;
mod expand;
mod fixed_point;
mod gif;
mod inflate;
mod jpeg;
mod kernels;
mod nearest;
mod options;
mod orientation;
mod png;
mod resample;
mod sniff;
mod tiff;
mod webp;
mod weights;

use canvas::Canvas;
use caught::caught;
use expand::Expansion;

pub use options::{Channels, Decode, ExifOrientation, PixelOptions, Resampling, UnknownPixels};
pub use pomona_terms::{Limits, Losses, Reject, RejectReason};

/// A pixel as the decoders deliver it: red, green, blue and one byte without meaning, so that a pixel fills a vector
/// lane group.
type Rgbx = [u8; 4];

/// A picture that is decoded already.
#[derive(Clone, Copy, Debug)]
pub struct Picture<'a> {
    /// Pixels in a row.
    pub width: u32,
    /// Rows.
    pub height: u32,
    /// The samples, `[height, width, 3]`, RGB.
    pub rgb: &'a [u8],
}

/// Reads image files into pixels of one size. Keep one per thread: its buffers and resampling coefficients are reused.
pub struct ImageReader {
    canvas: Canvas,
}

impl ImageReader {
    /// A reader whose pixels are `height` rows of `width`.
    ///
    /// # Panics
    /// If `width` or `height` is 0, or larger than the side of a picture from which they are to be cut.
    pub fn new(width: usize, height: usize, options: &PixelOptions) -> Self {
        assert!(width > 0 && height > 0, "the target size must not be empty");
        let fits = options.crop.is_none_or(|side| width.max(height) <= side as usize);
        assert!(fits, "the target must fit into what it is cut from");
        Self { canvas: Canvas::new((width, height), options) }
    }

    /// The pixels of an image file: `[height, width, 3]`, RGB, valid until the next call.
    ///
    /// # Errors
    /// A [`Reject`] when the bytes are not a whole image of a known format within the limits.
    pub fn read(&mut self, bytes: &[u8], limits: &Limits) -> Result<&[u8], Reject> {
        self.canvas.clear();
        let decode = decoder(bytes)?;
        limits.check_size(bytes.len() as u64)?;
        let canvas = &mut self.canvas;
        // The bindings report libjpeg's errors by unwinding. A panic proper is a decoder's bug, and the image is a reject
        // all the same. Every decode starts by resetting the buffers, so none is left torn.
        caught(|| decode(bytes, limits, canvas))?;
        Ok(self.canvas.finish())
    }

    /// The pixels of a picture, as [`read`](Self::read) returns those of a lossless file of it.
    ///
    /// # Errors
    /// A [`Reject`] when it is not within the limits, or has not as many samples as its sides say.
    pub fn take(&mut self, picture: &Picture<'_>, limits: &Limits) -> Result<&[u8], Reject> {
        let Picture { width, height, rgb } = *picture;
        limits.check_picture(width, height)?;
        let size = (width as usize, height as usize);
        if rgb.len() != size.0 * size.1 * 3 {
            return Err(Reject::corrupt(format!("{} samples of {width} x {height} pixels of 3", rgb.len())));
        }
        self.canvas.clear();
        self.canvas.push_picture(&Expansion::bytes(3, [0, 1, 2]), rgb, size);
        Ok(self.canvas.finish())
    }

    /// What the image has lost that [`read`](Self::read) returned last; without meaning after a reject.
    pub fn losses(&self) -> Losses {
        self.canvas.losses
    }
}

/// Checks a picture's size against the limits, then leaves its rows on the canvas.
type Decoder = fn(&[u8], &Limits, &mut Canvas) -> Result<(), Reject>;

/// The decoder of a file's format, which its first bytes decide.
fn decoder(bytes: &[u8]) -> Result<Decoder, Reject> {
    match bytes {
        [] => Err(Reject::new(RejectReason::Empty, "no bytes")),
        _ if bytes.starts_with(jpeg::MAGIC) => Ok(jpeg::decode),
        _ if bytes.starts_with(png::MAGIC) => Ok(png::decode),
        _ if gif::MAGICS.iter().any(|magic| bytes.starts_with(magic)) => Ok(gif::decode),
        _ if webp::is_webp(bytes) => Ok(webp::decode),
        _ if tiff::MAGICS.iter().any(|magic| bytes.starts_with(magic)) => Ok(tiff::decode),
        _ if bytes.starts_with(bmp::MAGIC) => Ok(bmp::decode),
        _ => Err(Reject::unsupported(sniff::kind(bytes))),
    }
}

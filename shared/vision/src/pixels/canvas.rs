//! Where a decoder leaves a picture: its rows, as pixels, upright, on the way to the target's.

use super::exif;
use super::expand::Expansion;
use super::options::{Decode, ExifOrientation, PixelOptions, Resampling};
use super::orientation::Orientation;
use super::resample::Resampler;
use super::{Losses, Rgbx};

/// Takes one picture after the other; its buffers are reused.
pub(super) struct Canvas {
    pub(super) rows: Rows,
    /// Whose ways decoders follow where theirs differ.
    pub(super) library: Library,
    exif_orientation: ExifOrientation,
    /// One row of a picture, left behind for the next one.
    pub(super) line: Vec<Rgbx>,
    /// What the picture lost so far.
    pub(super) losses: Losses,
}

/// Libraries that turn files into pixels.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Library {
    Pillow,
    OpenCv,
}

/// Takes a picture's rows as they are stored and hands them on as they are meant.
pub(super) struct Rows {
    resampler: Resampler,
    orientation: Orientation,
    /// Width and height as stored.
    size: (usize, usize),
    /// How large JPEGs are decoded.
    decode: Decode,
    /// A picture that has to be turned, which takes all of it.
    stored: Vec<Rgbx>,
}

impl Rows {
    /// Of how many eighths of its sides a JPEG of `size`, as it is stored, is to be made: as few as leave it twice as
    /// large as it will be, as Pillow's `JpegImageFile.draft` finds them.
    pub(super) fn eighths(&self, size: (usize, usize)) -> u8 {
        if self.decode == Decode::Full {
            return 8;
        }
        let (width, height) = self.orientation.size(self.resampler.least());
        match (size.0 / (2 * width)).min(size.1 / (2 * height)) {
            0..2 => 8,
            2..4 => 4,
            4..8 => 2,
            8.. => 1,
        }
    }

    /// Begins a picture of `size`, as it is stored.
    pub(super) fn start(&mut self, size: (usize, usize)) {
        self.size = size;
        self.stored.clear();
        self.resampler.start(self.orientation.size(size));
    }

    /// Takes the next row.
    pub(super) fn push(&mut self, row: &[Rgbx]) {
        if self.orientation == Orientation::UPRIGHT {
            return self.resampler.push(row);
        }
        self.stored.extend_from_slice(row);
        if self.stored.len() == self.size.0 * self.size.1 {
            self.orientation.turn(&mut self.stored, self.size, |row| self.resampler.push(row));
        }
    }
}

/// Where a frame lies in its picture.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct Frame {
    pub(super) left: usize,
    pub(super) top: usize,
    pub(super) width: usize,
    pub(super) height: usize,
}

impl Frame {
    /// A frame that is the whole picture.
    pub(super) fn whole((width, height): (usize, usize)) -> Self {
        Self { left: 0, top: 0, width, height }
    }
}

impl Canvas {
    pub(super) fn new(target: (usize, usize), options: &PixelOptions) -> Self {
        let library = match options.resampling {
            Resampling::OpenCvBilinear => Library::OpenCv,
            Resampling::PillowBicubic | Resampling::PillowBilinear | Resampling::PillowNearest => Library::Pillow,
        };
        let rows = Rows {
            resampler: Resampler::new(target, options),
            orientation: Orientation::UPRIGHT,
            size: (0, 0),
            decode: options.decode,
            stored: Vec::new(),
        };
        let exif_orientation = options.exif_orientation;
        Self { rows, library, exif_orientation, line: Vec::new(), losses: Losses::default() }
    }

    /// Forgets the last picture.
    pub(super) fn clear(&mut self) {
        self.rows.orientation = Orientation::UPRIGHT;
        self.losses = Losses::default();
    }

    /// The pixels of the picture whose rows were pushed.
    pub(super) fn finish(&mut self) -> &[u8] {
        self.rows.resampler.finish()
    }

    /// Has the picture turned that comes next.
    pub(super) fn turn(&mut self, orientation: Orientation) {
        self.rows.orientation = orientation;
    }

    /// Has the picture turned as its Exif data say, if that is wanted; otherwise it is a loss.
    pub(super) fn take_exif(&mut self, exif: &[u8]) {
        let orientation = exif::orientation(exif);
        match self.exif_orientation {
            ExifOrientation::Apply => self.turn(orientation),
            ExifOrientation::Ignore => self.losses.orientation_ignored = orientation != Orientation::UPRIGHT,
        }
    }

    /// Begins a picture, whose rows are pushed one after the other.
    pub(super) fn start(&mut self, size: (usize, usize)) {
        self.rows.start(size);
        self.line.clear();
        self.line.resize(size.0, Rgbx::default());
    }

    /// Pushes a row as the file stores it.
    pub(super) fn push(&mut self, expansion: &Expansion, row: &[u8]) {
        expansion.note_losses(row, self.line.len(), &mut self.losses);
        expansion.expand(row, &mut self.line);
        self.rows.push(&self.line);
    }

    /// Pushes a whole picture of rows as the file stores them.
    pub(super) fn push_picture(&mut self, expansion: &Expansion, picture: &[u8], size: (usize, usize)) {
        self.start(size);
        picture.chunks_exact(picture.len() / size.1).for_each(|row| self.push(expansion, row));
    }

    /// Pushes a picture of which only a frame is stored; around it are samples of 0.
    pub(super) fn push_framed(
        &mut self,
        expansion: &Expansion,
        stored: &[u8],
        frame: Frame,
        (width, height): (usize, usize),
    ) {
        self.start((width, height));
        let row_length = stored.len() / frame.height;
        let nothing = vec![0; row_length.max(1) * width];
        for y in 0..height {
            expansion.expand(&nothing, &mut self.line);
            if (frame.top..frame.top + frame.height).contains(&y) {
                let row = &stored[(y - frame.top) * row_length..][..row_length];
                expansion.note_losses(row, frame.width, &mut self.losses);
                expansion.expand(row, &mut self.line[frame.left..][..frame.width]);
            }
            self.rows.push(&self.line);
        }
    }
}

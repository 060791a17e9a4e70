//! Where a decoder leaves a picture: its rows, as pixels, on the way into the resizer.

use super::expand::Expansion;
use super::resize::Resizer;
use super::{Losses, Rgbx};

/// Takes one picture after the other; its buffers are reused.
pub(super) struct Canvas {
    pub(super) resizer: Resizer,
    /// One row of a picture, left behind for the next one.
    pub(super) line: Vec<Rgbx>,
    /// What the picture lost so far.
    pub(super) losses: Losses,
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
    pub(super) fn new(width: usize, height: usize) -> Self {
        Self { resizer: Resizer::new(width, height), line: Vec::new(), losses: Losses::default() }
    }

    /// Begins a picture, whose rows are pushed one after the other.
    pub(super) fn start(&mut self, (width, height): (usize, usize)) {
        self.resizer.start(width, height);
        self.line.clear();
        self.line.resize(width, Rgbx::default());
    }

    /// Pushes a row as the file stores it.
    pub(super) fn push(&mut self, expansion: &Expansion, row: &[u8]) {
        expansion.note_losses(row, self.line.len(), &mut self.losses);
        expansion.expand(row, &mut self.line);
        self.resizer.push(&self.line);
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
            self.resizer.push(&self.line);
        }
    }
}

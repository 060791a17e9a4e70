//! Pillow's `Image.resize(size, NEAREST)`: each pixel of the target is one of the picture.
//!
//! As `ImagingScaleAffine` of Pillow's `src/libImaging/Geometry.c`, which adds up the scale in f64 from half of it on
//! and cuts off the fraction.

use super::Rgbx;
use super::cut::Cut;

/// Takes a picture row by row.
#[derive(Default)]
pub(super) struct Nearest {
    columns: Places,
    rows: Places,
    taken: usize,
    finished: usize,
    row: Vec<u8>,
}

/// Where each pixel of an axis comes from.
#[derive(Default)]
struct Places {
    of: Option<(usize, Cut)>,
    indices: Vec<usize>,
}

impl Places {
    fn prepare(&mut self, input: usize, cut: Cut) {
        if self.of.replace((input, cut)) == Some((input, cut)) {
            return;
        }
        // Pillow carries the size as f32; it matters only beyond 2^24.
        let scale = f64::from(input as f32) / cut.whole as f64;
        let places = std::iter::successors(Some(scale * 0.5), |place| Some(place + scale));
        self.indices.clear();
        self.indices.extend(places.skip(cut.first).take(cut.kept).map(|place| (place as usize).min(input - 1)));
    }
}

impl Nearest {
    pub(super) fn start(&mut self, (width, height): (usize, usize), (across, down): (Cut, Cut)) {
        self.columns.prepare(width, across);
        self.rows.prepare(height, down);
        self.taken = 0;
        self.finished = 0;
    }

    /// Takes a row, and emits each row of the target that it becomes.
    pub(super) fn push(&mut self, row: &[Rgbx], mut emit: impl FnMut(&[u8])) {
        let taken = self.taken;
        self.taken += 1;
        let count = self.rows.indices[self.finished..].iter().take_while(|index| **index == taken).count();
        if count == 0 {
            return;
        }
        self.row.clear();
        self.row.extend(self.columns.indices.iter().flat_map(|index| {
            let [red, green, blue, _] = row[*index];
            [red, green, blue]
        }));
        (0..count).for_each(|_| emit(&self.row));
        self.finished += count;
    }
}

//! Pillow's `Image.resize` for 8-bit pictures: bicubic or bilinear, antialiased, in two passes with 8 bits in between.
//!
//! Formula and rounding are those of Pillow's `src/libImaging/Resample.c`. An output pixel is the weighted mean of
//! the input pixels below the filter, which is widened by the scale when shrinking; weights are computed in f64,
//! normalised to sum 1 and rounded to fixed point ([`Weights`]). The sums are integers, so any order and
//! any vector width give the same bits.
//!
//! The horizontal pass comes first, and the vertical pass where the picture loses more than twice as many rows as
//! columns, as in Pillow 13 (python-pillow/Pillow, pull request 9549). Pillow 12.3 does so only for pictures more
//! than 100 times as high as wide.

use super::cut::Cut;
use super::weights::{COLUMN, Column, Filter, Weights};
use super::{Rgbx, kernels};

/// Takes a picture row by row and keeps only the rows that are under way.
pub(super) struct Convolution {
    horizontal: HorizontalPass,
    vertical: VerticalPass,
    vertical_first: bool,
}

impl Convolution {
    pub(super) fn new(filter: Filter) -> Self {
        Self { horizontal: HorizontalPass::new(filter), vertical: VerticalPass::new(filter), vertical_first: false }
    }

    /// Begins a picture of `width` x `height`, neither 0.
    pub(super) fn start(&mut self, (width, height): (usize, usize), (across, down): (Cut, Cut)) {
        let lost_columns = width.saturating_sub(across.whole);
        let lost_rows = height.saturating_sub(down.whole);
        self.vertical_first = lost_rows > 2 * lost_columns;
        self.horizontal.start(width, across);
        self.vertical.start(
            height,
            down,
            if self.vertical_first { width * size_of::<Rgbx>() } else { across.kept * 3 },
        );
    }

    /// Takes the picture's next row, and emits each row of the target that it completes.
    pub(super) fn push(&mut self, row: &[Rgbx], mut emit: impl FnMut(&[u8])) {
        let Self { horizontal, vertical, vertical_first } = self;
        if *vertical_first {
            vertical.push(row.as_flattened(), |row| horizontal.push(row.as_chunks().0, &mut emit));
        } else {
            horizontal.push(row, |rgb| vertical.push(rgb, &mut emit));
        }
    }

    /// Ends the picture after its last row: emits the rows that are not yet out.
    pub(super) fn finish(&mut self, mut emit: impl FnMut(&[u8])) {
        let Self { horizontal, vertical, vertical_first } = self;
        if *vertical_first {
            horizontal.flush(emit);
        } else {
            horizontal.flush(|rgb| vertical.push(rgb, &mut emit));
        }
    }
}

/// From rows of the picture's width to rows of the target's, as RGB.
struct HorizontalPass {
    weights: Weights,
    /// Rows wait here until there are enough to fill a vector register.
    waiting: Vec<Column>,
    waiting_rows: usize,
    resized: Vec<Column>,
    rgb: [Vec<u8>; COLUMN],
}

impl HorizontalPass {
    fn new(filter: Filter) -> Self {
        Self {
            weights: Weights::new(filter),
            waiting: Vec::new(),
            waiting_rows: 0,
            resized: Vec::new(),
            rgb: Default::default(),
        }
    }

    fn start(&mut self, width: usize, cut: Cut) {
        self.weights.prepare(width, cut);
        self.waiting.resize(width, Column::default());
        self.resized.resize(cut.kept, Column::default());
        self.rgb.iter_mut().for_each(|row| row.resize(cut.kept * 3, 0));
        self.waiting_rows = 0;
    }

    /// Takes a row, and emits rows in their order once there are enough.
    fn push(&mut self, row: &[Rgbx], emit: impl FnMut(&[u8])) {
        for (column, pixel) in self.waiting.iter_mut().zip(row) {
            column[self.waiting_rows] = *pixel;
        }
        self.waiting_rows += 1;
        if self.waiting_rows == COLUMN {
            self.flush(emit);
        }
    }

    /// Emits the rows that wait.
    fn flush(&mut self, emit: impl FnMut(&[u8])) {
        let resized = if self.weights.are_identity() {
            &self.waiting
        } else {
            kernels::horizontal(&self.waiting, &self.weights, &mut self.resized);
            &self.resized
        };
        kernels::rows_of_columns(resized, &mut self.rgb);
        self.rgb[..self.waiting_rows].iter().map(Vec::as_slice).for_each(emit);
        self.waiting_rows = 0;
    }
}

/// From the picture's rows, one after the other, to the target's. What a row's bytes mean does not matter here.
struct VerticalPass {
    weights: Weights,
    /// Rows taken so far, and output rows finished so far.
    taken: usize,
    finished: usize,
    /// The rows taken last: as many as one output row may be made of, row `i` at place `i % places`.
    rows: Vec<u8>,
    places: usize,
    /// The output row under way: where its rows begin in `rows`, and their weights.
    terms: Vec<(usize, i32)>,
    /// The output row finished last.
    row: Vec<u8>,
}

impl VerticalPass {
    fn new(filter: Filter) -> Self {
        Self {
            weights: Weights::new(filter),
            taken: 0,
            finished: 0,
            rows: Vec::new(),
            places: 0,
            terms: Vec::new(),
            row: Vec::new(),
        }
    }

    fn start(&mut self, height: usize, cut: Cut, row_length: usize) {
        self.weights.prepare(height, cut);
        self.taken = 0;
        self.finished = 0;
        self.places = self.weights.longest();
        self.row.resize(row_length, 0);
        self.rows.resize(self.places * row_length, 0);
    }

    /// Takes a row, and emits the output rows that it completes.
    fn push(&mut self, row: &[u8], mut emit: impl FnMut(&[u8])) {
        if self.weights.are_identity() {
            return emit(row);
        }
        let place = |index: usize| index % self.places * row.len();
        self.rows[place(self.taken)..][..row.len()].copy_from_slice(row);
        self.taken += 1;
        while self.finished < self.weights.len() {
            let (first, weights) = self.weights.of(self.finished);
            if self.taken < first + weights.len() {
                break;
            }
            self.terms.clear();
            self.terms.extend((first..).map(place).zip(weights.iter().copied()));
            kernels::weighted_sum(&self.rows, &self.terms, &mut self.row);
            emit(&self.row);
            self.finished += 1;
        }
    }
}

//! Pillow's `Image.resize` for 8-bit pictures: bicubic, antialiased, in two passes with 8 bits in between.
//!
//! Formula and rounding are those of Pillow's `src/libImaging/Resample.c`. An output pixel is the weighted mean of
//! the input pixels below the filter, which is widened by the scale when shrinking; weights are computed in f64,
//! normalised to sum 1 and rounded to fixed point with [`PRECISION_BITS`]. The sums are integers, so any order and
//! any vector width give the same bits.
//!
//! The horizontal pass comes first, and the vertical pass where the picture loses more than twice as many rows as
//! columns, as in Pillow 13 (python-pillow/Pillow, pull request 9549). Pillow 12.3 does so only for pictures more
//! than 100 times as high as wide.

use super::{Rgbx, kernels};

/// Fixed-point bits of a weight: 32 less 8 for the pixel and 2 for overshoot.
pub(super) const PRECISION_BITS: u32 = 32 - 8 - 2;

/// Where every sum starts, so that cutting off the fraction rounds.
pub(super) const HALF: i32 = 1 << (PRECISION_BITS - 1);

/// Pixels at one place in successive rows: the horizontal pass takes as many rows at a time, a channel of each in a
/// vector lane.
pub(super) type Column = [Rgbx; COLUMN];

/// Four rows of four channels: two registers of AVX2, one of AVX-512, four of NEON.
pub(super) const COLUMN: usize = 4;

/// Filter radius in pixels at scale 1.
const SUPPORT: f64 = 2.0;

/// Bicubic convolution with a = -0.5 (Keys 1981).
fn bicubic(x: f64) -> f64 {
    const A: f64 = -0.5;
    let x = x.abs();
    if x < 1.0 {
        ((A + 2.0) * x - (A + 3.0)) * x * x + 1.0
    } else if x < 2.0 {
        (((x - 5.0) * x + 8.0) * x - 4.0) * A
    } else {
        0.0
    }
}

/// The weights of one axis: which input pixels make each output pixel.
pub(super) struct Weights {
    input: usize,
    output: usize,
    spans: Vec<Span>,
    values: Vec<i32>,
    unrounded: Vec<f64>,
}

/// Input pixels `first .. first + count`, with weights from `offset` on.
#[derive(Clone, Copy)]
struct Span {
    first: usize,
    count: usize,
    offset: usize,
}

impl Weights {
    fn new(output: usize) -> Self {
        Self { input: 0, output, spans: Vec::new(), values: Vec::new(), unrounded: Vec::new() }
    }

    #[cfg(all(test, target_arch = "x86_64"))]
    pub(super) fn between(input: usize, output: usize) -> Self {
        let mut weights = Self::new(output);
        weights.prepare(input);
        weights
    }

    /// Computes the weights for an input size, unless the last image had the same.
    fn prepare(&mut self, input: usize) {
        if self.input == input {
            return;
        }
        self.spans.clear();
        self.values.clear();
        // Pillow carries the size as f32; it matters only beyond 2^24.
        let scale = f64::from(input as f32) / self.output as f64;
        let widening = scale.max(1.0);
        let support = SUPPORT * widening;
        for index in 0..self.output {
            let center = (index as f64 + 0.5) * scale;
            // `as` cuts towards zero and saturates, so negative bounds become 0.
            let first = (center - support + 0.5) as usize;
            let end = ((center + support + 0.5) as usize).min(input);
            self.push_span(first, end, |x| bicubic((x as f64 - center + 0.5) * (1.0 / widening)));
        }
        self.input = input;
    }

    fn push_span(&mut self, first: usize, end: usize, weight: impl Fn(usize) -> f64) {
        self.spans.push(Span { first, count: end - first, offset: self.values.len() });
        self.unrounded.clear();
        self.unrounded.extend((first..end).map(weight));
        // Summed in order: the total decides the last bits.
        let total = self.unrounded.iter().fold(0.0, |sum, weight| sum + weight);
        let normalised = self.unrounded.iter().map(|weight| if total == 0.0 { *weight } else { weight / total });
        self.values.extend(normalised.map(to_fixed_point));
    }

    /// First input pixel of an output pixel, and the weights from there on.
    pub(super) fn of(&self, index: usize) -> (usize, &[i32]) {
        let Span { first, count, offset } = self.spans[index];
        (first, &self.values[offset..offset + count])
    }

    /// A pass whose sizes are equal is left out.
    fn are_identity(&self) -> bool {
        self.input == self.output
    }

    /// The most input pixels that one output pixel is made of.
    fn longest(&self) -> usize {
        self.spans.iter().map(|span| span.count).max().unwrap_or(0)
    }
}

/// Rounds half away from zero, as Pillow does.
fn to_fixed_point(weight: f64) -> i32 {
    let scaled = weight * f64::from(1 << PRECISION_BITS);
    (scaled + 0.5_f64.copysign(scaled)) as i32
}

/// Takes a picture row by row and keeps only the rows that are under way.
pub(super) struct Resizer {
    horizontal: HorizontalPass,
    vertical: VerticalPass,
    vertical_first: bool,
    pixels: Vec<u8>,
}

impl Resizer {
    pub(super) fn new(width: usize, height: usize) -> Self {
        Self {
            horizontal: HorizontalPass::new(width),
            vertical: VerticalPass::new(height),
            vertical_first: false,
            pixels: Vec::with_capacity(height * width * 3),
        }
    }

    /// Begins a picture of `width` x `height`, neither 0.
    pub(super) fn start(&mut self, width: usize, height: usize) {
        let target_width = self.horizontal.weights.output;
        let lost_columns = width.saturating_sub(target_width);
        let lost_rows = height.saturating_sub(self.vertical.weights.output);
        self.vertical_first = lost_rows > 2 * lost_columns;
        self.horizontal.start(width);
        self.vertical.start(height, if self.vertical_first { width * size_of::<Rgbx>() } else { target_width * 3 });
        self.pixels.clear();
    }

    /// Takes the picture's next row.
    pub(super) fn push(&mut self, row: &[Rgbx]) {
        let Self { horizontal, vertical, vertical_first, pixels } = self;
        let mut keep = |rgb: &[u8]| pixels.extend_from_slice(rgb);
        if *vertical_first {
            vertical.push(row.as_flattened(), |row| horizontal.push(row.as_chunks().0, &mut keep));
        } else {
            horizontal.push(row, |rgb| vertical.push(rgb, &mut keep));
        }
    }

    /// Ends the picture after its last row: the target's pixels, `[height, width, 3]`.
    pub(super) fn finish(&mut self) -> &[u8] {
        let Self { horizontal, vertical, vertical_first, pixels } = self;
        let mut keep = |rgb: &[u8]| pixels.extend_from_slice(rgb);
        if *vertical_first {
            horizontal.flush(keep);
        } else {
            horizontal.flush(|rgb| vertical.push(rgb, &mut keep));
        }
        &self.pixels
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
    fn new(width: usize) -> Self {
        Self {
            weights: Weights::new(width),
            waiting: Vec::new(),
            waiting_rows: 0,
            resized: vec![Column::default(); width],
            rgb: std::array::from_fn(|_| vec![0; width * 3]),
        }
    }

    fn start(&mut self, width: usize) {
        self.weights.prepare(width);
        self.waiting.resize(width, Column::default());
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
    fn new(height: usize) -> Self {
        Self {
            weights: Weights::new(height),
            taken: 0,
            finished: 0,
            rows: Vec::new(),
            places: 0,
            terms: Vec::new(),
            row: Vec::new(),
        }
    }

    fn start(&mut self, height: usize, row_length: usize) {
        self.weights.prepare(height);
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
        while self.finished < self.weights.output {
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

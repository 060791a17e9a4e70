//! The weights of a resize in fixed point, by Pillow's formula.

use super::Rgbx;
use super::cut::Cut;

/// Fixed-point bits of a weight: 32 less 8 for the pixel and 2 for overshoot.
pub(super) const PRECISION_BITS: u32 = 32 - 8 - 2;

/// Where every sum starts, so that cutting off the fraction rounds.
pub(super) const HALF: i32 = 1 << (PRECISION_BITS - 1);

/// Pixels at one place in successive rows: the horizontal pass takes as many rows at a time, a channel of each in a
/// vector lane.
pub(super) type Column = [Rgbx; COLUMN];

/// Four rows of four channels: two registers of AVX2, one of AVX-512, four of NEON.
pub(super) const COLUMN: usize = 4;

/// How neighbouring pixels are weighed by their distance.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Filter {
    Bicubic,
    Bilinear,
}

impl Filter {
    /// Radius in pixels at scale 1.
    fn support(self) -> f64 {
        match self {
            Self::Bicubic => 2.0,
            Self::Bilinear => 1.0,
        }
    }

    fn weight(self, x: f64) -> f64 {
        match self {
            Self::Bicubic => bicubic(x),
            Self::Bilinear => (1.0 - x.abs()).max(0.0),
        }
    }
}

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
    filter: Filter,
    /// What the weights are for: so many input pixels, and which output pixels.
    of: Option<(usize, Cut)>,
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
    pub(super) fn new(filter: Filter) -> Self {
        Self { filter, of: None, spans: Vec::new(), values: Vec::new(), unrounded: Vec::new() }
    }

    #[cfg(all(test, target_arch = "x86_64"))]
    pub(super) fn between(input: usize, output: usize) -> Self {
        let mut weights = Self::new(Filter::Bicubic);
        weights.prepare(input, Cut::all(output));
        weights
    }

    /// Computes the weights for sizes, unless the last image had the same.
    pub(super) fn prepare(&mut self, input: usize, cut: Cut) {
        if self.of.replace((input, cut)) == Some((input, cut)) {
            return;
        }
        self.spans.clear();
        self.values.clear();
        // Pillow carries the size as f32; it matters only beyond 2^24.
        let scale = f64::from(input as f32) / cut.whole as f64;
        let widening = scale.max(1.0);
        let filter = self.filter;
        let support = filter.support() * widening;
        for index in cut.first..cut.first + cut.kept {
            let center = (index as f64 + 0.5) * scale;
            // `as` cuts towards zero and saturates, so negative bounds become 0.
            let first = (center - support + 0.5) as usize;
            let end = ((center + support + 0.5) as usize).min(input);
            self.push_span(first, end, |x| filter.weight((x as f64 - center + 0.5) * (1.0 / widening)));
        }
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

    /// How many output pixels there are.
    pub(super) fn len(&self) -> usize {
        self.spans.len()
    }

    /// A pass whose sizes are equal is left out.
    pub(super) fn are_identity(&self) -> bool {
        self.of.is_some_and(|(input, cut)| cut == Cut::all(input))
    }

    /// The most input pixels that one output pixel is made of.
    pub(super) fn longest(&self) -> usize {
        self.spans.iter().map(|span| span.count).max().unwrap_or(0)
    }
}

/// Rounds half away from zero, as Pillow does.
fn to_fixed_point(weight: f64) -> i32 {
    let scaled = weight * f64::from(1 << PRECISION_BITS);
    (scaled + 0.5_f64.copysign(scaled)) as i32
}

//! OpenCV's `resize` of 8-bit pictures by `INTER_LINEAR`: four pixels make one, however much the picture shrinks.
//!
//! Formula and rounding are those of OpenCV's `modules/imgproc/src/resize.cpp`, `HResizeLinear` and `VResizeLinear` for
//! `uchar`: weights of 11 bits; of the 19 bits that the horizontal pass makes the vertical one drops 4, then 16 of each
//! product, and rounds the last 2.

use super::Rgbx;
use super::cut::Cut;

/// Fixed-point one of a weight: `INTER_RESIZE_COEF_SCALE`.
const ONE: f32 = 2048.0;

/// Takes a picture row by row and keeps two.
#[derive(Default)]
pub(super) struct Bilinear {
    columns: Vec<Neighbours>,
    rows: Vec<Neighbours>,
    taken: usize,
    finished: usize,
    /// The row taken last and the one before, through the horizontal pass; what is not needed is left out.
    last: Vec<i32>,
    before: Vec<i32>,
    row: Vec<u8>,
}

/// Two pixels of the picture next to each other, or one twice, and their weights.
#[derive(Clone, Copy)]
struct Neighbours {
    places: [usize; 2],
    weights: [i32; 2],
}

/// Whether weights beyond a picture's edge become those of the pixel there, as OpenCV does for columns, or stay as they
/// are, as for rows.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Edge {
    Moved,
    Kept,
}

impl Neighbours {
    fn of_axis(input: usize, cut: Cut, edge: Edge) -> impl Iterator<Item = Self> {
        let scale = 1.0 / (cut.whole as f64 / input as f64);
        (cut.first..cut.first + cut.kept).map(move |index| Self::of(index, scale, input, edge))
    }

    fn of(index: usize, scale: f64, input: usize, edge: Edge) -> Self {
        let place = ((index as f64 + 0.5) * scale - 0.5) as f32;
        let (mut first, mut fraction) = (place.floor() as i64, place - place.floor());
        let last = input as i64 - 1;
        if edge == Edge::Moved && !(0..last).contains(&first) {
            (first, fraction) = (first.clamp(0, last), 0.0);
        }
        let inside = |place: i64| place.clamp(0, last) as usize;
        let weight = |share: f32| (share * ONE).round_ties_even() as i32;
        Self { places: [inside(first), inside(first + 1)], weights: [weight(1.0 - fraction), weight(fraction)] }
    }
}

impl Bilinear {
    pub(super) fn start(&mut self, (width, height): (usize, usize), (across, down): (Cut, Cut)) {
        self.columns.clear();
        self.columns.extend(Neighbours::of_axis(width, across, Edge::Moved));
        self.rows.clear();
        self.rows.extend(Neighbours::of_axis(height, down, Edge::Kept));
        self.taken = 0;
        self.finished = 0;
    }

    /// Takes a row, and emits each row of the target that it completes.
    pub(super) fn push(&mut self, row: &[Rgbx], mut emit: impl FnMut(&[u8])) {
        let taken = self.taken;
        self.taken += 1;
        if self.rows.get(self.finished).is_none_or(|next| taken < next.places[0]) {
            return;
        }
        std::mem::swap(&mut self.last, &mut self.before);
        through_columns(row, &self.columns, &mut self.last);
        while let Some(next) = self.rows.get(self.finished).filter(|next| taken == next.places[1]) {
            let first = if next.places[0] == taken { &self.last } else { &self.before };
            through_rows([first, &self.last], next.weights, &mut self.row);
            emit(&self.row);
            self.finished += 1;
        }
    }
}

fn through_columns(row: &[Rgbx], columns: &[Neighbours], sums: &mut Vec<i32>) {
    sums.clear();
    sums.extend(columns.iter().flat_map(|Neighbours { places, weights }| {
        let [left, right] = places.map(|place| row[place]);
        [0, 1, 2].map(|channel| i32::from(left[channel]) * weights[0] + i32::from(right[channel]) * weights[1])
    }));
}

fn through_rows([upper, lower]: [&[i32]; 2], weights: [i32; 2], row: &mut Vec<u8>) {
    let part = |sum: i32, weight: i32| ((sum >> 4) * weight) >> 16;
    row.clear();
    row.extend(upper.iter().zip(lower).map(|(upper, lower)| {
        // The weights add up to one, but for the last bit: a sum can be a little more than 255.
        ((part(*upper, weights[0]) + part(*lower, weights[1]) + 2) >> 2).clamp(0, 255) as u8
    }));
}

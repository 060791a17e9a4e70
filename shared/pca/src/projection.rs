//! Feature rows times loadings, tile by tile.
//!
//! A tile is a few rows times a few components, whose sums stay in registers while all features pass by. Each sum is
//! one chain of products, added feature by feature, whatever the tile: lanes hold different sums, and a row's bits do
//! not depend on the rows around it.

use ndarray::{Array2, ArrayView2, Axis, s};

/// Rows of a tile, which share the weights that are loaded.
const ROWS: usize = 2;
/// Components of a tile: with two rows, 10 of the 16 vector registers that every x86-64 CPU has. The default of 50
/// components is five tiles.
const COMPONENTS: usize = 10;

/// One feature's weights for the components of a tile.
type Weights = [f64; COMPONENTS];

/// Weights and offsets, packed for the tiles.
pub(crate) struct Projection {
    components: usize,
    offsets: Vec<f64>,
    /// [components / tile][feature]; components beyond the last one are 0.
    weights: Vec<Weights>,
}

impl Projection {
    /// Projects rows of `features` numbers on `components`: `sum over features of (value - offset(feature)) *
    /// weight(feature, component)`.
    pub fn new(
        (features, components): (usize, usize),
        weight: impl Fn(usize, usize) -> f64,
        offset: impl Fn(usize) -> f64,
    ) -> Self {
        let weight_or_zero = |feature, component| if component < components { weight(feature, component) } else { 0.0 };
        let tiles = (0..components).step_by(COMPONENTS);
        let weights = tiles.flat_map(|first| (0..features).map(move |feature| (first, feature)));
        let weights = weights.map(|(first, feature)| std::array::from_fn(|c| weight_or_zero(feature, first + c)));
        Self { components, offsets: (0..features).map(offset).collect(), weights: weights.collect() }
    }

    /// The rows [n, d] in component space [n, k].
    pub fn of(&self, rows: ArrayView2<'_, f32>) -> Array2<f32> {
        let mut projected = Array2::zeros((rows.nrows(), self.components));
        let features = self.offsets.len();
        let mut values = vec![0.0; ROWS * features];
        for (rows, mut projected) in
            rows.axis_chunks_iter(Axis(0), ROWS).zip(projected.axis_chunks_iter_mut(Axis(0), ROWS))
        {
            self.centre(rows, &mut values);
            let values = values.split_at(features);
            // Without features there are no weights either, and the sums of nothing stay 0.
            for (tile, weights) in self.weights.chunks_exact(features.max(1)).enumerate() {
                let first = tile * COMPONENTS;
                let components = first..self.components.min(first + COMPONENTS);
                let sums = tile_sums(values, weights);
                for (mut row, sums) in projected.slice_mut(s![.., components]).rows_mut().into_iter().zip(&sums) {
                    row.iter_mut().zip(sums).for_each(|(projected, &sum)| *projected = sum as f32);
                }
            }
        }
        projected
    }

    /// Row by row, the values without the offsets; a row that is missing keeps what was there.
    fn centre(&self, rows: ArrayView2<'_, f32>, values: &mut [f64]) {
        for (row, values) in rows.rows().into_iter().zip(values.chunks_exact_mut(self.offsets.len().max(1))) {
            for ((centred, &value), offset) in values.iter_mut().zip(row).zip(&self.offsets) {
                *centred = f64::from(value) - offset;
            }
        }
    }
}

/// The sums of both rows. A function of its own, because inlined into its caller it is compiled to scalars.
#[inline(never)]
fn tile_sums((first, second): (&[f64], &[f64]), weights: &[Weights]) -> [Weights; ROWS] {
    let mut sums = [Weights::default(); ROWS];
    for ((&first, &second), weights) in first.iter().zip(second).zip(weights) {
        add_products(&mut sums[0], first, weights);
        add_products(&mut sums[1], second, weights);
    }
    sums
}

fn add_products(sums: &mut Weights, value: f64, weights: &Weights) {
    for (sum, weight) in sums.iter_mut().zip(weights) {
        *sum += value * weight;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_sum_is_one_chain_over_the_features_whatever_the_shape() {
        let weight = |feature: usize, component: usize| ((feature * 31 + component * 17) % 23) as f64 / 7.0 - 1.5;
        let offset = |feature: usize| (feature % 5) as f64 / 3.0;
        for features in [0, 1, 2, 37] {
            for components in [0, 1, COMPONENTS - 1, COMPONENTS, COMPONENTS + 1, 3 * COMPONENTS + 2] {
                for count in [0, 1, ROWS, ROWS + 1, 5 * ROWS + 1] {
                    let rows = Array2::from_shape_fn((count, features), |(i, j)| (i * 13 + j * 7) as f32 / 11.0);
                    let expected = Array2::from_shape_fn((count, components), |(row, component)| {
                        let term = |j| (f64::from(rows[(row, j)]) - offset(j)) * weight(j, component);
                        (0..features).map(term).fold(0.0, |sum, term| sum + term) as f32
                    });
                    let projection = Projection::new((features, components), weight, offset);
                    assert_eq!(projection.of(rows.view()), expected, "{count} x {features} on {components}");
                }
            }
        }
    }
}

//! Standardised features, a few at a time: rows [n, d] as `f64` would be twice as large as they are, and slower.

use faer::MatRef;
use nalgebra::{DMatrix, DVector};
use ndarray::{ArrayView2, Axis, s};

use crate::dense::as_faer;

/// Features that are multiplied at once, so that their values stay in the cache.
const PANEL: usize = 512;

/// Rows [n, d] after `mean` `[d]` was subtracted and `factors` `[d]` multiplied.
pub(crate) struct Panels<'a> {
    pub rows: ArrayView2<'a, f32>,
    pub mean: &'a DVector<f64>,
    pub factors: Option<&'a DVector<f64>>,
}

impl Panels<'_> {
    /// Hands each panel [features, n], in which a row's values lie together, to `work`, with its first feature.
    pub fn for_each(&self, mut work: impl FnMut(usize, MatRef<'_, f64>)) {
        let (count, dimensions) = self.rows.dim();
        let mut panel = DMatrix::zeros(PANEL.min(dimensions), count);
        for first in (0..dimensions).step_by(PANEL) {
            let width = PANEL.min(dimensions - first);
            self.fill(first, width, &mut panel);
            work(first, as_faer(&panel).subrows(0, width));
        }
    }

    fn fill(&self, first: usize, width: usize, panel: &mut DMatrix<f64>) {
        let rows = self.rows.slice(s![.., first..first + width]);
        let mean = &self.mean.as_slice()[first..first + width];
        for (row, mut column) in rows.axis_iter(Axis(0)).zip(panel.column_iter_mut()) {
            let column = &mut column.as_mut_slice()[..width];
            for ((centred, &value), mean) in column.iter_mut().zip(row).zip(mean) {
                *centred = f64::from(value) - mean;
            }
            if let Some(factors) = self.factors {
                column.iter_mut().zip(&factors.as_slice()[first..]).for_each(|(value, factor)| *value *= factor);
            }
        }
    }
}

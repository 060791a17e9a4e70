//! Weights in the order in which the matrix kernel reads them.

use super::memory::Aligned;

/// The weights of a layer whose outputs are sums over `inputs` values, cut into panels of neighbouring outputs.
///
/// A panel of `v` vectors holds `inputs + 1` rows of `v * L` floats: the biases, then for each input the weights of the
/// panel's outputs. Outputs beyond the last channel have zero weights and biases.
#[derive(Debug)]
pub(super) struct Weights {
    data: Aligned,
    panels: Vec<Panel>,
    /// Inputs of each sum.
    pub inputs: usize,
    /// Output channels.
    pub outputs: usize,
}

/// Where a panel lies.
#[derive(Debug, Clone, Copy)]
struct Panel {
    first: usize,
    vectors: usize,
    offset: usize,
}

/// One panel, ready for the kernel.
#[derive(Debug, Clone, Copy)]
pub(super) struct PanelWeights<'a, const L: usize> {
    /// The first channel block that the panel computes.
    pub first: usize,
    /// How many blocks it computes: 1, 2 or 3.
    pub vectors: usize,
    /// `(inputs + 1) * vectors` vectors.
    pub rows: &'a [[f32; L]],
    /// What the next panel's `rows` will be, to fetch ahead.
    pub next: &'a [[f32; L]],
}

impl Weights {
    /// Packs `weights[output][input]` and a bias per output for vectors of `lanes`.
    pub fn pack(lanes: usize, weights: &[f32], biases: &[f32]) -> Weights {
        let outputs = biases.len();
        let inputs = weights.len() / outputs;
        let blocks = outputs.div_ceil(lanes);
        let mut data = Aligned::zeroed(blocks * lanes * (inputs + 1));
        let mut panels = Vec::new();
        let (mut first, mut offset) = (0, 0);
        for vectors in panel_widths(blocks) {
            let width = vectors * lanes;
            let size = width * (inputs + 1);
            let channels = first * lanes..outputs.min((first + vectors) * lanes);
            let (panel_biases, rows) = data[offset..offset + size].split_at_mut(width);
            for (lane, channel) in channels.enumerate() {
                panel_biases[lane] = biases[channel];
                let row = &weights[channel * inputs..][..inputs];
                for (weight, slot) in row.iter().zip(rows[lane..].iter_mut().step_by(width)) {
                    *slot = *weight;
                }
            }
            panels.push(Panel { first, vectors, offset });
            first += vectors;
            offset += size;
        }
        Weights { data, panels, inputs, outputs }
    }

    /// The panels in order.
    pub fn panels<const L: usize>(&self) -> impl Iterator<Item = PanelWeights<'_, L>> {
        let vectors = self.data.as_chunks::<L>().0;
        let rows = move |panel: &Panel| &vectors[panel.offset / L..][..panel.vectors * (self.inputs + 1)];
        let next = self.panels.iter().skip(1).map(Some).chain([None]);
        self.panels.iter().zip(next).map(move |(panel, next)| PanelWeights {
            first: panel.first,
            vectors: panel.vectors,
            rows: rows(panel),
            next: next.map_or(&[], rows),
        })
    }
}

/// Pairs of vectors, and one triple if their number is odd: the shapes that fill the multipliers within 15 registers.
fn panel_widths(blocks: usize) -> impl Iterator<Item = usize> {
    let panels = (blocks / 2).max(1);
    (0..panels).map(move |panel| blocks / panels + usize::from(panel < blocks % panels))
}

/// The weights of a depthwise 3x3 per channel block: a vector of biases, then the nine taps column by column.
#[derive(Debug)]
pub(super) struct Taps(Aligned);

/// Vectors per channel block in [`Taps`].
pub(super) const TAP_ROWS: usize = 10;

impl Taps {
    /// Packs `weights[channel][ky][kx]` and a bias per channel for vectors of `lanes`.
    pub fn pack(lanes: usize, weights: &[f32], biases: &[f32]) -> Taps {
        let mut data = Aligned::zeroed(biases.len().div_ceil(lanes) * TAP_ROWS * lanes);
        for (channel, (taps, bias)) in weights.as_chunks::<9>().0.iter().zip(biases).enumerate() {
            let slot = channel / lanes * TAP_ROWS * lanes + channel % lanes;
            data[slot] = *bias;
            for (tap, weight) in taps.iter().enumerate() {
                let (ky, kx) = (tap / 3, tap % 3);
                data[slot + (1 + kx * 3 + ky) * lanes] = *weight;
            }
        }
        Taps(data)
    }

    /// The taps of every channel block.
    pub fn blocks<const L: usize>(&self) -> &[[[f32; L]; TAP_ROWS]] {
        self.0.as_chunks::<L>().0.as_chunks::<TAP_ROWS>().0
    }
}

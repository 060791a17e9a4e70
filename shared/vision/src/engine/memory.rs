//! Float buffers that start on a cache line.

use std::ops::{Deref, DerefMut};

/// Bytes of a cache line; also the widest vector, so an aligned vector never straddles two lines.
pub(super) const LINE: usize = 64;

/// A buffer of floats aligned to [`LINE`], for weights and scratch.
#[derive(Debug)]
pub(super) struct Aligned {
    data: Vec<f32>,
    start: usize,
    len: usize,
}

impl Aligned {
    pub fn zeroed(len: usize) -> Aligned {
        let data = vec![0.0; len + LINE / size_of::<f32>()];
        let start = data.as_ptr().align_offset(LINE);
        Aligned { data, start, len }
    }

    /// The first `len` floats, with whatever they hold; grows if there are fewer.
    pub fn at_least(&mut self, len: usize) -> &mut [f32] {
        if self.len < len {
            *self = Aligned::zeroed(len);
        }
        &mut self[..len]
    }
}

impl Default for Aligned {
    fn default() -> Aligned {
        Aligned::zeroed(0)
    }
}

impl Deref for Aligned {
    type Target = [f32];

    fn deref(&self) -> &[f32] {
        &self.data[self.start..self.start + self.len]
    }
}

impl DerefMut for Aligned {
    fn deref_mut(&mut self) -> &mut [f32] {
        &mut self.data[self.start..self.start + self.len]
    }
}

/// Memory that the layers of one session use in turn. It grows during the first image.
#[derive(Debug, Default)]
pub(super) struct Scratch {
    /// Expanded activations of one weight panel, a band of rows high.
    pub expanded: Aligned,
    /// Expanded rows that the next band needs again, for every channel block.
    pub halo: Aligned,
    /// Depthwise outputs of a band.
    pub band: Aligned,
    /// A row of zeros: what lies above and below an image.
    pub zeros: Aligned,
    /// Sums of a weight panel that is worked off in chunks.
    pub partial: Aligned,
    /// Three rows of normalised pixels, or the sums of the pooled channels.
    pub rows: Aligned,
}

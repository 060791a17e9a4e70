//! The first operation of every network: 8-bit pixels to input values.

use tract_onnx::tract_core::internal::*;

/// The input value of a channel: `scale[channel] * x + shift[channel]`, rounded once.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Affine {
    pub scale: [f32; 3],
    pub shift: [f32; 3],
}

/// `[height, width, 3]` bytes to `[1, 3, height, width]` input values.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Normalize {
    pub affine: Affine,
    /// The input value of every byte, per channel.
    table: Box<[[f32; 256]; 3]>,
}

impl Normalize {
    pub(crate) fn new(affine: Affine) -> Normalize {
        let Affine { scale, shift } = affine;
        let value = |c: usize, byte: usize| (byte as f32).mul_add(scale[c], shift[c]);
        let channel = |c| std::array::from_fn(|byte| value(c, byte));
        Normalize { affine, table: Box::new(std::array::from_fn(channel)) }
    }
}

// The values are finite, so equality is total.
impl Eq for Normalize {}

impl Op for Normalize {
    fn name(&self) -> StaticName {
        "Normalize".into()
    }

    op_as_typed_op!();
}

impl EvalOp for Normalize {
    op_out_of_plan!();

    fn eval(&self, _: &EvalContext, inputs: TVec<TValue>) -> TractResult<TVec<TValue>> {
        let pixels = args_1!(inputs);
        let &[height, width, 3] = pixels.shape() else {
            bail!("pixels must be [height, width, 3], not {:?}", pixels.shape());
        };
        let mut values = Tensor::zero::<f32>(&[1, 3, height, width])?;
        let (rgb, _) = pixels.as_bytes().as_chunks::<3>();
        let mut view = values.try_as_plain_ram_mut()?;
        let planes = view.as_slice_mut::<f32>()?.chunks_exact_mut(height * width);
        for (channel, (plane, table)) in planes.zip(self.table.iter()).enumerate() {
            for (value, pixel) in plane.iter_mut().zip(rgb) {
                *value = table[usize::from(pixel[channel])];
            }
        }
        Ok(tvec!(values.into_tvalue()))
    }
}

impl TypedOp for Normalize {
    as_op!();

    fn output_facts(&self, inputs: &[&TypedFact]) -> TractResult<TVec<TypedFact>> {
        let [height, width, _] = &*inputs[0].shape else {
            bail!("pixels must be [height, width, 3], not {:?}", inputs[0].shape);
        };
        Ok(tvec!(f32::fact([1.to_dim(), 3.to_dim(), height.clone(), width.clone()])))
    }
}

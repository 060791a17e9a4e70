//! The last operation of a network whose features are pixels.

use tract_onnx::tract_core::internal::*;

/// `[1, channels, height, width]` to `[1, height * width * channels]`: pixel by pixel, as Keras's `Flatten` orders what
/// its layers have in the order height, width, channels.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Flatten;

impl Op for Flatten {
    fn name(&self) -> StaticName {
        "Flatten".into()
    }

    op_as_typed_op!();
}

impl EvalOp for Flatten {
    op_out_of_plan!();

    fn eval(&self, _: &EvalContext, inputs: TVec<TValue>) -> TractResult<TVec<TValue>> {
        let image = args_1!(inputs);
        let &[1, channels, height, width] = image.shape() else {
            bail!("an image must be [1, channels, height, width], not {:?}", image.shape());
        };
        let mut features = Tensor::zero::<f32>(&[1, height * width * channels])?;
        let mut view = features.try_as_plain_ram_mut()?;
        let values = view.as_slice_mut::<f32>()?;
        let planes = image.try_as_plain_ram()?.as_slice::<f32>()?.chunks_exact(height * width);
        for (channel, plane) in planes.enumerate() {
            for (value, feature) in plane.iter().zip(values[channel..].iter_mut().step_by(channels)) {
                *feature = *value;
            }
        }
        Ok(tvec!(features.into_tvalue()))
    }
}

impl TypedOp for Flatten {
    as_op!();

    fn output_facts(&self, inputs: &[&TypedFact]) -> TractResult<TVec<TypedFact>> {
        let [_, channels, height, width] = &*inputs[0].shape else {
            bail!("an image must be [1, channels, height, width], not {:?}", inputs[0].shape);
        };
        Ok(tvec!(f32::fact([1.to_dim(), channels.clone() * height * width])))
    }
}
